"""The shortest list of cable work that makes what is plugged in what the fabric says.

Seen cables and expected ones are two matchings of the ports, so together they form paths and rings that
alternate between the two. Every step of a person puts one expected cable right, and the last step of a
ring puts two: a ring of k cables takes k - 1 swaps, which is the distance of two permutations that differ
in one cycle of length k.

Source: A. Cayley, "Note on the theory of permutations", Phil. Mag. 34, 1849 (transpositions needed are
    elements minus cycles).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from raddle.topology.model import Fabric, PortRef
from raddle.topology.views.cable_truth import SeenCable

Cabling = dict[PortRef, PortRef]
"""The far end of every port with a cable; both directions are in it."""


@dataclass(frozen=True, slots=True)
class CableWork:
    """One step: `swap` the plugs in two ports, `move` the plug in `a` to the empty port `b`, `lay` a cable
    between two ports, or `remove` the one between them."""

    kind: Literal["swap", "move", "lay", "remove"]
    a: PortRef
    b: PortRef

    def __str__(self) -> str:
        text = {
            "swap": f"swap the plugs in {self.a} and {self.b}",
            "move": f"move the plug in {self.a} to {self.b}",
            "lay": f"lay a cable from {self.a} to {self.b}",
            "remove": f"remove the cable from {self.a} to {self.b}",
        }[self.kind]
        is_one_host = self.kind in ("swap", "move") and self.a.device == self.b.device
        return f"{text} (both on {self.a.device})" if is_one_host else text


def mend_cables(fabric: Fabric, seen: Iterable[SeenCable]) -> tuple[CableWork, ...]:
    """The fewest steps after which every link of the fabric that is up has its cable, and no other is there.

    Of a port that is seen with two far ends, the first counts. A link that is down is expected only
    where a cable is seen at one of its ends.
    """
    plugged: Cabling = {}
    for cable in seen:
        if cable.a not in plugged and cable.b not in plugged:
            plugged |= {cable.a: cable.b, cable.b: cable.a}
    expected = [
        (link.a, link.b) for link in fabric.links if link.is_up or link.a in plugged or link.b in plugged
    ]
    return cable_work(expected, plugged)


def cable_work(
    expected: Iterable[tuple[PortRef, PortRef]], plugged: Mapping[PortRef, PortRef]
) -> tuple[CableWork, ...]:
    """The steps from one cabling to another; swaps and moves first, what is laid and removed last."""
    cables: Cabling = dict(plugged)
    links = list(expected)
    work: list[CableWork] = []
    to_lay = []
    for a, b in links:
        at_a, at_b = cables.get(a), cables.get(b)
        if at_a == b:
            continue
        if at_a is None and at_b is None:
            to_lay.append(CableWork("lay", a, b))
        elif at_a is not None and at_b is not None:
            # Plugs change places at one end of both cables, if possible within one device.
            is_far = at_b.device == a.device and at_a.device != b.device
            work.append(CableWork("swap", at_b, a) if is_far else CableWork("swap", at_a, b))
            _plug(cables, a, b)
            _plug(cables, at_a, at_b)
        else:
            loose, free = (at_a, b) if at_a is not None else (at_b, a)
            assert loose is not None
            work.append(CableWork("move", loose, free))
            del cables[loose]
            _plug(cables, a, b)
    wanted = {frozenset(link) for link in links}
    surplus = [
        CableWork("remove", a, b)
        for a, b in cables.items()
        if str(a) < str(b) and frozenset((a, b)) not in wanted
    ]
    return (*work, *surplus, *to_lay)


def _plug(cables: Cabling, a: PortRef, b: PortRef) -> None:
    cables[a], cables[b] = b, a
