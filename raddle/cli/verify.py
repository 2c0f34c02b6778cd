"""`raddle verify`: can the fabric lose, loop or deadlock, also when something fails?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import (
    DEFAULT_INVENTORY,
    InventoryOption,
    JsonOption,
    PlanOption,
    PlanOptions,
    load_fabric,
    options_of,
    plan_for,
    read_earlier,
    refuse_unknown,
    tell_of_others,
)
from raddle.cli.progress import progress_bar
from raddle.cli.reports import HtmlOption, write_page
from raddle.controller.plan.make import outline_plan
from raddle.controller.plan.model import Plan
from raddle.controller.verify.failures import Outcome
from raddle.controller.verify.lossless import CONGESTED_GROUPS
from raddle.controller.verify.outside import OutsideReach
from raddle.controller.verify.parts import Part
from raddle.controller.verify.update_scope import listed
from raddle.errors import Diagnostic, InputError
from raddle.inventory import load_inventory
from raddle.lab.verify.model import FailureScope, Progress, Verification
from raddle.lab.verify.plan import verify_outline, verify_plan
from raddle.lab.verify.running import verify_running, with_cabling
from raddle.report.page import Page
from raddle.report.page.verify_page import verify_page
from raddle.topology.model import Fabric
from raddle.topology.views.bisection import bisection_text
from raddle.topology.views.cable_truth import planned_names, read_cables
from raddle.topology.yaml.placing import in_file
from raddle.units import parse_ratio
from raddle.workload import Demand

_SHOWN_PARTS = 16


@with_option_groups
def verify(
    fabric: FabricArg,
    options: PlanOptions,
    failures: Annotated[int, typer.Option(min=0, max=3, help="So many links or switches fail at once.")] = 1,
    most: Annotated[
        int, typer.Option(min=1, help="Sets of two or more that are checked, else a sample.")
    ] = 200,
    congested_groups: Annotated[
        int, typer.Option(min=1, help="Congested priority groups of a switch when ECN must still come first.")
    ] = CONGESTED_GROUPS,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the proof of deadlock freedom to a file.")
    ] = None,
    earlier: Annotated[
        Path | None,
        typer.Option("--from", metavar="OLD.json", help="Prove the update from an earlier plan, too."),
    ] = None,
    plan_file: PlanOption = None,
    cables: Annotated[
        Path | None,
        typer.Option(metavar="CABLES.csv", help="Compare with the cables that are seen, as validate does."),
    ] = None,
    max_load: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT", help="A finding if a fabric link carries more, as things stand: 100%."
        ),
    ] = None,
    running: Annotated[bool, typer.Option("--running", help="Check what the switches report.")] = False,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    accept_identity: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Judge this running switch although it seems to be another."),
    ] = None,
    html: HtmlOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse what is cut off, and what the proofs leave out.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove that nothing is lost, loops or deadlocks. Exit code 1: something can."""
    model = load_fabric(fabric, strict, is_told=False)  # the result has the warnings
    if running and (earlier or plan_file):
        name = "--from" if earlier else "--plan"
        raise typer.BadParameter(f"{name} is of a plan, not of --running switches")
    if accept_identity and not running:
        raise typer.BadParameter("--accept-identity goes with --running")
    refuse_unknown(model, accept_identity or ())
    scope = FailureScope(failures, most, 1 if options.seed is None else options.seed, congested_groups)
    most_load = _percent(max_load) if max_load else None
    held = read_earlier(earlier, model.name) if earlier else None
    old = held.plan if held else None
    seen = planned_names(model, read_cables(cables)) if cables else None
    with progress_bar() as progress:
        if running:
            where, accepted = load_inventory(inventory), accept_identity or ()
            tell_of_others(model, where, "nothing there is judged")
            result = verify_running(model, where, scope, progress, seen, accepted)
        else:
            given = plan_file or old or failures or options.keep or model.routing.adaptive
            if not given and options.policy(model) == "ecmp":
                result = verify_outline(outline_plan(model, progress), scope, progress)
            else:
                plan, demand = _plan_and_demand(model, options, plan_file, progress)
                result = verify_plan(model, plan, demand, scope, progress, old)
            result = with_cabling(model, result, seen) if seen is not None else result
    if held and not held.has_digest:
        doubt = f"whether '{earlier}' is as it was written: it has no digest"
        result = replace(result, outside=(*result.outside, doubt))
    result = within_load(model, result, most_load) if most_load is not None else result
    if certificate and result.proof:
        _write(certificate, result.proof())
    write_page(html, lambda: _page(model, result))
    print(_json(document_of(result)) if as_json else text_of(result))
    for problem in result.problems:
        print(problem, file=sys.stderr)
    if not result.is_good:
        raise typer.Exit(1)
    if any(each.why == "does not answer" for each in result.missing):
        raise typer.Exit(3)
    if strict and result.outside:
        raise typer.Exit(1)


