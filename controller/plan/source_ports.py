"""UDP source ports that make the switches' own ECMP hash take the pinned paths.

A CRC is affine: the hash of a flow with port p is the hash with port 0, with bits flipped that depend on p
alone. So all ports of all flows are tried at once, a block of ports at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.addresses import AddressPlan
from raddle.controller.plan.assignment import Flows, Paths
from raddle.controller.plan.colouring import Ints
from raddle.controller.plan.hashing import hash_offset
from raddle.controller.plan.model import Route
from raddle.controller.plan.routes import SwitchRoutes
from raddle.ecmp_hash import hash_width, hashed_addresses, qp_hashes, rotated, seed_mask
from raddle.errors import Diagnostic, InputError
from raddle.topology.model import Fabric
from raddle.units import ip_text

FIRST_PORT, LAST_PORT = 0xC000, 0xFFFF
"""RoCEv2's source ports (Linux include/rdma/ib_verbs.h, IB_ROCE_UDP_ENCAP_VALID_PORT_MIN and _MAX)."""

_BLOCK = 256
_NAMED_FLOWS = 5


@dataclass(frozen=True, eq=False)
class _Hops:
    """The groups that flows pass, one entry for each flow and switch where the hash decides.

    `seed` is what the switch's seed flips in every hash, `offset` how far it rotates them; `is_wanted` has a
    row of members for each entry.
    """

    flow: Ints
    seed: NDArray[np.uint32]
    offset: NDArray[np.uint32]
    size: NDArray[np.uint32]
    is_wanted: NDArray[np.bool_]


def choose_ports(
    fabric: Fabric,
    addresses: AddressPlan,
    routes: SwitchRoutes,
    seeds: Sequence[int],
    flows: Flows,
    paths: Paths,
) -> Ints:
    """A source port for every flow, -1 for one that has no path.

    Args:
        routes: of every switch, without pins; `seeds`: their hash seeds.

    Raises:
        InputError: `pin-not-expressible`, names the flows that no port brings onto their paths.
    """
    is_ipv6 = addresses.version == 6
    way = fabric.routing.hash_algorithm, fabric.routing.hash_fields
    masks = [seed_mask(seed, *way, address_bytes=16 if is_ipv6 else 4) for seed in seeds]
    hops = _hops(fabric, addresses, routes, masks, flows, paths)
    ends = hashed_addresses(addresses.endpoints, is_ipv6)
    no_port = np.zeros((len(flows), 2), np.int64)
    base, _ = qp_hashes(ends[flows.src], ends[flows.dst], 0, *way, source_ports=no_port)
    ports = np.arange(FIRST_PORT - 1, LAST_PORT + 1)
    ports[0] = 0
    lone = np.broadcast_to(ends[:1], (len(ports), *ends.shape[1:]))
    of_port, _ = qp_hashes(lone, lone, 0, *way, source_ports=np.stack([ports, ports], axis=1))
    flips = of_port[1:] ^ of_port[0]
    port = np.full(len(flows), -1, np.int64)
    is_open = paths.spine >= 0
    for first in range(0, len(flips), _BLOCK):
        entry = np.flatnonzero(is_open[hops.flow])
        block = flips[first : first + _BLOCK]
        hashes = rotated(
            base[hops.flow[entry], None] ^ block ^ hops.seed[entry, None],
            hops.offset[entry, None],
            hash_width(fabric.routing.hash_algorithm),
        )
        hit = hops.is_wanted[entry[:, None], hashes % hops.size[entry, None]]
        fits = np.repeat(is_open[:, None], len(block), axis=1)
        np.logical_and.at(fits, hops.flow[entry], hit)
        found = fits.any(axis=1)
        port[found] = FIRST_PORT + first + fits[found].argmax(axis=1)
        is_open &= ~found
        if not is_open.any():
            return port
    raise InputError(_unreached(fabric, flows, np.flatnonzero(is_open)))


def _unreached(fabric: Fabric, flows: Flows, which: Ints) -> Iterator[Diagnostic]:
    named = [
        f"{fabric.endpoints[flows.src[flow]].name} -> {fabric.endpoints[flows.dst[flow]].name}"
        for flow in which[:_NAMED_FLOWS].tolist()
    ]
    more = f" and {len(which) - len(named)} more" if len(which) > len(named) else ""
    yield Diagnostic(
        "pin-not-expressible",
        f"no UDP source port makes the switches hash {', '.join(named)}{more} onto the pinned path",
        hint="tiers that hash alike cannot be steered apart: set 'routing: {hash: {offset: per-tier}}', or"
        " 'pins: host-route'",
        place=("routing", "pins"),
    )


def _hops(
    fabric: Fabric,
    addresses: AddressPlan,
    routes: SwitchRoutes,
    masks: Sequence[int],
    flows: Flows,
    paths: Paths,
) -> _Hops:
    """The groups on the way of every flow and which of their members lead on."""
    leaf_place = {leaf.index: place for place, leaf in enumerate(fabric.leaves)}
    prefix = [ip_text(each[0]) for each in addresses.leaf_prefixes]
    to_leaf = [leaf_place[endpoint.leaf] for endpoint in fabric.endpoints]
    route_of = [{route.prefix: route for route in own} for own in routes]
    ends = {}
    known: dict[tuple[int, int], tuple[int, Ints] | None] = {}
    entries: list[tuple[int, int, int, int, Ints]] = []
    offsets = [hash_offset(fabric, switch) for switch in fabric.switches]
    for hop, links in enumerate(paths.link):
        for flow in np.flatnonzero(links >= 0).tolist():
            link = int(links[flow])
            out = 2 * link + (hop < len(paths.link) // 2)
            if out not in ends:
                near = fabric.links[link].a if out % 2 else fabric.links[link].b
                ends[out] = fabric.switch_by_name[near.device].index, near.port
            switch, port = ends[out]
            leaf = to_leaf[int(flows.dst[flow])]
            if (out, leaf) not in known:
                known[out, leaf] = _members(route_of[switch].get(prefix[leaf]), port)
            group = known[out, leaf]
            if group is not None:
                entries.append((flow, masks[switch], offsets[switch], *group))
    widest = max((size for *_, size, _ in entries), default=1)
    is_wanted = np.zeros((len(entries), widest), np.bool_)
    for row, (*_, members) in enumerate(entries):
        is_wanted[row, members] = True
    return _Hops(
        np.array([entry[0] for entry in entries], np.int64),
        np.array([entry[1] for entry in entries], np.uint32),
        np.array([entry[2] for entry in entries], np.uint32),
        np.array([entry[3] for entry in entries], np.uint32),
        is_wanted,
    )


def _members(route: Route | None, port: str) -> tuple[int, Ints] | None:
    """The size of a route's group and the members behind a port; None where all are."""
    ports = [hop.port for hop in route.next_hops for _ in range(hop.weight)] if route else []
    members = np.flatnonzero([each == port for each in ports])
    return None if ports and len(members) == len(ports) else (max(len(ports), 1), members)
