"""SONiC's platform.json and hwsku.json: what a switch's front panel is, and what its cages can be.

Source: sonic-buildimage src/sonic-config-engine/portconfig.py (BreakoutCfg: a mode is parts joined with `+`,
each `COUNTxSPEED[OTHER SPEEDS](LANES)`; a port is named after its cage's first name and the lanes before it).
Of hwsku.json `default_brkout_mode` and `autoneg` are used; FEC follows from each cable, and `role`, `subport`
and `port_type` say nothing of a fabric.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.topology.devices import Cage, CageMode, mode_text
from raddle.topology.yaml.source import read_text

_NAME = re.compile(r"Ethernet(\d{1,5})")
_PART = re.compile(r"(\d{1,2})x(\d{1,7})(G?)((?:\[[0-9G, ]*\])*)(?:\((\d{1,2})\))?((?:\[[0-9G, ]*\])*)")


def read_cages(platform: Path, hwsku: Path | None) -> tuple[Cage, ...]:
    """The front panel in the order of its names; with `hwsku` only the cages that it has, in its modes.

    Without it a cage's mode is the first one of its ports with the fewest parts, which is the whole port.

    Raises:
        InputError: `bad-platform-file`, with the line, for files that are not SONiC's; or one cannot be read.
    """
    file = _File(platform)
    chosen = _File(hwsku) if hwsku else None
    names = sorted(file.interfaces, key=lambda name: file.number(name))
    if chosen:
        for name in chosen.interfaces:
            chosen.number(name)
        names = [name for name in names if name in chosen.interfaces]
        if not names:
            raise chosen.wrong("", f"it has none of the interfaces of '{platform}'")
    cages = tuple(_cage(file, name, chosen) for name in names)
    taken: dict[int, str] = {}
    for name, cage in zip(names, cages, strict=True):
        for lane in cage.lanes:
            if lane in taken:
                raise file.wrong(name, f"its lane {lane} is one of {taken[lane]}, too")
            taken[lane] = name
    return cages


def _cage(file: _File, name: str, chosen: _File | None) -> Cage:
    lanes = file.numbers(name, "lanes")
    numbers = file.numbers(name, "index")
    modes = file.modes(name, len(lanes))
    default, autoneg = min(modes, key=lambda each: sum(part[0] for part in each.mode)).mode, ""
    if chosen:
        entry = chosen.interfaces[name]
        text = entry.get("default_brkout_mode")
        asked = _parse(text, len(lanes)) if isinstance(text, str) else None
        if asked is None or not any(each.fits(asked.mode, len(lanes)) for each in modes):
            known = ", ".join(mode_text(each.mode) for each in modes)
            raise chosen.wrong(name, f"its default_brkout_mode {text!r} is none of {known}")
        default = asked.mode
        autoneg = str(entry.get("autoneg", ""))
        if autoneg not in ("", "on", "off"):
            raise chosen.wrong(name, f"its autoneg is '{autoneg}', neither on nor off")
    return Cage(file.number(name), numbers[0], lanes, modes, default, autoneg)


class _File:
    """One of the files; `interfaces` are its entries by name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = read_text(path)
        self.interfaces: Mapping[str, Mapping[str, Any]] = {}
        try:
            document = json.loads(self._text)
        except (ValueError, RecursionError) as error:
            raise InputError.no_json("bad-platform-file", self._text, str(path), error) from None
        found = document.get("interfaces") if isinstance(document, dict) else None
        if not isinstance(found, dict) or not found:
            raise self.wrong("", "it has no 'interfaces', where SONiC's file has the front panel")
        for name, entry in found.items():
            if not isinstance(entry, dict):
                raise self.wrong(name, "its entry is no object")
        self.interfaces = found

    def number(self, name: str) -> int:
        """`Ethernet8` -> 8."""
        found = _NAME.fullmatch(name)
        if not found:
            raise self.wrong(name, f"'{name}' is no name of a port, as Ethernet8 is")
        return int(found[1])

    def numbers(self, name: str, field: str) -> tuple[int, ...]:
        """A field of numbers with commas."""
        texts = [text.strip() for text in str(self.interfaces[name].get(field, "")).split(",")]
        if not all(text.isascii() and text.isdigit() and len(text) < 6 for text in texts):
            raise self.wrong(name, f'its {field} are no numbers with commas, as in "1,2,3,4"')
        return tuple(map(int, texts))

    def modes(self, name: str, lanes: int) -> tuple[CageMode, ...]:
        """The modes that the chip and the cage can have."""
        table = self.interfaces[name].get("breakout_modes")
        if not isinstance(table, dict) or not table:
            raise self.wrong(name, "it has no breakout_modes")
        modes = []
        for text, aliases in table.items():
            mode = _parse(text, lanes)
            if mode is None:
                raise self.wrong(name, f"its breakout mode '{text}' is none of {lanes} lanes")
            count = sum(parts for parts, _, _ in mode.mode)
            aliases = aliases.split(",") if isinstance(aliases, str) else aliases
            if not isinstance(aliases, list) or len(aliases) < count:
                raise self.wrong(name, f"its breakout mode '{text}' has fewer than {count} aliases")
            modes.append(CageMode(mode.mode, mode.speeds_bps, tuple(map(str, aliases[:count]))))
        return tuple(modes)

    def wrong(self, name: str, message: str) -> InputError:
        """An error at the line where an interface is first named."""
        lines = self._text.splitlines()
        place = next((number for number, line in enumerate(lines, 1) if name and f'"{name}"' in line), 1)
        span = SourceSpan(str(self._path), place, 1, text=self._line(place))
        what = f"{name}: {message}" if name else message
        return InputError(
            [
                Diagnostic(
                    "bad-platform-file", what, span, "give the file of the switch's device folder in SONiC"
                )
            ]
        )

    def _line(self, number: int) -> str:
        lines = self._text.splitlines()
        return lines[number - 1] if number <= len(lines) else ""


def _parse(text: str, lanes: int) -> CageMode | None:
    """A mode as SONiC writes it, without aliases; None for what is none of so many lanes."""
    parts: list[tuple[int, int, int]] = []
    others: list[frozenset[int]] = []
    for part in text.split("+"):
        found = _PART.fullmatch(part.strip())
        if not found:
            return None
        count, own = int(found[1]), int(found[5] or 0)
        if not count or (own or lanes) % count:
            return None
        parts.append((count, _bps(found[2] + found[3]), own))
        speeds = re.findall(r"\d+G?", found[4] + found[6])
        others.append(frozenset(map(_bps, speeds)))
    if len(parts) == 1 and parts[0][2] in (0, lanes):
        parts = [(parts[0][0], parts[0][1], 0)]
    elif sum(own or lanes for _, _, own in parts) > lanes:
        return None
    return CageMode(tuple(parts), tuple(others), ())


def _bps(text: str) -> int:
    """`400G`, or a number of Mb/s."""
    return int(text[:-1]) * 10**9 if text.endswith("G") else int(text) * 10**6
