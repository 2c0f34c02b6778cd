"""The order in which routes are written so that nothing loops or is dropped on the way (make before break).

A write waits for those of the switches that it leads to, so that packets are sent only where the new routes
already take them further; what goes away with nothing in its place waits for those that still lead there.
Packets then follow old routes up to the first switch that has the new one, and new routes from there on.

Hosts with a bond send by every port that is up. A port of theirs comes up when its leaf knows the way on,
before others send to that leaf; and goes down when nothing is sent there any more, before the leaf gives up
the way on.

Source: P. Francois, O. Bonaventure, "Avoiding transient loops during IGP convergence in IP networks",
    INFOCOM 2005 (ordered updates from the destination outwards).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_network

from raddle.controller.plan.model import NextHop, Plan, Route
from raddle.topology.model import PortRef
from raddle.units import ip_text

Peers = Mapping[PortRef, str]
"""The device behind every cabled port."""

Routes = Mapping[str, Mapping[str, tuple[NextHop, ...]]]
"""Next hops by switch and prefix."""


@dataclass(frozen=True, slots=True, order=True)
class Write:
    """One route that changes. `before` is empty where it is new, `after` where it goes away."""

    switch: str
    prefix: str
    before: tuple[NextHop, ...]
    after: tuple[NextHop, ...]


@dataclass(frozen=True, slots=True)
class PortChange:
    """Ports of bonds at a switch that come up (`opens`) or go down while routes change."""

    switch: str
    ports: frozenset[str]
    opens: bool


def routes_of(plan: Plan) -> Routes:
    """The routes of a plan by switch and prefix."""
    return {switch.name: by_prefix(switch.routes) for switch in plan.switches}


def by_prefix(routes: Iterable[Route]) -> dict[str, tuple[NextHop, ...]]:
    """Next hops by prefix."""
    return {route.prefix: route.next_hops for route in routes}


def writes_between(old: Routes, new: Routes) -> tuple[Write, ...]:
    """The routes that differ, sorted: the least that must be written."""
    equal: dict[tuple[int, int], bool] = {}  # most prefixes of a switch share one tuple of next hops

    def differ(before: tuple[NextHop, ...], after: tuple[NextHop, ...]) -> bool:
        key = id(before), id(after)
        if key not in equal:
            equal[key] = before == after
        return not equal[key]

    found = []
    for switch in sorted(old.keys() | new.keys()):
        before, after = old.get(switch, {}), new.get(switch, {})
        odd = [each for each, hops in before.items() if hops is not after.get(each, ())]
        odd = [each for each in odd if differ(before[each], after.get(each, ()))]
        odd += [each for each in after if each not in before and after[each]]
        found += [Write(switch, each, before.get(each, ()), after.get(each, ())) for each in sorted(odd)]
    return tuple(found)


def peers_of(plan: Plan) -> Peers:
    """What the cabled ports of a plan's switches lead to."""
    return {
        PortRef(switch.name, port.name): port.peer.partition(":")[0]
        for switch in plan.switches
        for port in switch.ports
        if port.peer
    }


def bond_ports(plan: Plan) -> Mapping[str, frozenset[str]]:
    """The ports that lead to bonds, by switch: both ports of a bond have one address."""
    times = Counter(address for _, address in plan.endpoints)
    bonds = {name for name, address in plan.endpoints if times[address] > 1}
    if not bonds:
        return {}
    return {
        switch.name: frozenset(port.name for port in switch.ports if port.peer in bonds)
        for switch in plan.switches
    }


def ports_between(up: Mapping[str, Collection[str]], plan: Plan) -> tuple[PortChange, ...]:
    """The ports of bonds that change.

    Args:
        up: those that are up now, by switch, of the switches whose ports can be set.
    """
    found = []
    bonds = bond_ports(plan)
    for switch in plan.switches:
        if bonds.get(switch.name) and switch.name in up:
            now = bonds[switch.name] & set(up[switch.name])
            then = bonds[switch.name] & {port.name for port in switch.ports if port.is_enabled}
            found += [
                PortChange(switch.name, then - now, opens=True),
                PortChange(switch.name, now - then, opens=False),
            ]
    return tuple(each for each in found if each.ports)


