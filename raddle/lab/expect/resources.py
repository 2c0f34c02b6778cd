"""What a collective takes of every resource of a fabric, and how long the busiest of them needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from raddle.lab.expect.messages import Messages
from raddle.lab.workloads.connections import connect
from raddle.lab.workloads.ranks import accelerator_names
from raddle.sim.nic import nic_columns
from raddle.sim.scale_up import scale_up_links
from raddle.topology.model import Fabric
from raddle.topology.views.host_bus import endpoint_bus_bps
from raddle.workload import NOWHERE, Schedule, Seats, Sent

Kind = Literal["nic", "bus", "scale-up", "uplinks", "pod uplinks"]

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """Resources of one kind, each busy in one direction.

    Attributes:
        names: of each, as `host3:eth0 sends`.
        keys: what a change of its rate is told by: `host3:eth0`, `leaf2`.
        bits: float64, what it carries, acknowledgements and headers with it where they take its time.
        bps: float64, at most.
    """

    kind: Kind
    names: tuple[str, ...]
    keys: tuple[str, ...]
    bits: _Floats
    bps: _Floats

    def times_s(self, factors: Mapping[str, float]) -> _Floats:
        """Seconds that each needs, where rates are so many times as high by key."""
        factor = np.array([factors.get(key, 1.0) for key in self.keys]) if factors else np.ones(1)
        times: _Floats = self.bits / (self.bps * factor)
        return times


@dataclass(frozen=True, slots=True)
class Bound:
    """The busiest resource of a kind.

    Attributes:
        share: of the buffer that it carries, headers and acknowledgements apart.
    """

    kind: Kind
    name: str
    time_s: float
    bps: float
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Loads:
    """All resources that a collective of one size takes.

    Attributes:
        size_bytes: of its buffer.
        endpoint_pairs, pair_bytes: int64[n, 2] and float64[n], what goes over the network, on the wire.
        rounds_s: seconds of the busiest NIC of each step, summed: what steps take that wait for one another.
        active: the share of the steps in which the busiest NIC has something to do.
    """

    size_bytes: int
    resources: tuple[Resource, ...]
    endpoint_pairs: _Ints
    pair_bytes: _Floats
    rounds_s: float = 0.0
    active: float = 1.0
    payload_bits: dict[str, float] = field(default_factory=dict)

    def bounds(self) -> tuple[Bound, ...]:
        """The busiest of each kind, the slowest first."""
        found = []
        for each in self.resources:
            times = each.times_s({})
            at = int(times.argmax())
            if times[at] > 0:
                share = self.payload_bits[each.names[at]] / 8 / self.size_bytes
                found.append(Bound(each.kind, each.names[at], float(times[at]), float(each.bps[at]), share))
        return tuple(sorted(found, key=lambda bound: -bound.time_s))

    def wire_bits(self) -> float:
        """What the busiest NIC sends or receives."""
        (nics,) = (each for each in self.resources if each.kind == "nic")
        return float(nics.bits.max())

    def time_s(self, factors: Mapping[Kind, Mapping[str, float]] | None = None) -> float:
        """How long the busiest needs, where rates of resources are so many times as high."""
        changed = factors or {}
        return max(float(each.times_s(changed.get(each.kind, {})).max()) for each in self.resources)


def loads_of(fabric: Fabric, seats: Seats, messages: Messages) -> Loads:
    """What messages among ranks on these seats take of each resource."""
    nic, schedule = nic_columns(fabric), messages.schedule
    packets = np.maximum(-(-schedule.size_bytes // nic.mtu_bytes), 1)
    whole, per_qp = by_queue_pair(schedule, packets)
    sent, stripes = connect(fabric, seats, whole)
    over = np.flatnonzero(sent.qp_src[sent.schedule.qp] != NOWHERE)
    src, dst = (ends[sent.schedule.qp[over]].astype(np.int64) for ends in (sent.qp_src, sent.qp_dst))
    message, repeats = stripes.message[over], messages.repeats
    size: _Floats = sent.schedule.size_bytes[over].astype(np.float64)
    frames = repeats * per_qp[message] * size / np.maximum(whole.size_bytes[message], 1)
    size = size * repeats
    data = size + frames * (nic.header_bytes + nic.gap_bytes)
    answers = frames / nic.ack_interval * (nic.ack_bytes + nic.gap_bytes)
    flows = _Flows(src, dst, size, data, answers)
    in_steps = _rounds(fabric, seats, messages, packets * (nic.header_bytes + nic.gap_bytes))
    loads = Loads(messages.size_bytes, (), *_pairs(flows, fabric), *in_steps)
    found = [
        *_network(fabric, flows, loads.payload_bits),
        *_scale_up(fabric, sent, messages.repeats, loads.payload_bits),
    ]
    return replace(loads, resources=tuple(found))


def by_queue_pair(schedule: Schedule, packets: _Ints) -> tuple[Schedule, _Floats]:
    """A flow for each queue pair, of all that it carries, that waits for nothing; and its packets."""
    _, first, qp = np.unique(schedule.qp, return_index=True, return_inverse=True)
    whole = replace(
        schedule,
        src=schedule.src[first],
        dst=schedule.dst[first],
        step=schedule.step[first],
        chunk=schedule.chunk[first],
        chunk_count=schedule.chunk_count[first],
        op=schedule.op[first],
        fan=schedule.fan[first],
        dep_offsets=np.zeros(len(first) + 1, np.int64),
        dep_ids=np.zeros(0, np.int32),
        qp=np.arange(len(first), dtype=np.int32),
        size_bytes=summed(qp, schedule.size_bytes, len(first)).astype(np.int64),
    )
    return whole, summed(qp, packets, len(first))


def summed(place: NDArray[Any], values: NDArray[Any], count: int) -> _Floats:
    """The sum of the values at each place, float64[count]."""
    return np.bincount(place, values, count).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Flows:
    """What goes over the network: endpoints, payload, and bytes on the wire of data and of answers."""

    src: _Ints
    dst: _Ints
    size: _Floats
    data: _Floats
    answers: _Floats


def _pairs(flows: _Flows, fabric: Fabric) -> tuple[_Ints, _Floats]:
    key, inverse = np.unique(flows.src * len(fabric.endpoints) + flows.dst, return_inverse=True)
    pairs = np.stack(np.divmod(key, len(fabric.endpoints)), axis=1).astype(np.int64)
    return pairs, summed(inverse, flows.data, len(key))


def _rounds(fabric: Fabric, seats: Seats, messages: Messages, extra: _Ints) -> tuple[float, float]:
    """`Loads.rounds_s` and `Loads.active`, of ranks' NICs together; `extra` are bytes around payload."""
    schedule, ranks = messages.schedule, seats.ranks
    over = ~messages.shape.is_inside(schedule)
    if not over.any():
        return 0.0, 1.0
    _, step = np.unique(schedule.step, return_inverse=True)
    speed = fabric.arrays.speed_bps[[each.link for each in fabric.endpoints]].astype(np.float64)
    owner = np.repeat(np.arange(ranks), np.diff(seats.endpoint_offsets))
    rank_bps = np.maximum(np.bincount(owner, speed[seats.endpoints], ranks), 1.0)
    steps, bits = int(step.max()) + 1, 8.0 * (schedule.size_bytes + extra)[over]
    sends, receives = (
        np.bincount(step[over] * ranks + ends[over], bits, steps * ranks).reshape(steps, ranks)
        for ends in (schedule.src, schedule.dst)
    )
    busy_s = np.maximum(sends, receives) / rank_bps
    busiest = int(busy_s.sum(axis=0).argmax())
    return float(busy_s.max(axis=1).sum()) * messages.repeats, float((busy_s[:, busiest] > 0).mean())


