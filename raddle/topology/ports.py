"""Front panels: the ports of a switch model under a port profile, named and numbered as SONiC does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from raddle.topology.devices import Cage, Mode
from raddle.topology.model import SwitchModel

ETHERNET_BPS = tuple(rate * 10**9 for rate in (1, 10, 25, 40, 50, 100, 200, 400, 800, 1600))
"""Speeds of Ethernet ports for which the time to react to a pause is known (IEEE 802.3, 31B.3.7, and what
`raddle.controller.plan.buffers` takes for those above 400G)."""

Profile = tuple[tuple[tuple[int, int], Mode], ...]
"""Breakouts: ((first, last front-panel port), mode)."""


@dataclass(frozen=True, slots=True)
class PortShape:
    """A port before it is cabled; attributes as in `raddle.topology.model.Port`, but that `index` is its
    place in the front panel and `number` SONiC's index, less 1."""

    name: str
    alias: str
    index: int
    lanes: tuple[int, ...]
    native_bps: int
    number: int
    autoneg: str = ""


@cache
def front_panel(model: SwitchModel, profile: Profile = ()) -> tuple[PortShape, ...]:
    """The ports of a switch in order.

    A port is named after its first lane, counted from 0 (`Ethernet8`); its alias is `etp2`, and `etp2a`,
    `etp2b` where it is broken out, as SONiC device folders have them. Lanes count from 1. Of a model with
    `cages` all that is its vendor's.
    """
    if model.cages:
        return tuple(
            shape for index, cage in enumerate(model.cages) for shape in _of_cage(index, cage, profile)
        )
    shapes = []
    for index in range(model.port_count):
        mode = _mode(index, profile) or ((1, model.port_speed_bps, 0),)
        first = index * model.lanes_per_port
        cut = list(_cut(mode, model.lanes_per_port))
        for part, (start, width, speed_bps) in enumerate(cut):
            alias = f"etp{index + 1}" + ("abcdefghijklmnop"[part] if len(cut) > 1 else "")
            lanes = tuple(range(first + start + 1, first + start + width + 1))
            shapes.append(PortShape(f"Ethernet{first + start}", alias, index, lanes, speed_bps, index))
    return tuple(shapes)


def _of_cage(index: int, cage: Cage, profile: Profile) -> Iterator[PortShape]:
    """A cage's ports: names count lanes from its first port's on, aliases are its vendor's for the mode."""
    mode = _mode(index, profile) or cage.default
    known = cage.mode_of(mode)
    assert known is not None, "breakouts are checked, and a default mode is one of the file's"
    for alias, (start, width, speed_bps) in zip(known.aliases, _cut(mode, len(cage.lanes)), strict=True):
        lanes = cage.lanes[start : start + width]
        name = f"Ethernet{cage.first + start}"
        yield PortShape(name, alias, index, lanes, speed_bps, cage.number - 1, cage.autoneg)


def _cut(mode: Mode, all_lanes: int) -> Iterator[tuple[int, int, int]]:
    """(first lane from 0, lanes, speed) of each port that a mode makes."""
    start = 0
    for parts, speed_bps, lanes in mode:
        width = (lanes or all_lanes) // parts
        for _ in range(parts):
            yield start, width, speed_bps
            start += width


@cache
def native_speeds(model: SwitchModel, profile: Profile) -> dict[str, int]:
    """Speed of each port in bits per second, by name."""
    return {shape.name: shape.native_bps for shape in front_panel(model, profile)}


def _mode(index: int, profile: Profile) -> Mode | None:
    return next((mode for (first, last), mode in profile if first <= index <= last), None)
