"""Switch models and breakouts, by the PORT tables of switches."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from raddle.peers.importing import exact_rate
from raddle.peers.sonic.findings import Finding
from raddle.peers.sonic.reading import HeldSwitch
from raddle.topology.catalog import builtin_models
from raddle.topology.devices import Mode, PoolSize, mode_text
from raddle.topology.model import PortRef, SwitchModel
from raddle.topology.vendor_pools import PoolReading, read_pools

_WIDTHS = (16, 8, 4, 2, 1)


@dataclass(frozen=True)
class Panel:
    """A front panel: lanes that a front-panel port's names count, and the mode of each by number."""

    width: int
    modes: Mapping[int, Mode]

    @property
    def count(self) -> int:
        return max(self.modes, default=0) + 1

    @property
    def names(self) -> set[str]:
        """The ports that it has."""
        return {
            f"Ethernet{cage * self.width + lane}"
            for cage, mode in self.modes.items()
            for lane in _first_lanes(mode, self.width)
        }

    @property
    def speed_bps(self) -> int:
        parts = [part for mode in self.modes.values() for part in mode]
        return max(
            (count * speed * self.width // (lanes or self.width) for count, speed, lanes in parts), default=0
        )


@dataclass(frozen=True)
class Models:
    """The model of each switch by name, its breakouts as YAML, and the `models:` lines of those of our own.

    `lost` are ports that the models do not have.
    """

    of: dict[str, str]
    breakouts: dict[str, str]
    lines: tuple[str, ...]
    findings: tuple[Finding, ...]
    lost: frozenset[PortRef]


def find_models(switches: Sequence[HeldSwitch]) -> Models:
    """A built-in model where HwSKU, platform and ports are its own; else one for each kind of switch."""
    findings: list[Finding] = []
    panels = {switch.name: _panel(switch, findings) for switch in switches}
    groups: dict[tuple[str, str, int, PoolSize | None], list[HeldSwitch]] = {}
    pools: dict[str, PoolReading] = {}
    for switch in switches:
        hwsku, platform = str(switch.metadata.get("hwsku", "")), str(switch.metadata.get("platform", ""))
        chip_bytes = max((model.buffer_bytes for model in _builtins(hwsku)), default=0)
        pools[switch.name] = own = read_pools(switch.tables.get("BUFFER_POOL", {}), chip_bytes)
        key = hwsku, platform, panels[switch.name].width, own.pool_size
        groups.setdefault(key, []).append(switch)
    of: dict[str, str] = {}
    breakouts: dict[str, str] = {}
    lines: list[str] = []
    # A fabric file asks all models for the feature, and none that is built in has it.
    with_pairs = all(switch.hashes_queue_pairs for switch in switches)
    for number, ((hwsku, platform, width, pool_size), members) in enumerate(groups.items()):
        count = max(panels[each.name].count for each in members)
        speed_bps = max(panels[each.name].speed_bps for each in members)
        read = max((pools[each.name] for each in members), key=lambda each: each.buffer_bytes)
        model = _builtin(hwsku, read)
        if model and (
            model.lanes_per_port != width or model.port_count < count or model.port_speed_bps < speed_bps
        ):
            model = None
        name = model.name if model else ""
        suits = model and model.platform == platform and pool_size in (None, model.pool_size)
        if model is None or with_pairs or not suits:
            name = _word(hwsku) or f"switch-{number}"
            name = f"{name}-{number}" if name in of.values() else name
            lines.append(
                _model_line(
                    name, model, (hwsku, platform), (count, speed_bps, width), members, read, findings
                )
            )
        else:
            speed_bps = model.port_speed_bps
        for each in members:
            of[each.name] = name
            breakouts[each.name] = _breakout(
                panels[each.name].modes, model.port_speed_bps if model else speed_bps
            )
    lost = frozenset(
        PortRef(switch.name, port)
        for switch in switches
        for port in switch.ports
        if port not in panels[switch.name].names
    )
    return Models(of, breakouts, tuple(lines), tuple(findings), lost)


def _panel(switch: HeldSwitch, findings: list[Finding]) -> Panel:
    """Front-panel ports have names that are multiples of one width; what is between them is broken out."""
    ports = {
        int(found[1]): fields
        for name, fields in switch.ports.items()
        if (found := re.fullmatch(r"Ethernet(\d+)", name))
    }
    by_cage: dict[str, list[int]] = {}
    for first, fields in sorted(ports.items()):
        by_cage.setdefault(str(fields.get("index", first)), []).append(first)
    starts = sorted(min(cage) for cage in by_cage.values())
    gaps = [b - a for a, b in pairwise(starts)] or [len(_lanes(ports.get(0, {})))]
    width = next(
        (each for each in _WIDTHS if each <= max(gaps) and _fraction(starts, each) > 0.9), _WIDTHS[-1]
    )
    modes: dict[int, Mode] = {}
    for first in ports:
        members = [each for each in ports if each // width == first // width]
        speed_bps = max(_speed(ports[each]) for each in members)
        step = width // len(members) if width % len(members) == 0 else 0
        wanted = [first // width * width + step * place for place in range(len(members))]
        if step and sorted(members) == wanted:
            modes[first // width] = ((len(members), speed_bps, 0),)
            continue
        if mixed := _unequal({each % width: ports[each] for each in members}, width):
            modes[first // width] = mixed
            continue
        modes[first // width] = ((1, speed_bps, 0),)
        if first == min(members) and members != [first // width * width]:
            names, whole = (
                ", ".join(f"Ethernet{each}" for each in members),
                f"Ethernet{first // width * width}",
            )
            text = f"{names} are no parts of one port: of these only {whole} counts"
            findings.append(Finding("not adopted", switch.name, switch.at("PORT", f"Ethernet{first}"), text))
    return Panel(width, modes)


def _unequal(members: Mapping[int, Mapping[str, object]], width: int) -> Mode:
    """The mode of a front-panel port of unlike ports, which `members` has by first lane; () if it has none.

    `1x400G(4)+4x100G(4)`: ports alike that follow one another are one part.
    """
    parts: list[tuple[int, int, int]] = []
    for _, fields in sorted(members.items()):
        lanes, speed_bps = len(_lanes(fields)), _speed(fields)
        if parts and parts[-1][2] == parts[-1][0] * lanes:
            count, fastest, all_lanes = parts.pop()
            parts.append((count + 1, max(fastest, speed_bps), all_lanes + lanes))
        else:
            parts.append((1, speed_bps, lanes))
    is_whole = sum(lanes for _, _, lanes in parts) <= width
    return tuple(parts) if is_whole and _first_lanes(tuple(parts), width) == sorted(members) else ()


def _first_lanes(mode: Mode, width: int) -> list[int]:
    """The first lane of each port of a mode, from 0."""
    widths = [(lanes or width) // count for count, _, lanes in mode for _ in range(count)]
    return [sum(widths[:place]) for place in range(len(widths))]


def _fraction(starts: Sequence[int], width: int) -> float:
    """How many front-panel ports begin at a multiple of a width."""
    return sum(start % width == 0 for start in starts) / max(1, len(starts))


def _lanes(fields: Mapping[str, object]) -> list[str]:
    return str(fields.get("lanes", "")).split(",")


def _speed(fields: Mapping[str, object]) -> int:
    text = str(fields.get("speed", "0"))
    return int(text) * 10**6 if text.isdecimal() else 0


def _builtins(hwsku: str) -> list[SwitchModel]:
    return [each for each in builtin_models().values() if each.hwsku == hwsku]


def _builtin(hwsku: str, pools: PoolReading) -> SwitchModel | None:
    """The built-in model of a HwSKU; of several the one whose pools count so, and whose buffer is nearest."""

    def distance(model: SwitchModel) -> tuple[bool, int]:
        return model.pool_size != pools.pool_size, abs(model.buffer_bytes - pools.buffer_bytes)

    return min(_builtins(hwsku), key=distance, default=None)


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-")[:60]


def _breakout(modes: Mapping[int, Mode], native_bps: int) -> str:
    """`[{ports: 0-7, mode: 2x400G}]` of the ports that are not whole and at the model's speed."""
    spans: list[tuple[int, int, Mode]] = []
    for port, mode in sorted(modes.items()):
        if mode == ((1, native_bps, 0),) or not all(speed for _, speed, _ in mode):
            continue
        if spans and spans[-1][1] == port - 1 and spans[-1][2] == mode:
            spans[-1] = spans[-1][0], port, mode
        else:
            spans.append((port, port, mode))
    return ", ".join(f"{{ports: {first}-{last}, mode: {mode_text(mode)}}}" for first, last, mode in spans)


def _model_line(
    name: str,
    model: SwitchModel | None,
    box: tuple[str, str],
    shape: tuple[int, int, int],
    members: Sequence[HeldSwitch],
    pools: PoolReading,
    findings: list[Finding],
) -> str:
    """A model of our own; its chip's numbers are those of the built-in one of that HwSKU, or assumed."""
    hwsku, platform = box
    count, speed_bps, width = shape
    if model:
        latency_ns = model.pipeline_latency_ps // 1000
        chip = f"buffer: {model.buffer_bytes}B, cell: {model.cell_bytes}B, latency: {latency_ns}ns"
        count, speed_bps = model.port_count, model.port_speed_bps
        source = f"{members[0].name}; its chip as of {model.name}"
    else:
        buffer_bytes = pools.buffer_bytes
        chip = f"buffer: {buffer_bytes or 64 << 20}B"
        source = (
            "PORT and BUFFER_POOL of the switches" if buffer_bytes else "PORT of the switches; chip assumed"
        )
        where = members[0].at("BUFFER_POOL" if buffer_bytes else "DEVICE_METADATA")
        what = "cells of 256 B and 800 ns" if buffer_bytes else "64 MiB of buffer, cells of 256 B and 800 ns"
        text = f"switch model '{name}' has {what}: enter its data sheet's values under 'models'"
        findings.append(Finding("assumed", members[0].name, where, text))
    default = model.pool_size if model else "shared-and-guaranteed"
    if pools.pool_size:
        chip += f", pool_size: {pools.pool_size}" if pools.pool_size != "shared-and-guaranteed" else ""
    elif default != "shared-and-guaranteed":
        chip += f", pool_size: {default}"
    if members[0].hashes_queue_pairs:
        chip += ", features: [hash-on-qp]"
    if pools.reason and pools.pool_size != default:
        text = f"pools of '{name}' are read as 'pool_size: {pools.pool_size}': {pools.reason}"
        findings.append(Finding("assumed", members[0].name, members[0].at("BUFFER_POOL"), text))
    words = "".join(
        f"{key}: {json.dumps(word)}, " for key, word in (("hwsku", hwsku), ("platform", platform)) if word
    )
    if not (hwsku and platform):
        lacks = " and ".join(key for key, word in (("hwsku", hwsku), ("platform", platform)) if not word)
        text = f"'{name}' lacks its {lacks}, by which apply knows the right switch: enter it"
        findings.append(Finding("assumed", members[0].name, members[0].at("DEVICE_METADATA"), text))
    return (
        f"  {name}: {{{words}ports: {count}, port_speed: {exact_rate(speed_bps or 10**9)}, "
        f"lanes_per_port: {width}, {chip}, source: {source}}}"
    )
