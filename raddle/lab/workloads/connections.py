"""Connections: the ports and queue pairs that a message goes over, and messages' times from their parts'."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.errors import InputError
from raddle.lab.workloads.ranks import seat_names
from raddle.sim import FLOW_STATUS, FlowColumns
from raddle.topology.model import Fabric
from raddle.topology.views.cut_off import cut_off_endpoints
from raddle.workload import NOWHERE, Schedule, Seats, Sent

_ACTIVE, _FAILED = FLOW_STATUS.index("active"), FLOW_STATUS.index("failed")

_Ints = NDArray[np.integer[Any]]


def with_qps(fabric: Fabric, qps: int | None, splits_data: bool | None) -> Fabric:
    """The fabric with other numbers of queue pairs per connection; None leaves what it says."""
    changes: dict[str, int | bool] = {}
    if qps is not None:
        changes["qps_per_connection"] = qps
    if splits_data is not None:
        changes["splits_data"] = splits_data
    if not changes:
        return fabric
    hosts = (replace(host, nic_model=replace(host.nic_model, **changes)) for host in fabric.hosts)  # type: ignore[arg-type]
    return replace(fabric, hosts=tuple(hosts))


def connect(fabric: Fabric, seats: Seats, schedule: Schedule) -> tuple[Sent, traffic.Striped]:
    """The schedule over the ports of its ranks' NICs, with a connection's queue pairs on each.

    Raises:
        InputError: `no-way-between`.
    """
    _, first = np.unique(schedule.qp, return_index=True)
    numbered = replace(schedule, qp=np.unique(schedule.qp, return_inverse=True)[1].astype(np.int32))
    lanes = LaneFinder(fabric, seats).between(schedule.src[first], schedule.dst[first])
    nic = fabric.hosts[0].nic_model
    stripes = traffic.stripe(numbered, lanes, nic.qps_per_connection, nic.splits_data)
    lane = stripes.lane
    return Sent(stripes.schedule, lanes.src[lane], lanes.dst[lane], seats.domain, seats.accelerator), stripes


class LaneFinder:
    """Finds the pairs of ports between ranks.

    The n-th port of one goes with the n-th of the other, as long as both are alive and on one plane; where no
    such pair is, with any that is alive there. Pairs weigh as the slower of their links is fast. Ranks
    that are a bare endpoint send from that one to that one, also where no route leads.
    """

    def __init__(self, fabric: Fabric, seats: Seats) -> None:
        self._fabric, self._seats = fabric, seats
        self._ports, self._alive = _port_table(seats), ~cut_off_endpoints(fabric)
        self._plane = np.array([endpoint.plane for endpoint in fabric.endpoints], np.int32)
        self._speed = fabric.arrays.speed_bps[[endpoint.link for endpoint in fabric.endpoints]]

    def between(self, src: _Ints, dst: _Ints) -> traffic.Lanes:
        """Those from each rank of `src` to that of `dst`, int32[C] each; what it sends itself is computing.

        Raises:
            InputError: `no-way-between`, two ranks share all NICs, or a plane with none, and no domain.
        """
        domain, plane, alive = self._seats.domain, self._plane, self._alive
        inside = ((domain[src] == domain[dst]) & (domain[src] != NOWHERE)) | (src == dst)
        a, b = self._ports[src], self._ports[dst]
        is_lane = (a != NOWHERE) & (b != NOWHERE) & (a != b) & ~inside[:, None]
        is_lane &= alive[a] & alive[b] & (plane[a] == plane[b])
        connection, number = np.nonzero(is_lane)
        lanes = [(connection, a[connection, number], b[connection, number])]
        for each in np.flatnonzero(~is_lane.any(axis=1) & ~inside).tolist():
            pair = self._any_pair(int(src[each]), int(dst[each]))
            lanes.append((np.array([each]), np.array(pair[:1], np.int32), np.array(pair[1:], np.int32)))
        within = np.flatnonzero(inside)
        nowhere = np.full(len(within), NOWHERE, np.int32)
        lanes.append((within, nowhere, nowhere))
        connection, a, b = (np.concatenate(column) for column in zip(*lanes, strict=True))
        order = np.argsort(connection, kind="stable")
        connection, a, b = connection[order], a[order], b[order]
        return traffic.Lanes(
            offsets=np.searchsorted(connection, np.arange(len(src) + 1)),
            src=a,
            dst=b,
            weight=np.where(a == NOWHERE, 1, np.minimum(self._speed[a], self._speed[b])),
        )

    def _any_pair(self, src: int, dst: int) -> tuple[int, int]:
        """A pair of ports on one plane, alive if there is such a one; else what they carry is lost."""
        sending, receiving = (self._ports[rank][self._ports[rank] != NOWHERE].tolist() for rank in (src, dst))
        plane = self._plane
        pairs = [(a, b) for a in sending for b in receiving if a != b and plane[a] == plane[b]]
        if pairs:
            return next((pair for pair in pairs if self._alive[list(pair)].all()), pairs[0])
        if self._seats.accelerator[src] == self._seats.accelerator[dst] == NOWHERE:
            return sending[0], receiving[0]
        names = seat_names(self._fabric, self._seats)
        ranks = " and ".join(f"rank {rank} ({names[rank]})" for rank in (src, dst))
        if set(sending) & set(receiving):
            why, hint = "share a NIC", "give their 'accelerators' a 'scale_up', or a NIC each"
        else:
            why = "have NICs on different planes"
            hint = "give their 'accelerators' a 'scale_up', or take another algorithm or ranks of one plane"
        raise InputError.of("no-way-between", f"{ranks} {why}, and no scale-up network connects them", hint)


def _port_table(seats: Seats) -> NDArray[np.int32]:
    """int32[R, P], the ports of each rank, NOWHERE where it has fewer."""
    counts = np.diff(seats.endpoint_offsets)
    table = np.full((seats.ranks, max(int(counts.max(initial=1)), 1)), NOWHERE, np.int32)
    table[np.arange(table.shape[1]) < counts[:, None]] = seats.endpoints
    return table


def of_messages(stripes: traffic.Striped, flows: FlowColumns) -> FlowColumns:
    """Columns of the original messages: a message has arrived when all of its parts have."""
    return FlowColumns(
        start_ps=stripes.first(flows.start_ps),
        finish_ps=stripes.last(flows.finish_ps),
        acked_ps=stripes.last(flows.acked_ps),
        status=_status(stripes, flows.status),
    )


def _status(stripes: traffic.Striped, parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Failed if a part has, else what all parts are, else under way."""
    if not len(parts):
        return parts
    starts = stripes.offsets[:-1]
    least, most = np.minimum.reduceat(parts, starts), np.maximum.reduceat(parts, starts)
    whole: NDArray[np.uint8] = np.where((most == _FAILED) | (least == most), most, np.uint8(_ACTIVE))
    return whole
