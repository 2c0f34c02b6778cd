"""`raddle cost`: what a fabric is built of, and what that costs at the user's prices."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from raddle.cli.options import JsonOption, load_fabric
from raddle.cli.progress import progress_bar, watching
from raddle.cli.reports import HtmlOption, write_page
from raddle.errors import InputError
from raddle.lab.bench_request import BenchRequest
from raddle.lab.cost.bill import bill_of
from raddle.lab.cost.prices import Prices, read_prices, template
from raddle.report.cost import cost_csv, cost_json, cost_text
from raddle.report.model import BenchResult
from raddle.report.page.cost_page import cost_page
from raddle.topology.model import Fabric
from raddle.units import parse_message_bytes


def cost(
    fabrics: Annotated[
        list[str],
        typer.Argument(metavar="FABRIC...", help="Fabric files; the first is what others are compared with."),
    ],
    prices: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Prices; one for all fabrics, or one for each, in order."),
    ] = None,
    all_reduce: Annotated[
        str | None,
        typer.Option("--all-reduce", metavar="SIZE", help="Simulate one, and divide by its bandwidth."),
    ] = None,
    is_template: Annotated[
        bool, typer.Option("--template", help="Print a file of the prices that a fabric needs, to fill in.")
    ] = False,
    form: Annotated[
        Literal["table", "csv"], typer.Option("--format", help="Table, or all items as CSV.")
    ] = "table",
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count switches, NIC ports, cables and optics, and what they cost, draw and take up.

    raddle has no prices of its own: each is the user's, with its source and date. With several fabrics, or
    one fabric twice at different prices, it says where a saving comes from: fewer things, or cheaper ones.
    """
    if as_json and form == "csv":
        raise InputError.of("bad-option", "--json and --format csv are two forms", "give one of them")
    beside = {"--prices": prices, "--all-reduce": all_reduce, "--html": html, "--json": as_json}
    used = [name for name, value in beside.items() if value]
    if is_template and (used or len(fabrics) > 1):
        what = used[0] if used else "a second fabric"
        raise InputError.of("bad-option", f"--template has no use for {what}", "leave it out")
    models = [load_fabric(name) for name in fabrics]
    if is_template:
        print(template(models[0]), end="")
        return
    pairs = list(zip(models, _prices(prices or [], len(models)), strict=True))
    size_bytes = _size(all_reduce) if all_reduce else 0
    bills = [bill_of(model, book, _all_reduce(model, size_bytes)) for model, book in pairs]
    if len({bill.currency for bill in bills}) > 1:
        raise InputError.of(
            "bad-option", "the prices are in different currencies", "convert them: raddle knows no rates"
        )
    write_page(html, lambda: cost_page(bills))
    if as_json:
        print(cost_json(bills), end="")
    elif form == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows(cost_csv(bills))
    else:
        print(cost_text(bills), end="")


def _prices(paths: list[Path], fabrics: int) -> list[Prices]:
    if not paths:
        raise InputError.of(
            "bad-option", "--prices is missing: raddle has none of its own", "start from --template"
        )
    if len(paths) not in (1, fabrics):
        message = f"{len(paths)} files of prices for {fabrics} fabrics"
        raise InputError.of("bad-option", message, "give one for all, or one for each, in order")
    read = [read_prices(path) for path in paths]
    return read * fabrics if len(read) == 1 else read


def _size(text: str) -> int:
    try:
        return parse_message_bytes(text)
    except ValueError as error:
        raise InputError.of("bad-size", f"--all-reduce: {error}") from None


def _all_reduce(fabric: Fabric, size_bytes: int) -> BenchResult | None:
    """An all-reduce among all ranks; None: not asked for."""
    if not size_bytes:
        return None
    from raddle.lab.bench import run_bench  # with switches and their servers

    request = BenchRequest("all_reduce", None, (size_bytes,), fabric.routing.policy)
    with progress_bar() as progress:
        return run_bench(fabric, request, watch=watching(progress))