def _network(fabric: Fabric, flows: _Flows, payload: dict[str, float]) -> Iterator[Resource]:
    endpoints = fabric.endpoints
    speed = fabric.arrays.speed_bps[[each.link for each in endpoints]].astype(np.float64)
    names = [f"{fabric.hosts[each.host].name}:{each.nic}" for each in endpoints]
    yield _both_ways("nic", names, speed, flows, np.arange(len(endpoints)), payload)
    bus = endpoint_bus_bps(fabric).astype(np.float64)
    if bus.any():
        bare = _Flows(flows.src, flows.dst, flows.size, flows.size, np.zeros_like(flows.size))
        bus[bus == 0] = np.inf
        yield _both_ways("bus", names, bus, bare, np.arange(len(endpoints)), payload)
    arrays, first = fabric.arrays, len(fabric.hosts)
    alive = arrays.carries
    up = np.zeros(len(arrays.device_tier))
    np.add.at(up, arrays.a[alive], arrays.speed_bps[alive].astype(np.float64))
    leaf = np.array([each.leaf for each in endpoints])
    leaves = [switch.name for switch in fabric.switches]
    yield _between("uplinks", leaves, up[first:], flows, leaf, payload)
    if fabric.superspines:
        pod = np.array([fabric.switches[number].pod for number in leaf.tolist()])
        of_pod = np.zeros(int(pod.max()) + 1)
        for spine in fabric.spines:
            of_pod[spine.pod] += up[first + spine.index]
        yield _between("pod uplinks", [f"pod{n}" for n in range(len(of_pod))], of_pod, flows, pod, payload)


