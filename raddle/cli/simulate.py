"""`raddle simulate`: flows from a file on switches that the controller has programmed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from raddle.cli.options import FabricArg, JsonOption, Routing, RoutingOption, load_fabric
from raddle.cli.progress import progress_bar
from raddle.errors import InputError
from raddle.lab.flow_file import read_flows
from raddle.lab.pin_file import read_pins
from raddle.lab.simulate import simulate_flows
from raddle.report.run_files import flows_csv, ports_csv, summary_json
from raddle.topology.model import Fabric


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
    seed: Annotated[int, typer.Option(help="Seed of queue pair numbers and ECN marking.", min=0)] = 1,
    as_json: JsonOption = False,
) -> None:
    """Simulate flows and write what became of each one and of every port.

    The switches are programmed over gNMI and the simulation forwards with what they then report. Ends with 1
    if a flow is not done; an interrupt keeps what there is.
    """
    model = load_fabric(fabric)
    table = read_flows(model, flows)
    paths = read_pins(model, table, pins) if pins else ()
    policy, control = _policy(model, routing, pins), cc or model.roce.congestion_control
    with progress_bar() as progress:
        result = simulate_flows(model, table, policy, control, seed, progress, paths)
    summary = summary_json(result)
    _write(output, {"fct.csv": flows_csv(result), "ports.csv": ports_csv(result), "summary.json": summary})
    if as_json:
        print(summary, end="")
    else:
        done = sum(flow.status == "done" for flow in result.flows)
        print(f"{done} of {len(result.flows)} flows done in {result.time_ps / 1e9:.6f} ms; see {output}")
    for flow in [flow for flow in result.flows if flow.status != "done"][:10]:
        print(f"flow {flow.id} is {flow.status}: {flow.reason or 'waits'}", file=sys.stderr)
    if result.is_interrupted:
        raise KeyboardInterrupt
    if not result.is_done:
        raise typer.Exit(1)


def _policy(fabric: Fabric, routing: Routing | None, pins: Path | None) -> Routing:
    """Flows without a pin are hashed where others have one."""
    if pins and routing == "pinned":
        raise InputError.of(
            "bad-option", "--pins gives the paths, --routing pinned chooses them", "leave one out"
        )
    return "ecmp" if pins else routing or fabric.routing.policy


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise InputError.of("cannot-write", f"{folder}: {error.strerror}") from None
