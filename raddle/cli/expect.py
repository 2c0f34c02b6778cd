"""`raddle expect`: what to measure on a fabric, and why a measured log is not that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raddle import traffic
from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import (
    JsonOption,
    QpsOption,
    RootOption,
    Routing,
    RoutingOption,
    ScopeOptions,
    SeedOption,
    SplitDataOption,
    StrictOption,
    load_fabric,
)
from raddle.cli.progress import progress_bar, watching
from raddle.cli.reports import HtmlOption, write_page
from raddle.cli.sizes import sizes_of
from raddle.cli.terminal import plot
from raddle.errors import Diagnostic, InputError
from raddle.lab.bench_request import BenchRequest
from raddle.lab.expect.expectations import Ask, beside, job_of, usual_draws
from raddle.lab.expect.expectations import expect as expectations
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.connections import with_qps
from raddle.report.diagnosis import Diagnosis, diagnosis_document, diagnosis_plot, diagnosis_text
from raddle.report.expect import expectations_document, expectations_plot, expectations_text
from raddle.report.page.expect_page import diagnosis_page, expect_page
from raddle.topology.model import Fabric

if TYPE_CHECKING:
    from raddle.lab.expect.logs.record import Log


@with_option_groups
def expect(
    fabric: FabricArg,
    where: ScopeOptions,
    log: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Outputs of nccl-tests, rccl-tests, hccl_test, perftest: why are they so?"
        ),
    ] = None,
    collective: Annotated[
        str | None, typer.Option(help="all_reduce, all_to_all, ... [default: all_reduce, or the log's]")
    ] = None,
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
    draws: Annotated[
        int | None, typer.Option(help="Draws of the hash under ECMP [default: 20]", min=0, max=10_000)
    ] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Put the engine's times beside.")] = False,
    html: HtmlOption = None,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """What a collective should come to on this fabric, from closed forms, without a simulation.

    It names the busiest NIC, host bus, scale-up port and uplinks with what each carries, the bound that
    binds, and what hash collisions make of it; then the time and bandwidths of each size. With --log it reads
    measurements, and names the causes that fit them.
    """
    if log:
        given = {
            "-b": min_bytes,
            "-e": max_bytes,
            "-f": factor,
            "--root": root,
            "--simulate": simulate or None,
        }
        given |= {"--qps-per-connection": qps_per_connection, "--split-data": split_data}
        given |= {"--seed": seed if seed != 1 else None}
        given |= {f"--{each.name}": getattr(where, each.name) for each in fields(where)}
        found = _explain_logs(
            load_fabric(fabric, strict), log, given, routing, (collective, algorithm, draws)
        )
        write_page(html, lambda: diagnosis_page(found))
        print(diagnosis_document(found) if as_json else diagnosis_text(found), end="")
        if not as_json:
            plot(partial(diagnosis_plot, found))
        return
    scopes = where.scopes(seed)
    if len(scopes) > 1:
        raise InputError.of("bad-option", "expect takes one tenant", "run it once for each")
    model = with_qps(load_fabric(fabric, strict), qps_per_connection, split_data)
    request = BenchRequest(
        collective=collective or "all_reduce",
        algorithm=algorithm,
        sizes_bytes=sizes_of(traffic.Terms(), min_bytes or "64K", max_bytes or "1G", factor, None),
        routing=routing or model.routing.policy,
        scopes=scopes,
        settings=RunSettings(seed=seed),
        terms=traffic.Terms(root=root),
    )
    ask = Ask(request, usual_draws(model) if draws is None else draws)
    job = job_of(ask, model)
    result, _ = expectations(ask, job)
    if simulate:
        with progress_bar() as progress:
            result = beside(result, ask, job, watching(progress))
    write_page(html, lambda: expect_page(result))
    print(expectations_document(result) if as_json else expectations_text(result), end="")
    if not as_json:
        plot(partial(expectations_plot, result))


def _explain_logs(
    fabric: Fabric,
    files: list[Path],
    given: Mapping[str, object],
    routing: Routing | None,
    assumed: tuple[str | None, str | None, int | None],
) -> Diagnosis:
    """What logs say; `given` are options that say nothing of them."""
    from raddle.lab.expect.cases import Assumed
    from raddle.lab.expect.diagnose import diagnose
    from raddle.lab.expect.logs.read import read_logs

    if unused := [name for name, value in given.items() if value is not None]:
        raise InputError.of(
            "bad-option", f"the logs say what ran, and {unused[0]} would say it again", "leave it out"
        )
    if routing:
        fabric = replace(fabric, routing=replace(fabric.routing, policy=routing, is_declared=True))
    collective, algorithm, draws = assumed
    said = Assumed(collective, algorithm, draws) if draws else Assumed(collective, algorithm)
    return diagnose(fabric, _read_all(files, read_logs), said)


def _read_all(files: list[Path], read: Callable[[Path], list[Log]]) -> list[Log]:
    """All logs.

    Raises:
        InputError: what is wrong with any of them.
    """
    logs: list[Log] = []
    problems: list[Diagnostic] = []
    for path in files:
        try:
            logs += read(path)
        except InputError as error:
            problems += error.diagnostics
    if problems:
        raise InputError(problems)
    return logs