@dataclass(frozen=True, slots=True)
class Update:
    """The writes between two states, and the order that they need. A place is one in `writes`, or behind them
    one in `ports`.

    Attributes:
        writes: sorted.
        rounds: places of writes, or of ports: all of a round at the same time, one round after the other.
        waits: by place, the places of what must be done before.
        rings: by place, the places of what waits for each other in a ring with it, itself among them; they
            share a round. Routes without loops bring about none but the write alone.
    """

    writes: tuple[Write, ...]
    ports: tuple[PortChange, ...]
    rounds: tuple[tuple[int, ...], ...]
    waits: tuple[frozenset[int], ...]
    rings: tuple[frozenset[int], ...]

    def at(self, place: int) -> Write | PortChange:
        """What is done there."""
        return self.writes[place] if place < len(self.writes) else self.ports[place - len(self.writes)]


def plan_update(peers: Peers, old: Routes, new: Routes, ports: Sequence[PortChange] = ()) -> Update:
    """The order of the writes between two states.

    Where there are no routes at all before, nothing can be lost and one round does it; ports change with it.
    """
    import networkx as nx  # here, as it takes 0.2 s and most commands do without

    writes = writes_between(old, new)
    if not any(old.values()):
        places = range(len(writes))
        alone = tuple(frozenset((place,)) for place in places)
        return Update(writes, (), (tuple(places),) if writes else (), (frozenset(),) * len(writes), alone)
    places = range(len(writes) + len(ports))
    order: nx.DiGraph[int] = nx.DiGraph()
    order.add_nodes_from(places)
    order.add_edges_from(_waits(peers, old, new, writes, ports))
    knots = nx.condensation(order)
    rings = [frozenset(knots.nodes[knots.graph["mapping"][place]]["members"]) for place in places]
    layers = (
        sorted(place for knot in layer for place in knots.nodes[knot]["members"])
        for layer in nx.topological_generations(knots)
    )
    halves = (
        [place for place in layer if (place < len(writes)) == is_write]
        for layer in layers
        for is_write in (False, True)
    )
    return Update(
        writes,
        tuple(ports),
        tuple(tuple(half) for half in halves if half),
        tuple(frozenset(order.predecessors(place)) - rings[place] for place in places),
        tuple(rings),
    )


def update_rounds(peers: Peers, old: Routes, new: Routes) -> tuple[tuple[Write, ...], ...]:
    """The writes between two states in rounds (see `plan_update`)."""
    update = plan_update(peers, old, new)
    return tuple(tuple(update.writes[place] for place in each) for each in update.rounds)


def states_on_the_way(old: Routes, rounds: Iterable[Iterable[Write]]) -> Iterator[Routes]:
    """The routes after every round."""
    state = {switch: dict(routes) for switch, routes in old.items()}
    for writes in rounds:
        for write in writes:
            routes = state.setdefault(write.switch, {})
            if write.after:
                routes[write.prefix] = write.after
            else:
                routes.pop(write.prefix)
        yield {switch: dict(routes) for switch, routes in state.items()}


def plans_on_the_way(old: Plan, new: Plan) -> Iterator[Plan]:
    """The plan after every round of the update from one to another, of which only routes differ."""
    was, at = routes_of(old), old
    kinds = {
        (switch.name, route.prefix): route
        for plan in (old, new)
        for switch in plan.switches
        for route in switch.routes
    }
    rounds = update_rounds(peers_of(new), was, routes_of(new))
    for writes, state in zip(rounds, states_on_the_way(was, rounds), strict=True):
        touched = {write.switch for write in writes}
        at = replace(
            at,
            switches=tuple(
                replace(
                    switch,
                    routes=tuple(
                        replace(kinds[switch.name, prefix], next_hops=hops)
                        for prefix, hops in state[switch.name].items()
                    ),
                )
                if switch.name in touched
                else switch
                for switch in at.switches
            ),
        )
        yield at


