"""SONiC's buffers_defaults files: a vendor's buffer pools, and what their sizes count.

Source: sonic-buildimage device/, buffers_defaults_t0.j2 and its like of each HwSKU, which
files/build_templates/buffers_config.j2 puts together with the ports. A template is read as far as it says its
pools in so many words: its conditions and imports are decided on the switch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.topology.devices import PoolSize
from raddle.topology.yaml.source import read_text

Pools = Mapping[str, Mapping[str, object]]
"""Entries of BUFFER_POOL by name."""

_TABLE = re.compile(r'"BUFFER_POOL"\s*:\s*\{')
_SET = re.compile(r"\{%-?\s*set\s+(\w+)\s*=\s*['\"]?(\d+)['\"]?\s*-?%\}")
_NAME = re.compile(r"\{\{-?\s*(\w+)\s*-?\}\}")
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_COMMA = re.compile(r",(?=\s*\})")


@dataclass(frozen=True, slots=True)
class PoolReading:
    """`pool_size` of a switch model, and the buffer that the pools are of; None and 0 where nothing tells.

    `headroom_bytes` are in the pools for headroom. `reason` says by what, and is for a person to check.
    """

    pool_size: PoolSize | None = None
    buffer_bytes: int = 0
    reason: str = ""
    headroom_bytes: int = 0


def read_buffers_defaults(path: Path) -> Pools:
    """The pools of a buffers_defaults template, or of a configuration that was made of one.

    Raises:
        InputError: `bad-buffers-defaults`, it has no pools, or says them in a way that only the switch can
            decide; or the file cannot be read.
    """
    text = read_text(path)
    plain = _COMMENT.sub(lambda found: re.sub(r"\S", " ", found[0]), text)
    found = _TABLE.search(plain)
    if not found:
        hint = (
            "name the file that has them: one that is imported, or BUFFER_POOL of the switch's config_db.json"
        )
        raise _wrong(path, text, 0, "it has no BUFFER_POOL", hint)
    if second := _TABLE.search(plain, found.end()):
        raise _undecided(path, text, second.start(), "a second BUFFER_POOL")
    start, end = found.end() - 1, _end_of(plain, found.end())
    body = plain[start:end]
    if condition := re.search(r"\{%", body):
        raise _undecided(path, text, start + condition.start(), "a condition among its pools")
    values = _values(plain)
    for name in _NAME.finditer(body):
        if name[1] not in values:
            raise _undecided(path, text, start + name.start(), f"'{name[1]}'")
    body = _COMMA.sub("", _NAME.sub(lambda name: values[name[1]], body))
    try:
        pools = json.loads(body)
    except (ValueError, RecursionError):
        pools = None
    if not isinstance(pools, dict) or not all(isinstance(each, dict) for each in pools.values()):
        raise _wrong(path, text, start, "its BUFFER_POOL is no table of pools", _RENDERED)
    if not any(_bytes(each, "size") for each in pools.values() if each.get("type") in ("ingress", "both")):
        raise _wrong(path, text, start, "none of its pools has a size for ingress", _RENDERED)
    return pools


def read_pools(pools: Pools, chip_bytes: int = 0) -> PoolReading:
    """Whether the `size` of the ingress pools counts their headroom (`xoff`), or that is beside it.

    A chip that is known (`chip_bytes`) and holds `size`, but not `xoff` beside it, counts it. Else the
    largest egress pool tells, which vendors make as large as all that ingress takes, as packets in headroom
    wait at an egress port, too. That is `size` where it counts headroom, the two together where it does not;
    or `size` and a pool of lossy egress, on chips that cut that off. What is nearest holds.
    """
    ingress = [pool for pool in pools.values() if pool.get("type") in ("ingress", "both")]
    size, xoff = (sum(_bytes(pool, name) for pool in ingress) for name in ("size", "xoff"))
    egress = [
        own for pool in pools.values() if pool.get("type") == "egress" and (own := _bytes(pool, "size"))
    ]
    most = max(egress, default=0)
    if not xoff:
        return PoolReading(None, max(size, most))
    told = f"size {size} and xoff {xoff}"
    if size <= chip_bytes < size + xoff:
        reason = f"{told} are more than the chip's {chip_bytes} bytes"
        return PoolReading("shared-guaranteed-and-headroom", chip_bytes, reason, xoff)
    if not egress:
        return PoolReading(None, size + xoff, headroom_bytes=xoff)
    beside = abs(size + xoff - most)
    within = min(abs(size + lossy - most) for lossy in (0, *egress) if lossy != most)
    reason = f"{told} beside an egress pool of {most} bytes"
    if within < beside:
        return PoolReading("shared-guaranteed-and-headroom", max(size, most), reason, xoff)
    return PoolReading("shared-and-guaranteed", max(size + xoff, most), reason, xoff)


def _bytes(pool: Mapping[str, object], name: str) -> int:
    text = str(pool.get(name, ""))
    return int(text) if text.isdecimal() and text.isascii() else 0


def _values(text: str) -> dict[str, str]:
    """The numbers that the template sets, each once and under no condition."""
    depth = 0
    found: dict[str, str] = {}
    again: set[str] = set()
    for tag in re.finditer(r"\{%-?\s*(if|endif|for|endfor|set)\b.*?%\}", text, re.DOTALL):
        if tag[1] != "set":
            depth += -1 if tag[1].startswith("end") else 1
        elif (number := _SET.fullmatch(tag[0])) and not depth:
            again |= {number[1]} & found.keys()
            found[number[1]] = number[2]
        else:
            again |= set(re.findall(r"set\s+(\w+)", tag[0])[:1])
    return {name: value for name, value in found.items() if name not in again}


def _end_of(text: str, start: int) -> int:
    """Behind the brace that closes the table which begins before `start`."""
    depth = 1
    for brace in re.finditer(r"\{\{.*?\}\}|\{%.*?%\}|[{}]", text[start:]):
        if len(brace[0]) == 1:
            depth += 1 if brace[0] == "{" else -1
            if not depth:
                return start + brace.end()
    return len(text)


_RENDERED = "name a file whose pools are numbers: BUFFER_POOL of the switch's config_db.json"


def _undecided(path: Path, text: str, place: int, what: str) -> InputError:
    return _wrong(path, text, place, f"only the switch decides about {what}", _RENDERED)


def _wrong(path: Path, text: str, place: int, message: str, hint: str) -> InputError:
    line = text.count("\n", 0, place) + 1
    lines = text.splitlines() or [""]
    column = place - text.rfind("\n", 0, place) if place else 1
    span = SourceSpan(str(path), line, column, text=lines[min(line, len(lines)) - 1])
    return InputError([Diagnostic("bad-buffers-defaults", message, span, hint)])
