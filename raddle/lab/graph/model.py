"""A workload as a graph: what each rank does, in which order, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.errors import SourceSpan
from raddle.lab.graph.training.plan import TrainingPlan
from raddle.workload import Seats, Workload

Ints = NDArray[np.int64]

COMPUTE = "compute"
"""The stream of what an accelerator computes, and the part of its time that it takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What some ranks do together.

    Attributes:
        ranks: int64[n], of the whole workload.
        messages: flows among them as ranks 0 to n - 1; seats are not looked at. None: they compute or wait.
        time_ps: int64[n], how long each computes or waits before that.
    """

    ranks: Ints
    messages: Workload | None = None
    time_ps: Ints | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Parts that run side by side, on ranks of their own.

    A rank begins when it is through with what it does before in this stream and with those of `after` that it
    takes part in.

    Attributes:
        stream: a rank goes through the steps of a stream of its job one by one, in their order; as a device's
            stream, or a communicator.
        label: what its time is counted as: `compute`, or a kind of communication.
        after: other steps of its node, by number.
    """

    parts: tuple[Part, ...]
    stream: str
    label: str
    after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Served:
    """Tokens that a node makes, or reads.

    Attributes:
        tokens: of each rank in each of `steps`.
        simulated_layers: so many of `layers`, which are alike, are in the node.
        compute_ps: of a rank in all of that.
    """

    tokens: int
    steps: int
    layers: int
    simulated_layers: int
    compute_ps: int


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """Something that a workload names.

    Attributes:
        after: other nodes of the job; a rank waits for its own part of them.
        what: what it is, as printed.
        span: where its name stands.
        waiting: int64, the ranks that have to take part in all of `after`.
        served: the tokens that it makes, or reads; None where it is something else.
        plan: of a step of training.
    """

    name: str
    steps: tuple[Step, ...]
    after: tuple[str, ...]
    what: str
    span: SourceSpan
    waiting: Ints
    served: Served | None = None
    plan: TrainingPlan | None = None

    @property
    def ranks(self) -> Ints:
        """int64, those that take part, in order."""
        return np.unique(np.concatenate([part.ranks for step in self.steps for part in step.parts]))


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Nodes that know one another, in the order of their streams; `is_lossy`: see `Workload`."""

    name: str
    nodes: tuple[Node, ...]
    start_ps: int = 0
    is_lossy: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Jobs on the ranks of a fabric."""

    name: str
    jobs: tuple[Job, ...]
    seats: Seats
