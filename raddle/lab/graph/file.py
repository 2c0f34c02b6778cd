"""WORKLOAD.yaml -> a graph of what the ranks of a fabric do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from raddle.errors import Diagnostic, InputError
from raddle.lab.graph.cycles import find_cycle
from raddle.lab.graph.groups import Group, GroupSpec, read_groups
from raddle.lab.graph.kinds.record import Context, NodeKind
from raddle.lab.graph.kinds.registry import KINDS
from raddle.lab.graph.model import Graph, Job, Node
from raddle.lab.graph.stragglers import TOO_LONG, computing_ranks, longest_ps, slowed
from raddle.lab.workloads.ranks import Scope, place_ranks, seats_of
from raddle.topology.model import Fabric
from raddle.topology.yaml.fields import Count, Duration, Factor, HostSet, Name, Position, Text, Version
from raddle.topology.yaml.json_schema import URI, cleaned
from raddle.topology.yaml.parsers import LONGEST_PS
from raddle.topology.yaml.reading import did_you_mean, read_spec
from raddle.topology.yaml.schema_devices import Spec
from raddle.topology.yaml.source import Place, Source, parse, read_text, refuse_all
from raddle.traffic.registry import FLOW_BYTES, MAX_FLOWS
from raddle.workload import Seats

_NOT_A_WORKLOAD = ("not-a-workload", "start with 'raddle: 1', then 'name:' and 'nodes:'")


class RanksSpec(Spec):
    """Which accelerators are ranks, in which order."""

    placement: Text | None = None
    """linear, strided, random, rail, or a FILE with host:accelerator on each line."""
    tenant: Name | None = None
    """Those of this tenant alone."""
    hosts: HostSet | None = None
    """Those on these hosts alone."""
    count: Count | None = None
    """The first so many."""


class JobSpec(Spec):
    """Nodes that belong together."""

    start: Duration = 0
    """When its first nodes begin."""
    traffic_class: Literal["lossless", "lossy"] = Field(default="lossless", alias="class")
    """lossless: RDMA's; lossy: DSCP 0, which is dropped where it does not fit, as background traffic."""
    stragglers: dict[Position, Factor] = Field(default_factory=dict)
    """By rank, how many times longer it computes."""
    nodes: dict[Name, Any]
    """By name."""


class WorkloadFile(Spec):
    """A workload file."""

    raddle: Version
    """Version of the format: 1."""
    name: Name
    """Of the workload."""
    ranks: RanksSpec = Field(default_factory=RanksSpec)
    """Which accelerators are ranks; by default all, host by host."""
    groups: dict[Name, GroupSpec] = Field(default_factory=dict)
    """Named groups of ranks; `all` is every rank."""
    nodes: dict[Name, Any] | None = None
    """Of the only job, by name."""
    jobs: dict[Name, JobSpec] | None = None
    """By name, where there are several; each has nodes of its own."""


def read_workload(fabric: Fabric, path: Path, seed: int = 1) -> Graph:
    """Read a workload file.

    Args:
        seed: of a random placement.

    Raises:
        InputError: everything that is wrong with it, by place.
    """
    source, spec = workload_file(path)
    seats = seats_by(fabric, spec.ranks, source, seed)
    groups, problems = read_groups(fabric, seats, spec.groups, source)
    refuse_all(problems)
    reader = NodeReader(fabric, seats, groups, source, path.parent)
    jobs: tuple[Job, ...]
    if spec.nodes is not None:
        jobs = (Job(spec.name, reader.nodes(("nodes",), spec.nodes)),)
    else:
        jobs = tuple(
            Job(name, reader.job_nodes(name, job), job.start, job.traffic_class == "lossy")
            for name, job in (spec.jobs or {}).items()
        )
        problems += _class_problems(fabric, spec, source)
    refuse_all([*problems, *reader.problems])
    refuse_all([problem for job in jobs for problem in _order_problems(job)])
    _check_size(jobs)
    return Graph(spec.name, jobs, seats)


