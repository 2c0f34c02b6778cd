"""What a kind of node is: how it is written, and the steps that it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from raddle.errors import InputError
from raddle.lab.graph.groups import Group, Names
from raddle.lab.graph.model import Ints, Served, Step
from raddle.lab.graph.training.plan import TrainingPlan
from raddle.lab.workloads.collective import CollectiveJob, job_on
from raddle.lab.workloads.seat_parts import seats_at
from raddle.topology.model import Fabric
from raddle.topology.yaml.fields import Name
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema_devices import Spec
from raddle.topology.yaml.source import Place, Source
from raddle.traffic import USUAL, Terms
from raddle.workload import Seats


class NodeSpec(Spec):
    """What nodes of all kinds have."""

    after: Names = ()
    """Nodes of the job to wait for: each rank for its own part of them."""


class StreamSpec(NodeSpec):
    """What nodes of one step have besides."""

    stream: Name | None = None
    """Nodes of a stream go one by one on each rank, in the order of the file; default: by kind and group."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """Where a node stands: fabric, ranks, groups, and its text."""

    name: str
    fabric: Fabric
    seats: Seats
    groups: Mapping[str, Group]
    source: Source
    folder: Path

    def group(self, name: str, *place: str) -> Group:
        """A group by the name that stands at a place of the node.

        Raises:
            InputError: `unknown-group`.
        """
        if name not in self.groups:
            hint = did_you_mean(name, self.groups, f"there are {', '.join(self.groups)}")
            raise self.error("unknown-group", f"no group '{name}'", place, hint)
        return self.groups[name]

    def error(self, code: str, message: str, place: Place = (), hint: str = "") -> InputError:
        """What is wrong at a place of the node, to be raised."""
        return InputError([self.source.error(code, message, place, hint)])

    def job(
        self, ranks: Ints, collective: str, algorithm: str | None, size_bytes: int, terms: Terms = USUAL
    ) -> CollectiveJob:
        """A collective among some ranks."""
        seats = seats_at(self.seats, ranks)
        return job_on(self.fabric, seats, collective, algorithm, terms=terms, sizes_bytes=(size_bytes,))

    def placed(self, error: InputError, *place: str) -> InputError:
        """An error with a place of the node where it has none."""
        span = self.source.span(place)
        return InputError(replace(each, span=each.span or span) for each in error.diagnostics)


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The steps of a node, and what it is, as printed.

    Attributes:
        waiting: int64, ranks that have to take part in what the node is after; None: all of its own.
        served: what it makes, where that is tokens.
        plan: of a step of training.
    """

    steps: tuple[Step, ...]
    what: str
    waiting: Ints | None = None
    served: Served | None = None
    plan: TrainingPlan | None = None


@dataclass(frozen=True, slots=True)
class NodeKind:
    """One kind of node.

    Attributes:
        key: the key that a node of this kind has, and no other kind.
        spec: its mapping.
        make: its steps; raises InputError.
    """

    key: str
    spec: type[NodeSpec]
    make: Callable[[Any, Context], Made]


def times(count: int, time_ps: int) -> Ints:
    """int64[count]."""
    return np.full(count, time_ps, np.int64)
