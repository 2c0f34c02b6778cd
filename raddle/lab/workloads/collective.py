"""A collective as a workload: its algorithm, where its ranks are, and what it sends at each size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.lab.workloads.demand import collective_demand, place_ranks
from raddle.topology.model import Fabric
from raddle.traffic import Algorithm, Collective, Terms
from raddle.traffic.sizes import FLOAT, BufferSize
from raddle.workload import Demand, Schedule, Seats, Workload


@dataclass(frozen=True, slots=True, eq=False)
class CollectiveJob:
    """A collective among all ranks of a fabric's first plane; `ranks` holds the endpoint of each, int32."""

    fabric: Fabric
    collective: Collective
    algorithm: Algorithm
    placement: str
    ranks: NDArray[np.int32]
    seed: int
    terms: Terms = traffic.USUAL

    def buffer(self, size_bytes: int) -> BufferSize:
        """What a requested size becomes."""
        buffer = self.algorithm.buffer or self.collective.buffer
        return buffer(len(self.ranks), size_bytes, self.terms.elements)

    def count_wrong(
        self, schedule: Schedule, start_ps: NDArray[np.int64], finish_ps: NDArray[np.int64]
    ) -> int:
        """Elements that are not what it promises where flows started and finished then (-1: never)."""
        element_bytes = self.terms.elements.bytes
        if self.algorithm.judge:
            return self.algorithm.judge(schedule, start_ps, finish_ps, element_bytes)
        return traffic.count_wrong(schedule, self.collective, start_ps, finish_ps, element_bytes)

    def notes(self) -> tuple[str, ...]:
        """What is to be known of the traffic beside its name."""
        if self.terms.matrix is None:
            return ()
        sent = np.where(np.eye(len(self.ranks), dtype=bool), 0, self.terms.matrix)
        sender, receiver = int(sent.sum(axis=1).argmax()), int(sent.sum(axis=0).argmax())
        names = [self.fabric.endpoints[end].name for end in self.ranks[[sender, receiver]].tolist()]
        return (
            f"rank {receiver} ({names[1]}) receives most, {sent[:, receiver].sum()} B; rank {sender}"
            f" ({names[0]}) sends most, {sent[sender].sum()} B; {sent.sum()} B in all",
        )

    def workload(self, size_bytes: int) -> Workload:
        """What it sends with buffers of that size, which is rounded up to 4 bytes for smaller elements."""
        if self.terms.elements.bytes < FLOAT.bytes:
            size_bytes = -(-self.buffer(size_bytes).size_bytes // FLOAT.bytes) * FLOAT.bytes
        shape = traffic.Shape.flat(len(self.ranks))
        traffic.check_ranks(self.collective, self.algorithm, shape, size_bytes)
        return Workload(self.algorithm.schedule(shape, size_bytes), Seats.of_endpoints(self.ranks))

    def demand(self) -> Demand:
        """What it asks of the fabric, in every plane."""
        return collective_demand(
            self.fabric, self.collective.name, self.algorithm.name, self.placement, self.seed, self.terms
        )


def find_job(
    fabric: Fabric,
    collective: str,
    algorithm: str | None,
    placement: str = "linear",
    seed: int = 1,
    terms: Terms = traffic.USUAL,
) -> CollectiveJob:
    """The job that these names describe; `algorithm` None is the collective's usual one.

    Args:
        seed: of a random placement.

    Raises:
        InputError: there is no such collective, algorithm or placement, or it is not for that many ranks.
    """
    found = terms.of(traffic.find_collective(collective))
    way = traffic.find_algorithm(found, algorithm)
    ranks = place_ranks(fabric, placement, seed)
    terms.check(len(ranks))
    traffic.check_ranks(found, way, traffic.Shape.flat(len(ranks)))
    return CollectiveJob(fabric, found, way, placement, ranks, seed, terms)
