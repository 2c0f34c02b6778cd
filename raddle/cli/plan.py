"""`raddle plan`: what every switch must be."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from controller.plan import Change, diff_plans, from_json, to_json
from controller.plan.model import Plan
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


def plan(
    fabric: FabricArg,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PLAN.json", help="Write the plan to a file.")
    ] = None,
    diff: Annotated[
        Path | None, typer.Option(metavar="OLD.json", help="Show what changes from an earlier plan.")
    ] = None,
    routing: RoutingOption = None,
    collective: CollectiveOption = "all_reduce",
    algorithm: AlgorithmOption = None,
    placement: PlacementOption = "linear",
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Work out addresses, routes, pins, QoS and buffers of every switch."""
    new = plan_for(load_fabric(fabric), routing, collective, algorithm, placement, seed)
    changes = diff_plans(read_plan(diff, new.fabric), new) if diff else None
    if output:
        _write(output, to_json(new))
    if changes is not None:
        print(_changes_json(changes) if as_json else changes_text(changes))
    elif as_json:
        print(to_json(new), end="")
    else:
        print(_summary(new))


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


def _changes_json(changes: tuple[Change, ...]) -> str:
    document = {"schema_version": 1, "changes": [asdict(change) for change in changes]}
    return json.dumps(document, indent=1, sort_keys=True)


def read_plan(path: Path, fabric: str) -> Plan:
    """A plan that `raddle plan -o` wrote for a fabric of this name."""
    try:
        old = from_json(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.of("no-plan", f"cannot read '{path}': {error}") from None
    if old.fabric != fabric:
        raise InputError.of("wrong-fabric", f"'{path}' is a plan of '{old.fabric}', not of '{fabric}'")
    return old


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise InputError.of("cannot-write", f"cannot write '{path}': {error.strerror}") from None


def _summary(new: Plan) -> str:
    """A table of the switches, and how well the pins fit."""
    lines = [
        f"{'switch':<12} {'role':<6} {'loopback':<16} {'routes':>6} {'pins':>6} "
        f"{'headroom B':>10} {'shared B':>10}"
    ]
    for switch in new.switches:
        pins = sum(route.origin == "pin" for route in switch.routes)
        loopback = next(each.prefix for each in switch.interfaces if each.name == "Loopback0")
        lines.append(
            f"{switch.name:<12} {switch.role:<6} {loopback:<16} {len(switch.routes) - pins:>6} {pins:>6} "
            f"{switch.buffers.headroom_pool_bytes:>10} {switch.buffers.shared_bytes:>10}"
        )
    lines.append(f"{len(new.switches)} switches, {len(new.endpoints)} endpoints, routing {new.routing}")
    if new.pins:
        report = new.pins
        lines.append(
            f"{report.flows} flows on {report.pins} host routes ({report.method}): busiest link carries "
            f"{report.max_data_load} (bound {report.data_bound}), acknowledgements "
            f"{report.max_ack_load} (bound {report.ack_bound})"
        )
    return "\n".join(lines)