def _plan_and_demand(
    model: Fabric, options: PlanOptions, file: Path | None, progress: Progress
) -> tuple[Plan, Demand | None]:
    """The plan of a file, or the one that the options describe, and what its pins are for."""
    if file is None:
        return options.plan(model, progress=progress), options.demand(model)
    held = plan_for(model, options, file, progress)
    return held.plan, options_of(held).demand(model)


_FULL = 1 + 1e-6
"""A load that is 100 % but for rounding."""


def _percent(text: str) -> float:
    try:
        return parse_ratio(text)
    except ValueError as error:
        raise InputError.of("bad-option", f"--max-load: {error}", "write it as 100%") from None


def within_load(fabric: Fabric, result: Verification, most: float) -> Verification:
    """The verification with a finding where a fabric link's load is above `most`."""
    load, port = result.busiest
    if load <= most * _FULL:
        return result
    message = f"{port} carries {load:.1%} under uniform all-to-all, more than {most:.0%}"
    hint = "add uplinks or spines, or route otherwise"
    found = Diagnostic("link-overloaded", message, hint=hint, place=("fabric", "uplinks"))
    return replace(result, problems=(*result.problems, *in_file(fabric, [found])))


def document_of(result: Verification) -> dict[str, Any]:
    """The verification as JSON; `outcomes` lists the failures after which something is not reached."""
    return {
        "schema_version": 1,
        "ok": result.is_good,
        "fabric": result.fabric,
        "subject": result.subject,
        "endpoints": result.endpoints,
        "pairs": result.pairs,
        "cut_off": result.cut_off,
        "present": asdict(result.present),
        "parts": [_part_document(part) for part in result.parts],
        "deadlock_free": bool(result.proof) if result.has_lossless else None,
        "missing": [asdict(each) for each in result.missing],
        "outside": list(result.outside),
        "external": [asdict(each) for each in result.external],
        "dependencies": result.dependencies,
        "failures_checked": sum(outcome.alike for outcome in result.outcomes),
        "failures_judged": len(result.outcomes),
        "failures_total": result.total_failures,
        "outcomes": [asdict(outcome) for outcome in result.outcomes if _is_notable(outcome)],
        "busiest_link": {"load": round(result.busiest[0], 6), "port": result.busiest[1]},
        "best_load": None if result.best_load is None else round(result.best_load, 6),
        "bisection_bps": result.bisection_bps,
        "bisection_is_estimate": result.bisection_is_estimate,
        "oversubscription": result.oversubscription,
        "is_adaptive": result.is_adaptive,
        "worst_load": _most_loaded(result),
        "update": _update_document(result),
        "cabling": None if result.cabling is None else [str(step) for step in result.cabling],
        "problems": [
            {
                "code": each.code,
                "severity": each.severity,
                "message": each.message,
                "hint": each.hint,
                "where": str(each.span) if each.span else "",
            }
            for each in result.problems
        ],
    }


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True)


def _page(fabric: Fabric, result: Verification) -> Page:
    outcomes = [asdict(outcome) for outcome in result.outcomes]
    return verify_page(fabric, document_of(result), outcomes, _conclusion(result))


def _update_document(result: Verification) -> dict[str, Any] | None:
    if result.update is None or result.scope is None:
        return None
    return {**asdict(result.update), **asdict(result.scope)}


def _part_document(part: Part) -> dict[str, Any]:
    load, port = part.busiest
    return {**asdict(part), "busiest": {"load": round(load, 6), "port": port}}


def _is_notable(outcome: Outcome) -> bool:
    verdicts = (outcome.alone, outcome.replanned)
    return outcome.cut_off > 0 or any(verdict is not None and not verdict.is_good for verdict in verdicts)


