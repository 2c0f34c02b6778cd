"""The time that a collective should take by size: what its busiest resource needs, and what waits add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raddle.lab.expect.messages import Chain, Messages, longest_chain, messages_of
from raddle.lab.expect.resources import Bound, Kind, Loads, loads_of
from raddle.lab.workloads.collective import CollectiveJob

_LATENCY = "latency"

_BINDS = 1.01
"""How many times as long as alone flows that share a link must take to bind."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One size.

    Attributes:
        loads: what resources carry.
        chain: the longest of messages that wait for one another, each as long as its first slice.
    """

    messages: Messages
    loads: Loads
    chain: Chain

    def time_s(
        self,
        factors: Mapping[Kind, Mapping[str, float]] | None = None,
        stretch: float = 1.0,
        late_s: float = 0.0,
    ) -> float:
        """Seconds from the first byte to the last.

        Steps that wait for one another add up; where messages go on in slices, the busiest NIC is idle only
        while the first slice is on its way to and from it.

        Args:
            factors: rates of resources in place of their own, as of `Loads.time_s`.
            stretch: how many times as long the busiest resource needs, as where paths collide.
            late_s: what every message of the longest chain adds.
        """
        busy_s = self.loads.time_s(factors) * stretch
        late_s *= self.chain.messages
        if self.messages.slices <= 1:
            slower = busy_s / max(self.loads.time_s(), 1e-15)
            return max(busy_s, self.loads.rounds_s * slower) + self.chain.latency_s + late_s
        idle_s = (self.chain.time_s + late_s) * (1 - self.loads.active)
        return max(self.chain.time_s + late_s, busy_s + idle_s)

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The busiest of each kind of resource, the slowest first."""
        return self.loads.bounds()

    def binding(self, stretch: float = 1.0, met: str = "") -> str:
        """What takes most of the time.

        Args:
            stretch: how many times as long the busiest link needs as the busiest resource alone.
            met: what that link's load is called.
        """
        busiest = self.bounds[0]
        if self.chain.latency_s > busiest.time_s * stretch:
            return _LATENCY
        return met if stretch > _BINDS else busiest.kind


def point_of(job: CollectiveJob, size_bytes: int) -> Point:
    """What a job should take at a size.

    Raises:
        InputError: its messages are too many, or two ranks have no way between them.
    """
    messages = messages_of(job, size_bytes)
    loads = loads_of(job.fabric, job.seats, messages)
    return Point(messages, loads, longest_chain(job.fabric, job.seats, messages))
