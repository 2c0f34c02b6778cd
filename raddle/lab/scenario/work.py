"""The jobs of a scenario, and the work that each is with a seed.

A maker can be sent to another process: what it makes is of the fabric that it is given there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.errors import InputError
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.workloads.collective import CollectiveJob, find_job
from raddle.lab.workloads.connections import LaneFinder
from raddle.lab.workloads.demand import demand_of
from raddle.lab.workloads.ranks import Scope, place_ranks, seat_names, seats_of
from raddle.topology.model import Fabric
from raddle.units import format_rate, format_size, format_time
from raddle.workload import COPY, NOWHERE, Demand, Schedule, Seats, Workload

_MAX_MESSAGES = 1_000_000


@dataclass(frozen=True, slots=True)
class Work:
    """What is sent, in words and as a workload, and what it asks of the fabric.

    `collective` is None and `size_bytes` 0 where it is none.
    """

    what: str
    workload: Workload
    demand: Callable[[], Demand]
    collective: CollectiveJob | None = None
    size_bytes: int = 0


class Maker(Protocol):
    """Makes a job's work."""

    def __call__(self, fabric: Fabric, seed: int) -> Work:
        """Its work on a fabric, with a seed of random placement.

        Raises:
            InputError: it does not fit the fabric.
        """
        ...


@dataclass(frozen=True, slots=True)
class ScenarioJob:
    """A job, from a time on; `tenant` whose it is, if anybody's."""

    name: str
    start_ps: int
    make: Maker
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class CollectiveMaker:
    """A collective, once. `scope` is that of seed 1."""

    collective: str
    algorithm: str | None
    size_bytes: int
    root: int | None
    scope: Scope

    def __call__(self, fabric: Fabric, seed: int) -> Work:
        old = self.scope
        scope = Scope(old.placement, old.tenant, old.hosts, old.ranks, seed)
        terms = traffic.Terms(root=self.root)
        job = find_job(fabric, self.collective, self.algorithm, scope, terms, (self.size_bytes,))
        what = f"{job.collective.name} {job.chosen(self.size_bytes)[0]} of {format_size(self.size_bytes)}"
        return Work(what, job.workload(self.size_bytes), job.demand, job, self.size_bytes)


@dataclass(frozen=True, slots=True)
class GraphMaker:
    """What a workload file says."""

    path: Path

    def __call__(self, fabric: Fabric, seed: int) -> Work:
        graph = read_workload(fabric, self.path, seed)
        work = assemble(graph).workload
        return Work(graph.name, work, lambda: demand_of(fabric, work.seats, work.schedule))


@dataclass(frozen=True, slots=True)
class StreamMaker:
    """Messages of one size from the n-th rank of some hosts to the n-th of others, at a steady rate.

    Attributes:
        is_both_ways: back as well, at the same rate.
        span_ps: for how long.
    """

    senders: str
    receivers: str
    rate_bps: int
    message_bytes: int
    span_ps: int
    is_both_ways: bool

    def __call__(self, fabric: Fabric, seed: int) -> Work:
        ends = [place_ranks(fabric, Scope(hosts=hosts)) for hosts in (self.senders, self.receivers)]
        if len(ends[0]) != len(ends[1]):
            raise InputError.of(
                "bad-scenario",
                f"{len(ends[0])} accelerators send to {len(ends[1])}; each sends to one",
                "name as many hosts in 'from' as in 'to'",
            )
        pairs, gap_ps = len(ends[0]), self.message_bytes * 8 * 10**12 // self.rate_bps
        count = -(-self.span_ps // max(gap_ps, 1))
        ways = 2 if self.is_both_ways else 1
        if ways * pairs * count > _MAX_MESSAGES:
            raise InputError.of(
                "bad-scenario",
                f"a stream of {ways * pairs * count} messages is more than {_MAX_MESSAGES}",
                "take larger messages, or a shorter time",
            )
        seats = seats_of(fabric, np.concatenate(ends))
        one, two = np.arange(pairs), np.arange(pairs, 2 * pairs)
        src, dst = (one, two) if ways == 1 else (np.concatenate([one, two]), np.concatenate([two, one]))
        self._check_rate(fabric, seats, src, dst)
        lanes = len(src)
        start_ps = np.repeat(np.arange(count, dtype=np.int64) * gap_ps, lanes)
        zeros = np.zeros(lanes * count, np.int32)
        schedule = Schedule(
            name="stream", ranks=2 * pairs,
            src=np.tile(src, count).astype(np.int32), dst=np.tile(dst, count).astype(np.int32),
            size_bytes=np.full(lanes * count, self.message_bytes, np.int64),
            step=zeros,
            qp=np.tile(np.arange(lanes, dtype=np.int32), count),
            dep_offsets=np.zeros(lanes * count + 1, np.int64), dep_ids=np.zeros(0, np.int32),
            chunk=zeros, chunk_count=zeros, op=np.full(lanes * count, COPY, np.int8), fan=zeros,
            chunk_bytes=np.zeros(0, np.int64),
        )  # fmt: skip
        work = Workload(schedule, seats, start_ps)
        what = (
            f"{format_rate(self.rate_bps)} in messages of {format_size(self.message_bytes)}"
            f" for {format_time(self.span_ps)}"
        )
        return Work(what, work, lambda: demand_of(fabric, seats, schedule))

    def _check_rate(
        self, fabric: Fabric, seats: Seats, src: NDArray[np.int64], dst: NDArray[np.int64]
    ) -> None:
        """Refuse what the NICs of a sender cannot send; inside a scale-up network none sends."""
        speed = fabric.arrays.speed_bps[[each.link for each in fabric.endpoints]].astype(np.float64)
        owner = np.repeat(np.arange(seats.ranks), np.diff(seats.endpoint_offsets))
        most_bps = np.bincount(owner, speed[seats.endpoints], seats.ranks)[src]
        inside = (seats.domain[src] == seats.domain[dst]) & (seats.domain[src] != NOWHERE)
        over = np.flatnonzero((self.rate_bps > most_bps) & ~inside)
        if len(over):
            name = seat_names(fabric, seats)[int(src[over[0]])]
            has = format_rate(int(most_bps[over[0]]))
            message = f"a stream of {format_rate(self.rate_bps)} is more than {name} sends, {has}"
            raise InputError.of("bad-scenario", message, "take a lower rate")


def check_ways(fabric: Fabric, workload: Workload) -> None:
    """See that ranks which send to each other have a way.

    Raises:
        InputError: `no-way-between`.
    """
    schedule, seats = workload.schedule, workload.seats
    pairs = np.unique(schedule.src.astype(np.int64) * seats.ranks + schedule.dst)
    LaneFinder(fabric, seats).between(*np.divmod(pairs, seats.ranks))


def work_digest(work: Work) -> bytes:
    """What tells a work from others: its messages, when they may start, and between whom."""
    digest, load = hashlib.sha256(), work.workload
    names = ("src", "dst", "size_bytes", "qp", "dep_offsets", "dep_ids")
    columns = (getattr(load.schedule, name) for name in names)
    for column in (*columns, load.starts_ps, load.delays_ps, load.seats.endpoints, load.seats.accelerator):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.digest()
