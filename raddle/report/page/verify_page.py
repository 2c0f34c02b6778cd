"""The page of `raddle verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raddle.report.page.fabric_figure import fabric_figure
from raddle.report.page.model import Axis, Figure, Page, bars, table
from raddle.topology.model import Fabric
from raddle.topology.views.bisection import bisection_text

_SHOWN = 25


def verify_page(
    fabric: Fabric, document: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]], conclusion: str
) -> Page:
    """Of a verification's JSON, the line that the command ends with, and all failures that were judged:
    `failure`, `alike`, `cut_off`, `alone`, `replanned`, `busiest`."""
    problems = document["problems"]
    errors = [each for each in problems if each["severity"] == "error"]
    return Page(
        title=f"Proofs of {document['fabric']}",
        subtitle=f"raddle verify: {document['subject']}",
        state="failed" if errors else "" if document["outside"] else "ok",
        verdict="every proof holds" if conclusion == "ok" else conclusion.removeprefix("ok, but "),
        findings=tuple(_finding(each) for each in problems),
        facts=tuple(_facts(document)),
        figures=(*_failure_figures(document, outcomes), *_part_figures(document), fabric_figure(fabric)),
    )


def _finding(problem: Mapping[str, Any]) -> str:
    place = f"{problem['where']}: " if problem["where"] else ""
    way_out = f" ({problem['hint']})" if problem["hint"] else ""
    return f"{place}{problem['severity']}: {problem['message']} [{problem['code']}]{way_out}"


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    busiest = document["busiest_link"]
    reached = document["pairs"] - document["cut_off"] - document["present"]["lost"]
    free = document["deadlock_free"]
    cycle = f"{'none' if free else 'possible'}: {document['dependencies']:,} dependencies"
    facts = [
        ("pairs that reach each other", f"{reached:,} of {document['pairs']:,}"),
        ("deadlock", "not judged" if free is None else cycle),
        ("busiest fabric link, uniform all-to-all", f"{busiest['load']:.1%} {busiest['port']}"),
        ("bisection", bisection_text(document["bisection_bps"], document["bisection_is_estimate"])),
        ("failures checked", f"{document['failures_checked']:,} of {document['failures_total']:,}"),
    ]
    facts += [
        (f"oversubscription at {tier}", f"{ratio:.3g}:1")
        for tier, ratio in document["oversubscription"].items()
    ]
    return facts


def _failure_figures(document: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> list[Figure]:
    if not outcomes:
        return []
    worst = sorted(outcomes, key=lambda each: (-each["busiest"][0], each["failure"]))[:_SHOWN]
    return [
        bars(
            "Load of the busiest link under failures",
            f"Uniform all-to-all after re-planning, for the failures that load a link most "
            f"(of {document['failures_checked']}; those that are alike are one bar).",
            Axis("load of the busiest fabric link", "ratio"),
            [
                ("as things stand", document["busiest_link"]["load"]),
                *((_failure_name(each), each["busiest"][0]) for each in worst),
            ],
        ),
        table(
            "Failures",
            "What each failure does: pairs that no link connects any more, pairs that are lost until the "
            "plan is made anew, and the busiest link then.",
            [
                Axis("failure"), Axis("alike"), Axis("cut off"), Axis("lost until re-planned"),
                Axis("busiest", "ratio"), Axis("where"),
            ],
            [
                [
                    each["failure"], each["alike"], each["cut_off"], each["alone"]["lost"],
                    each["busiest"][0], str(each["busiest"][1]),
                ]
                for each in outcomes
            ],
        ),
    ]  # fmt: skip


def _failure_name(outcome: Mapping[str, Any]) -> str:
    more = f" (and {outcome['alike'] - 1} alike)" if outcome["alike"] > 1 else ""
    return f"{outcome['failure']}{more}"


def _part_figures(document: Mapping[str, Any]) -> list[Figure]:
    parts = document["parts"]
    has_estimates = any(part["bisection_is_estimate"] for part in parts)
    if not parts:
        return []
    return [
        table(
            "Planes, tenants and rails",
            "Each judged on its own."
            + (" A bisection with 'about' is half of a sum, and no cut." if has_estimates else ""),
            [
                Axis("kind"), Axis("name"), Axis("pairs"), Axis("cut off"), Axis("lost"),
                Axis("busiest", "ratio"), Axis("where"), Axis("bisection"),
            ],
            [
                [
                    part["kind"], part["name"], part["pairs"], part["cut_off"], part["lost"],
                    part["busiest"]["load"], part["busiest"]["port"],
                    bisection_text(part["bisection_bps"], part["bisection_is_estimate"]),
                ]
                for part in parts
            ],
        )
    ]  # fmt: skip
