"""The messages of a collective of one size, and the longest chain of those that wait for one another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.lab.workloads.collective import CollectiveJob
from raddle.sim.nic import wire_bytes as on_the_wire
from raddle.topology.model import Fabric
from raddle.traffic import Algorithm, Protocol, Shape, StepLatency
from raddle.traffic.latency import NO_LATENCY, nccl_latency
from raddle.traffic.protocol import wire_bytes
from raddle.traffic.registry import MAX_FLOWS
from raddle.traffic.shape import WHOLE_MESSAGES
from raddle.workload import NOWHERE, Schedule, Seats

_WHOLE = Protocol(0, 0, 0, 0, 1 << 62)
"""Whole messages of a library, whose latencies count."""

_CUT_THROUGH_BYTES = 72

_MOST_FLOWS = 2_000_000
"""Of the steps that stand for all where there are more than fit."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Messages:
    """What is sent with a buffer of a size, whole, by an algorithm and a library's protocol (or none)."""

    algorithm: str
    protocol: str
    size_bytes: int
    schedule: Schedule
    latency: StepLatency
    shape: Shape
    slices: float
    """Into how many parts messages are cut, on average."""
    repeats: float = 1.0
    """How many times as many steps there are as `schedule` has, where these stand for all."""


def messages_of(job: CollectiveJob, size_bytes: int) -> Messages:
    """The messages of a job of that size.

    Raises:
        InputError: they are too many.
    """
    size_bytes = job.buffer(size_bytes).size_bytes
    way, shape, protocol = job.algorithm, job.shape, ""
    if job.auto:
        way, shape, protocol = job.auto.taken(shape, size_bytes)
    if protocol:
        latency = nccl_latency(way.name, protocol)
    else:
        latency = NO_LATENCY if job.auto else way.latency(shape, size_bytes)
    return _made(job, way, shape, protocol, latency, size_bytes)


