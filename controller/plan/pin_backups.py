"""Next hops in reserve for pins: what a switch takes when a pin's own link dies, before the controller knows.

A pin's backup is one of the other next hops of the route that its packets would take without it. So it leads
where that route does, up and then down, and brings no new way round and no new dependency between buffers.
The pins of one link are dealt over those next hops in turn, by their weights: whichever link dies, its pins
spread as evenly as whole pins can. A pin without another next hop there has no backup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from raddle.controller.plan.model import NextHop, Plan, Route
from raddle.controller.plan.routes import SwitchRoutes
from raddle.controller.plan.update import shorter
from raddle.topology.model import Fabric

DISTANCE = 2
"""Of a backup; a pin's own next hop has 1."""

Hops = tuple[NextHop, ...]


class PinBackups:
    """Gives pins their backups, where `routing: {pin_backups: ...}` of the fabric says that they have some.

    Args:
        earlier: a plan whose pins keep the backups that are still theirs to have.
    """

    def __init__(self, fabric: Fabric, earlier: Plan | None = None) -> None:
        self._is_on = fabric.routing.pin_backups
        pins = {switch.name: _pins_of(switch.routes) for switch in earlier.switches} if earlier else {}
        self._earlier = [pins.get(switch.name, {}) for switch in fabric.switches]
        # Equal next hops are one object, which is quick to compare.
        self._known = {hops: hops for own in self._earlier for hops in own.values()}

    def added(self, routes: SwitchRoutes) -> SwitchRoutes:
        """The routes of every switch, its pins with their backups."""
        if not self._is_on:
            return routes
        return tuple(
            self._of_switch(own, earlier) for own, earlier in zip(routes, self._earlier, strict=True)
        )

    def _of_switch(self, routes: tuple[Route, ...], earlier: Mapping[str, Hops]) -> tuple[Route, ...]:
        pins = _pins_of(routes)
        around = (
            {route.prefix: route.next_hops for route in routes if route.origin == "fabric"} if pins else {}
        )
        found: dict[str, Hops] = {}
        left: list[tuple[str, NextHop, Hops]] = []
        for prefix, (own, *_) in pins.items():
            others = around.get(shorter(around, prefix), ())
            before = earlier.get(prefix, ())
            is_same = len(before) == 2 and before[0].port == own.port
            if is_same and any(hop.port == before[1].port for hop in others):
                found[prefix] = before
            else:
                left.append((prefix, own, others))
        dealt = Counter((own.port, backup.port) for own, backup in found.values())
        for prefix, own, hops in left:
            others = tuple(hop for hop in hops if hop.port != own.port)
            if others:
                best = min(others, key=lambda hop: (dealt[own.port, hop.port] + 1) / hop.weight)
                dealt[own.port, best.port] += 1
                both = own, replace(best, weight=1, distance=DISTANCE)
                found[prefix] = self._known.setdefault(both, both)
        return tuple(
            Route(route.prefix, found[route.prefix], "pin") if route.prefix in found else route
            for route in routes
        )


def _pins_of(routes: Iterable[Route]) -> dict[str, Hops]:
    """Next hops of the pins among routes, by prefix."""
    return {route.prefix: route.next_hops for route in routes if route.origin == "pin"}
