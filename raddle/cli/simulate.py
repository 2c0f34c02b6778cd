"""`raddle simulate`: flows from a file on switches that the controller has programmed."""

from __future__ import annotations

import dataclasses
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.input_digests import digests
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import JsonOption, Routing, load_fabric
from raddle.cli.output_folder import OutputFolder
from raddle.cli.progress import progress_bar, watching
from raddle.cli.reports import HtmlOption, write_page
from raddle.cli.run_options import CheckpointOptions, RunOptions, SeriesOption, TraceOption
from raddle.cli.terminal import plot
from raddle.errors import InputError
from raddle.lab.run.fault_spans import fault_spans
from raddle.lab.simulate import SimulateRequest
from raddle.lab.simulate import simulate as run_flows
from raddle.lab.workloads.arrivals import Arrivals
from raddle.lab.workloads.flow_file import read_flows
from raddle.lab.workloads.pin_file import read_pins
from raddle.report.page.simulate_page import simulate_page
from raddle.report.run_files import (
    RunResult,
    fct_plot,
    flows_csv,
    ports_csv,
    run_document,
    run_lines,
    samples_csv,
    summary_json,
)
from raddle.topology.model import Fabric

_SHOWN = 10
_CAPTURE, _SERIES = "capture.pcapng", "series.csv"
_FILES = ("fct.csv", "ports.csv", "summary.json", _SERIES, _CAPTURE)


@with_option_groups
def simulate(
    fabric: FabricArg,
    run: RunOptions,
    kept: CheckpointOptions,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for fct.csv, ports.csv and summary.json.")
    ],
    flows: Annotated[
        Path | None, typer.Option(help="CSV with columns src,dst,bytes; also id,start_ns,qp,after,delay_ns.")
    ] = None,
    arrivals: Annotated[
        str | None,
        typer.Option(
            metavar="DISTRIBUTION:LOAD:FLOWS", help="Flows at random instead: websearch:50%:100000."
        ),
    ] = None,
    pins: Annotated[
        Path | None, typer.Option(help="CSV with columns flow,path: the switches on the way; implies ecmp.")
    ] = None,
    series: SeriesOption = None,
    trace: TraceOption = None,
    html: HtmlOption = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite/--no-overwrite", help="Replace an earlier result in the folder, or refuse to."
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Simulate flows and write what became of each one and of every port.

    The switches are programmed over gNMI and the simulation forwards with what they then report. With
    --inventory and without --push it forwards with what they hold already. Ends with 1 if a flow is not done;
    an interrupt keeps what there is.
    """
    loaded = load_fabric(fabric, run.strict)
    model = run.fabric_of(loaded)
    drawn = _drawn(flows, arrivals)
    workload = drawn.workload(model, run.seed) if drawn else read_flows(model, flows or Path())
    paths = read_pins(model, workload, pins) if pins else ()
    given = "--pins" if pins else "--routing" if run.routing else ""
    source = run.switches(
        loaded, f"simulate {fabric} {f'--arrivals {arrivals}' if drawn else f'--flows {flows}'}", given=given
    )
    settings = kept.apply(run.settings(model, series, trace or (), has_page=html is not None))
    with OutputFolder(output, _FILES, overwrite) as folder, progress_bar() as progress:
        if settings.traced:
            settings = dataclasses.replace(settings, capture=folder.open(_CAPTURE))
        inputs = digests(fabric, flows, pins, run.faults)
        if drawn:
            inputs = (*inputs, drawn.digest(workload))
        request = SimulateRequest(workload, _policy(model, run.routing, pins), paths, settings, inputs)
        result = run_flows(model, request, source, watching(progress))
        document = run_document(result)
        summary = summary_json(document)
        files = {"fct.csv": flows_csv(result), "ports.csv": ports_csv(result), "summary.json": summary}
        folder.finish(files | ({_SERIES: samples_csv(result.series)} if series else {}))
    if settings.checkpoints and not result.is_interrupted:
        settings.checkpoints.discard()
    faults = fault_spans(settings, result.time_ps, result.repairs)
    write_page(html, lambda: simulate_page(model, result, faults))
    if as_json:
        print(summary, end="")
    else:
        done = sum(flow.status == "done" for flow in result.flows)
        print(f"{done} of {len(result.flows)} flows done in {result.time_ps / 1e9:.6f} ms; see {output}")
        print(*run_lines(document), sep="\n")
        plot(partial(fct_plot, result))
    _tell_of_unfinished(result, output)
    if result.is_interrupted:
        raise KeyboardInterrupt
    if not result.is_done:
        raise typer.Exit(1)


def _drawn(flows: Path | None, arrivals: str | None) -> Arrivals | None:
    """What is drawn at random; None where a file has the flows."""
    if (flows is None) == (arrivals is None):
        why = (
            "--flows and --arrivals exclude each other"
            if flows
            else "neither --flows nor --arrivals is there"
        )
        raise InputError.of("bad-option", why, "give a file of flows, or a distribution of them")
    return Arrivals.parse(arrivals) if arrivals is not None else None


def _tell_of_unfinished(result: RunResult, output: Path) -> None:
    left = [flow for flow in result.flows if flow.status != "done"]
    for flow in left[:_SHOWN]:
        print(f"flow {flow.id} is {flow.status}: {flow.reason or 'waits'}", file=sys.stderr)
    if len(left) > _SHOWN:
        print(f"and {len(left) - _SHOWN} more; see {output / 'fct.csv'}", file=sys.stderr)
    for line in result.diagnosis:
        print(line, file=sys.stderr, flush=True)


def _policy(fabric: Fabric, routing: Routing | None, pins: Path | None) -> Routing:
    """Flows without a pin are hashed where others have one."""
    if pins and routing == "pinned":
        raise InputError.of(
            "bad-option", "--pins gives the paths, --routing pinned chooses them", "leave one out"
        )
    return "ecmp" if pins else routing or fabric.routing.policy
