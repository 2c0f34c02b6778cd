"""`raddle check`: everything that a change of a repository with fabrics must pass."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from raddle.cli.options import JsonOption, PlanOptions
from raddle.cli.progress import Shown, progress_bar, watching
from raddle.cli.reports import (
    JUnitOption,
    MarkdownOption,
    SarifOption,
    SaveBaselineOption,
    write_baseline,
    write_reports,
)
from raddle.controller.plan.model import Plan
from raddle.controller.verify.lossless import CONGESTED_GROUPS
from raddle.errors import InputError
from raddle.lab.check.base import Base, files_at
from raddle.lab.check.fabric import check_fabric, check_format
from raddle.lab.check.files import Found, find_files
from raddle.lab.check.readable import check_file
from raddle.lab.check.removed import removals
from raddle.lab.scenario.baseline import Baselines, known_baselines, same_name
from raddle.lab.scenario.file import read_scenario
from raddle.lab.scenario.run import run_scenario
from raddle.lab.verify.model import FailureScope
from raddle.report.cases import Case, cases_of
from raddle.report.junit import junit_xml
from raddle.report.markdown import markdown
from raddle.report.sarif import sarif_json
from raddle.report.scenario import ScenarioResult
from raddle.topology.model import Fabric
from raddle.units import counted
from raddle.workload import Demand

_BAD_INPUT = 2


def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files, folders [default: this folder]"),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="COMMIT", help="Prove the way from each fabric as it was there: origin/main."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What scenarios' relative expectations compare with.")
    ] = None,
    save_baseline: SaveBaselineOption = None,
    no_removals: Annotated[
        bool,
        typer.Option(
            "--no-removals", help="Fail where a fabric or expectation of --base is gone [default: warn]"
        ),
    ] = False,
    failures: Annotated[int, typer.Option(min=0, max=3, help="As of 'raddle verify'.")] = 1,
    junit: JUnitOption = None,
    sarif: SarifOption = None,
    markdown_file: MarkdownOption = None,
    annotate: Annotated[
        bool,
        typer.Option(
            "--annotate",
            help="Print workflow commands that mark lines [default: where GITHUB_ACTIONS is set]",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check every fabric and scenario file: layout, soundness, proofs, expectations.

    Exit code 0: all is good; 1: something fails; 2: a file is wrong.
    """
    if no_removals and not base:
        raise InputError.of("bad-option", "--no-removals says nothing without --base", "give both or neither")
    known = known_baselines(baseline, save_baseline)
    scope = FailureScope(failures, 200, 1, CONGESTED_GROUPS)
    cases: list[Case] = []
    results: list[ScenarioResult] = []
    names: dict[str, str] = {}
    chosen = paths or [Path()]
    with ExitStack() as stack:
        then = stack.enter_context(files_at(base)) if base else None
        once = then.files(chosen) if then else {}
        found = find_files([path for path in chosen if path.exists() or path not in once], once)
        if not found and not once:
            message = f"no YAML file in {', '.join(map(str, chosen))}"
            raise InputError.of("no-such-file", message, "name files or folders")
        progress = stack.enter_context(progress_bar())
        for each in found:
            cases += _tried(each, then, scope, known, names, results, progress)
        if then:
            severity = "error" if no_removals else "warning"
            cases += removals(found, once, then.commit, _planned, severity)
    write_reports({junit: junit_xml, sarif: sarif_json, markdown_file: markdown}, cases)
    write_baseline(save_baseline, results, known, is_ok=all(case.ok for case in cases))
    others = [str(each.path) for each in found if each.kind == "other"]
    print(_document(cases, others) if as_json else _text(cases, others), end="")
    if not as_json and (annotate or os.environ.get("GITHUB_ACTIONS") == "true"):
        print("\n".join(_annotations(cases)))
    sys.stdout.flush()
    if failed := [case for case in cases if not case.ok]:
        raise typer.Exit(_BAD_INPUT if any(case.name in ("read", "validate") for case in failed) else 1)


