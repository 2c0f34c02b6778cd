"""A job of a scenario, and the work that it is with one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from raddle.lab.workloads.collective import CollectiveJob
from raddle.workload import Demand, Workload


@dataclass(frozen=True, slots=True)
class Work:
    """What is sent, in words and as a workload, and what it asks of the fabric.

    `collective` is None and `size_bytes` 0 where it is a graph.
    """

    what: str
    workload: Workload
    demand: Callable[[], Demand]
    collective: CollectiveJob | None = None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ScenarioJob:
    """A job, from a time on. `make` is its work with a seed; `tenant` whose it is, if anybody's."""

    name: str
    start_ps: int
    make: Callable[[int], Work]
    tenant: str = ""
