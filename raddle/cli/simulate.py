"""`raddle simulate`: flows from a file on switches that the controller has programmed."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from raddle.cli.options import (
    FabricArg,
    JsonOption,
    P4InfoOption,
    QpsOption,
    Routing,
    RoutingOption,
    SplitDataOption,
    load_fabric,
)
from raddle.cli.progress import progress_bar
from raddle.errors import InputError
from raddle.lab.run.faults import find_link_port, parse_failure, read_faults
from raddle.lab.run.timeline import Instruments
from raddle.lab.simulate import simulate_flows
from raddle.lab.workloads.connections import with_qps
from raddle.lab.workloads.flow_file import read_flows
from raddle.lab.workloads.pin_file import read_pins
from raddle.report.run_files import flows_csv, ports_csv, series_csv, summary_json
from raddle.sim import NEVER
from raddle.topology.model import Fabric
from raddle.units import parse_time_ps

_SHOWN = 10


def simulate(
    fabric: FabricArg,
    flows: Annotated[Path, typer.Option(help="CSV with columns src,dst,bytes; also id,start_ns,qp,after.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for fct.csv, ports.csv and summary.json.")
    ],
    cc: Annotated[
        Literal["dcqcn", "none"] | None, typer.Option(help="Congestion control [default: the fabric's]")
    ] = None,
    routing: RoutingOption = None,
    pins: Annotated[
        Path | None, typer.Option(help="CSV with columns flow,path: the switches on the way; implies ecmp.")
    ] = None,
    qps_per_connection: QpsOption = None,
    split_data: SplitDataOption = None,
    seed: Annotated[int, typer.Option(help="Seed of queue pair numbers and ECN marking.", min=0)] = 1,
    fail: Annotated[
        list[str] | None,
        typer.Option(metavar="PORT@TIME[..TIME]", help="Cut the link at a port: leaf0:Ethernet64@20us..1ms."),
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="CSV with columns what,where,from,until,value: see the manual.")
    ] = None,
    detection: Annotated[
        str, typer.Option(metavar="TIME", help="From a cut to the routes that avoid it.")
    ] = "1ms",
    series: Annotated[
        str | None, typer.Option(metavar="TIME", help="Sample queues and rates that often: series.csv.")
    ] = None,
    trace: Annotated[
        list[str] | None,
        typer.Option(metavar="PORT", help="Record the frames on the link at a port: capture.pcapng."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="End at that simulated time, whatever is under way.")
    ] = None,
    threads: Annotated[
        int, typer.Option(help="Threads that share the switches; the results are the same.", min=1, max=64)
    ] = 1,
    p4info: P4InfoOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate flows and write what became of each one and of every port.

    The switches are programmed over gNMI and the simulation forwards with what they then report. Ends with 1
    if a flow is not done; an interrupt keeps what there is.
    """
    model = with_qps(load_fabric(fabric), qps_per_connection, split_data)
    table = read_flows(model, flows)
    paths = read_pins(model, table, pins) if pins else ()
    policy, control = _policy(model, routing, pins), cc or model.roce.congestion_control
    instruments = Instruments(
        faults=(
            *(read_faults(model, faults) if faults else ()),
            *(parse_failure(model, t) for t in fail or ()),
        ),
        detection_ps=_time_ps("--detection", detection),
        series_ps=_time_ps("--series", series) if series else 0,
        until_ps=_time_ps("--until", until) if until else NEVER,
        traced=tuple(find_link_port(model, "--trace", text) for text in trace or ()),
    )
    with _capture(output, instruments) as instruments, progress_bar() as progress:
        result = simulate_flows(
            model,
            table,
            policy,
            control,
            seed,
            progress,
            paths,
            instruments,
            threads,
            notice=_tell,
            p4info=p4info,
        )
    summary = summary_json(result)
    files = {"fct.csv": flows_csv(result), "ports.csv": ports_csv(result), "summary.json": summary}
    _write(output, files | ({"series.csv": series_csv(result)} if series else {}))
    if as_json:
        print(summary, end="")
    else:
        done = sum(flow.status == "done" for flow in result.flows)
        print(f"{done} of {len(result.flows)} flows done in {result.time_ps / 1e9:.6f} ms; see {output}")
    left = [flow for flow in result.flows if flow.status != "done"]
    for flow in left[:_SHOWN]:
        _tell(f"flow {flow.id} is {flow.status}: {flow.reason or 'waits'}")
    if len(left) > _SHOWN:
        _tell(f"and {len(left) - _SHOWN} more; see {output / 'fct.csv'}")
    for line in result.diagnosis:
        _tell(line)
    if result.is_interrupted:
        raise KeyboardInterrupt
    if not result.is_done:
        raise typer.Exit(1)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _policy(fabric: Fabric, routing: Routing | None, pins: Path | None) -> Routing:
    """Flows without a pin are hashed where others have one."""
    if pins and routing == "pinned":
        raise InputError.of(
            "bad-option", "--pins gives the paths, --routing pinned chooses them", "leave one out"
        )
    return "ecmp" if pins else routing or fabric.routing.policy


def _time_ps(option: str, text: str) -> int:
    try:
        value = parse_time_ps(text)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        raise InputError.of("bad-option", f"{option}: {message}", hint) from None
    if value <= 0:
        raise InputError.of("bad-option", f"{option}: '{text}' is not above 0")
    return value


@contextmanager
def _capture(folder: Path, instruments: Instruments) -> Iterator[Instruments]:
    """The instruments with a file that takes what is traced, if anything is."""
    if not instruments.traced:
        yield instruments
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "capture.pcapng").open("wb") as file:
            yield dataclasses.replace(instruments, capture=file.write)
    except OSError as error:
        raise InputError.of("cannot-write", f"{folder}: {error.strerror}") from None


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise InputError.of("cannot-write", f"{folder}: {error.strerror}") from None
