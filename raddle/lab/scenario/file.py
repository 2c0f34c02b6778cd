"""SCENARIO.yaml -> a scenario on its fabric."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from raddle.controller.plan.backup import inner_links
from raddle.errors import Diagnostic, InputError, with_hint
from raddle.lab.run.control import Control, ControllerDelays, Order
from raddle.lab.run.faults import Fault
from raddle.lab.run.fidelity import check_fidelity
from raddle.lab.run.settings import DETECTION_PS, FIDELITY_PATTERN, RunSettings, parse_fidelity
from raddle.lab.scenario.checks import Command
from raddle.lab.scenario.events import ControllerSpec, EventSpec, faults_with, is_order, orders_of
from raddle.lab.scenario.expectation import Expectation, parse_expectation
from raddle.lab.scenario.metrics import CONVERGENCE, LINK_JAIN, METRICS, RECOVERY
from raddle.lab.scenario.work import (
    CollectiveMaker,
    GraphMaker,
    Maker,
    ScenarioJob,
    StreamMaker,
    check_ways,
    work_digest,
)
from raddle.lab.workloads.ranks import Scope
from raddle.sim import NEVER
from raddle.topology import find, load
from raddle.topology.catalog import split_network
from raddle.topology.model import Fabric
from raddle.topology.rate_control import CongestionControl
from raddle.topology.yaml.fields import (
    RANGE_JSON,
    Count,
    Duration,
    HostSet,
    Name,
    Position,
    Rate,
    Text,
    Version,
)
from raddle.topology.yaml.include import assemble
from raddle.topology.yaml.json_schema import URI, cleaned
from raddle.topology.yaml.parsers import parse_range
from raddle.topology.yaml.reading import read_spec
from raddle.topology.yaml.rules import field, refuse, text_json
from raddle.topology.yaml.schema_devices import Spec, one_or_many
from raddle.topology.yaml.source import Place, Source, parse, read_text, refuse_all
from raddle.units import parse_message_bytes

_NOT_A_SCENARIO = ("not-a-scenario", "start with 'raddle: 1', then 'name:', 'fabric:', 'jobs:' and 'expect:'")

T = TypeVar("T")

FidelityName = Annotated[str, field("bad-choice", parse_fidelity, text_json(FIDELITY_PATTERN, "train:8"))]

_OF_COLLECTIVES = ("algorithm", "root", "placement", "tenant", "hosts", "ranks")
_OF_STREAMS = ("from_", "to", "span", "both_ways")


_MAX_SEEDS = 1000


def _parse_seeds(text: str) -> tuple[int, int]:
    numbers = re.fullmatch(r"([0-9]+)-([0-9]+)", text)
    if numbers and int(numbers[2]) - int(numbers[1]) >= _MAX_SEEDS:
        count = int(numbers[2]) - int(numbers[1]) + 1
        raise ValueError(f"{count} seeds are more than {_MAX_SEEDS}; take fewer")
    return parse_range(text)


Seeds = Annotated[tuple[int, int], field("bad-scenario", _parse_seeds, RANGE_JSON)]


class JobSpec(Spec):
    """A collective on some accelerators, once; what a workload file says; or a steady stream of messages."""

    collective: Name | None = None
    """all_reduce, all_to_all, ... as of `raddle bench`."""
    workload: Text | None = None
    """In place of a collective: a file of `raddle workload`, looked for beside this one."""
    stream: Rate | None = None
    """In place of a collective: each accelerator of `from` sends to one of `to` at this rate."""
    algorithm: Name | None = None
    """The collective's algorithm (default: as `raddle bench`)."""
    size: Text | None = None
    """Size of its buffers, or of a stream's messages, as nccl-tests takes it: 64M (powers of 1024)."""
    start: Duration = 0
    """When it begins."""
    root: Position | None = None
    """Rank that it starts from or ends at."""
    placement: Text | None = None
    """Order of ranks: linear, strided, random, rail, or a FILE with host:accelerator on each line."""
    tenant: Name | None = None
    """Ranks are this tenant's accelerators."""
    hosts: HostSet | None = None
    """Ranks are on these hosts alone."""
    ranks: Count | None = None
    """The first so many."""
    from_: Annotated[HostSet | None, Field(alias="from")] = None
    """Hosts that a stream comes from."""
    to: HostSet | None = None
    """Hosts that it goes to, as many."""
    span: Annotated[Duration | None, Field(alias="for")] = None
    """How long a stream lasts."""
    both_ways: bool | None = None
    """A stream goes back as well."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        kinds = [kind for kind in ("collective", "workload", "stream") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            what = "one of 'collective', 'workload' and 'stream' is needed"
            raise refuse("missing-key", what, "give one")
        (kind,) = kinds
        if kind != "workload" and self.size is None:
            raise refuse("missing-key", "'size' is missing", "write it as size: 64M")
        if kind == "stream":
            for key, example in (("from_", "from: host[0-3]"), ("to", "to: host[4-7]"), ("span", "for: 1ms")):
                if getattr(self, key) is None:
                    raise refuse("missing-key", f"'{_written(key)}' is missing", f"write it as {example}")
        unused: tuple[str, ...] = () if kind == "stream" else _OF_STREAMS
        unused += () if kind == "collective" else _OF_COLLECTIVES
        for key in (*unused, *(("size",) if kind == "workload" else ())):
            if getattr(self, key) is not None:
                hint = "say it in that file" if kind == "workload" else "leave it out"
                of = "workload file" if kind == "workload" else kind
                raise refuse("unused-key", f"'{_written(key)}' says nothing of a {of}", hint)
        return self


def _written(key: str) -> str:
    return {"from_": "from", "span": "for"}.get(key, key)


def _lone_text(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class ScenarioFile(Spec):
    """A scenario file."""

    raddle: Version
    """Version of the format: 1."""
    name: Name
    """Of the scenario."""
    fabric: Text
    """Fabric file, looked for beside this one, or the name of a bundled example."""
    fabric_variables: dict[Name, Text] = Field(default_factory=dict)
    """Values of the fabric file's variables."""
    routing: Literal["ecmp", "pinned"] | None = None
    """Hash over all paths, or pin the jobs' flows (default: the fabric's)."""
    congestion_control: CongestionControl | None = None
    """At the hosts (default: the fabric's)."""
    fidelity: FidelityName = "packet"
    """packet: every packet moves; train:N: up to N of them at once; fluid: messages flow at max-min fair
    rates."""
    seeds: Seeds = (1, 1)
    """Seeds of placement, queue pair numbers and ECN marking: a run for each, such as 1-5."""
    detection: Duration = DETECTION_PS
    """From a cut to the routes that avoid it."""
    until: Duration | None = None
    """Simulated time at which a run ends, whatever is under way."""
    jobs: dict[Name, JobSpec]
    """What runs, by name."""
    timeline: Annotated[
        tuple[EventSpec, ...],
        BeforeValidator(one_or_many, json_schema_input_type=EventSpec | list[EventSpec]),
    ] = ()
    """What goes wrong, what the controller is told, and when."""
    controller: ControllerSpec | None = None
    """A controller that leads routes around dead links, so much later (default: nobody does)."""
    expect: Annotated[
        tuple[Text, ...], BeforeValidator(_lone_text, json_schema_input_type=str | list[str])
    ] = ()
    """What is expected, such as train.busbw >= 45 GB/s. That every job ends is expected of itself."""
    checks: Annotated[
        tuple[Text, ...], BeforeValidator(_lone_text, json_schema_input_type=str | list[str])
    ] = ()
    """Commands that get the result as JSON on standard input and end with 0 if they like it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What runs, what goes wrong meanwhile, and what is expected of it.

    `settings` are those of a run with its first seed; `digest` tells it from others, fabric apart.
    """

    name: str
    file: str
    fabric: Fabric
    routing: Literal["ecmp", "pinned"]
    seeds: tuple[int, ...]
    settings: RunSettings
    jobs: tuple[ScenarioJob, ...]
    expectations: tuple[Expectation, ...]
    checks: tuple[Command, ...]
    digest: str = ""

    @property
    def added(self) -> dict[str, int]:
        """When tenants are added, in ps, by name."""
        orders = self.settings.controller.orders if self.settings.controller else ()
        return {order.where: order.time_ps for order in orders if order.what == "tenant"}


