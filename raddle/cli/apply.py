"""`raddle apply`: push the plan to the switches and read it back."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.reconcile import SwitchResult, apply_plan
from raddle.cli.options import (
    DEFAULT_INVENTORY,
    AlgorithmOption,
    CollectiveOption,
    FabricArg,
    InventoryOption,
    JsonOption,
    PlacementOption,
    RoutingOption,
    SeedOption,
    load_fabric,
    plan_for,
)
from raddle.cli.plan import changes_text
from raddle.cli.status import results_json
from raddle.errors import UnreachableError
from raddle.inventory import load_inventory


def apply(
    fabric: FabricArg,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; change nothing.")
    ] = False,
    routing: RoutingOption = None,
    collective: CollectiveOption = "all_reduce",
    algorithm: AlgorithmOption = None,
    placement: PlacementOption = "linear",
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Program all switches over gNMI, each with the least that makes it as planned."""
    where = load_inventory(inventory)
    plan = plan_for(load_fabric(fabric), routing, collective, algorithm, placement, seed)
    results = apply_plan(plan, where, dry_run)
    if as_json:
        print(results_json(results))
    elif dry_run:
        print(changes_text(tuple(change for result in results for change in result.changes)))
    else:
        print("\n".join(_line(result) for result in results))
    errors = [result.error for result in results if result.error]
    if errors:
        raise UnreachableError("\n".join(errors))


def _line(result: SwitchResult) -> str:
    if result.error:
        return f"{result.switch:<12} failed"
    return f"{result.switch:<12} {len(result.changes)} changes in {result.sets} Set, verified"
