"""`raddle elastic`: accelerators that serve by day and train by night."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.options import JsonOption, load_fabric
from raddle.cli.progress import progress_bar, watching
from raddle.cli.reports import HtmlOption, write_page
from raddle.cli.run_options import FidelityOption
from raddle.cli.terminal import plot
from raddle.lab.elastic.change import Setting
from raddle.lab.elastic.day import run_day
from raddle.lab.elastic.file import read_pool
from raddle.lab.run.settings import RunSettings
from raddle.report.elastic import elastic_json, elastic_plot, elastic_text
from raddle.report.page.elastic_page import elastic_page


def elastic(
    file: Annotated[Path, typer.Argument(metavar="DAY.yaml", help="File of an elastic pool.")],
    fabric: FabricArg,
    routing: Annotated[
        Literal["ecmp", "pinned"] | None,
        typer.Option(help="Of the jobs; ecmp needs no new plan [default: the fabric's]"),
    ] = None,
    fidelity: FidelityOption = "fluid",
    seed: Annotated[int, typer.Option(help="Of placement and hashing.")] = 1,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """From a day's load: which accelerators serve and train when, and what changing hands takes and costs.

    Ends with 1 if the load finds no room.
    """
    model = load_fabric(fabric)
    pool = read_pool(model, file, seed)
    settings = replace(RunSettings(), fidelity=fidelity, seed=seed)
    with progress_bar() as progress:
        result = run_day(pool, Setting(routing or model.routing.policy, settings), watching(progress))
    write_page(html, lambda: elastic_page(result))
    print(elastic_json(result) if as_json else elastic_text(result), end="")
    sys.stdout.flush()
    if not as_json:
        plot(partial(elastic_plot, result))
    if not result.is_served:
        raise typer.Exit(1)
