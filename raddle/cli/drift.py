"""`raddle drift`: what on the switches is not as planned, entry by entry."""

from __future__ import annotations

import typer

from raddle.cli.options import (
    DEFAULT_INVENTORY,
    AlgorithmOption,
    CollectiveOption,
    FabricArg,
    InventoryOption,
    JsonOption,
    KeepOption,
    P4InfoOption,
    PlacementOption,
    RoutingOption,
    SeedOption,
    load_fabric,
    load_switches,
    plan_for,
)
from raddle.cli.plan import changes_text
from raddle.cli.status import raise_errors, results_json
from raddle.controller.reconcile import check


def drift(
    fabric: FabricArg,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    routing: RoutingOption = None,
    collective: CollectiveOption = "all_reduce",
    algorithm: AlgorithmOption = None,
    placement: PlacementOption = "linear",
    seed: SeedOption = 1,
    keep: KeepOption = None,
    p4info: P4InfoOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what differs on the switches from what the plan says, as 'raddle apply' would change it.

    All tables that come from the plan are compared, also those that only a new config_db.json can bring;
    entries and fields that the plan says nothing of are left out. Exit code 1: there is drift.
    """
    where = load_switches(inventory, p4info)
    results = check(
        plan_for(load_fabric(fabric), routing, collective, algorithm, placement, seed, keep), where
    )
    if as_json:
        print(results_json(results))
    else:
        print(changes_text(tuple(change for result in results for change in result.changes)))
        for result in results:
            for path in result.bootstrap:
                print(f"! {result.switch} {path} needs a new config_db.json")
    raise_errors(results)
    if any(result.changes for result in results):
        raise typer.Exit(1)