def read_scenario(path: Path, variables: Mapping[str, str] | None = None) -> Scenario:
    """Read a scenario file and its fabric.

    Args:
        variables: values that win over those of the file.

    Raises:
        InputError: everything that is wrong with it, by place.
    """
    source = assemble(parse(read_text(path), str(path), _NOT_A_SCENARIO), variables or {})
    spec = read_spec(source, ScenarioFile, "scenario")
    reader = _Reader(source, spec, _fabric(spec, source, path.parent))
    jobs = tuple(filter(None, (reader.job(name, job) for name, job in spec.jobs.items())))
    if not spec.jobs:
        reader.problems.append(source.error("bad-scenario", "there is no job", ("jobs",), at_key=True))
    faults = reader.faults(spec)
    controller = reader.controller(spec)
    expectations = tuple(
        filter(None, (reader.expectation(i, text, spec) for i, text in enumerate(spec.expect)))
    )
    first, last = spec.seeds
    settings = RunSettings(
        seed=first,
        fidelity=spec.fidelity,
        faults=faults,
        controller=controller,
        watches_progress=any(each.metric.name == RECOVERY for each in expectations),
        watches_rates=any(each.metric.name == CONVERGENCE for each in expectations),
        detection_ps=spec.detection,
        until_ps=NEVER if spec.until is None else spec.until,
    )
    fabric = reader.fabric
    if not reader.problems:
        reader.problems += _beyond(fabric, settings, expectations, source)
    refuse_all(reader.problems)
    return Scenario(
        name=spec.name,
        file=str(path),
        fabric=fabric,
        routing=spec.routing or fabric.routing.policy,
        seeds=tuple(range(first, last + 1)),
        settings=settings,
        jobs=jobs,
        expectations=(*expectations, *_all_end(spec.jobs, expectations)),
        checks=tuple(
            Command(text, source.span(source.written(("checks", number))))
            for number, text in enumerate(spec.checks)
        ),
        digest=reader.digest.hexdigest()[:16],
    )


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors."""
    schema = ScenarioFile.model_json_schema(mode="validation", by_alias=True)
    schema["properties"] |= {
        "include": {
            "type": ["string", "array"],
            "items": {"type": "string"},
            "description": "Files that this one builds on, by path from here; what this one says wins.",
        },
        "variables": {"type": "object", "description": "Values that `${name}` stands for."},
    }
    return {**cleaned(schema), "$schema": URI, "title": "raddle scenario"}


def _fabric(spec: ScenarioFile, source: Source, folder: Path) -> Fabric:
    beside = folder / spec.fabric
    try:
        file = beside if split_network(beside)[0].is_file() else find(spec.fabric)
        fabric = load(file, spec.fabric_variables)
    except InputError as error:
        raise InputError(_placed(error, source, ("fabric",))) from None
    if spec.congestion_control is None:
        return fabric
    return replace(fabric, roce=replace(fabric.roce, congestion_control=spec.congestion_control))


def _placed(error: InputError, source: Source, place: Place) -> list[Diagnostic]:
    """The diagnostics of an error, those without a place at this one."""
    where = source.span(place)
    return [each if each.span else replace(each, span=where) for each in error.diagnostics]


def _beyond(
    fabric: Fabric, settings: RunSettings, expectations: tuple[Expectation, ...], source: Source
) -> Iterator[Diagnostic]:
    """What is asked for and messages that flow do not have."""
    try:
        check_fidelity(fabric, settings)
    except InputError as error:
        yield from _placed(error, source, ("fidelity",))
    for each in expectations if not settings.faults and settings.controller is None else ():
        if each.metric.name == RECOVERY:
            message = f"'{each.metric.name}' is from the first event of the timeline on, and there is none"
            yield Diagnostic("bad-expectation", message, each.span, "write a timeline, or leave it out")
    if not inner_links(fabric):
        for each in expectations:
            if each.metric.name == LINK_JAIN:
                message = f"'{each.metric.name}' is of links between switches, and there are none"
                yield Diagnostic("bad-expectation", message, each.span, "leave it out")
    for each in expectations if settings.fidelity == "fluid" else ():
        if each.metric.is_of_packets:
            message = f"'{each.metric.name}' is of packets, and messages that flow have none"
            yield Diagnostic("bad-expectation", message, each.span, "take fidelity: packet, or leave it out")


def _all_end(jobs: dict[str, JobSpec], expectations: tuple[Expectation, ...]) -> Iterator[Expectation]:
    """That all messages arrive, where nothing else is expected of that."""
    told = {each.job for each in expectations if each.metric.name == "done"}
    for job in jobs:
        if "" not in told and job not in told:
            yield Expectation(f"{job}.done == 100%", METRICS["done"], job, "==", 1.0, "", None)


class _Reader:
    """Reads what speaks of the fabric, and keeps what is wrong."""

    def __init__(self, source: Source, spec: ScenarioFile, fabric: Fabric) -> None:
        self.problems: list[Diagnostic] = []
        self.fabric = fabric
        self.digest = hashlib.sha256(spec.model_dump_json().encode())
        self._source = source

    def job(self, name: str, spec: JobSpec) -> ScenarioJob | None:
        """A job, if it fits the fabric."""
        place = ("jobs", name)
        make = self._maker(spec, place)
        if make is None:
            return None
        try:
            work = make(self.fabric, 1)
            check_ways(self.fabric, work.workload)
        except InputError as error:
            self.problems += _placed(error, self._source, place)
            return None
        self.digest.update(work_digest(work))
        return ScenarioJob(name, spec.start, make, spec.tenant or "")

    def _maker(self, spec: JobSpec, place: Place) -> Maker | None:
        if spec.workload:
            return GraphMaker(Path(self._source.file).parent / spec.workload)
        size_bytes = self._read("bad-size", lambda: parse_message_bytes(spec.size or ""), (*place, "size"))
        if size_bytes is None:
            return None
        if spec.stream is not None:
            assert spec.from_
            assert spec.to
            assert spec.span is not None
            if size_bytes == 0:
                problem = self._source.error(
                    "bad-size", "messages of a stream are not empty", (*place, "size")
                )
                self.problems.append(problem)
                return None
            both = bool(spec.both_ways)
            return StreamMaker(spec.from_, spec.to, spec.stream, size_bytes, spec.span, both)
        scope = Scope(spec.placement, spec.tenant, spec.hosts, spec.ranks)
        return CollectiveMaker(spec.collective or "", spec.algorithm, size_bytes, spec.root, scope)

    def faults(self, spec: ScenarioFile) -> tuple[Fault, ...]:
        """What goes wrong."""
        found: list[Fault] = []
        for number, event in enumerate(spec.timeline):
            if not is_order(event):
                added = partial(faults_with, self.fabric, found, event)
                found = self._read("bad-faults", added, self._event(number)) or found
        return tuple(found)

    def controller(self, spec: ScenarioFile) -> Control | None:
        """The controller, if there is one or something is ordered of one."""
        own, orders = spec.controller or ControllerSpec(), list[Order]()
        jobs_of = Counter(job.tenant for job in spec.jobs.values() if job.tenant)
        for number, event in enumerate(spec.timeline):
            if is_order(event):
                read = partial(orders_of, self.fabric, event, jobs_of)
                orders += self._read("bad-faults", read, self._event(number)) or ()
        if spec.controller is None and not orders:
            return None
        if others := [switch.name for switch in self.fabric.switches if switch.model.nos != "sonic"]:
            message = f"a controller in a run is of SONiC switches, and {others[0]} is none"
            place: Place = ("controller",) if spec.controller else ("timeline",)
            self.problems.append(self._source.error("bad-scenario", message, place, "leave it out"))
        delays = ControllerDelays(own.notification, own.computation, own.push, own.hardware)
        return Control(delays, spec.controller is not None and own.repairs, tuple(orders))

    def _event(self, number: int) -> Place:
        return self._source.written(("timeline", number))

    def expectation(self, number: int, text: str, spec: ScenarioFile) -> Expectation | None:
        place = self._source.written(("expect", number))
        where = self._source.span(place)
        jobs = {name: job.collective is not None for name, job in spec.jobs.items()}
        return self._read("bad-expectation", lambda: parse_expectation(text, jobs, where), place)

    def _read(self, code: str, read: Callable[[], T], place: Place) -> T | None:
        try:
            return read()
        except ValueError as error:
            message, hint = with_hint(error)
            self.problems.append(self._source.error(code, message, place, hint))
            return None
