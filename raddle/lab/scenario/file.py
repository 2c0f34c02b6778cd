"""SCENARIO.yaml -> a scenario on its fabric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, model_validator

from raddle import traffic
from raddle.errors import Diagnostic, InputError
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.run.control import Control, ControllerDelays, Order
from raddle.lab.run.faults import Fault
from raddle.lab.run.fidelity import check_fidelity
from raddle.lab.run.settings import DETECTION_PS, Fidelity, RunSettings
from raddle.lab.scenario.events import ControllerSpec, EventSpec, faults_with, is_order, orders_of
from raddle.lab.scenario.expectation import Expectation, parse_expectation
from raddle.lab.scenario.metrics import METRICS, RECOVERY
from raddle.lab.scenario.work import ScenarioJob, Work
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.demand import demand_of
from raddle.lab.workloads.ranks import Scope
from raddle.sim import NEVER
from raddle.topology import find, load
from raddle.topology.catalog import split_network
from raddle.topology.model import Fabric
from raddle.topology.rate_control import CongestionControl
from raddle.topology.yaml.fields import Count, Duration, HostSet, Name, Position, Range, Text, Version
from raddle.topology.yaml.json_schema import URI, cleaned
from raddle.topology.yaml.reading import read_spec
from raddle.topology.yaml.rules import refuse
from raddle.topology.yaml.schema_devices import Spec, one_or_many
from raddle.topology.yaml.source import Place, Source, parse, read_text, refuse_all
from raddle.units import format_size, parse_message_bytes

_NOT_A_SCENARIO = ("not-a-scenario", "start with 'raddle: 1', then 'name:', 'fabric:', 'jobs:' and 'expect:'")

T = TypeVar("T")


class JobSpec(Spec):
    """A collective on some accelerators, once; or what a workload file says."""

    collective: Name | None = None
    """all_reduce, all_to_all, ... as of `raddle bench`."""
    workload: Text | None = None
    """In place of a collective: a file of `raddle workload`, looked for beside this one."""
    algorithm: Name | None = None
    """The collective's algorithm (default: as `raddle bench`)."""
    size: Text | None = None
    """Size of its buffers as nccl-tests takes it: 64M (powers of 1024)."""
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

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.collective is None) == (self.workload is None):
            raise refuse("missing-key", "one of 'collective' and 'workload' is needed", "give one")
        if self.collective is not None and self.size is None:
            raise refuse("missing-key", "'size' is missing", "write it as size: 64M")
        if self.workload is not None:
            for key in ("algorithm", "size", "root", "placement", "tenant", "hosts", "ranks"):
                if getattr(self, key) is not None:
                    raise refuse(
                        "unused-key", f"'{key}' says nothing of a workload file", "say it in that file"
                    )
        return self


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
    routing: Literal["ecmp", "pinned"] | None = None
    """Hash over all paths, or pin the jobs' flows (default: the fabric's)."""
    congestion_control: CongestionControl | None = None
    """At the hosts (default: the fabric's)."""
    fidelity: Fidelity = "packet"
    """packet: every packet moves; fluid: messages flow at max-min fair rates."""
    seeds: Range = (1, 1)
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

    `settings` are those of a run with its first seed.
    """

    name: str
    file: str
    fabric: Fabric
    routing: Literal["ecmp", "pinned"]
    seeds: tuple[int, ...]
    settings: RunSettings
    jobs: tuple[ScenarioJob, ...]
    expectations: tuple[Expectation, ...]
    checks: tuple[str, ...]

    @property
    def added(self) -> dict[str, int]:
        """When tenants are added, in ps, by name."""
        orders = self.settings.controller.orders if self.settings.controller else ()
        return {order.where: order.time_ps for order in orders if order.what == "tenant"}


_MAX_SEEDS = 1000


def read_scenario(path: Path) -> Scenario:
    """Read a scenario file and its fabric.

    Raises:
        InputError: everything that is wrong with it, by place.
    """
    source = parse(read_text(path), str(path), _NOT_A_SCENARIO)
    spec = read_spec(source, ScenarioFile)
    reader = _Reader(source, _fabric(spec, source, path.parent))
    jobs = tuple(filter(None, (reader.job(name, job) for name, job in spec.jobs.items())))
    if not spec.jobs:
        reader.problems.append(source.error("bad-scenario", "there is no job", ("jobs",), at_key=True))
    faults = reader.faults(spec)
    controller = reader.controller(spec)
    expectations = tuple(
        filter(None, (reader.expectation(i, text, spec) for i, text in enumerate(spec.expect)))
    )
    first, last = spec.seeds
    if last - first >= _MAX_SEEDS:
        message = f"{last - first + 1} seeds are more than {_MAX_SEEDS}"
        reader.problems.append(source.error("bad-scenario", message, ("seeds",), "take fewer"))
    settings = RunSettings(
        seed=first,
        fidelity=spec.fidelity,
        faults=faults,
        controller=controller,
        watches_progress=any(each.metric.name == RECOVERY for each in expectations),
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
        checks=spec.checks,
    )


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors."""
    schema = ScenarioFile.model_json_schema(mode="validation", by_alias=True)
    return {**cleaned(schema, has_variables=False), "$schema": URI, "title": "raddle scenario"}


def _fabric(spec: ScenarioFile, source: Source, folder: Path) -> Fabric:
    beside = folder / spec.fabric
    try:
        fabric = load(beside if split_network(beside)[0].is_file() else find(spec.fabric))
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

    def __init__(self, source: Source, fabric: Fabric) -> None:
        self.problems: list[Diagnostic] = []
        self.fabric = fabric
        self._source = source

    def job(self, name: str, spec: JobSpec) -> ScenarioJob | None:
        """A job, if it fits the fabric."""
        place = ("jobs", name)
        make = self._graph(spec) if spec.workload else self._collective(spec, place)
        try:
            if make:
                make(1)
        except InputError as error:
            self.problems += _placed(error, self._source, place)
            return None
        return ScenarioJob(name, spec.start, make, spec.tenant or "") if make else None

    def _collective(self, spec: JobSpec, place: Place) -> Callable[[int], Work] | None:
        size_bytes = self._read("bad-size", lambda: parse_message_bytes(spec.size or ""), (*place, "size"))
        if size_bytes is None:
            return None

        def make(seed: int) -> Work:
            scope = Scope(spec.placement, spec.tenant, spec.hosts, spec.ranks, seed)
            terms = traffic.Terms(root=spec.root)
            job = find_job(self.fabric, spec.collective or "", spec.algorithm, scope, terms, (size_bytes,))
            what = f"{job.collective.name} {job.chosen(size_bytes)[0]} of {format_size(size_bytes)}"
            return Work(what, job.workload(size_bytes), job.demand, job, size_bytes)

        return make

    def _graph(self, spec: JobSpec) -> Callable[[int], Work]:
        path = Path(self._source.file).parent / (spec.workload or "")

        def make(seed: int) -> Work:
            graph = read_workload(self.fabric, path, seed)
            work = assemble(graph).workload
            return Work(graph.name, work, lambda: demand_of(self.fabric, work.seats, work.schedule))

        return make

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
            message, _, hint = str(error).partition("; ")
            self.problems.append(self._source.error(code, message, place, hint))
            return None
