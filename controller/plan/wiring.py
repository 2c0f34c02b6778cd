"""The links between leaves and spines in the order that routes and pins use them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from controller.plan.addresses import AddressPlan
from controller.plan.model import NextHop
from raddle.topology.model import Fabric


@dataclass(frozen=True, slots=True)
class Uplink:
    """A link from a leaf to a spine. `up` is the leaf's next hop over it, `down` the spine's."""

    leaf: int
    spine: int
    slot: int
    is_up: bool
    up: NextHop
    down: NextHop


@dataclass(frozen=True)
class Wiring:
    """Leaf-spine links by (leaf, slot).

    A slot is a spine and one of the parallel links to it: slot = spine * width + k, where `width` is the
    largest number of parallel links of any pair. `leaf` and `spine` count from 0 among their kind.
    """

    leaves: int
    spines: int
    width: int
    uplinks: tuple[Uplink, ...]

    @property
    def slots(self) -> int:
        return self.spines * self.width

    @cached_property
    def by_slot(self) -> dict[tuple[int, int], Uplink]:
        return {(uplink.leaf, uplink.slot): uplink for uplink in self.uplinks}

    @cached_property
    def is_alive(self) -> NDArray[np.bool_]:
        """bool[leaves, slots]: a link is there and up."""
        alive = np.zeros((self.leaves, self.slots), dtype=np.bool_)
        for uplink in self.uplinks:
            alive[uplink.leaf, uplink.slot] = uplink.is_up
        return alive


def wire(fabric: Fabric, addresses: AddressPlan) -> Wiring:
    """Order the fabric's leaf-spine links; both ends' next hops are worked out once."""
    leaves = {leaf.name: place for place, leaf in enumerate(fabric.leaves)}
    spines = {spine.name: place for place, spine in enumerate(fabric.spines)}
    pairs: dict[tuple[int, int], list[tuple[bool, NextHop, NextHop]]] = {}
    for link in fabric.links:
        if link.a.device not in leaves:
            continue
        up = NextHop(addresses.peer_text(link.index, is_upper=True), link.a.port)
        down = NextHop(addresses.peer_text(link.index, is_upper=False), link.b.port)
        pair = leaves[link.a.device], spines[link.b.device]
        pairs.setdefault(pair, []).append((link.is_up, up, down))
    width = max((len(parallel) for parallel in pairs.values()), default=1)
    uplinks = tuple(
        Uplink(leaf, spine, spine * width + k, is_up, up, down)
        for (leaf, spine), parallel in sorted(pairs.items(), key=lambda item: item[0])
        for k, (is_up, up, down) in enumerate(parallel)
    )
    return Wiring(len(leaves), len(spines), width, uplinks)
