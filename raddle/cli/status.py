"""`raddle status`: do the switches hold what the plan says."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from controller.reconcile import SwitchResult, check
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
from raddle.errors import UnreachableError


def status(
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
    """Compare all switches with the plan. Exit code 1: one differs, 3: one cannot be reached."""
    where = load_switches(inventory, p4info)
    plan = plan_for(load_fabric(fabric), routing, collective, algorithm, placement, seed, keep)
    results = check(plan, where)
    print(results_json(results) if as_json else "\n".join(_line(result) for result in results))
    raise_errors(results)
    if any(result.changes for result in results):
        raise typer.Exit(1)


def raise_errors(results: tuple[SwitchResult, ...]) -> None:
    """Raise what went wrong at switches, of all that had something."""
    errors = [result.error for result in results if result.error]
    if errors:
        raise UnreachableError("\n".join(errors))


def results_json(results: tuple[SwitchResult, ...]) -> str:
    """Results of all switches with their changes."""
    document = {
        "schema_version": 1,
        "switches": [{**asdict(result), "is_in_sync": result.is_in_sync} for result in results],
    }
    return json.dumps(document, indent=1, sort_keys=True)


def _line(result: SwitchResult) -> str:
    if not result.is_reached:
        return f"{result.switch:<12} unreachable"
    if result.is_in_sync:
        return f"{result.switch:<12} in sync"
    return f"{result.switch:<12} {len(result.changes)} differences, the first: {result.changes[0].path}"
