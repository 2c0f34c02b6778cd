"""`raddle render`: one switch's configuration as its driver sends it."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from controller.southbound.sonic import bootstrap, pushed
from raddle.cli.options import (
    AlgorithmOption,
    CollectiveOption,
    FabricArg,
    JsonOption,
    PlacementOption,
    RoutingOption,
    SeedOption,
    load_fabric,
    plan_for,
)
from raddle.errors import InputError


def render(
    fabric: FabricArg,
    switch: Annotated[str, typer.Option(metavar="NAME", help="Which switch.")],
    form: Annotated[
        Literal["sonic", "p4runtime", "openflow"], typer.Option("--format", help="What the switch speaks.")
    ] = "sonic",
    boot: Annotated[
        bool, typer.Option("--bootstrap", help="What it boots with (config_db.json), not what is pushed.")
    ] = False,
    routing: RoutingOption = None,
    collective: CollectiveOption = "all_reduce",
    algorithm: AlgorithmOption = None,
    placement: PlacementOption = "linear",
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Print a switch's SONiC configuration: what goes over gNMI, or what it boots with.

    The result is JSON with and without --json.
    """
    if form != "sonic":
        raise InputError.of("not-available", f"--format {form} is not available yet", "use --format sonic")
    plan = plan_for(load_fabric(fabric), routing, collective, algorithm, placement, seed)
    by_name = {each.name: each for each in plan.switches}
    if switch not in by_name:
        raise InputError.of(
            "unknown-switch",
            f"fabric '{plan.fabric}' has no switch '{switch}'",
            f"switches: {', '.join(by_name)}",
        )
    tables = bootstrap(by_name[switch]).config_db if boot else pushed(by_name[switch])
    print(json.dumps(tables, indent=2, sort_keys=True))
