"""A page: facts, then figures. A figure's kind names what draws it in assets/page.js; the data is plain JSON.

A new figure of a kind that is there is made in one place, by a function of this file; a new kind is such a
function and one of the same name in `KINDS` of page.js.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Cell = str | int | float | None
"""What a table or a point holds; None is drawn as a dash, or not at all."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Something to look at, with a sentence on how to read it; `data` is what its kind takes."""

    kind: str
    title: str
    about: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        title, subtitle: what ran, on what.
        state, verdict: whether all is well, in a sentence; empty where nothing was judged.
        findings: what is not well, each with its place; the first screen shows them.
        facts: names and values.
        notes: what the numbers leave out.
        figures: in order.
    """

    title: str
    subtitle: str
    figures: tuple[Figure, ...]
    state: Literal["ok", "failed", ""] = ""
    verdict: str = ""
    findings: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows. `unit` is `bytes`, `s`, `bit/s`, `ratio` (drawn as percent) or written as it is."""

    name: str
    unit: str = ""
    is_log: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A curve of (x, y).

    `reference` is what others are held against (dashed), `points` are not joined. A value of `steps` holds
    from its x on, one of `rates` up to it.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    style: Literal["measured", "reference", "steps", "rates", "points"] = "measured"


def lines(title: str, about: str, x: Axis, y: Axis, curves: Sequence[Line]) -> Figure:
    """Curves over a common axis."""
    return Figure(
        "lines",
        title,
        about,
        {
            "x": _axis(x),
            "y": _axis(y),
            "curves": [
                {"name": curve.name, "style": curve.style, "points": [list(point) for point in curve.points]}
                for curve in curves
            ],
        },
    )


def shares(values: Sequence[float], most: int = 400) -> list[tuple[float, float | None]]:
    """The distribution of sorted values as points of a curve: (value, share of values that are no larger)."""
    count = len(values)
    places = sorted({count - 1, *range(0, count, max(1, count // most))})
    return [(values[0], 0.0), *((values[at], (at + 1) / count) for at in places)]


def bars(title: str, about: str, value: Axis, rows: Sequence[tuple[str, float]]) -> Figure:
    """A bar for each name, in the order given."""
    return Figure("bars", title, about, {"value": _axis(value), "rows": [list(row) for row in rows]})


def table(title: str, about: str, columns: Sequence[Axis], rows: Sequence[Sequence[Cell]]) -> Figure:
    """Rows that can be sorted and searched."""
    return Figure(
        "table",
        title,
        about,
        {"columns": [_axis(column) for column in columns], "rows": [list(row) for row in rows]},
    )


def blocks(
    title: str, about: str, measures: Sequence[Axis], rows: Sequence[tuple[str, Sequence[float | None]]]
) -> Figure:
    """A heat map with a block for each name, coloured by one of several measures."""
    return Figure(
        "blocks",
        title,
        about,
        {
            "measures": [_axis(measure) for measure in measures],
            "rows": [[name, *values] for name, values in rows],
        },
    )


def heat(title: str, about: str, measures: Sequence[Axis], rows: Mapping[str, Sequence[str]]) -> Figure:
    """A row of cells for each name, coloured by one of several measures; what is measured comes later."""
    return Figure(
        "heat",
        title,
        about,
        {
            "measures": [_axis(measure) for measure in measures],
            "rows": {name: list(cells) for name, cells in rows.items()},
            "cells": {},
            "dark": [],
        },
    )


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted: in a row of this name, from `begin` to `end` in seconds. `group` colours it."""

    row: str
    begin: float
    end: float
    label: str
    group: str


def spans(title: str, about: str, parts: Sequence[Span]) -> Figure:
    """What lasted from when to when, a row for each name."""
    return Figure(
        "spans",
        title,
        about,
        {"parts": [[part.row, part.begin, part.end, part.label, part.group] for part in parts]},
    )


def fault_figures(parts: Sequence[Span]) -> Iterator[Figure]:
    """What went wrong during a run, where something did."""
    if parts:
        yield spans(
            "Faults and recoveries",
            "What went wrong, from the start of a run on, to the end where it stays; how long switches did "
            "not notice a cut; and what a controller did about it.",
            parts,
        )


@dataclass(frozen=True, slots=True)
class Branch:
    """A node of a tree and what hangs from it."""

    name: str
    value: float
    children: tuple[Branch, ...] = ()


def tree(title: str, about: str, value: Axis, roots: Sequence[Branch]) -> Figure:
    """Trees, one below the other."""
    return Figure("tree", title, about, {"value": _axis(value), "roots": [_branch(root) for root in roots]})


def _branch(branch: Branch) -> dict[str, Any]:
    return {
        "name": branch.name,
        "value": branch.value,
        "children": [_branch(child) for child in branch.children],
    }


def _axis(axis: Axis) -> dict[str, Any]:
    return {"name": axis.name, "unit": axis.unit, "log": axis.is_log}
