"""What goes inside scale-up domains as the engine takes it: the links of each domain, and paths over them.

A crossbar (NVSwitch) is an egress and an ingress link per accelerator; a mesh has a link between each two; in
a ring, links to both neighbours pass on what goes further. docs/models/servers.md has the model.

A queue pair from a rank to itself is its computing: flows without bytes, each of which is done as it starts,
a delay after all that it waits for. It takes a link of the rank's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.sim.engine import ScaleUpColumns
from raddle.topology.model import Fabric
from raddle.workload import NOWHERE, Sent

QUANTUM_BYTES = 512 << 10
"""Most bytes of a message that a link carries before it is another queue pair's turn.

Assumption: a link arbitrates packets of some hundred bytes; with quanta, a message among others ends up to
one quantum of each of them earlier or later. 512 KiB at 450 GB/s are 1.2 us.
"""

_COMPUTING_BPS = 10**12
"""Of the link that computing takes, over which no byte goes."""

_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ScaleUpPorts:
    """What accelerators have sent into their scale-up domains and got from there.

    Attributes:
        accelerator: int64, those whose links some queue pair takes.
        egress_bytes, ingress_bytes: int64, what they have carried: a message once where the domain's switch
            copies or sums it, what in-switch sums cost beyond that, and what a ring passes on.
        bps: int64, of one accelerator's links together, each way.
    """

    accelerator: _Ints
    egress_bytes: _Ints
    ingress_bytes: _Ints
    bps: _Ints


@dataclass(frozen=True, slots=True, eq=False)
class ScaleUpLinks:
    """The links that the queue pairs inside domains take.

    Attributes:
        columns: as the engine takes them.
        source, target: int64, accelerators at the ends of each link; NOWHERE for a switch or computing.
        latency_ps: int64[queue pairs], of each one's path.
        path_bps: int64[queue pairs], of the slowest link of its path; 0 over the network and of computing.
    """

    columns: ScaleUpColumns
    source: _Ints
    target: _Ints
    latency_ps: _Ints
    path_bps: _Ints
    _bps: _Ints

    def ports(self, link_bytes: _Ints) -> ScaleUpPorts:
        """The accelerators' ports, from what every link has carried."""
        ends = np.concatenate([self.source, self.target])
        used = np.unique(ends[ends != NOWHERE])
        egress, ingress = (
            np.bincount(np.searchsorted(used, end[end != NOWHERE]), link_bytes[end != NOWHERE], len(used))
            for end in (self.source, self.target)
        )
        return ScaleUpPorts(used, egress.astype(np.int64), ingress.astype(np.int64), self._bps[used])


