"""DAY.yaml -> an elastic pool: what serves, what trains, and what changing hands needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from raddle.errors import InputError
from raddle.lab.elastic.curve import Load, read_loads
from raddle.lab.graph.file import NodeReader, RanksSpec, seats_by, with_nodes
from raddle.lab.graph.groups import EVERYONE, Group, split
from raddle.lab.graph.model import Graph, Ints, Job
from raddle.lab.workloads.ranks import seats_of
from raddle.topology.model import Fabric
from raddle.topology.yaml.fields import (
    Bandwidth,
    Count,
    Duration,
    HostSet,
    Name,
    Params,
    Probability,
    Size,
    Text,
    Version,
)
from raddle.topology.yaml.json_schema import URI, cleaned
from raddle.topology.yaml.reading import read_spec
from raddle.topology.yaml.schema_devices import Spec
from raddle.topology.yaml.source import Source, parse, read_text, refuse_all
from raddle.workload import Seats

_NOT_A_DAY = ("not-a-workload", "start with 'raddle: 1', then 'name:' and 'load:'")
SERVING, TRAINING = "inference", "training"


class StorageSpec(Spec):
    """Where weights come from and checkpoints go."""

    hosts: HostSet
    """Their accelerators are in no job; each of their NICs sends and receives."""
    rate: Bandwidth | None = None
    """What all of them together read and write [default: what their NICs carry]."""


class ServingSpec(Spec):
    """Instances that serve, each on accelerators of its own."""

    instance: Count
    """Accelerators of one."""
    least: Count = 1
    """Instances at any time."""
    headroom: Probability = 0.0
    """Capacity above the load."""
    weights: Size
    """Of one instance, which its accelerators load in equal parts."""
    drain: Duration
    """Until the requests of an instance are answered that gets no new ones."""
    warm_up: Duration = 0
    """From loaded weights to the first request."""
    nodes: dict[Name, Any]
    """What an instance does, as nodes of a workload; one of them decodes or prefills."""


class TrainingJobSpec(Spec):
    """A job that trains on all accelerators that do not serve."""

    replica: Count
    """It trains on a multiple of so many."""
    checkpoint: Size
    """Its whole state: written once, loaded by each replica, in equal parts."""
    restart: Duration = 0
    """From loaded state to the first step."""
    nodes: dict[Name, Any]
    """What a step is, as nodes of a workload."""


class ChangeSpec(Spec):
    """What the fabric's control takes."""

    plan: Duration = 10 * 10**12
    """To plan anew."""
    routes_per_second: Params = 1000
    """That a switch takes; switches take them at the same time."""
    groups: Duration = 30 * 10**12
    """To build communication groups anew."""


class DayFile(Spec):
    """A file of an elastic pool."""

    raddle: Version
    """Version of the format: 1."""
    name: Name
    """Of the pool."""
    load: Text
    """CSV with columns time,tokens_per_s: from which time of day on what is asked."""
    ranks: RanksSpec = Field(default_factory=RanksSpec)
    """Which accelerators are in the pool, storage apart; by default all, host by host."""
    storage: StorageSpec
    inference: ServingSpec
    training: TrainingJobSpec
    change: ChangeSpec = Field(default_factory=ChangeSpec)


def elastic_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    schema = with_nodes(DayFile, "ServingSpec", "TrainingJobSpec")
    return {**cleaned(schema, has_variables=False), "$schema": URI, "title": "raddle elastic"}


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """An elastic pool on a fabric.

    Attributes:
        seats: of the pool's accelerators in their order, then of the storage's.
        size: accelerators of the pool.
    """

    spec: DayFile
    loads: tuple[Load, ...]
    fabric: Fabric
    seats: Seats
    size: int
    source: Source
    folder: Path

    @property
    def storage(self) -> Ints:
        """Ranks of the storage's NICs."""
        return np.arange(self.size, self.seats.ranks)

    def serving(self, count: int) -> Ints:
        """The ranks of so many accelerators that serve: the first."""
        return np.arange(count)

    def training(self, count: int) -> Ints:
        """The ranks of so many that train: the last."""
        return np.arange(self.size - count, self.size)

    def graph(self, serving: int, training: int) -> Graph:
        """Both jobs on so many accelerators; one of none is left out.

        Raises:
            InputError: as `NodeReader` does.
        """
        jobs = []
        for name, ranks, size, nodes in (
            (SERVING, self.serving(serving), self.spec.inference.instance, self.spec.inference.nodes),
            (TRAINING, self.training(training), max(training, 1), self.spec.training.nodes),
        ):
            if len(ranks):
                groups = {EVERYONE: Group(EVERYONE, split(ranks, size, 1))}
                reader = NodeReader(self.fabric, self.seats, groups, self.source, self.folder)
                jobs.append(Job(name, reader.nodes((name, "nodes"), nodes)))
                refuse_all(reader.problems)
        return Graph(self.spec.name, tuple(jobs), self.seats)


def read_pool(fabric: Fabric, path: Path, seed: int = 1) -> Pool:
    """Read the file of an elastic pool, and the load that it names.

    Raises:
        InputError: everything that is wrong with it, by place.
    """
    source, spec, loads = day_file(path)
    everyone = seats_by(fabric, spec.ranks, source, seed).accelerator
    of_storage = RanksSpec(hosts=spec.storage.hosts)
    stored = seats_by(fabric, of_storage, source, seed, ("storage", "hosts")).accelerator
    order = np.concatenate([everyone[~np.isin(everyone, stored)], stored])
    size = len(order) - len(stored)
    for key, unit in (("instance", spec.inference.instance), ("replica", spec.training.replica)):
        if unit > size:
            where = (SERVING if key == "instance" else TRAINING, key)
            message = f"the pool has {size} accelerators beside its storage, not {unit}"
            raise InputError([source.error("bad-ranks", message, where)])
    return Pool(spec, loads, fabric, seats_of(fabric, order), size, source, path.parent)


def day_file(path: Path) -> tuple[Source, DayFile, tuple[Load, ...]]:
    """The file of a pool, and its load, as far as they can be read without a fabric.

    Raises:
        InputError: everything that is wrong with them, by place.
    """
    source = parse(read_text(path), str(path), _NOT_A_DAY)
    spec = read_spec(source, DayFile, "day")
    try:
        return source, spec, read_loads(path.parent / spec.load)
    except InputError as error:
        span = source.span(("load",))
        raise InputError(replace(each, span=each.span or span) for each in error.diagnostics) from None