def workload_file(path: Path) -> tuple[Source, WorkloadFile]:
    """A workload file as far as it can be read without a fabric.

    Raises:
        InputError: it is none.
    """
    source = parse(read_text(path), str(path), _NOT_A_WORKLOAD)
    spec = read_spec(source, WorkloadFile, "workload")
    if (spec.nodes is None) == (spec.jobs is None):
        message = f"the file has {'neither' if spec.nodes is None else 'both'} of 'nodes' and 'jobs'"
        raise InputError([source.error("bad-workload", message, (), "give one of them")])
    return source, spec


def workload_schema() -> dict[str, Any]:
    """The JSON Schema of a workload file, for editors."""
    schema = with_nodes(WorkloadFile, "JobSpec")
    schema["properties"]["nodes"] = {"type": "object", "additionalProperties": _NODE}
    return {**cleaned(schema, has_variables=False), "$schema": URI, "title": "raddle workload"}


_NODE = {"$ref": "#/$defs/Node"}


def with_nodes(file: type[Spec], *holders: str) -> dict[str, Any]:
    """The schema of a file, in which some of its parts have `nodes`."""
    schema = file.model_json_schema(mode="validation", by_alias=True)
    kinds = [kind.spec.model_json_schema(mode="validation", by_alias=True) for kind in KINDS]
    definitions = schema.setdefault("$defs", {})
    for kind in kinds:
        definitions |= kind.pop("$defs", {})
    definitions["Node"] = {"anyOf": kinds}
    for holder in holders:
        definitions[holder]["properties"]["nodes"] = {"type": "object", "additionalProperties": _NODE}
    return schema


def _class_problems(fabric: Fabric, spec: WorkloadFile, source: Source) -> Iterator[Diagnostic]:
    if any(each.priority == 0 or each.dscp == 0 for each in fabric.roce.lossless):
        for name, job in (spec.jobs or {}).items():
            if job.traffic_class == "lossy":
                message = "the fabric's traffic of DSCP 0 or priority 0 is lossless"
                yield source.error("no-lossy-class", message, ("jobs", name, "class"), "leave 'class' out")


def seats_by(fabric: Fabric, spec: RanksSpec, source: Source, seed: int, place: Place = ("ranks",)) -> Seats:
    """The seats of the ranks that a file names at a place; `seed` is of a random placement.

    Raises:
        InputError: as `place_ranks` does.
    """
    scope = Scope(spec.placement, spec.tenant, spec.hosts, spec.count, seed)
    try:
        return seats_of(fabric, place_ranks(fabric, scope))
    except InputError as error:
        where = source.span(place, at_key=True)
        raise InputError(
            each if each.span else Diagnostic(each.code, each.message, where, each.hint)
            for each in error.diagnostics
        ) from None


