"""`raddle expect`: what to measure on a fabric, and why a measured log is not that."""

from __future__ import annotations

from typing import Annotated

import typer

from raddle import traffic
from raddle.cli.bench import sizes_of
from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import (
    JsonOption,
    QpsOption,
    RootOption,
    RoutingOption,
    ScopeOptions,
    SeedOption,
    SplitDataOption,
    StrictOption,
    load_fabric,
)
from raddle.cli.progress import progress_bar, watching
from raddle.errors import InputError
from raddle.lab.bench import BenchRequest
from raddle.lab.expect.expectations import DRAWS, Ask, beside, job_of
from raddle.lab.expect.expectations import expect as expectations
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.connections import with_qps
from raddle.report.expect import expectations_document, expectations_text


@with_option_groups
def expect(
    fabric: FabricArg,
    where: ScopeOptions,
    collective: Annotated[
        str, typer.Option(help="all_reduce, all_to_all, ...; a wrong name lists all.")
    ] = "all_reduce",
    algorithm: Annotated[
        str | None, typer.Option(help="Its algorithm; a wrong name lists all [default: the usual one]")
    ] = None,
    min_bytes: Annotated[
        str | None, typer.Option("-b", "--minbytes", help="Smallest size [default: 64K]")
    ] = None,
    max_bytes: Annotated[
        str | None, typer.Option("-e", "--maxbytes", help="Largest size [default: 1G]")
    ] = None,
    factor: Annotated[
        int | None,
        typer.Option("-f", "--stepfactor", help="Each size is this many times the one before [default: 4]"),
    ] = None,
    root: RootOption = None,
    routing: RoutingOption = None,
    qps_per_connection: QpsOption = None,
    split_data: SplitDataOption = None,
    seed: SeedOption = 1,
    draws: Annotated[int, typer.Option(help="Draws of the hash under ECMP.", min=1, max=10_000)] = DRAWS,
    simulate: Annotated[bool, typer.Option("--simulate", help="Put the engine's times beside.")] = False,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """What a collective should come to on this fabric, from closed forms, without a simulation.

    It names the busiest NIC, host bus, scale-up port and uplinks with what each carries, the bound that
    binds, and what hash collisions make of it; then the time and bandwidths of each size.
    """
    scopes = where.scopes(seed)
    if len(scopes) > 1:
        raise InputError.of("bad-option", "expect takes one tenant", "run it once for each")
    model = with_qps(load_fabric(fabric, strict), qps_per_connection, split_data)
    request = BenchRequest(
        collective=collective,
        algorithm=algorithm,
        sizes_bytes=sizes_of(traffic.Terms(), min_bytes or "64K", max_bytes or "1G", factor, None),
        routing=routing or model.routing.policy,
        scopes=scopes,
        settings=RunSettings(seed=seed),
        terms=traffic.Terms(root=root),
    )
    ask = Ask(request, draws)
    job = job_of(ask, model)
    result, _ = expectations(ask, job)
    if simulate:
        with progress_bar() as progress:
            result = beside(result, ask, job, watching(progress))
    print(expectations_document(result) if as_json else expectations_text(result), end="")
