"""Front panels: the ports of a switch model under a port profile, named and numbered as SONiC does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from raddle.topology.devices import Mode
from raddle.topology.model import SwitchModel

ETHERNET_BPS = tuple(rate * 10**9 for rate in (1, 10, 25, 40, 50, 100, 200, 400, 800, 1600))
"""Speeds of Ethernet ports for which the time to react to a pause is known (IEEE 802.3, 31B.3.7, and what
`raddle.controller.plan.buffers` takes for those above 400G)."""

Profile = tuple[tuple[tuple[int, int], Mode], ...]
"""Breakouts: ((first, last front-panel port), mode)."""


@dataclass(frozen=True, slots=True)
class PortShape:
    """A port before it is cabled; attributes as in `raddle.topology.model.Port`."""

    name: str
    alias: str
    index: int
    lanes: tuple[int, ...]
    native_bps: int


@cache
def front_panel(model: SwitchModel, profile: Profile = ()) -> tuple[PortShape, ...]:
    """The ports of a switch in order.

    A port is named after its first lane, counted from 0 (`Ethernet8`); its alias is `etp2`, and `etp2a`,
    `etp2b` where it is broken out, as SONiC device folders have them. Lanes count from 1.
    """
    shapes = []
    for index in range(model.port_count):
        mode = _mode(index, profile) or ((1, model.port_speed_bps, 0),)
        cut = [
            ((lanes or model.lanes_per_port) // parts, speed_bps)
            for parts, speed_bps, lanes in mode
            for _ in range(parts)
        ]
        first = index * model.lanes_per_port
        for part, (width, speed_bps) in enumerate(cut):
            alias = f"etp{index + 1}" + ("abcdefghijklmnop"[part] if len(cut) > 1 else "")
            lanes = tuple(range(first + 1, first + width + 1))
            shapes.append(PortShape(f"Ethernet{first}", alias, index, lanes, speed_bps))
            first += width
    return tuple(shapes)


@cache
def native_speeds(model: SwitchModel, profile: Profile) -> dict[str, int]:
    """Speed of each port in bits per second, by name."""
    return {shape.name: shape.native_bps for shape in front_panel(model, profile)}


def _mode(index: int, profile: Profile) -> Mode | None:
    return next((mode for (first, last), mode in profile if first <= index <= last), None)