@dataclass(frozen=True, slots=True, eq=False)
class _Members:
    """A fabric's accelerators in their domains, one entry each."""

    topology: NDArray[np.str_]
    bps: _Ints
    latency_ps: _Ints
    in_network_bps: _Ints
    place: _Ints
    size: _Ints
    first: _Ints
    order: _Ints
    """Accelerators by domain: that at place p of the domain of accelerator i is `order[first[i] + p]`."""

    @classmethod
    def of(cls, fabric: Fabric) -> _Members:
        columns = fabric.accelerators
        specs = [host.accelerators for host in fabric.hosts]
        host = columns.host
        order = np.argsort(columns.domain, kind="stable").astype(np.int64)
        _, start, number, size = np.unique(
            columns.domain[order], return_index=True, return_inverse=True, return_counts=True
        )
        by_order = np.empty(len(order), np.int64)
        by_order[order] = np.arange(len(order))
        domain = number[by_order]
        return cls(
            topology=np.array([spec.topology if spec else "" for spec in specs])[host],
            bps=np.array([spec.scale_up_bps if spec else 0 for spec in specs], np.int64)[host],
            latency_ps=np.array([spec.scale_up_latency_ps if spec else 0 for spec in specs], np.int64)[host],
            in_network_bps=np.array([spec.in_network_bps if spec else 0 for spec in specs], np.int64)[host],
            place=by_order - start[domain],
            size=size[domain],
            first=start[domain],
            order=order,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Links of paths, in any order: which queue pair, at which place of its path, from where to where."""

    qp: _Ints
    hop: _Ints
    source: _Ints
    target: _Ints
    bps: _Ints
    latency_ps: _Ints


def scale_up_links(fabric: Fabric, sent: Sent) -> ScaleUpLinks | None:
    """The links and paths of what is sent inside domains; None where nothing is.

    Raises:
        ValueError: a queue pair without endpoints is of two domains or of none, or a switch is to copy or sum
            where no domain's switch does.
    """
    schedule = sent.schedule
    inside = np.flatnonzero(sent.qp_src == NOWHERE).astype(np.int64)
    if not len(inside):
        if schedule.fan.any():
            raise ValueError("only the switch of a scale-up domain copies and sums")
        return None
    src_rank, dst_rank = qp_ranks(sent)
    is_computing = src_rank[inside] == dst_rank[inside]
    computing, inside = inside[is_computing], inside[~is_computing]
    domains = sent.ranks_domain[src_rank[inside]], sent.ranks_domain[dst_rank[inside]]
    if ((domains[0] != domains[1]) | (domains[0] == NOWHERE)).any():
        raise ValueError("a queue pair without endpoints is not inside a scale-up domain")
    members = _Members.of(fabric)
    accelerator = sent.ranks_accelerator.astype(np.int64)
    steps = _steps(members, inside, accelerator[src_rank[inside]], accelerator[dst_rank[inside]])
    ends = np.stack([steps.source, steps.target], axis=1)
    links, first, number = np.unique(ends, axis=0, return_index=True, return_inverse=True)
    own, of_own = np.unique(src_rank[computing], return_inverse=True)
    path_qp = np.concatenate([steps.qp, computing])
    path_link = np.concatenate([number.reshape(-1), len(links) + of_own.reshape(-1)])
    order = np.lexsort((np.concatenate([steps.hop, np.zeros_like(computing)]), path_qp))
    count = len(sent.qp_src)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(path_qp, minlength=count))])
    nowhere = np.full(len(own), NOWHERE)
    tx_bytes, rx_bytes = _costs(sent, members.bps[accelerator], members.in_network_bps[accelerator])
    columns = ScaleUpColumns(
        link_bps=np.concatenate([steps.bps[first], np.full(len(own), _COMPUTING_BPS)]),
        link_latency_ps=np.concatenate([steps.latency_ps[first], np.zeros(len(own), np.int64)]),
        quantum_bytes=QUANTUM_BYTES,
        path_offsets=offsets.astype(np.uint32),
        path_links=path_link[order].astype(np.uint32),
        tx_bytes=tx_bytes,
        rx_bytes=rx_bytes,
    )
    path_bps = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(path_bps, steps.qp, steps.bps)
    path_bps[sent.qp_src != NOWHERE] = path_bps[computing] = 0
    latency_ps = np.bincount(steps.qp, steps.latency_ps, count).astype(np.int64)
    source, target = (np.concatenate([links[:, end], nowhere]) for end in (0, 1))
    return ScaleUpLinks(columns, source, target, latency_ps, path_bps, members.bps)


def qp_ranks(sent: Sent) -> tuple[_Ints, _Ints]:
    """The ranks at both ends of every queue pair, int64."""
    src, dst = np.zeros((2, len(sent.qp_src)), np.int64)
    src[sent.schedule.qp] = sent.schedule.src
    dst[sent.schedule.qp] = sent.schedule.dst
    return src, dst


def _steps(members: _Members, qp: _Ints, src: _Ints, dst: _Ints) -> _Steps:
    """The paths of queue pairs between accelerators `src` and `dst`."""
    topology = members.topology[src]
    parts = []
    for name, make in (("crossbar", _crossbar), ("mesh", _mesh), ("ring", _ring)):
        if (chosen := topology == name).any():
            parts += make(members, qp[chosen], src[chosen], dst[chosen])
    none = np.zeros(0, np.int64)
    columns = [(p.qp, p.hop, p.source, p.target, p.bps, p.latency_ps) for p in parts] or [(none,) * 6]
    return _Steps(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _crossbar(members: _Members, qp: _Ints, src: _Ints, dst: _Ints) -> list[_Steps]:
    none, switch = np.zeros(len(qp), np.int64), np.full(len(qp), NOWHERE, np.int64)
    return [
        _Steps(qp, none, src, switch, members.bps[src], members.latency_ps[src]),
        _Steps(qp, none + 1, switch, dst, members.bps[dst], none),
    ]


def _mesh(members: _Members, qp: _Ints, src: _Ints, dst: _Ints) -> list[_Steps]:
    bps = members.bps[src] // (members.size[src] - 1)
    return [_Steps(qp, np.zeros(len(qp), np.int64), src, dst, bps, members.latency_ps[src])]


def _ring(members: _Members, qp: _Ints, src: _Ints, dst: _Ints) -> list[_Steps]:
    """The shorter way round; of two that are as long, up the places."""
    size, place = members.size[src], members.place[src]
    up = (members.place[dst] - place) % size
    direction = np.where(2 * up <= size, 1, -1)
    hops = np.minimum(up, size - up)
    bps = members.bps[src] // np.minimum(size - 1, 2)
    parts = []
    for hop in range(int(hops.max())):
        on = np.flatnonzero(hops > hop)
        source, target = (
            members.order[members.first[src[on]] + (place[on] + direction[on] * step) % size[on]]
            for step in (hop, hop + 1)
        )
        parts.append(
            _Steps(qp[on], np.full(len(on), hop), source, target, bps[on], members.latency_ps[src[on]])
        )
    return parts


def _costs(sent: Sent, rank_bps: _Ints, in_network_bps: _Ints) -> tuple[_Ints, _Ints]:
    """What flows take of their first link and of their last; nothing to say where no switch copies or sums.

    A multicast to k is sent once, a sum of k arrives once. Both take more than their bytes by one factor, so
    that an all-reduce of the k + 1 ranks, which moves its buffer once each way through every port, has the
    bus bandwidth `in_network`: 2 k / (k + 1) times what its ports carry of the buffer.
    """
    schedule = sent.schedule
    fan = schedule.fan.astype(np.int64)
    if not fan.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    in_switch = fan != 0
    limit_bps, bps = in_network_bps[schedule.src], rank_bps[schedule.src]
    if (in_switch & ((limit_bps == 0) | (sent.qp_src[schedule.qp] != NOWHERE))).any():
        raise ValueError("only the switch of a scale-up domain with in_network copies and sums")
    size, count = schedule.size_bytes.astype(np.float64), np.abs(fan)
    factor = np.maximum(bps * 2.0 * count / ((count + 1) * np.maximum(limit_bps, 1)), 1.0)
    whole = np.where(in_switch, np.rint(size * factor), size)
    share = np.rint(whole / np.maximum(count, 1))
    tx_bytes, rx_bytes = np.where(fan > 0, share, whole), np.where(fan < 0, share, whole)
    return tx_bytes.astype(np.int64), rx_bytes.astype(np.int64)
