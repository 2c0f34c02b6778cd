"""SWEEP.yaml -> the runs of a campaign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, islice, product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from raddle import traffic
from raddle.controller.plan.held import fabric_digest
from raddle.errors import Diagnostic, InputError, with_hint
from raddle.lab.run.settings import RunSettings
from raddle.lab.scenario.file import FidelityName, Scenario, read_scenario
from raddle.lab.scenario.work import GraphMaker, ScenarioJob, work_digest
from raddle.lab.sweep.model import NO_FAILURE, RunSpec, Subject, Sweep, Variables
from raddle.topology import find, load
from raddle.topology.model import Fabric
from raddle.topology.rate_control import CongestionControl
from raddle.topology.yaml.fields import Count, Name, Range, Text, Version
from raddle.topology.yaml.json_schema import URI, cleaned
from raddle.topology.yaml.reading import read_spec
from raddle.topology.yaml.rules import refuse
from raddle.topology.yaml.schema_devices import Spec
from raddle.topology.yaml.source import Place, Source, parse, read_text, refuse_all
from raddle.units import parse_message_bytes

_NOT_A_SWEEP = ("not-a-sweep", "start with 'raddle: 1', then 'name:', 'fabric:', 'collective:' and 'size:'")
MAX_RUNS = 1_000_000


def _many(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Texts = Annotated[tuple[Text, ...], BeforeValidator(_many, json_schema_input_type=str | list[str])]
Routings = Annotated[
    tuple[Literal["ecmp", "pinned"], ...], BeforeValidator(_many, json_schema_input_type=str | list[str])
]
Controls = Annotated[
    tuple[CongestionControl, ...], BeforeValidator(_many, json_schema_input_type=str | list[str])
]
Counts = Annotated[tuple[Count, ...], BeforeValidator(_many, json_schema_input_type=int | list[int])]


_OF_COLLECTIVES = ("algorithm", "size", "placement", "qps")
_UNUSED: dict[str, tuple[str, ...]] = {
    "collective": (),
    "workload": _OF_COLLECTIVES,
    "scenario": ("fabric", "routing", "congestion_control", "fidelity", *_OF_COLLECTIVES),
}
_EXAMPLES = {"fabric": "write it as fabric: leaf-spine-16", "size": "write it as size: 64M"}


class SweepFile(Spec):
    """A campaign: every combination of what is listed, or a sample of them."""

    raddle: Version
    """Version of the format: 1."""
    name: Name
    """Of the campaign."""
    fabric: Text | None = None
    """Fabric file, looked for beside this one, or the name of a bundled example."""
    scenario: Text | None = None
    """In place of a fabric and a collective: a file of `raddle run`, looked for beside this one."""
    workload: Text | None = None
    """In place of a collective: a file of `raddle workload`, looked for beside this one."""
    variables: dict[Name, Texts] = Field(default_factory=dict)
    """Values of the variables of the fabric's file, or of the scenario's, by name."""
    routing: Routings | None = None
    """ecmp, pinned (default: the fabric's)."""
    congestion_control: Controls | None = None
    """At the hosts (default: the fabric's)."""
    collective: Texts = ()
    """all_reduce, all_to_all, ... as of `raddle bench`."""
    algorithm: Texts = ("usual",)
    """Of the collectives; usual: that of `raddle bench`."""
    size: Texts = ()
    """Of buffers, as nccl-tests takes them: 64M (powers of 1024)."""
    placement: Texts = ("linear",)
    """Order of ranks: linear, strided, random, rail."""
    qps: Counts = (0,)
    """Queue pairs of a connection, each message over all of them (default: the fabric's)."""
    seeds: Range = (1, 1)
    """Seeds of placement, queue pair numbers and ECN marking: 1-5. They replace those of a scenario."""
    failures: Texts = (NO_FAILURE,)
    """What is down from the start: none; links: every link between switches; switches: every spine and
    superspine; '20 pairs': so many pairs of links, sampled."""
    fidelity: FidelityName | None = None
    """packet (default): every packet moves; train:N: up to N of them at once; fluid: messages flow at max-min
    fair rates. Scenarios say it themselves."""
    sample: Count | None = None
    """So many of the combinations, drawn without putting back (default: all)."""
    sample_seed: Count = 1
    """Of the draws of combinations and of pairs."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        kinds = [kind for kind in ("collective", "scenario", "workload") if getattr(self, kind)]
        if len(kinds) != 1:
            raise refuse(
                "missing-key", "one of 'collective', 'scenario' and 'workload' is needed", "give one"
            )
        needed = {"collective": ("fabric", "size"), "workload": ("fabric",), "scenario": ()}[kinds[0]]
        for key in needed:
            if not getattr(self, key):
                raise refuse("missing-key", f"'{key}' is missing", _EXAMPLES[key])
        for key in _UNUSED[kinds[0]]:
            if key in self.model_fields_set:
                hint = "say it in that file, or by 'variables'" if kinds[0] == "scenario" else "say it there"
                raise refuse("unused-key", f"'{key}' says nothing of a {kinds[0]} file", hint)
        return self


def read_sweep(path: Path) -> Sweep:
    """Read a campaign and its fabrics.

    Raises:
        InputError: everything that is wrong with it, by place.
    """
    source = parse(read_text(path), str(path), _NOT_A_SWEEP)
    spec = read_spec(source, SweepFile, "sweep")
    reader = _Reader(source, path.parent)
    reader.check(spec)
    subjects = dict(reader.subjects(spec))
    refuse_all(reader.problems)
    runs = list(reader.runs(spec, subjects))
    refuse_all(reader.problems)
    if spec.sample is not None and spec.sample < len(runs):
        chosen = np.random.default_rng(spec.sample_seed).choice(len(runs), spec.sample, replace=False)
        runs = [runs[at] for at in sorted(chosen.tolist())]
    return Sweep(
        spec.name,
        str(path),
        subjects,
        {run.run_id(subjects[run.variables][1]): run for run in runs},
    )


def sweep_schema() -> dict[str, Any]:
    """The JSON Schema of a campaign's file, for editors."""
    schema = SweepFile.model_json_schema(mode="validation", by_alias=True)
    return {**cleaned(schema, has_variables=False), "$schema": URI, "title": "raddle sweep"}


class _Reader:
    """Reads what speaks of fabrics and collectives, and keeps what is wrong."""

    def __init__(self, source: Source, folder: Path) -> None:
        self.problems: list[Diagnostic] = []
        self._source = source
        self._folder = folder

    def check(self, spec: SweepFile) -> None:
        """Look at each value of each list."""
        for number, text in enumerate(spec.size):
            self._size(text, ("size", number))
        for number, name in enumerate(spec.collective):
            self._collective(name, ("collective", number))
        for number, name in enumerate(spec.placement):
            if name not in traffic.PLACEMENTS:
                kinds = ", ".join(traffic.PLACEMENTS)
                self._problem(
                    "unknown-placement", f"no placement '{name}'; there is {kinds}", ("placement", number)
                )
        for number, text in enumerate(spec.failures):
            if text not in (NO_FAILURE, "links", "switches") and _pairs_of(text) is None:
                message = f"'{text}' is no failure; write none, links, switches or '20 pairs'"
                self._problem("bad-sweep", message, ("failures", number))
        if spec.seeds[1] - spec.seeds[0] >= MAX_RUNS:
            self._problem("bad-sweep", f"more than {MAX_RUNS} seeds", ("seeds",))
        if self.problems:
            return
        known = {each.name for name in spec.collective for each in traffic.find_collective(name).algorithms}
        for number, name in enumerate(spec.algorithm):
            if name not in (*known, "usual", "auto"):
                there = ", ".join(["usual", "auto", *sorted(known)])
                self._problem(
                    "unknown-algorithm", f"no algorithm '{name}'; there is {there}", ("algorithm", number)
                )

    def subjects(self, spec: SweepFile) -> Iterator[tuple[Variables, tuple[Subject, str]]]:
        """What runs with each combination of variables."""
        for values in product(*spec.variables.values()):
            variables = tuple(zip(spec.variables, values, strict=True))
            try:
                yield variables, self._subject(spec, dict(variables))
            except InputError as error:
                where = self._source.span(("scenario" if spec.scenario else "fabric",))
                self.problems += [replace(each, span=each.span or where) for each in error.diagnostics]
                return

    def _subject(self, spec: SweepFile, variables: dict[str, str]) -> tuple[Subject, str]:
        if spec.scenario:
            scenario = read_scenario(self._folder / spec.scenario, variables)
            return scenario, fabric_digest(scenario.fabric) + scenario.digest
        assert spec.fabric
        beside = self._folder / spec.fabric
        fabric = load(beside if beside.is_file() else find(spec.fabric), variables)
        if not spec.workload:
            return fabric, fabric_digest(fabric)
        make = GraphMaker(self._folder / spec.workload)
        work = make(fabric, 1)
        scenario = Scenario(
            work.what, spec.workload, fabric, fabric.routing.policy, (1,),
            RunSettings(fidelity=spec.fidelity or "packet"), (ScenarioJob(work.what, 0, make),), (), (),
        )  # fmt: skip
        return scenario, fabric_digest(fabric) + work_digest(work).hex()[:16]

    def runs(self, spec: SweepFile, subjects: Mapping[Variables, tuple[Subject, str]]) -> Iterator[RunSpec]:
        """All combinations; a problem where they are too many."""
        for count, run in enumerate(self._all_runs(spec, subjects)):
            if count >= MAX_RUNS:
                self._problem("bad-sweep", f"more than {MAX_RUNS} runs", ("name",))
                return
            yield run

    def _all_runs(
        self, spec: SweepFile, subjects: Mapping[Variables, tuple[Subject, str]]
    ) -> Iterator[RunSpec]:
        for variables, (subject, _) in subjects.items():
            fabric = subject if isinstance(subject, Fabric) else subject.fabric
            failures = [each for text in spec.failures for each in _failures(fabric, text, spec.sample_seed)]
            common = product(
                spec.routing or (fabric.routing.policy if subject is fabric else subject.routing,),
                spec.congestion_control or (fabric.roce.congestion_control,),
                list(self._ways(spec, subject)), failures, range(spec.seeds[0], spec.seeds[1] + 1),
            )  # fmt: skip
            for routing, control, way, failure, seed in common:
                yield RunSpec(fabric.name, variables, routing, control, **way, failure=failure[0], seed=seed,
                              down=failure[1])  # fmt: skip

    def _ways(self, spec: SweepFile, subject: Subject) -> Iterator[dict[str, Any]]:
        """What is run, whatever the routing, the failure and the seed."""
        if isinstance(subject, Scenario):
            none = {"collective": "", "algorithm": None, "size_bytes": 0, "placement": "", "qps": 0}
            yield {**none, "fidelity": subject.settings.fidelity, "of": subject.name}
            return
        kinds = product(spec.collective, spec.algorithm, spec.size, spec.placement, spec.qps)
        for collective, algorithm, size, placement, qps in kinds:
            found = traffic.find_collective(collective)
            if algorithm in ("usual", "auto", *(each.name for each in found.algorithms)):
                yield {
                    "collective": found.name,
                    "algorithm": None if algorithm == "usual" else algorithm,
                    "size_bytes": parse_message_bytes(size),
                    "placement": placement,
                    "qps": qps,
                    "fidelity": spec.fidelity or "packet",
                }

    def _collective(self, name: str, place: Place) -> None:
        try:
            traffic.find_collective(name)
        except InputError as error:
            for each in error.diagnostics:
                self._problem(each.code, each.message, place, each.hint)

    def _size(self, text: str, place: Place) -> None:
        try:
            parse_message_bytes(text)
        except ValueError as error:
            message, hint = with_hint(error)
            self._problem("bad-size", message, place, hint)

    def _problem(self, code: str, message: str, place: Place, hint: str = "") -> None:
        self.problems.append(self._source.error(code, message, self._source.written(place), hint))


def _pairs_of(text: str) -> int | None:
    number, _, word = text.partition(" ")
    return int(number) if word == "pairs" and number.isascii() and number.isdigit() and int(number) else None


def _failures(fabric: Fabric, text: str, seed: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """What is down, in words, and its links."""
    if text == NO_FAILURE:
        yield NO_FAILURE, ()
        return
    hosts = {host.name for host in fabric.hosts}
    between = [link.index for link in fabric.links if link.is_up and link.a.device not in hosts]

    def name(numbers: Sequence[int]) -> str:
        return " + ".join(f"{fabric.links[n].a} - {fabric.links[n].b}" for n in numbers)

    if text == "links":
        for number in between:
            yield name((number,)), (number,)
    elif text == "switches":
        for switch in (*fabric.spines, *fabric.superspines):
            links = [link for link in fabric.links if switch.name in (link.a.device, link.b.device)]
            yield switch.name, tuple(link.index for link in links)
    else:
        count = _pairs_of(text)
        assert count
        for pair in _sampled_pairs(between, count, seed):
            yield name(pair), pair


def _sampled_pairs(links: Sequence[int], count: int, seed: int) -> list[tuple[int, ...]]:
    """Different pairs, all where there are no more."""
    total = len(links) * (len(links) - 1) // 2
    if count >= total:
        return list(combinations(links, 2))
    random = np.random.default_rng(seed)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        pair = tuple(sorted(random.choice(len(links), 2, replace=False).tolist()))
        found.setdefault(tuple(links[at] for at in pair))
    return list(islice(found, count))