def _made(
    job: CollectiveJob, way: Algorithm, shape: Shape, protocol: str, latency: StepLatency, size_bytes: int
) -> Messages:
    whole = shape if shape.protocol == WHOLE_MESSAGES else replace(shape, protocol=_WHOLE)
    flows, repeats = way.flows(whole, size_bytes), 1.0
    if flows > MAX_FLOWS and way.some_steps:
        steps = max(1, _MOST_FLOWS // (whole.ranks * whole.channels))
        schedule = way.some_steps(whole, size_bytes, steps)
        repeats = flows / schedule.flows
    else:
        traffic.check_ranks(job.collective, way, whole, size_bytes)
        schedule = way.schedule(whole, size_bytes)
    if protocol:
        schedule = replace(schedule, size_bytes=wire_bytes(schedule.size_bytes, protocol))
    slices = way.flows(shape, size_bytes) / max(flows, 1)
    return Messages(way.name, protocol, size_bytes, schedule, latency, shape, slices, repeats)


@dataclass(frozen=True, slots=True)
class Chain:
    """The longest chain of messages: how long it takes without others, and what of that is latency."""

    time_s: float
    latency_s: float
    messages: int


def longest_chain(fabric: Fabric, seats: Seats, messages: Messages) -> Chain:
    """Of first slices of messages; what waits for what has rising steps."""
    schedule, latency = messages.schedule, messages.latency
    src, dst = schedule.src.astype(np.int64), schedule.dst.astype(np.int64)
    inside = messages.shape.is_inside(schedule)
    largest = int(schedule.size_bytes.max(initial=0))
    way_s, rate_bps = _ways(fabric, seats, src, dst, inside, min(largest, fabric.roce.mtu_bytes))
    delay_s = way_s + latency.delays_ps(inside) / 1e12
    wire = on_the_wire(fabric, fabric.roce.mtu_bytes) / fabric.roce.mtu_bytes
    bits = schedule.size_bytes / messages.slices * 8 * np.where(inside, 1.0, wire)
    time_s = np.stack([delay_s + bits / rate_bps, delay_s, np.ones(len(src))])
    ends = np.zeros((3, schedule.flows))
    offsets, ids = schedule.dep_offsets, schedule.dep_ids.astype(np.int64)
    order = np.argsort(schedule.step, kind="stable")
    cuts = np.flatnonzero(np.diff(schedule.step[order])) + 1
    for flows in np.split(order, cuts):
        begin = np.zeros((3, len(flows)))
        counts = np.diff(offsets)[flows]
        waits = np.flatnonzero(counts)
        if len(waits):
            starts = np.cumsum(counts[waits]) - counts[waits]
            at = np.arange(counts.sum()) + np.repeat(offsets[flows[waits]] - starts, counts[waits])
            before = ids[at]
            own = src[before] == np.repeat(src[flows[waits]], counts[waits])
            known = ends[:, before] + np.where(own, way_s[before], 0.0) * np.array([[1.0], [1.0], [0.0]])
            begin[:, waits] = np.maximum.reduceat(known, starts, axis=1)
        ends[:, flows] = begin + time_s[:, flows]
    base_s = latency.base_ps / 1e12
    most = ends.max(axis=1, initial=0.0) * messages.repeats
    return Chain(base_s + float(most[0]), base_s + float(most[1]), round(float(most[2])))


def _ways(
    fabric: Fabric,
    seats: Seats,
    src: NDArray[np.int64],
    dst: NDArray[np.int64],
    inside: NDArray[np.bool_],
    frame_bytes: int,
) -> tuple[_Floats, _Floats]:
    """Of each message: seconds from its last byte's leaving to its arrival, and its rate alone."""
    speed = fabric.arrays.speed_bps[[each.link for each in fabric.endpoints]].astype(np.float64)
    counts = np.diff(seats.endpoint_offsets)
    owner = np.repeat(np.arange(seats.ranks), counts)
    rank_bps = np.bincount(owner, speed[seats.endpoints], seats.ranks)
    scale_up = np.array([_scale_up(fabric, number) for number in seats.accelerator.tolist()], np.float64)
    first = np.maximum(seats.first_endpoint, 0)
    leaf = np.array([each.leaf for each in fabric.endpoints])[first]
    pod = np.array([switch.pod for switch in fabric.switches])[leaf]
    level = np.where(leaf[src] == leaf[dst], 0, np.where(pod[src] == pod[dst], 1, 2))
    if not fabric.superspines:
        level = np.minimum(level, 1)
    ways = _level_latencies_s(fabric, frame_bytes)[level]
    rate = np.minimum(rank_bps[src], rank_bps[dst])
    return (
        np.where(inside, scale_up[src, 1] / 1e12, ways),
        np.maximum(np.where(inside, scale_up[src, 0], rate), 1.0),
    )


def _scale_up(fabric: Fabric, accelerator: int) -> tuple[int, int]:
    """An accelerator's rate and latency in its domain; zeros without one."""
    if accelerator == NOWHERE:
        return 0, 0
    spec = fabric.hosts[int(fabric.accelerators.host[accelerator])].accelerators
    return (spec.scale_up_bps, spec.scale_up_latency_ps) if spec else (0, 0)


def _level_latencies_s(fabric: Fabric, frame_bytes: int) -> _Floats:
    """One way between hosts of a leaf, of a pod and of two pods: cables, FEC, pipelines, and a frame's time
    at every switch, which is that of its first bytes where the switch cuts through."""
    arrays = fabric.arrays
    tiers = np.asarray(arrays.tier)
    total, found = 0.0, []
    for tier in range(3 if fabric.superspines else 2):
        links = [link for link, at in zip(fabric.links, tiers.tolist(), strict=True) if at == tier]
        if not links:
            found.append(total)
            continue
        switches = (fabric.leaves, fabric.spines, fabric.superspines)[tier]
        model = switches[0].model
        frame = _CUT_THROUGH_BYTES if model.is_cut_through else on_the_wire(fabric, frame_bytes)
        delay_s = sum(link.delay_ps for link in links) / len(links) / 1e12 + fabric.phy.fec_latency_ps / 1e12
        stored_s = frame * 8 / (sum(link.speed_bps for link in links) / len(links))
        # Up and down over links of this tier; the switch on top once, that below it twice.
        total += 2 * (delay_s + stored_s) - (stored_s if tier == 0 else 0)
        found.append(total + model.pipeline_latency_ps / 1e12)
        total += 2 * model.pipeline_latency_ps / 1e12
    return np.array(found + [total] * (3 - len(found)))
