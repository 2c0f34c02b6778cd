"""`raddle plan`: what every switch must be."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import (
    JsonOption,
    PlanOptions,
    StrictOption,
    load_fabric,
    read_plan,
)
from raddle.cli.progress import progress_bar
from raddle.cli.reports import HtmlOption, write_page
from raddle.controller.plan import Change, diff_plans
from raddle.controller.plan.backup import Backup, backups, backups_json
from raddle.controller.plan.growth import record_of
from raddle.controller.plan.held import held_pieces
from raddle.controller.plan.make import outline_plan
from raddle.controller.plan.model import LinkLoad, Plan, WeightReport
from raddle.controller.plan.replan import replanner
from raddle.controller.plan.summary import summarize_change, summary_lines
from raddle.controller.verify.update_scope import scope_of
from raddle.errors import InputError
from raddle.lab.collisions import CollisionReport, find_job_collisions
from raddle.report.model import CARRIERS
from raddle.report.page.model import Page
from raddle.report.page.plan_page import PlannedSwitch, plan_page
from raddle.topology.model import Fabric
from raddle.topology.record import record_json
from raddle.units import counted


@with_option_groups
def plan(
    fabric: FabricArg,
    options: PlanOptions,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PLAN.json", help="Write the plan to a file.")
    ] = None,
    diff: Annotated[
        Path | None, typer.Option(metavar="OLD.json", help="Show what changes from an earlier plan.")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --diff: end with 1 where something changes.")
    ] = False,
    backup: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what becomes of the routes after every single failure."),
    ] = None,
    release: Annotated[
        bool,
        typer.Option("--release", help="Forget in the record what is gone: its numbers are free again."),
    ] = False,
    collisions: Annotated[
        bool, typer.Option("--collisions", help="Show which queue pairs of the collective share which links.")
    ] = False,
    html: HtmlOption = None,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Work out addresses, routes, pins, QoS and buffers of every switch."""
    if exit_code and diff is None:
        raise typer.BadParameter("--exit-code is of --diff")
    if release and diff and output is None:
        raise typer.BadParameter("--release writes the record, and --diff without -o only looks")
    model = load_fabric(fabric, strict)
    is_plain = options.keep is None and options.policy(model) == "ecmp"
    if assumed := options.assumed(model):
        print(f"note: {assumed}", file=sys.stderr)
    if is_plain and not (output or diff or backup or collisions or as_json):
        with progress_bar() as progress:
            made = outline_plan(model, progress)
            outline, counts = made.plan, made.counts()
        if model.record_file:
            keep_record(model, release)
        write_page(html, lambda: _page(model, outline, counts))
        print(_summary(outline, counts))
        return
    with progress_bar() as progress:
        held = options.make(model, progress=progress)
    new = held.plan
    if model.record_file and (output or diff is None):
        keep_record(model, release)
    old = read_plan(diff, new.fabric) if diff else None
    changes = diff_plans(old, new) if old else ()
    if output:
        _write(output, held_pieces(held))
    if backup:
        states = tuple(backups(model, new, replanner(model, new, options.demand(model))))
        _write(backup, [backups_json(states)])
        print(_backup_text(states), file=sys.stderr)
    write_page(html, lambda: _page(model, new))
    if collisions:
        report = find_job_collisions(model, new, options.jobs(model))
        print(_json(asdict(report)) if as_json else _collisions_text(report))
    elif old is not None:
        summary, outside = summarize_change(old, new), tuple(scope_of(old, new).outside())
        document = {"summary": asdict(summary), "changes": [asdict(change) for change in changes]}
        difference = "\n".join([*summary_lines(summary), "", changes_text(changes)])
        print(_json({**document, "outside_gnmi": list(outside)}) if as_json else difference)
        for each in () if as_json else outside:
            print(f"note: beside routes over gNMI: {each}", file=sys.stderr)
    elif as_json:
        sys.stdout.writelines(held_pieces(held))
    else:
        print(_summary(new))
    if exit_code and changes:
        raise typer.Exit(1)


def _backup_text(states: tuple[Backup, ...]) -> str:
    """How many failures the switches repair on their own."""
    remote = [state for state in states if state.controller]
    failures = counted(len(states), "failure", "failures")
    text = f"{failures}, {len(states) - len(remote)} of them repaired by the switches alone"
    if not remote:
        return text
    most = max(remote, key=lambda state: len(state.controller))
    routes = counted(len(most.controller), "route", "routes")
    return f"{text}; the controller writes most, {routes}, after {most.failure}"


def changes_text(changes: tuple[Change, ...]) -> str:
    """Changes as lines: `+` new, `-` gone, `~` different."""
    lines = []
    for change in changes:
        if not change.before:
            lines.append(f"+ {change.switch} {change.path}  {change.after}")
        elif not change.after:
            lines.append(f"- {change.switch} {change.path}  {change.before}")
        else:
            lines.append(f"~ {change.switch} {change.path}  {change.before} -> {change.after}")
    return "\n".join([*lines, f"{len(changes)} change{'' if len(changes) == 1 else 's'}"])


def _json(document: dict[str, object]) -> str:
    return json.dumps({"schema_version": 1, **document}, indent=1, sort_keys=True)


def _collisions_text(report: CollisionReport) -> str:
    """The shared links, then how many steps they slow down and by how much."""
    lines = []
    for each in report.collisions:
        lines.append(f"{each.link}: {len(each.flows)} flows, step {each.step}")
        lines += [f"    {flow}" for flow in each.flows]
    lines.append(
        f"{report.job}: {report.queue_pairs} queue pairs; flows share a link in {report.colliding_steps} of"
        f" {report.steps} different steps, at most {report.worst_share} on one"
    )
    lines.append(
        f"the steps take at least {report.slowdown:.2f} times as long as with every flow at line rate"
    )
    return "\n".join(lines)


