"""A collective as a workload: its algorithm, where its ranks are, and what it sends at each size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.lab.workloads.demand import demand_between
from raddle.lab.workloads.machine import machine_of
from raddle.lab.workloads.ranks import EVERYWHERE, Scope, place_ranks, seat_names, seats_of, shape_of
from raddle.topology.model import Fabric
from raddle.traffic import Algorithm, Collective, Terms
from raddle.traffic.auto import AUTO, Auto
from raddle.traffic.demand import steps_of
from raddle.traffic.registry import MAX_FLOWS
from raddle.traffic.sizes import FLOAT, BufferSize
from raddle.workload import NOWHERE, Demand, Schedule, Seats, Workload

USUAL_SIZES = traffic.sweep(1 << 20, 256 << 20, 4)
"""Those of `bench`, for what is planned without sizes."""

_FLOWS_IN_PART = 1 << 20
"""Of steps that stand for all: no more than of `_FEWEST_STEPS`, and of no more than `_MOST_STEPS`."""

_FEWEST_STEPS, _MOST_STEPS = 16, 64


@dataclass(frozen=True, slots=True, eq=False)
class CollectiveJob:
    """A collective among the accelerators of a fabric, or of a part of it.

    Attributes:
        steps: as many stand for all, as these are too many to run; 0: all are run.
    """

    fabric: Fabric
    collective: Collective
    algorithm: Algorithm
    scope: Scope
    seats: Seats
    shape: traffic.Shape
    terms: Terms = traffic.USUAL
    auto: Auto | None = None
    steps: int = 0

    @property
    def ranks(self) -> int:
        return self.seats.ranks

    def buffer(self, size_bytes: int) -> BufferSize:
        """What a requested size becomes."""
        buffer = self.algorithm.buffer or self.collective.buffer
        return buffer(self.ranks, size_bytes, self.terms.elements)

    def chosen(self, size_bytes: int) -> tuple[str, str]:
        """The algorithm of a size and, where `auto` took it, its protocol."""
        return self.auto.chosen(self.shape, size_bytes) if self.auto else (self.algorithm.name, "")

    def count_wrong(
        self, schedule: Schedule, start_ps: NDArray[np.int64], finish_ps: NDArray[np.int64]
    ) -> int | None:
        """Elements that are not what it promises where flows started and finished then (-1: never).

        None where counting them takes too much memory.
        """
        element_bytes = self.terms.elements.bytes
        if self.algorithm.judge:
            return self.algorithm.judge(schedule, start_ps, finish_ps, element_bytes)
        return traffic.count_wrong(schedule, self.collective, start_ps, finish_ps, element_bytes)

    def notes(self) -> tuple[str, ...]:
        """What is to be known of the traffic beside its name."""
        if self.auto:
            return tuple(self.auto.notes(self.shape))
        if self.terms.matrix is None:
            return ()
        sent = np.where(np.eye(self.ranks, dtype=bool), 0, self.terms.matrix)
        sender, receiver = int(sent.sum(axis=1).argmax()), int(sent.sum(axis=0).argmax())
        names = seat_names(self.fabric, self.seats)
        return (
            f"rank {receiver} ({names[receiver]}) receives most, {sent[:, receiver].sum()} B; rank {sender}"
            f" ({names[sender]}) sends most, {sent[sender].sum()} B; {sent.sum()} B in all",
        )

    def workload(self, size_bytes: int) -> Workload:
        """What it sends with buffers of that size, which is rounded up to 4 bytes for smaller elements."""
        if self.terms.elements.bytes < FLOAT.bytes:
            size_bytes = -(-self.buffer(size_bytes).size_bytes // FLOAT.bytes) * FLOAT.bytes
        if self.steps and self.algorithm.some_steps:
            schedule = self.algorithm.some_steps(self.shape, size_bytes, self.steps)
        else:
            traffic.check_ranks(self.collective, self.algorithm, self.shape, size_bytes)
            schedule = self.algorithm.schedule(self.shape, size_bytes)
        latency = self.algorithm.latency(self.shape, size_bytes)
        if latency == traffic.NO_LATENCY:
            return Workload(schedule, self.seats)
        delay_ps = latency.delays_ps(self.shape.is_inside(schedule))
        return Workload(schedule, self.seats, latency.starts_ps(schedule, delay_ps), delay_ps)

    def demand(self) -> Demand:
        """What it asks of the fabric; of the steps that are run."""
        if self.steps and self.algorithm.some_steps:
            schedule = self.algorithm.some_steps(self.shape, USUAL_SIZES[0], self.steps)
            return demand_between(self.fabric, self.seats, steps_of(schedule))
        return demand_between(self.fabric, self.seats, self.algorithm.pairs(self.shape))


def find_job(
    fabric: Fabric,
    collective: str,
    algorithm: str | None,
    scope: Scope = EVERYWHERE,
    terms: Terms = traffic.USUAL,
    sizes_bytes: Sequence[int] = USUAL_SIZES,
    *,
    is_sent: bool = True,
    in_part: bool = False,
) -> CollectiveJob:
    """The job that these names describe.

    Args:
        algorithm: None is the library's choice where a scale-up network connects ranks, else the usual one.
        sizes_bytes: for which a choice is made.
        is_sent: whether it is to run; where only its pairs are asked for, it may have more flows than fit.
        in_part: where it has more flows than fit, some steps may stand for all.

    Raises:
        InputError: there is no such collective, algorithm or placement, or it is not for that many ranks.
    """
    seats = seats_of(fabric, place_ranks(fabric, scope))
    return job_on(
        fabric, seats, collective, algorithm, scope, terms, sizes_bytes, is_sent=is_sent, in_part=in_part
    )


def job_on(
    fabric: Fabric,
    seats: Seats,
    collective: str,
    algorithm: str | None,
    scope: Scope = EVERYWHERE,
    terms: Terms = traffic.USUAL,
    sizes_bytes: Sequence[int] = USUAL_SIZES,
    *,
    is_sent: bool = True,
    in_part: bool = False,
) -> CollectiveJob:
    """The same of ranks on these seats; `scope` says where they are from."""
    found = terms.of(traffic.find_collective(collective))
    named = None if algorithm in (AUTO, None) else traffic.find_algorithm(found, algorithm)
    shape = shape_of(fabric, seats)
    terms.check(seats.ranks)
    auto = None
    if algorithm == AUTO or (algorithm is None and (shape.domain != NOWHERE).any()):
        auto = Auto(found, machine_of(fabric, seats, shape), tuple(sizes_bytes))
    way = auto.algorithm if auto else named or found.algorithms[0]
    steps = _steps_for_all(found, way, shape, max(sizes_bytes)) if in_part and not auto else 0
    if not steps:
        traffic.check_ranks(found, way, shape, is_sent=is_sent)
    return CollectiveJob(fabric, found, way, scope, seats, shape, terms, auto, steps)


def _steps_for_all(collective: Collective, way: Algorithm, shape: traffic.Shape, size_bytes: int) -> int:
    """How many steps stand for all; 0 where all fit, or none do."""
    size_bytes = collective.buffer(shape.ranks, size_bytes).size_bytes
    if way.some_steps is None or way.refuses(shape) or way.flows(shape, size_bytes) <= MAX_FLOWS:
        return 0
    flows = way.some_steps(shape, size_bytes, 1).flows
    steps = min(max(_FLOWS_IN_PART // flows, _FEWEST_STEPS), _MOST_STEPS)
    return steps if steps * flows <= MAX_FLOWS else 0


def collective_demand(
    fabric: Fabric, collective: str, algorithm: str | None, scope: Scope = EVERYWHERE
) -> Demand:
    """The flows of a collective between endpoints, phase by phase.

    Raises:
        InputError: those of `find_job`, and `no-way-between`.
    """
    return find_job(fabric, collective, algorithm, scope, is_sent=False).demand()
