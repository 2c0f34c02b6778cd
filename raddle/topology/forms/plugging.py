"""Which ports the cables of a form are plugged into."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from raddle.topology.forms.wiring import Cable, SwitchDraft, parse_port_ref
from raddle.topology.model import PortRef
from raddle.topology.record import Record, cable_key
from raddle.topology.yaml.schema import LinksSpec
from raddle.topology.yaml.schema_devices import CabledNicSpec, LinkSpec
from raddle.topology.yaml.source import Place

Ends = tuple[PortRef, PortRef]


class Wanted(NamedTuple):
    """A cable of a form without its ports, the `parallel`-th between two devices; `nic` is a host's port."""

    lower: str
    upper: str
    parallel: int
    spec: LinksSpec | CabledNicSpec
    place: Place
    nic: str = ""


def plug(
    wanted: Iterable[Wanted],
    switches: Mapping[str, SwitchDraft],
    record: Record | None,
    added: tuple[LinkSpec, ...],
    is_there: Callable[[Wanted], bool],
) -> Iterator[tuple[Cable | None, Wanted, bool]]:
    """The cables, each with its ports and whether it is there or only reserved; None in place of a cable that
    is there and finds no port.

    Without a record every cable takes the next port of its switches, or, where that has not its speed, the
    next one that has: the uplinks of a leaf with fewer hosts than others are where those of the others are.
    Else cables of the record stay; others take the port that they would have without one, or, where that is
    another's, the first that nobody has had: of their speed, if there is one. Reserved cables that find no
    port are left out.
    """
    in_turn = _InTurn(switches)
    if record is None:
        for each in wanted:
            yield _cable(each, *in_turn.take(each)), each, is_there(each)
        return
    cables = list(wanted)
    natural = [in_turn.take(each) for each in cables]
    ports = _Ports(switches, record, added)
    there = [is_there(each) for each in cables]
    ends: list[Ends | None] = [None] * len(cables)
    choices: list[Callable[[int], Ends | None]] = [
        lambda i: ports.recorded(cables[i], is_gone=False),
        lambda i: ports.recorded(cables[i], is_gone=True),
        lambda i: ports.at(natural[i]),
        lambda i: ports.choose(cables[i]) if there[i] else None,
    ]
    for choose in choices:
        for i in range(len(cables)):
            if ends[i] is None and (found := choose(i)):
                ends[i] = found
                ports.hold(found)
    for each, chosen, present in zip(cables, ends, there, strict=True):
        if chosen or present:
            yield _cable(each, *chosen) if chosen else None, each, present


def _cable(wanted: Wanted, lower: PortRef, upper: PortRef) -> Cable:
    spec, place = wanted.spec, wanted.place
    ends, at = (lower, upper), (*place, "speed")
    per_cable = spec.links_per_cable
    return Cable(ends, spec.speed, spec.cable, True, place, at, place, spec.medium, per_cable=per_cable)


class _InTurn:
    """The next port of every switch, in order; "" behind the last."""

    def __init__(self, switches: Mapping[str, SwitchDraft]) -> None:
        self._free = {name: deque(draft.native_bps.items()) for name, draft in switches.items()}

    def take(self, wanted: Wanted) -> Ends:
        """The ends of a cable: the next ports, unless its speed asks for others that are there."""
        lower = deque([(wanted.nic, wanted.spec.speed or 0)]) if wanted.nic else self._free[wanted.lower]
        upper = self._free[wanted.upper]
        least_bps = wanted.spec.speed or max((ports[0][1] for ports in (lower, upper) if ports), default=0)
        i, j = _first(lower, least_bps), _first(upper, least_bps)
        if i is None or j is None:
            i = j = 0
        return PortRef(wanted.lower, _taken(lower, i)), PortRef(wanted.upper, _taken(upper, j))


def _first(free: deque[tuple[str, int]], least_bps: int) -> int | None:
    return next((i for i, (_, bps) in enumerate(free) if bps >= least_bps), None)


def _taken(free: deque[tuple[str, int]], place: int) -> str:
    """The name of the port at a place, which is not free any more; "" where there is none."""
    if not free:
        return ""
    name, _ = free[place]
    del free[place]
    return name


class _Ports:
    """Who has which port of the switches: cables of the record, there or gone, and those that are chosen."""

    def __init__(
        self, switches: Mapping[str, SwitchDraft], record: Record, added: tuple[LinkSpec, ...]
    ) -> None:
        self._switches, self._record = switches, record
        self._by_hand = {parse_port_ref(end) for link in added for end in link.ends}
        self._taken: set[PortRef] = set(self._by_hand)
        self._spoken = {end for pair in record.ends_by_pair.values() for ends in pair for end in ends}

    def recorded(self, wanted: Wanted, is_gone: bool) -> Ends | None:
        """The ends that the record has for a cable, if they are free and the switches still have them."""
        known = [
            ends
            for ends in self._record.ends_by_pair.get((wanted.lower, wanted.upper), ())
            if not self._by_hand.intersection(ends) and (not wanted.nic or ends[0].port == wanted.nic)
        ]
        ends = known[wanted.parallel] if wanted.parallel < len(known) else None
        if ends is None or self._record.cables[cable_key(*ends)].is_gone != is_gone:
            return None
        return ends if self._is_free(ends) else None

    def at(self, ends: Ends) -> Ends | None:
        """The ends, if nobody has or had them."""
        is_new = self._spoken.isdisjoint(end for end in ends if end.device in self._switches)
        return ends if is_new and self._is_free(ends) else None

    def choose(self, wanted: Wanted) -> Ends | None:
        """The first free ports for a cable."""
        upper = self._first_free(wanted.upper, wanted.spec.speed)
        lower = PortRef(wanted.lower, wanted.nic)
        own = lower if wanted.nic else self._first_free(wanted.lower, wanted.spec.speed)
        return (own, upper) if own and upper else None

    def hold(self, ends: Ends) -> None:
        self._taken.update(ends)

    def _is_free(self, ends: Ends) -> bool:
        return self._taken.isdisjoint(ends) and all(
            end.port in self._switches[end.device].native_bps for end in ends if end.device in self._switches
        )

    def _first_free(self, switch: str, speed_bps: int | None) -> PortRef | None:
        """Ports of the cable's speed first, and those that were never used; those of gone cables last."""
        draft = self._switches[switch]
        free = [
            (end in self._spoken, bps != (speed_bps or draft.model.port_speed_bps), place, end)
            for place, (name, bps) in enumerate(draft.native_bps.items())
            if (end := PortRef(switch, name)) not in self._taken
        ]
        return min(free)[-1] if free else None
