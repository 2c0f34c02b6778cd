"""`raddle apply`: push the plan to the switches and read it back."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Annotated

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
    StrictOption,
    load_fabric,
    load_switches,
    plan_for,
    refuse_unknown,
    tell_of_others,
)
from raddle.cli.plan import changes_text
from raddle.cli.progress import progress_bar
from raddle.cli.status import (
    boot_needs,
    first_boot_text,
    hash_text,
    others_text,
    raise_errors,
    results_json,
)
from raddle.controller.ledger import Ledger, apply_recorded
from raddle.controller.plan.model import Plan
from raddle.controller.reconcile import Past, PushPolicy, SwitchResult, apply_plan
from raddle.controller.verify.update_scope import scope_of
from raddle.inventory import Inventory
from raddle.topology.yaml.placing import placed


@with_option_groups
def apply(
    fabric: FabricArg,
    options: PlanOptions,
    plan_file: PlanOption = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; change nothing.")
    ] = False,
    allow_flap: Annotated[
        bool, typer.Option("--allow-flap", help="Ports may go down and up where SONiC needs that.")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over", help="Delete what raddle has not written, too, of the fabric's own ports."
        ),
    ] = False,
    accept_identity: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Program this switch although it seems to be another; repeatable."),
    ] = None,
    confirm: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Watch the switches for so long; one that is not well then is put back, but for one whose "
            "own address the push has cut off: SONiC has no commit that undoes itself "
            "(default: until they are well, at most 10)",
        ),
    ] = None,
    p4info: P4InfoOption = None,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Program all switches, each with the least that makes it as planned.

    A switch whose ports would flap, or a P4 switch that runs another pipeline, gets nothing without
    --allow-flap. Exit code 1: a switch was held back or needs a new config_db.json ('raddle render
    --bootstrap'), or would be, 3: one could not be reached or refused.
    """
    where = load_switches(inventory, p4info)
    model = load_fabric(fabric, strict)
    refuse_unknown(model, accept_identity or ())
    tell_of_others(model, where, "nothing is sent there")
    held = plan_for(model, options, plan_file)
    if plan_file is None and (assumed := options.assumed(model)):
        print(f"note: {assumed}", file=sys.stderr)
    if through := in_band(held.plan, where):
        print(_way_in(through), file=sys.stderr)
    ledger = Ledger(inventory)
    applied = ledger.read(model.name)
    by_hand = tuple(scope_of(applied.held.plan, held.plan).by_hand()) if applied else ()
    policy = PushPolicy(dry_run, allow_flap, confirm, take_over, tuple(accept_identity or ()))
    with progress_bar() as progress, placed(model):
        if dry_run:
            past = applied.past if applied else Past(written={})
            results = apply_plan(held.plan, where, policy, progress, past)
        else:
            results = apply_recorded(ledger, held, where, f"apply {fabric}", policy, progress)
    if as_json:
        print(results_json(results, model.first_boot, by_hand=by_hand))
    elif dry_run:
        print(changes_text(tuple(change for result in results for change in result.changes)))
        print(_cost(results))
    else:
        print("\n".join(line_of(result) for result in results))
        if confirm is not None or any(result.watched for result in results):
            print(_watched(results), file=sys.stderr)
    if not as_json:
        print(first_boot_text(model.first_boot), end="", file=sys.stderr)
        print(*(f"note: by hand: {each}\n" for each in by_hand), sep="", end="", file=sys.stderr)
    print(*_warnings(results, take_over), sep="", end="", file=sys.stderr)
    print(hash_text(held.plan, results), end="", file=sys.stderr)
    raise_errors(results)
    if any(result.held or result.bootstrap or result.waiting for result in results):
        raise typer.Exit(1)


def in_band(plan: Plan, inventory: Inventory) -> tuple[str, ...]:
    """Switches that are reached at an address which the plan itself gives them."""
    own = {
        str(ip_interface(each.prefix).ip)
        for switch in plan.switches
        for each in switch.interfaces
        if each.prefix
    }
    return tuple(
        name for name, address in inventory.addresses.items() if address.rpartition(":")[0].strip("[]") in own
    )


def _way_in(names: tuple[str, ...]) -> str:
    others = f" and {len(names) - 1} more are" if len(names) > 1 else " is"
    return (
        f"warning: {names[0]}{others} reached through the fabric that this changes: where a push cuts the "
        "way, nothing undoes it until the switch can be reached again\n"
        "  hint: SONiC has no commit over gNMI that undoes itself; use addresses of management ports"
    )


def line_of(result: SwitchResult) -> str:
    if result.state in ("unreachable", "unknown", "failed"):
        return f"{result.switch:<12} {result.state}"
    changes = _counted(len(result.changes), "change")
    if result.held:
        return f"{result.switch:<12} held back, {changes}"
    line = f"{result.switch:<12} {changes} in {_counted(result.sets, _REQUESTS[result.protocol])}, verified"
    if result.bootstrap:
        line += (
            f"; {len(result.bootstrap)} of them need{'s' * (len(result.bootstrap) == 1)} a new config_db.json"
        )
    if result.waiting:
        routes = sum("/" in each for each in result.waiting)  # others are names of ports
        counts = ((routes, "route"), (len(result.waiting) - routes, "port"))
        what = " and ".join(_counted(count, name) for count, name in counts if count)
        line += f"; {what} held: {', '.join(sorted({*result.waiting.values()}))} may still send here"
    return line


def _watched(results: tuple[SwitchResult, ...]) -> str:
    """What was looked at after the push, and for how long."""
    seen = [result for result in results if result.watched]
    if not seen:
        return "watched no switch, as none was sent anything that it kept"
    what = dict.fromkeys(each for result in seen for each in result.watched)
    longest_s = max(result.watched_s for result in seen)
    return (
        f"watched {len(seen)} switch{'es' * (len(seen) != 1)} for up to {longest_s:.1f} s: {', '.join(what)}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


_REQUESTS = {"gnmi": "Set", "p4runtime": "Write", "openflow": "message"}


def _cost(results: tuple[SwitchResult, ...]) -> str:
    """Requests in all, and the time of the slowest switch, as switches are pushed at the same time."""
    counts = Counter[str]()
    for result in results:
        counts[_REQUESTS[result.protocol]] += result.planned_sets
    text = ", ".join(_counted(count, word) for word, count in counts.items())
    if "Set" not in counts:
        return text
    slowest_s = max(result.estimate_s for result in results)
    return f"{text}; on SONiC hardware about {slowest_s:.0f} s for the switch with most to change"


def _warnings(results: tuple[SwitchResult, ...], take_over: bool) -> Iterator[str]:
    for result in results:
        if result.held:
            yield f"{result.switch}: {result.held}\n  hint: give --allow-flap when that is no harm\n"
        yield others_text(result, take_over)
        if result.bootstrap:
            first, count = result.bootstrap[0], len(result.bootstrap)
            what = f"{count} entries cannot" if count > 1 else "1 entry cannot"
            yield (
                f"{result.switch}: {what} be changed over gNMI, the first {first}\n"
                f"  hint: give it {boot_needs(first)}: 'raddle render --switch {result.switch} "
                "--format sonic --bootstrap -o DIR'\n"
            )
