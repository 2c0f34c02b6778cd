"""Where a number comes from, as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Given:
    """An input. `where` is FILE:LINE:COLUMN, or in words where it is from if no line of the file says it."""

    name: str
    value: str
    where: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A number, or a choice.

    Attributes:
        what: whose it is.
        value: as other commands print it.
        steps: what is worked out on the way, each with its value.
        sources: of the formula and its constants.
        left_out: what it does not say.
    """

    what: str
    value: str
    formula: str
    steps: tuple[tuple[str, str], ...]
    inputs: tuple[Given, ...]
    sources: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def explained_text(each: Explained) -> str:
    """A block for the number, its formula, the steps, the inputs with their lines, and the sources."""
    return "\n".join(_lines(each)) + "\n"


def _lines(each: Explained) -> Iterator[str]:
    yield f"{each.what}: {each.value}"
    yield f"formula: {each.formula}"
    width = max((len(name) for name, _ in each.steps), default=0)
    yield from (f"  {name:<{width}}  {value}" for name, value in each.steps)
    yield "inputs:"
    names = max((len(given.name) for given in each.inputs), default=0)
    values = max((len(given.value) for given in each.inputs), default=0)
    yield from (f"  {given.name:<{names}}  {given.value:<{values}}  {given.where}" for given in each.inputs)
    yield from (f"source: {source}" for source in each.sources)
    yield from (f"left out: {what}" for what in each.left_out)


def explained_document(each: Explained) -> str:
    """The same as JSON, ending in a newline."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(each)}, indent=2, sort_keys=True) + "\n"
