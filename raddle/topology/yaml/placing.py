"""Problems of later stages at their place in the fabric file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from raddle.errors import Diagnostic, InputError, Place, SourceSpan
from raddle.topology.model import Fabric
from raddle.topology.yaml.source import read_file


def spans_of(fabric: Fabric) -> Callable[[Place], SourceSpan | None]:
    """Where a place of the fabric file is; None where the file can no longer be read."""
    source = read_file(Path(fabric.file)) if Path(fabric.file).is_file() else None
    if source is None:
        return lambda place: None
    if fabric.network is None:
        return source.span
    name = fabric.network.name
    own = source.part("networks", name)

    def span(place: Place) -> SourceSpan | None:
        """In the network, or beside all networks where it says nothing of it itself."""
        is_shared = own is not None and place[0] not in own.root.entries and place[0] in source.root.entries
        return source.span(place if is_shared else ("networks", name, *place))

    return span


def in_file(fabric: Fabric, problems: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The problems, each that has a place in the fabric file with its line."""
    found = tuple(problems)
    if not any(each.place for each in found):
        return found
    span = spans_of(fabric)
    return tuple(replace(each, span=each.span or span(each.place)) if each.place else each for each in found)


def refused(fabric: Fabric, code: str, message: str, hint: str, place: Place) -> InputError:
    """An error with one problem, whose cause is at a place of the fabric file."""
    return InputError(in_file(fabric, [Diagnostic(code, message, hint=hint, place=place)]))


@contextmanager
def placed(fabric: Fabric) -> Iterator[None]:
    """Raise input errors from within with the lines of the fabric file."""
    try:
        yield
    except InputError as error:
        raise InputError(in_file(fabric, error.diagnostics)) from None
