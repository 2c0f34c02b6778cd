"""`raddle workload`: computing and messages that wait for one another, from a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import JsonOption, load_fabric
from raddle.cli.progress import progress_bar, watching
from raddle.cli.reports import HtmlOption, write_page
from raddle.cli.run_options import CheckpointOptions, PageSeriesOption, RunOptions, page_series_ps
from raddle.lab.graph.file import read_workload
from raddle.lab.run.fault_spans import fault_spans
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.report.page.workload_page import workload_page
from raddle.report.workload import workload_json, workload_text


@with_option_groups
def workload(
    file: Annotated[Path, typer.Argument(metavar="WORKLOAD.yaml", help="Workload file.")],
    fabric: FabricArg,
    run: RunOptions,
    kept: CheckpointOptions,
    html: HtmlOption = None,
    series: PageSeriesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate what ranks compute and send, each thing after others: times of every node and job.

    Ends with 1 if a job is not done; an interrupt keeps what there is.
    """
    page_series_ps(series, html)
    loaded = load_fabric(fabric, run.strict)
    model = run.fabric_of(loaded)
    graph = read_workload(model, file, run.seed)
    source = run.switches(loaded, f"workload {file} {fabric}", given="--routing" if run.routing else "")
    settings = kept.apply(run.settings(model, series, has_page=html is not None))
    request = WorkloadRequest(graph, run.routing or model.routing.policy, settings)
    with progress_bar() as progress:
        result = run_workload(model, request, source, watching(progress))
    faults = fault_spans(settings, result.time_ps, result.repairs)
    write_page(html, lambda: workload_page(model, result, faults))
    print(workload_json(result) if as_json else workload_text(result), end="")
    sys.stdout.flush()
    if settings.checkpoints and not result.is_interrupted:
        settings.checkpoints.discard()
    if result.is_interrupted:
        raise KeyboardInterrupt
    if not result.is_done:
        raise typer.Exit(1)