def text_of(result: Verification) -> str:
    """One line per subject."""
    reached = result.pairs - result.cut_off - result.present.lost
    within = " within planes" if any(part.kind == "plane" for part in result.parts) else ""
    chooser = "adaptive routing" if result.is_adaptive else "the hash"
    lines = {
        "subject": f"{result.subject} of {result.fabric}",
        "reach": f"{reached} of {result.pairs} pairs of endpoints{within} on every path {chooser} can take"
        f"{_cut_off(result.cut_off)}",
        "deadlock": _deadlock(result),
        "load": _load(result),
        "capacity": _capacity(result),
        **_part_lines(result),
        **_external_lines(result),
        **_failure_lines(result),
        **_update_lines(result),
        **_cabling_lines(result),
    }
    printed = [f"{name + ':':<12} {fact}" for name, fact in lines.items()]
    return "\n".join([*printed, _conclusion(result)])


def _deadlock(result: Verification) -> str:
    if not result.proof:
        return "possible: lossless buffers can wait for each other in a ring"
    if not result.has_lossless:
        return "not judged: no class of the fabric is lossless"
    return f"none: {result.dependencies} dependencies between lossless buffers, no cycle"


def _conclusion(result: Verification) -> str:
    """`ok` stands only for all of what was asked."""
    errors = sum(problem.severity == "error" for problem in result.problems)
    found = f"{errors or 'no'} finding{'s' * (errors != 1)}"
    if result.outside:
        found += f"; outside the proof: {'; '.join(result.outside)}"
    elif not errors:
        found = "ok"
    return found if errors else found + _overload(result)


def _cut_off(pairs: int) -> str:
    return f"; {pairs} are cut off" if pairs else ""


def _part_lines(result: Verification) -> dict[str, str]:
    """A line for each part; one line for all of a kind that are alike, or that are too many."""
    lines, parts = {}, result.parts
    for kind in dict.fromkeys(part.kind for part in parts):
        alike = [part for part in parts if part.kind == kind]
        if len({_part_fact(part) for part in alike}) == 1 and len(alike) > 1:
            lines[f"{kind}s"] = f"{len(alike)}, each {_part_fact(alike[0])}"
        else:
            lines |= {f"{kind} {part.name}": _part_fact(part) for part in alike[:_SHOWN_PARTS]}
            if len(alike) > _SHOWN_PARTS:
                worst = max(alike, key=lambda part: (part.lost, part.cut_off, part.busiest))
                lines[f"{kind}s"] = f"{len(alike)} in all; worst: {worst.name}, {_part_fact(worst)}"
    return lines


def _part_fact(part: Part) -> str:
    reached = part.pairs - part.cut_off - part.lost
    return (
        f"{reached} of {part.pairs} pairs{_cut_off(part.cut_off)}; busiest fabric link "
        f"{part.busiest[0]:.1%}; bisection {bisection_text(part.bisection_bps, part.bisection_is_estimate)}"
    )


def _external_lines(result: Verification) -> dict[str, str]:
    """What is so of the prefixes outside, one line for each."""
    return {f"to {each.prefix}": _external_fact(each) for each in result.external}


def _external_fact(each: OutsideReach) -> str:
    lost = each.present.lost
    found = f"{lost} endpoints do not reach it" if lost else "reached on every path"
    links = f"{found}, over {each.links} link{'s' if each.links > 1 else ''} to the outside"
    if not each.failures:
        return links
    after = f"in {each.lost_after} until the plan is renewed" if each.lost_after else "in none"
    return f"{links}; lost to hosts with a way there after one of {each.failures} single failures: {after}"


def _overload(result: Verification) -> str:
    """What "ok" leaves out: proofs of safety say nothing of speed."""
    load, port = result.busiest
    return f", but uniform all-to-all asks {load:.0%} of the link at {port}" if load > _FULL else ""


def _best_load(result: Verification) -> str:
    """What unequal links cost where groups cannot have the best shares."""
    return "" if result.best_load is None else f", {result.best_load:.1%} with the best shares there are"


def _load(result: Verification) -> str:
    if result.is_all_cut_off:
        return "not judged: no pair has a way"
    shared = ", shared evenly" if result.is_adaptive else ""
    return (
        f"busiest fabric link {result.busiest[0]:.1%} under uniform all-to-all{shared}"
        f"{_best_load(result)}{_worst_load(result)}"
    )


