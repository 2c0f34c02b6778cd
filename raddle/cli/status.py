"""`raddle status`: do the switches hold what the plan says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict

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
from raddle.controller.ledger import Ledger
from raddle.controller.plan.model import Plan
from raddle.controller.reconcile import Past, SwitchResult, check, read_links
from raddle.controller.southbound.sonic.beside import routes_beside
from raddle.errors import UnreachableError
from raddle.topology.yaml.placing import placed


@with_option_groups
def status(
    fabric: FabricArg,
    options: PlanOptions,
    plan_file: PlanOption = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    p4info: P4InfoOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare all switches with the plan, and name cabled ports without a link.

    The plan is what was last applied, or that of --plan or of the options where they are given.
    Exit code 1: a switch differs, 3: one cannot be reached.
    """
    where = load_switches(inventory, p4info)
    model = load_fabric(fabric)
    tell_of_others(model, where, "nothing there is compared")
    applied = Ledger(inventory).read(model.name)
    plan = plan_applied(model, options, plan_file, applied).plan
    with placed(model):
        results = check(plan, where, applied.past if applied else Past(written={}))
    links = read_links(plan, where)
    foreign = {result.switch: result.foreign for result in results}
    beside = {each.name: routes_beside(plan, each, foreign.get(each.name, ())) for each in plan.switches}
    if as_json:
        print(results_json(results, model.first_boot, links, beside))
    else:
        lines = (_line(each, links.get(each.switch, ()), beside.get(each.switch, ())) for each in results)
        print("\n".join(lines))
        print(first_boot_text(model.first_boot), end="", file=sys.stderr)
    print(*map(others_text, results), sep="", end="", file=sys.stderr)
    print(hash_text(plan, results), end="", file=sys.stderr)
    raise_errors(results)
    if any(result.changes for result in results) or any(beside.values()):
        raise typer.Exit(1)


def first_boot_text(sections: tuple[str, ...]) -> str:
    """What of the fabric file neither a push nor a comparison takes notice of."""
    if not sections:
        return ""
    names = " and ".join(f"'{name}'" for name in sections)
    return (
        f"note: {names} of the fabric file {'is' if len(sections) == 1 else 'are'} not compared or pushed\n"
        "  hint: switches boot with that: 'raddle render --bootstrap'\n"
    )


def others_text(result: SwitchResult, take_over: bool = False) -> str:
    """What others have on a switch that is left because raddle never wrote it, or that hinders the plan's;
    nothing of another switch than the plan's."""
    if result.doubts:
        return ""
    left = _foreign_text(result, take_over) if result.foreign else ""
    return left + (_beside_text(result) if result.beside else "")


def _beside_text(result: SwitchResult) -> str:
    first, *more = result.beside
    count = f" and {len(more)} more" if more else ""
    return (
        f"{result.switch}: {first}{count}, which others wrote, drop packets or take headroom of the plan's\n"
        "  hint: remove by hand what is to go, or 'ignore' it in the fabric file\n"
    )


def _foreign_text(result: SwitchResult, take_over: bool) -> str:
    """What is left on a switch because raddle never wrote it; `take_over`: what it could is deleted."""
    count = len(result.foreign)
    what = (
        "1 entry that raddle never wrote stays"
        if count == 1
        else f"{count} entries that raddle never wrote stay"
    )
    hint = (
        "'ovs-ofctl del-flows SWITCH cookie=COOKIE/-1' removes what nobody needs any more"
        if result.protocol == "openflow"
        else "not of the fabric's ports, or ignored by the fabric file: remove by hand what is to go"
        if take_over
        else "'raddle apply --take-over' deletes those of the fabric's ports"
    )
    return f"{result.switch}: {what}, the first {result.foreign[0]}\n  hint: {hint}\n"


def hash_text(plan: Plan, results: tuple[SwitchResult, ...]) -> str:
    """What a plan that spreads by hashes is not on OpenFlow switches."""
    notes = dict.fromkeys(result.hash_note for result in results if result.hash_note)
    if plan.routing != "ecmp":
        return ""
    way_out = "let the bridges speak OpenFlow 1.5, or '--routing pinned', which does not go by a hash"
    return "".join(f"note: {note}\n  hint: {way_out} (docs/openflow.md)\n" for note in notes)


def boot_needs(path: str) -> str:
    """What a path that no Set can change comes with."""
    return "its switch.json" if path.startswith("SWITCH_TABLE/") else "a new config_db.json"


def raise_errors(results: tuple[SwitchResult, ...]) -> None:
    """Raise what went wrong at switches, of all that had something."""
    errors = [result.error for result in results if result.error]
    if errors:
        raise UnreachableError("\n".join(errors))


def results_json(
    results: tuple[SwitchResult, ...],
    first_boot: tuple[str, ...],
    links: Mapping[str, tuple[str, ...]] | None = None,
    beside: Mapping[str, tuple[str, ...]] | None = None,
    by_hand: Iterable[str] | None = None,
) -> str:
    """Results of all switches with their changes, and with `links` their ports without a link.

    `beside` are others' routes that win over the plan's, `first_boot` the fabric file's sections that were
    not compared, `by_hand` what no push does of what the plan changes.
    """
    switches = [
        {**asdict(result), "is_in_sync": result.is_in_sync, "state": result.state} for result in results
    ]
    if links is not None:
        for switch, result in zip(switches, results, strict=True):
            switch["ports_without_link"] = links.get(result.switch)
            switch["routes_beside"] = (beside or {}).get(result.switch, ())
    document = {"schema_version": 1, "switches": switches, "not_compared": first_boot}
    if by_hand is not None:
        document["by_hand"] = list(by_hand)
    return json.dumps(document, indent=1, sort_keys=True)


def _line(result: SwitchResult, dark: tuple[str, ...], beside: tuple[str, ...]) -> str:
    line = f"{result.switch:<12} {_state(result)}"
    if dark:
        line += f"; no link at {', '.join(dark)}"
    if beside:
        count = f"{len(beside)} route{'s' * (len(beside) > 1)}"
        line += f"; packets to hosts take {count} that raddle never wrote, the first {beside[0]}"
    return line


def _state(result: SwitchResult) -> str:
    if result.error:
        return result.state
    if result.is_in_sync:
        return "in sync"
    count = len(result.changes)
    return f"{count} difference{'s' * (count > 1)}, the first: {result.changes[0].path}"
