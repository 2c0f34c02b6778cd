"""`raddle sweep`: campaigns of many runs, here or on a cluster."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.options import JsonOption
from raddle.cli.progress import progress_bar
from raddle.cli.reports import HtmlOption, write_page
from raddle.cli.terminal import plot
from raddle.errors import InputError
from raddle.lab.sweep.campaign import run_sweep
from raddle.lab.sweep.file import read_sweep
from raddle.lab.sweep.store import opened
from raddle.lab.sweep.summary import summary_of
from raddle.report.page.sweep_page import sweep_page
from raddle.report.sweep import sweep_document, sweep_plot, sweep_text


def sweep(
    what: Annotated[
        list[str], typer.Argument(metavar="SWEEP.yaml | report RESULTS", help="A campaign; or its results.")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Results [default: NAME.duckdb]")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Processes here [default: one for each core]", min=1, max=1024)
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on this Ray cluster: auto, HOST:PORT.")
    ] = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run every combination that a file lists, and report on what came of them.

    Results go to one DuckDB file as runs finish. Started again, a campaign runs what is not there.
    """
    if what[0] == "report":
        if len(what) != 2 or output or jobs or ray:
            raise InputError.of(
                "bad-option",
                "a report takes a file of results, --html and --json",
                "raddle sweep report FILE",
            )
        _report(Path(what[1]), html, as_json)
        return
    if len(what) != 1:
        raise InputError.of(
            "bad-option", f"one campaign at a time, and there are {len(what)} names", "give one"
        )
    if ray and jobs:
        raise InputError.of("bad-option", "--jobs are processes here, and --ray runs elsewhere", "give one")
    campaign = read_sweep(Path(what[0]))
    path = output or Path(f"{campaign.name}.duckdb")
    with progress_bar() as shown:

        def progress(done: int, total: int) -> None:
            shown(f"{done} of {total} runs", done / max(total, 1))

        new = run_sweep(campaign, path, jobs or os.cpu_count() or 1, ray, progress)
    print(f"{new} runs, {len(campaign.runs) - new} were there: {path}", file=sys.stderr)
    _report(path, html, as_json)


def _report(path: Path, html: Path | None, as_json: bool) -> None:
    with opened(path) as store:
        report = summary_of(store.about(), store.rows())
    write_page(html, lambda: sweep_page(report))
    print(sweep_document(report) if as_json else sweep_text(report), end="")
    if not as_json:
        plot(partial(sweep_plot, report))