def _worst_load(result: Verification) -> str:
    worst = _most_loaded(result)
    return f", at worst {worst['load']:.1%} after {worst['failure']}" if worst else ""


def _most_loaded(result: Verification) -> dict[str, Any] | None:
    """The failure after which a fabric link is busiest."""
    if not result.outcomes:
        return None
    worst = max(result.outcomes, key=lambda outcome: outcome.busiest[0])
    return {"failure": worst.failure, "load": round(worst.busiest[0], 6), "port": worst.busiest[1]}


def _capacity(result: Verification) -> str:
    if result.is_all_cut_off:
        return "none: all pairs are cut off"
    bisection = bisection_text(result.bisection_bps, result.bisection_is_estimate)
    return f"bisection {bisection}, {_oversubscription(result)}"


def _oversubscription(result: Verification) -> str:
    tiers = [f"{ratio:.3g}:1 at {tier}" for tier, ratio in result.oversubscription.items()]
    if tiers:
        return f"oversubscription {', '.join(tiers)}"
    return "a single tier" if result.is_single_tier else "no leaf with hosts has uplinks that carry"


def _cabling_lines(result: Verification) -> dict[str, str]:
    work = result.cabling
    if work is None:
        return {}
    steps = "; ".join([*map(str, work[:8]), *([f"and {len(work) - 8} more"] if len(work) > 8 else [])])
    return {"cabling": f"to mend in {len(work)} steps: {steps}" if work else "as the fabric says"}


def _update_lines(result: Verification) -> dict[str, str]:
    update, scope = result.update, result.scope
    if update is None or scope is None:
        return {}
    is_good = not (update.lost or update.looping or update.cycle)
    fact = "nothing is lost, loops or deadlocks on the way" if is_good else "not safe on the way"
    if is_good and (scope.readdressed or any(scope.outside())):
        fact = "by routes alone nothing is lost, loops or deadlocks on the way"
    lines = {"update": f"{update.extent}; {fact}" if update.writes else "no route changes"}
    if scope.joining:
        lines["joining"] = f"{listed(scope.joining)}, with no route before"
    if scope.leaving:
        lines["leaving"] = f"{listed(scope.leaving)}, to which nothing is sent: what is there stays"
    return lines


def _failure_lines(result: Verification) -> dict[str, str]:
    outcomes = result.outcomes
    if not outcomes:
        return {}
    if result.is_all_cut_off:
        return {
            "failures": f"{_count(outcomes)} states, in which nothing is left to lose: all pairs are cut off"
        }
    states = _count(outcomes)
    sampled = "" if states == result.total_failures else f" of {result.total_failures}, sampled"
    cut = [outcome for outcome in outcomes if outcome.cut_off > result.cut_off]
    more = "more " if result.cut_off else ""
    waiting = [outcome for outcome in outcomes if outcome.alone.lost]
    what = "each before and after re-planning" if outcomes[0].replanned else "what the switches do alone"
    lines = {
        "failures": f"{states} states{sampled}, {what}",
        "cut off": f"in {_count(cut)} states {more}endpoints have no link; most: "
        f"{_most(cut, lambda o: o.cut_off - result.cut_off)}"
        if cut
        else "never",
        "re-planning": "never needed: the switches repair every state alone"
        if not waiting
        else f"needed in {_count(waiting)} states, until then paths are lost; most: "
        f"{_most(waiting, lambda o: o.alone.lost)}",
    }
    if len(outcomes) < states:
        lines["symmetry"] = (
            f"{len(outcomes)} states were judged, the others are alike: tables proven, one more of each kind "
            "re-planned as a sample"
        )
    replanned = [outcome for outcome in outcomes if outcome.replanned]
    if replanned:
        good = [outcome for outcome in replanned if outcome.replanned and outcome.replanned.is_good]
        lines["re-planned"] = f"{_count(good)} of {_count(replanned)} states reach all that links connect"
    return lines


def _count(outcomes: Sequence[Outcome]) -> int:
    """The failures that they stand for."""
    return sum(outcome.alike for outcome in outcomes)


def _most(outcomes: list[Outcome], size: Any) -> str:
    worst = max(outcomes, key=size)
    return f"{size(worst)} pairs after {worst.failure}"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise InputError.of("cannot-write", f"cannot write '{path}': {error.strerror}") from None
