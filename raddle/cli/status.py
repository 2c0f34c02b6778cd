"""`raddle status`: do the switches hold what the plan says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

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
from raddle.controller.reconcile import SwitchResult, check, read_links
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
    """Compare all switches with the plan, and name cabled ports without a link.

    Exit code 1: a switch differs, 3: one cannot be reached.
    """
    where = load_switches(inventory, p4info)
    plan = plan_for(load_fabric(fabric), routing, collective, algorithm, placement, seed, keep)
    results = check(plan, where)
    links = read_links(plan, where)
    if as_json:
        print(results_json(results, links))
    else:
        print("\n".join(_line(result, links.get(result.switch, ())) for result in results))
    raise_errors(results)
    if any(result.changes for result in results):
        raise typer.Exit(1)


def raise_errors(results: tuple[SwitchResult, ...]) -> None:
    """Raise what went wrong at switches, of all that had something."""
    errors = [result.error for result in results if result.error]
    if errors:
        raise UnreachableError("\n".join(errors))


def results_json(
    results: tuple[SwitchResult, ...], links: Mapping[str, tuple[str, ...]] | None = None
) -> str:
    """Results of all switches with their changes, and with `links` their ports without a link."""
    switches = [
        {**asdict(result), "is_in_sync": result.is_in_sync, "state": result.state} for result in results
    ]
    if links is not None:
        for switch, result in zip(switches, results, strict=True):
            switch["ports_without_link"] = links.get(result.switch)
    return json.dumps({"schema_version": 1, "switches": switches}, indent=1, sort_keys=True)


def _line(result: SwitchResult, dark: tuple[str, ...]) -> str:
    return f"{result.switch:<12} {_state(result)}" + (f"; no link at {', '.join(dark)}" if dark else "")


def _state(result: SwitchResult) -> str:
    if result.error:
        return result.state
    if result.is_in_sync:
        return "in sync"
    count = len(result.changes)
    return f"{count} difference{'s' * (count > 1)}, the first: {result.changes[0].path}"