def keep_record(model: Fabric, release: bool) -> None:
    """Write the fabric's allocation record where it changes, whole or not at all."""
    path, record = Path(model.record_file), record_of(model)
    text = record_json(record.released() if release else record)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    beside = path.with_name(f".{path.name}.new")
    _write(beside, [text])
    beside.replace(path)
    kept = f", {record.gone} entries kept for what is gone" if record.gone and not release else ""
    switches, cables = counted(len(model.switches), "switch", "switches"), len(model.links)
    print(f"wrote {path}: {switches}, {counted(cables, 'cable', 'cables')}{kept}", file=sys.stderr)


def _write(path: Path, pieces: Iterable[str]) -> None:
    try:
        with path.open("w") as file:
            file.writelines(pieces)
    except OSError as error:
        raise InputError.of("cannot-write", f"cannot write '{path}': {error.strerror}") from None


def _page(model: Fabric, new: Plan, routes: Sequence[int] = ()) -> Page:
    """The page; `routes` are counts, where the plan has none."""
    counts = routes or [len(switch.routes) for switch in new.switches]
    pinned = Counter[str]()
    switches = []
    for switch, count in zip(new.switches, counts, strict=True):
        hops = [route.next_hops[0] for route in switch.routes if route.origin == "pin"]
        hops += [policy.next_hop for policy in switch.policies]
        pinned.update(f"{switch.name}:{hop.port}" for hop in hops)
        pins = sum(route.origin == "pin" for route in switch.routes) + len(switch.policies)
        headroom = {each.name: each.headroom_bytes for each in switch.buffers.profiles}
        rooms = switch.buffers.headroom_pool_bytes, switch.buffers.shared_bytes
        switches.append(PlannedSwitch(switch.name, switch.role, switch.asn, count, pins, *rooms, headroom))
    return plan_page(model, new.routing, switches, pinned, tuple(_summed_up(new)))


def _summary(new: Plan, routes: Sequence[int] = ()) -> str:
    """A table of the switches, and how well the pins fit; `routes` are counts, where the plan has none."""
    lines = [
        f"{'switch':<12} {'role':<6} {'loopback':<16} {'routes':>6} {'pins':>6} "
        f"{'headroom B':>10} {'shared B':>10}"
    ]
    counts = routes or [len(switch.routes) for switch in new.switches]
    for switch, count in zip(new.switches, counts, strict=True):
        pins = sum(route.origin == "pin" for route in switch.routes)
        loopback = next(each.prefix for each in switch.interfaces if each.name == "Loopback0")
        lines.append(
            f"{switch.name:<12} {switch.role:<6} {loopback:<16} {count - pins:>6} {pins:>6} "
            f"{switch.buffers.headroom_pool_bytes:>10} {switch.buffers.shared_bytes:>10}"
        )
    return "\n".join([*lines, *_summed_up(new)])


def _summed_up(new: Plan) -> Iterator[str]:
    """The plan as a whole."""
    switches = counted(len(new.switches), "switch", "switches")
    yield f"{switches}, {counted(len(new.endpoints), 'endpoint', 'endpoints')}, routing {new.routing}"
    adaptive = [switch.adaptive.settings for switch in new.switches if switch.adaptive]
    if adaptive:
        how = (
            "packet"
            if adaptive[0].is_per_packet
            else f"burst of a flow, after {adaptive[0].idle_us}us of pause"
        )
        yield f"groups of {counted(len(adaptive), 'switch', 'switches')} choose by load for each {how}"
    if new.pins:
        report = new.pins
        flows = counted(report.flows, "flow", "flows")
        yield (
            f"{flows} on {report.pins} {CARRIERS[report.carrier]} ({report.method}): "
            f"busiest link carries {_load(report.data)}, acknowledgements {_load(report.acks)}"
        )
        pins = [route for switch in new.switches for route in switch.routes if route.origin == "pin"]
        backups = sum(route.used != route.next_hops for route in pins)
        if backups:
            yield f"{backups} of {counted(len(pins), 'pin', 'pins')} have a next hop in reserve"
    yield from _weights(new.weights)


def _weights(report: WeightReport | None) -> Iterator[str]:
    """What carries unequal shares on each kind of switch, and what that loses."""
    if report is None:
        return
    if report.groups:
        yield (
            f"{counted(report.groups, 'group', 'groups')} on "
            f"{counted(report.switches, 'switch', 'switches')} {'has' if report.groups == 1 else 'have'} "
            f"weights (at most {report.most_entries} entries); by how much the worst link exceeds its share:"
        )
    for each in report.carriers:
        yield f"  {each.switches:<16} {each.loss:>7.2%}  {each.carrier} ({each.worst})"
    if (balance := report.balance) is None:
        yield "how near they are to the best shares is not worked out for a fabric of this size"
    else:
        yield (
            f"uniform all-to-all loads the busiest link {balance.held:.1%} with the groups that the switches "
            f"hold, {balance.shares:.1%} with exact shares, {balance.best:.1%} with the best there are"
        )


def _load(load: LinkLoad) -> str:
    """The worst phase and its bounds; the sum over phases where that says more."""
    text = f"{load.worst:g} ({_bounds(load.bound, load.key_bound)})"
    if load.total > load.worst:
        text += f", {load.total:g} summed over phases ({_bounds(load.total_bound, load.total_key_bound)})"
    return text


def _bounds(bound: float, key_bound: float) -> str:
    return f"bound {bound:g}" + (f", {key_bound:g} with shared pins" if key_bound > bound else "")
