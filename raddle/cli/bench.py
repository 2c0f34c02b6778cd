"""`raddle bench`: a collective on switches that the controller has programmed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from raddle import traffic
from raddle.cli.options import (
    FabricArg,
    JsonOption,
    P4InfoOption,
    Placement,
    QpsOption,
    RoutingOption,
    SeedOption,
    SplitDataOption,
    load_fabric,
)
from raddle.cli.progress import progress_bar
from raddle.errors import InputError
from raddle.inventory import load_inventory
from raddle.lab.bench import BenchRequest, run_bench
from raddle.lab.workloads.connections import with_qps
from raddle.report import to_json, to_table
from raddle.units import parse_nccl_bytes


def bench(
    fabric: FabricArg,
    collective: Annotated[
        str, typer.Option(help="all_reduce, all_gather, reduce_scatter, all_to_all.")
    ] = "all_reduce",
    algorithm: Annotated[
        str | None, typer.Option(help="ring, halving_doubling, pairwise [default: the usual one]")
    ] = None,
    min_bytes: Annotated[
        str, typer.Option("-b", "--minbytes", help="Smallest size (powers of 1024: 32K, 1M).")
    ] = "1M",
    max_bytes: Annotated[str, typer.Option("-e", "--maxbytes", help="Largest size.")] = "256M",
    factor: Annotated[
        int, typer.Option("-f", "--stepfactor", help="Each size is this many times the one before.")
    ] = 4,
    routing: RoutingOption = None,
    placement: Annotated[Placement, typer.Option(help="Which endpoint each rank is.")] = "linear",
    seed: SeedOption = 1,
    inventory: Annotated[
        Path | None, typer.Option(help="Running switches to use [default: start some]")
    ] = None,
    push: Annotated[
        bool, typer.Option("--push", help="With --inventory: program the switches first.")
    ] = False,
    p4info: P4InfoOption = None,
    qps_per_connection: QpsOption = None,
    split_data: SplitDataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a collective and print the table of nccl-tests.

    The switches are programmed over gNMI and the simulation forwards with what they then report. With
    --inventory and without --push it forwards with what they hold already.
    """
    model = with_qps(load_fabric(fabric), qps_per_connection, split_data)
    if push and inventory is None:
        raise InputError.of(
            "no-inventory", "--push needs --inventory", "without both, bench starts its own switches"
        )
    if routing and inventory and not push:
        print("note: --routing has no effect without --push; the switches stay as they are", file=sys.stderr)
    request = BenchRequest(
        collective=collective,
        algorithm=algorithm,
        sizes_bytes=traffic.sweep(_size(min_bytes, "-b"), _size(max_bytes, "-e"), factor),
        routing=routing or model.routing.policy,
        placement=placement,
        seed=seed,
    )
    where = load_inventory(inventory) if inventory else None
    with progress_bar() as progress:
        result = run_bench(
            model, request, where, push=push or where is None, progress=progress, p4info=p4info
        )
    print(to_json(result) if as_json else to_table(result), end="")
    if any(row.wrong or row.time_ps is None for row in result.rows):
        raise typer.Exit(1)


def _size(text: str, option: str) -> int:
    try:
        return parse_nccl_bytes(text)
    except ValueError as error:
        raise InputError.of("bad-size", f"{option}: {error}") from None