class NodeReader:
    """Reads nodes and keeps what is wrong."""

    def __init__(
        self, fabric: Fabric, seats: Seats, groups: Mapping[str, Group], source: Source, folder: Path
    ) -> None:
        self.problems: list[Diagnostic] = []
        self._fabric, self._seats, self._groups = fabric, seats, groups
        self._source, self._folder = source, folder

    def nodes(self, place: tuple[str, ...], specs: Mapping[str, Any]) -> tuple[Node, ...]:
        """The nodes at a place that are right."""
        if not specs:
            self.problems.append(self._source.error("bad-workload", "there is no node", place, at_key=True))
        found = []
        for name in specs:
            try:
                found.append(self._node((*place, name), name, list(specs)))
            except InputError as error:
                self.problems += error.diagnostics
        return tuple(found)

    def job_nodes(self, name: str, spec: JobSpec) -> tuple[Node, ...]:
        """The nodes of a job, with its stragglers."""
        found = self.nodes(("jobs", name, "nodes"), spec.nodes)
        computing = {rank for node in found for rank in computing_ranks(node)}
        longest = max((longest_ps(node.steps) for node in found), default=0)
        for rank, factor in spec.stragglers.items():
            message = ""
            if rank >= self._seats.ranks:
                message = f"there is no rank {rank}; ranks are 0..{self._seats.ranks - 1}"
            elif rank not in computing and len(found) == len(spec.nodes):
                message = f"rank {rank} computes nothing in job '{name}'"
            elif longest * factor > LONGEST_PS:
                message = f"what rank {rank} computes, {factor:g} times as long, {TOO_LONG}"
            if message:
                place: Place = ("jobs", name, "stragglers", str(rank))
                self.problems.append(self._source.error("bad-group", message, place, at_key=True))
                return found
        return tuple(slowed(node, spec.stragglers) for node in found)

    def _node(self, place: tuple[str, ...], name: str, names: list[str]) -> Node:
        part = self._source.part(*place)
        if part is None:
            message = f"expected a mapping as '{name}'"
            raise InputError([self._source.error("wrong-shape", message, place, _known_kinds())])
        kind = self._kind(part, place, name)
        spec = read_spec(part, kind.spec)
        for i, other in enumerate(spec.after):
            if other not in names or other == name:
                what = "waits for itself" if other == name else f"there is no node '{other}'"
                hint = did_you_mean(other, [each for each in names if each != name])
                where: Place = ("after", i)
                raise InputError([part.error("unknown-node", what, part.written(where), hint)])
        context = Context(name, self._fabric, self._seats, self._groups, part, self._folder)
        try:
            made = kind.make(spec, context)
        except OverflowError:
            raise context.error("bad-workload", f"something in '{name}' {TOO_LONG}") from None
        if longest_ps(made.steps) > LONGEST_PS:
            raise context.error("bad-workload", f"what '{name}' computes or waits {TOO_LONG}")
        span = self._source.span(place, at_key=True)
        node = Node(
            name, made.steps, spec.after, made.what, span, np.zeros(0, np.int64), made.served, made.plan
        )
        return replace(node, waiting=node.ranks if made.waiting is None else made.waiting)

    def _kind(self, part: Source, place: Place, name: str) -> NodeKind:
        kinds = [kind for kind in KINDS if kind.key in part.root.entries]
        if len(kinds) == 1:
            return kinds[0]
        what = f"is several things: {', '.join(kind.key for kind in kinds)}" if kinds else "is of no kind"
        hint = _known_kinds()
        if not kinds:
            near = (did_you_mean(key, [kind.key for kind in KINDS]) for key in part.root.entries)
            hint = next(filter(None, near), hint)
        raise InputError([self._source.error("node-kind", f"'{name}' {what}", place, hint, at_key=True)])


def _known_kinds() -> str:
    return f"give it one of {', '.join(kind.key for kind in KINDS)}"


def _order_problems(job: Job) -> Iterator[Diagnostic]:
    """What can never end, or waits for what it has no part in."""
    nodes = {node.name: node for node in job.nodes}
    members = {node.name: set(node.ranks.tolist()) for node in job.nodes}
    for node in job.nodes:
        for name in node.after:
            if others := set(node.waiting.tolist()) - members[name]:
                message = (
                    f"rank {min(others)} of '{node.name}' has no part in '{name}' and cannot know its end"
                )
                hint = "let it wait for a node that all its ranks take part in, such as a 'send' to them"
                yield Diagnostic("waits-for-others", message, node.span, hint)
    if cycle := find_cycle(job, members):
        first = nodes[cycle[0].name]
        way = " -> ".join([*(each.said for each in cycle), first.name])
        hint = "nodes of a stream go in the order of the file; give one a 'stream' of its own, or move it"
        if not any(each.stream for each in cycle):
            hint = "take one of these names out of an 'after'"
        yield Diagnostic("workload-cycle", f"nodes wait for one another: {way}", first.span, hint)


def _check_size(jobs: tuple[Job, ...]) -> None:
    """Raise InputError where the flows of all jobs do not fit memory."""
    flows = sum(
        2 * len(part.ranks) + (part.messages.schedule.flows if part.messages else 0)
        for job in jobs
        for node in job.nodes
        for step in node.steps
        for part in step.parts
    )
    if flows > MAX_FLOWS:
        memory = f"{flows * FLOW_BYTES / 1e9:.1f} GB of memory"
        message = f"the workload is {flows} flows, {memory}; at most {MAX_FLOWS} fit"
        raise InputError.of("too-many-flows", message, "use fewer ranks, nodes or slices")
