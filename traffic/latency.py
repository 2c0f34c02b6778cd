"""What a library spends on a message besides moving its bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.shape import WHOLE_MESSAGES, Shape
from raddle.traffic.tuning import BASE_US, HOP_US, PROTOCOLS
from raddle.workload import Schedule


@dataclass(frozen=True, slots=True)
class StepLatency:
    """Times of synchronising, copying and handing over, in picoseconds.

    Attributes:
        base_ps: once, before the first message.
        inside_ps, network_ps: before each message, from when all that it waits for is there until its first
            byte leaves, inside of a scale-up domain and between them.
    """

    base_ps: int = 0
    inside_ps: int = 0
    network_ps: int = 0

    def delays_ps(self, is_inside: NDArray[np.bool_]) -> NDArray[np.int64]:
        """int64[F], that of each flow, given whether it stays in a domain."""
        return np.where(is_inside, self.inside_ps, self.network_ps)

    def starts_ps(self, schedule: Schedule, delay_ps: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[F], the earliest start of each flow: one that waits for no other waits for the library."""
        waits_for_none = np.diff(schedule.dep_offsets) == 0
        return np.where(waits_for_none, self.base_ps + delay_ps, 0)


NO_LATENCY = StepLatency()

_HOPS = {"nvls": 2, "nvls_tree": 2}
"""How many messages of a schedule share a latency of the switch: a sum and a copy."""

_OVERLAP = {"pat": 3.5}
"""By how much NCCL's model divides a latency of the network."""


def nccl_latency(algorithm: str, protocol: str = "Simple") -> StepLatency:
    """NCCL's figures, which are of whole hops: what a simulated network takes itself comes on top.

    Source: raddle.traffic.tuning. Left out: a ring's factor of 1.4 on several servers, the 2.8 us of each
    rank in PAT, and the least that a hop inside takes beside one over the network.
    """
    at = PROTOCOLS.index(protocol)
    base = BASE_US.get(algorithm, (0, 0, 0))[at]
    inside = HOP_US["nvlink"][algorithm][at] / _HOPS.get(algorithm, 1)
    network = HOP_US["net"][algorithm][at] / _OVERLAP.get(algorithm, 1)
    return StepLatency(*(round(time_us * 1_000_000) for time_us in (base, inside, network)))


def always(algorithm: str) -> Callable[[Shape, int], StepLatency]:
    """The figures of protocol Simple; none for ranks that send whole messages, which are no library's."""

    def latency(shape: Shape, size_bytes: int) -> StepLatency:
        return NO_LATENCY if shape.protocol == WHOLE_MESSAGES else nccl_latency(algorithm)

    return latency
