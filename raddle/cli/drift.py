"""`raddle drift`: what on the switches is not as planned, entry by entry."""

from __future__ import annotations

import sys

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import (
    DEFAULT_INVENTORY,
    InventoryOption,
    JsonOption,
    P4InfoOption,
    PlanOption,
    PlanOptions,
    load_fabric,
    load_switches,
    plan_applied,
    tell_of_others,
)
from raddle.cli.plan import changes_text
from raddle.cli.status import boot_needs, first_boot_text, others_text, raise_errors, results_json
from raddle.controller.ledger import Ledger
from raddle.controller.reconcile import Past, check


@with_option_groups
def drift(
    fabric: FabricArg,
    options: PlanOptions,
    plan_file: PlanOption = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    p4info: P4InfoOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what differs on the switches from what the plan says, as 'raddle apply' would change it.

    The plan is what was last applied, or that of --plan or of the options where they are given.
    All tables that come from the plan are compared, also those that only a new config_db.json can bring;
    entries and fields that the plan says nothing of are left out. Exit code 1: there is drift.
    """
    where = load_switches(inventory, p4info)
    model = load_fabric(fabric)
    tell_of_others(model, where, "nothing there is compared")
    applied = Ledger(inventory).read(model.name)
    plan = plan_applied(model, options, plan_file, applied).plan
    results = check(plan, where, applied.past if applied else Past(written={}))
    if as_json:
        print(results_json(results, model.first_boot))
    else:
        print(changes_text(tuple(change for result in results for change in result.changes)))
        for result in results:
            for path in result.bootstrap:
                print(f"! {result.switch} {path} needs {boot_needs(path)}")
        print(first_boot_text(model.first_boot), end="", file=sys.stderr)
    print(*map(others_text, results), sep="", end="", file=sys.stderr)
    raise_errors(results)
    if any(result.changes for result in results):
        raise typer.Exit(1)