def _both_ways(
    kind: Kind, keys: list[str], bps: _Floats, flows: _Flows, group: _Ints, payload: dict[str, float]
) -> Resource:
    """Groups of endpoints, sending and receiving; what a dead one would carry is another's."""
    count = len(keys)
    parts = []
    for way, of, back in (("sends", flows.src, flows.dst), ("receives", flows.dst, flows.src)):
        bits = 8 * (summed(group[of], flows.data, count) + summed(group[back], flows.answers, count))
        own = [f"{key} {way}" for key in keys]
        payload |= zip(own, (8 * summed(group[of], flows.size, count)).tolist(), strict=True)
        parts.append((own, bits))
    names = tuple(name for own, _ in parts for name in own)
    whole = np.concatenate([bits for _, bits in parts])
    return Resource(kind, names, tuple(keys) * 2, whole, np.maximum(np.tile(bps, 2), 1.0))


def _between(
    kind: Kind, keys: list[str], bps: _Floats, flows: _Flows, group: _Ints, payload: dict[str, float]
) -> Resource:
    """What leaves and enters groups of endpoints."""
    crosses = group[flows.src] != group[flows.dst]
    columns = (flows.src, flows.dst, flows.size, flows.data, flows.answers)
    return _both_ways(kind, keys, bps, _Flows(*(each[crosses] for each in columns)), group, payload)


def _scale_up(fabric: Fabric, sent: Sent, repeats: float, payload: dict[str, float]) -> Iterator[Resource]:
    links = scale_up_links(fabric, sent)
    if links is None:
        return
    columns, schedule = links.columns, sent.schedule
    offsets = columns.path_offsets.astype(np.int64)
    start, stop = offsets[schedule.qp], offsets[schedule.qp + 1]
    carried = np.zeros(len(columns.link_bps))
    size = schedule.size_bytes.astype(np.float64)
    tx, rx = (each.astype(np.float64) if len(each) else size for each in (columns.tx_bytes, columns.rx_bytes))
    lengths = stop - start
    for hop in range(int(lengths.max(initial=0))):
        chosen = np.flatnonzero(lengths > hop)
        link = columns.path_links[start[chosen] + hop].astype(np.int64)
        of = np.where(hop == 0, tx[chosen], np.where(lengths[chosen] == hop + 1, rx[chosen], size[chosen]))
        np.add.at(carried, link, of * repeats)
    names = []
    for source, target in zip(links.source.tolist(), links.target.tolist(), strict=True):
        ends = accelerator_names(fabric, np.array([source, target]))
        names.append(f"{ends[0] or 'switch'} -> {ends[1] or 'switch'}")
    keys = tuple(name.split(" -> ")[0].split(":")[0] for name in names)
    payload |= zip(names, (8 * carried).tolist(), strict=True)
    yield Resource("scale-up", tuple(names), keys, 8 * carried, columns.link_bps.astype(np.float64))