def _tried(
    found: Found,
    base: Base | None,
    scope: FailureScope,
    baselines: Baselines,
    names: dict[str, str],
    results: list[ScenarioResult],
    progress: Shown,
) -> Iterator[Case]:
    file = str(found.path)
    if found.kind == "broken":
        yield Case(file, "read", file, found.problems)
    elif found.kind == "fabric":
        yield from check_fabric(found.path, _planned, scope, base, progress)
    elif found.kind == "scenario":
        yield check_format(found.path)
        try:
            scenario = read_scenario(found.path)
        except InputError as error:
            yield Case(file, "read", file, error.diagnostics)
            return
        if problem := same_name(scenario.name, file, names):
            yield Case(file, "read", file, (problem,))
            return
        try:
            results.append(run_scenario(scenario, baselines, watch=watching(progress)))
        except InputError as error:
            yield Case(file, "run", file, error.diagnostics)
            return
        yield from cases_of(results[-1:])
    elif found.kind != "other":
        yield check_format(found.path)
        yield check_file(found.path, found.kind)


def _planned(fabric: Fabric) -> tuple[Plan, Demand | None]:
    """The plan that `raddle plan` makes where no option is given."""
    options = PlanOptions()
    return options.make(fabric).plan, options.demand(fabric)


def _text(cases: Sequence[Case], others: Sequence[str]) -> str:
    lines = [
        line for suite, each in groupby(cases, key=lambda case: case.suite) for line in _block(suite, each)
    ]
    if others:
        lines.append(f"not raddle's: {', '.join(others)}")
    failed = sum(not case.ok for case in cases)
    gone = sum(case.name == "removed" and case.ok for case in cases)
    told = (
        f"; {counted(gone, 'file is', 'files are')} gone or expect{'s' if gone == 1 else ''} less"
        if gone
        else ""
    )
    lines.append(f"{failed} of {len(cases)} failed{told}" if failed else f"ok, {len(cases)} passed{told}")
    return "\n".join(lines) + "\n"


def _block(suite: str, cases: Iterator[Case]) -> Iterator[str]:
    yield f"# {suite}"
    for case in cases:
        warnings = sum(each.severity != "error" for each in case.problems)
        told = f" ({warnings} warning{'s' if warnings > 1 else ''})" if warnings else ""
        yield f"{'ok' if case.ok else 'FAIL':<5}{case.name:<30}  {case.fact}{told}".rstrip()
        for problem in case.problems:
            yield from (f"     {line}" for line in str(problem).splitlines())


def _document(cases: Sequence[Case], others: Sequence[str]) -> str:
    document = {
        "schema_version": 1,
        "ok": all(case.ok for case in cases),
        "cases": [_case_document(case) for case in cases],
        "not_checked": list(others),
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _case_document(case: Case) -> dict[str, Any]:
    return {
        **{name: value for name, value in asdict(case).items() if name != "problems"},
        "ok": case.ok,
        "problems": [
            {"code": each.code, "severity": each.severity, "message": each.message, "hint": each.hint,
             "file": each.span.file if each.span else case.file,
             "line": each.span.line if each.span else 0, "column": each.span.column if each.span else 0}
            for each in case.problems
        ],
    }  # fmt: skip


def _annotations(cases: Sequence[Case]) -> Iterator[str]:
    """Workflow commands of GitHub Actions, which show at the lines of a change."""
    for case in cases:
        for each in case.problems:
            place = f"file={_escaped(each.span.file if each.span else case.file)}"
            if each.span:
                place += f",line={each.span.line},col={each.span.column}"
            text = _escaped(f"{each.message}{'; ' if each.hint else ''}{each.hint}", in_property=False)
            yield f"::{each.severity} {place},title={_escaped(each.code)}::{text}"


def _escaped(text: str, *, in_property: bool = True) -> str:
    signs = {"%": "%25", "\r": "%0D", "\n": "%0A"} | ({":": "%3A", ",": "%2C"} if in_property else {})
    return "".join(signs.get(sign, sign) for sign in text)
