"""What is tried of a fabric file: layout, soundness, proofs, and the way there from how it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from raddle.controller.plan.addresses import address_families
from raddle.controller.plan.lossless_check import check_switches, vendor_headroom
from raddle.controller.plan.model import Plan
from raddle.controller.plan.summary import summarize_change, summary_lines
from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.lab.check.base import Base
from raddle.lab.verify.model import FailureScope, Verification
from raddle.lab.verify.plan import verify_plan
from raddle.report.cases import Case
from raddle.topology import load, network_names
from raddle.topology.catalog import of_network, split_network
from raddle.topology.model import Fabric
from raddle.topology.views.capacity import review
from raddle.topology.yaml.formatting import format_text
from raddle.topology.yaml.placing import in_file
from raddle.topology.yaml.source import read_text
from raddle.units import counted
from raddle.workload import Demand

Planner = Callable[[Fabric], tuple[Plan, Demand | None]]
"""A fabric's plan, and what it pins."""

Progress = Callable[[str, float], None]

Found = tuple[tuple[Diagnostic, ...], str, tuple[str, ...]]
"""What an attempt found: problems, a fact, details."""


def check_fabric(
    path: Path, planner: Planner, scope: FailureScope, base: Base | None, progress: Progress
) -> Iterator[Case]:
    """Everything that is tried of a file, of each of its networks; what comes after something that failed is
    left out."""
    file = str(path)
    yield check_format(path)
    try:
        networks = network_names(path)
    except InputError as error:
        yield Case(file, "validate", file, error.diagnostics)
        return
    for network in networks or ("",):
        yield from _check_network(path, network, planner, scope, base, progress)


def _check_network(
    path: Path, network: str, planner: Planner, scope: FailureScope, base: Base | None, progress: Progress
) -> Iterator[Case]:
    file = str(path)
    path = of_network(path, network)
    name = str(path)
    fabrics: list[Fabric] = []

    def validate() -> Found:
        fabric = load(path)
        if problems := check_switches(fabric):
            raise InputError(in_file(fabric, problems))
        address_families(fabric)
        fabrics.append(fabric)
        switches = counted(len(fabric.switches), "switch", "switches")
        endpoints = counted(fabric.server_endpoints, "endpoint", "endpoints")
        fact = f"{switches}, {endpoints}, {counted(len(fabric.links), 'link', 'links')}"
        return in_file(fabric, (*fabric.warnings, *review(fabric), *vendor_headroom(fabric))), fact, ()

    yield _timed(Case(name, "validate", file), validate)
    if not fabrics:
        return
    fabric = fabrics[0]
    old, case = _plan_before(path, planner, base) if base else (None, None)
    if case:
        yield case

    def verify() -> Found:
        plan, demand = planner(fabric)
        found = verify_plan(fabric, plan, demand, scope, progress, old)
        told = {str(each) for each in (*fabric.warnings, *review(fabric))}
        problems = tuple(each for each in found.problems if str(each) not in told)
        details = tuple(summary_lines(summarize_change(old, plan))) if old else ()
        return (*problems, *_outside(found, file)), _verified(found), details

    what = f"verify, and the update from {base.commit}" if base and old else "verify"
    yield _timed(Case(name, what, file), verify)


def check_format(path: Path) -> Case:
    """Whether a file is laid out as by `raddle fmt`."""
    return _timed(Case(str(path), "format", str(path)), lambda: (format_problems(path), "", ()))


def format_problems(path: Path) -> tuple[Diagnostic, ...]:
    """A problem at the first line that `raddle fmt` would change."""
    text = read_text(path)
    laid_out = format_text(text, str(path))
    if laid_out == text:
        return ()
    lines = zip([*text.splitlines(), ""], [*laid_out.splitlines(), ""], strict=False)
    line = next((number for number, (a, b) in enumerate(lines, 1) if a != b), 1)
    where = SourceSpan(str(path), line, 1)
    return (Diagnostic("not-formatted", "not in the usual layout", where, f"'raddle fmt {path}' mends it"),)


def _timed(case: Case, attempt: Callable[[], Found]) -> Case:
    began_s = time.monotonic()
    try:
        problems, fact, details = attempt()
    except InputError as error:
        problems, fact, details = error.diagnostics, "", ()
    seconds = time.monotonic() - began_s
    return replace(case, problems=problems, fact=fact, details=details, seconds=seconds)


def _plan_before(path: Path, planner: Planner, base: Base) -> tuple[Plan | None, Case | None]:
    """The plan of the file as it was; or why there is none."""
    file, network = split_network(path)
    then = base.file(file)
    if then is None:
        return None, Case(str(path), "update", str(file), fact=f"not there at {base.commit}")
    try:
        return planner(load(of_network(then, network)))[0], None
    except InputError as error:
        first = error.diagnostics[0]
        message = f"as it was at {base.commit} the file cannot be planned, so no way from there is proven"
        problem = Diagnostic("bad-base", f"{message}: {first.message}", severity="warning")
        return None, Case(str(path), "update", str(file), (problem,))


def _verified(found: Verification) -> str:
    states = sum(outcome.alike for outcome in found.outcomes)
    reached = found.pairs - found.cut_off - found.present.lost
    fact = f"{reached} of {found.pairs} pairs, {states} failures, busiest link {found.busiest[0]:.0%}"
    update = found.update
    return f"{fact}; {update.extent}" if update else fact


def _outside(found: Verification, file: str) -> Iterator[Diagnostic]:
    for each in found.outside:
        yield Diagnostic("outside-the-proof", each, SourceSpan(file, 1, 1), severity="warning")