def _waits(
    peers: Peers, old: Routes, new: Routes, writes: tuple[Write, ...], ports: Sequence[PortChange]
) -> Iterator[tuple[int, int]]:
    """(earlier, later) for every write, or change of ports, that has to wait for another.

    Addresses fall into classes: those of a prefix that are in no longer one. Each is looked at on its own.
    """
    ahead_of = _Ahead(peers)
    at: dict[str, dict[str, int]] = {}
    for index, write in enumerate(writes):
        at.setdefault(write.prefix, {})[write.switch] = index
    changes = list(enumerate(ports, len(writes)))
    classes = {prefix for routes in (old, new) for of_switch in routes.values() for prefix in of_switch}
    lengths = sorted({prefix_length(prefix) for prefix in classes}, reverse=True)
    for each in classes:
        covers = [_shortened(each, length) for length in lengths if length <= prefix_length(each)]
        moves = {
            switch: move
            for switch in {switch for cover in covers for switch in at.get(cover, ())}
            if (move := _move(switch, covers, old, new, at, ahead_of)) is not None
        }
        yield from _port_waits(moves, changes)
        for switch, move in moves.items():
            yield from move.order
            if move.after:
                # One without a next hop there has the destination itself: it matters to who leads there anew.
                ahead = ((device, moves[device]) for device in move.after if device in moves)
                yield from (
                    (other.write, move.write)
                    for device, other in ahead
                    if other.after or device not in move.before
                )
            else:  # nothing takes its place: all that leads here has to be gone
                behind = (other for other in moves.values() if switch in other.before)
                yield from ((other.write, move.write) for other in behind)


def _port_waits(
    moves: Mapping[str, _Move], changes: Sequence[tuple[int, PortChange]]
) -> Iterator[tuple[int, int]]:
    """(earlier, later) for changes of ports and writes that have to wait for each other.

    Args:
        moves: how the switches come to treat a class of addresses.
        changes: places, and the ports that change there.
    """
    for place, change in changes:
        for switch, move in moves.items():
            if switch == change.switch:
                yield (move.write, place) if move.after else (place, move.write)
            elif change.opens and change.switch in move.after - move.before:
                yield place, move.write
            elif not change.opens and change.switch in move.before - move.after:
                yield move.write, place


class _Ahead:
    """The devices that next hops lead to. The prefixes of a switch mostly share one tuple of next hops, which
    is looked at once; the tuples must live as long as this."""

    def __init__(self, peers: Peers) -> None:
        self._peers: dict[str, dict[str, str]] = {}
        for end, device in peers.items():
            self._peers.setdefault(end.device, {})[end.port] = device
        self._known: dict[tuple[str, int], frozenset[str]] = {}

    def devices(self, switch: str, hops: tuple[NextHop, ...]) -> frozenset[str]:
        key = switch, id(hops)
        if key not in self._known:
            ports = self._peers.get(switch, {})
            self._known[key] = frozenset(ports.get(hop.port, "") for hop in hops)
        return self._known[key]


@dataclass(frozen=True, slots=True)
class _Move:
    """How a switch comes to treat a class of addresses the new way: by one `write`.

    `before` and `after` are the devices it leads to, `order` what else must come first at the switch itself.
    """

    write: int
    before: frozenset[str]
    after: frozenset[str]
    order: tuple[tuple[int, int], ...]


def _move(
    switch: str,
    covers: list[str],
    old: Routes,
    new: Routes,
    at: Mapping[str, Mapping[str, int]],
    ahead_of: _Ahead,
) -> _Move | None:
    """The write that matters to addresses that the prefixes `covers`, longest first, hold; None: it stays."""
    before, after = (
        next((cover for cover in covers if cover in routes.get(switch, {})), "") for routes in (old, new)
    )
    longest = max(before, after, key=lambda prefix: prefix_length(prefix) if prefix else -1)
    write = at.get(longest, {}).get(switch)
    if write is None:
        return None
    # No address may fall to a shorter prefix that serves it neither before nor after.
    shorter = [at[cover][switch] for cover in covers if cover != longest and switch in at.get(cover, ())]
    order: list[tuple[int, int]] = []
    if before != after:
        order = [(write, other) if longest == after else (other, write) for other in shorter]
    return _Move(
        write,
        ahead_of.devices(switch, old.get(switch, {}).get(before, ())),
        ahead_of.devices(switch, new.get(switch, {}).get(after, ())),
        tuple(order),
    )


def prefix_length(prefix: str) -> int:
    """16 of `10.0.0.0/16`."""
    return int(prefix.rpartition("/")[2])


def shorter(table: Container[str], prefix: str) -> str:
    """The longest shorter prefix of a table that holds a prefix; empty if there is none."""
    lengths = range(prefix_length(prefix) - 1, -1, -1)
    return next((found for length in lengths if (found := _shortened(prefix, length)) in table), "")


@cache
def _shortened(prefix: str, length: int) -> str:
    return ip_text(ip_network(prefix).supernet(new_prefix=length))
