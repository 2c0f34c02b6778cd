"""What was raddle's at another commit and is there no more: fabrics, scenarios and what they expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from raddle.controller.plan.summary import summarize_change, summary_lines
from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.lab.check.fabric import Planner
from raddle.lab.check.files import Found
from raddle.report.cases import Case
from raddle.topology import load, network_names
from raddle.topology.catalog import of_network
from raddle.topology.yaml.kinds import NAMES
from raddle.units import counted


def removals(
    found: Sequence[Found], then: Mapping[Path, Found], commit: str, planner: Planner, severity: str
) -> Iterator[Case]:
    """A case for each file of raddle's that is gone, and for each scenario that expects less.

    A file that is gone has moved where a new one is of its kind and name. What is broken is told elsewhere.

    Args:
        then: the files as they were at the commit, by their paths of today.
        severity: of what is found.
    """
    here = {each.path: each for each in found}
    new = {(each.kind, each.name): each for each in found if each.path not in then}
    for path, old in then.items():
        now = here.get(path)
        if now and now.kind == "broken":
            continue
        if now is None or now.kind != old.kind:
            now = new.get((old.kind, old.name))
        if now is None:
            yield _gone(path, old, commit, planner, severity)
        elif lost := [gate for gate in old.gates if gate not in now.gates]:
            yield _lost(now, lost, commit, severity)


def _gone(path: Path, old: Found, commit: str, planner: Planner, severity: str) -> Case:
    file = str(path)
    what = next((name for kind, name in NAMES.items() if kind == old.kind), "a file")
    told = f"'{old.name}', {what} at {commit}, is gone"
    if old.gates:
        told += f", and what it expected holds no more changes back: {', '.join(old.gates)}"
    problem = Diagnostic("removed", told, SourceSpan(file, 1, 1), _HINT, severity=severity)
    details = tuple(_plan_gone(old.path, planner)) if old.kind == "fabric" else ()
    return Case(file, "removed", file, (problem,), details[0] if details else "", details=details)


def _lost(now: Found, lost: Sequence[str], commit: str, severity: str) -> Case:
    file = str(now.path)
    told = f"expected at {commit} and no more: {', '.join(lost)}"
    problem = Diagnostic("removed", told, SourceSpan(file, 1, 1), _HINT, severity=severity)
    return Case(file, "removed", file, (problem,), counted(len(lost), "expectation", "expectations"))


_HINT = "put it back, or let whoever reads the change agree"


def _plan_gone(path: Path, planner: Planner) -> Iterator[str]:
    """The difference from the plan of each network to none; nothing where there was no plan."""
    try:
        for network in network_names(path) or ("",):
            plan = planner(load(of_network(path, network)))[0]
            for line in summary_lines(summarize_change(plan, replace(plan, switches=(), endpoints=()))):
                yield f"{network}: {line}" if network else line
    except InputError:
        return
