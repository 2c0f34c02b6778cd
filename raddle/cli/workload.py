"""`raddle workload`: computing and messages that wait for one another, from a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.options import (
    JsonOption,
    P4InfoOption,
    QpsOption,
    RoutingOption,
    SeedOption,
    SplitDataOption,
    StrictOption,
    load_fabric,
)
from raddle.cli.progress import progress_bar, watching
from raddle.cli.run_options import (
    CcOption,
    DetectionOption,
    FailOption,
    FaultsOption,
    FidelityOption,
    PushOption,
    RunOptions,
    ThreadsOption,
    UntilOption,
    UsedInventoryOption,
    note_unused_routing,
    switch_source,
    with_congestion_control,
)
from raddle.lab.graph.file import read_workload
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.lab.workloads.connections import with_qps
from raddle.report.workload import workload_json, workload_text


def workload(
    file: Annotated[Path, typer.Argument(metavar="WORKLOAD.yaml", help="Workload file.")],
    fabric: FabricArg,
    fidelity: FidelityOption = "packet",
    cc: CcOption = None,
    routing: RoutingOption = None,
    qps_per_connection: QpsOption = None,
    split_data: SplitDataOption = None,
    seed: SeedOption = 1,
    fail: FailOption = None,
    faults: FaultsOption = None,
    detection: DetectionOption = "1ms",
    until: UntilOption = None,
    threads: ThreadsOption = 1,
    inventory: UsedInventoryOption = None,
    push: PushOption = False,
    p4info: P4InfoOption = None,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate what ranks compute and send, each thing after others: times of every node and job.

    Ends with 1 if a job is not done; an interrupt keeps what there is.
    """
    model = with_congestion_control(with_qps(load_fabric(fabric, strict), qps_per_connection, split_data), cc)
    graph = read_workload(model, file, seed)
    options = RunOptions(seed, threads, fail or (), faults, detection, None, (), until, fidelity)
    settings, source = options.settings(model), switch_source(inventory, push, p4info)
    note_unused_routing("--routing", bool(routing), source)
    request = WorkloadRequest(graph, routing or model.routing.policy, settings)
    with progress_bar() as progress:
        result = run_workload(model, request, source, watching(progress))
    print(workload_json(result) if as_json else workload_text(result), end="")
    sys.stdout.flush()
    if result.is_interrupted:
        raise KeyboardInterrupt
    if not result.is_done:
        raise typer.Exit(1)
