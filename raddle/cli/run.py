"""`raddle run`: scenarios with expectations, as tests of a fabric."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.options import JsonOption
from raddle.cli.progress import progress_bar, watching
from raddle.cli.reports import (
    HtmlOption,
    JUnitOption,
    MarkdownOption,
    SarifOption,
    SaveBaselineOption,
    write_baseline,
    write_page,
    write_reports,
)
from raddle.cli.run_options import PageSeriesOption, ThreadsOption, page_series_ps
from raddle.cli.terminal import plot
from raddle.errors import InputError
from raddle.lab.run.fault_spans import fault_spans
from raddle.lab.scenario.baseline import known_baselines, same_name
from raddle.lab.scenario.file import read_scenario
from raddle.lab.scenario.run import run_scenario
from raddle.report.cases import cases_of
from raddle.report.junit import junit_xml
from raddle.report.markdown import markdown
from raddle.report.page.scenario_page import scenario_page
from raddle.report.sarif import sarif_json
from raddle.report.scenario import scenarios_document, scenarios_text, seeds_plot


def run(
    scenarios: Annotated[list[Path], typer.Argument(metavar="SCENARIO.yaml...", help="Scenario files.")],
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What relative expectations (>= 0.97x baseline) compare with."),
    ] = None,
    save_baseline: SaveBaselineOption = None,
    junit: JUnitOption = None,
    sarif: SarifOption = None,
    markdown_file: MarkdownOption = None,
    html: HtmlOption = None,
    series: PageSeriesOption = None,
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Simulate scenarios and judge what they expect. Exit code 1: something is not as expected.

    A scenario names a fabric, jobs, what goes wrong meanwhile, and expectations. All files are read before
    the first runs.
    """
    series_ps = page_series_ps(series, html)
    known = known_baselines(baseline, save_baseline)
    read = [read_scenario(path) for path in scenarios]
    names: dict[str, str] = {}
    if doubled := [problem for each in read if (problem := same_name(each.name, each.file, names))]:
        raise InputError(doubled)
    with progress_bar() as progress:
        results = [run_scenario(each, known, threads, watching(progress), series_ps) for each in read]
    cases = cases_of(results)
    write_reports({junit: junit_xml, sarif: sarif_json, markdown_file: markdown}, cases)
    faults = [
        fault_spans(each.settings, max(result.ends_ps), result.repairs)
        for each, result in zip(read, results, strict=True)
    ]
    fabrics = [each.fabric for each in read]
    write_page(html, lambda: scenario_page(fabrics, results, faults))
    write_baseline(save_baseline, results, known, is_ok=all(result.ok for result in results))
    print(scenarios_document(results) if as_json else scenarios_text(results), end="")
    sys.stdout.flush()
    if not as_json:
        plot(partial(seeds_plot, results))
    if not all(result.ok for result in results):
        raise typer.Exit(1)
