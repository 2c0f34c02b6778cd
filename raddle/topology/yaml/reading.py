"""From a parsed file to its schema: pydantic's errors become diagnostics at the YAML they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from raddle.errors import Diagnostic, InputError
from raddle.topology.yaml.kinds import COMMANDS, NAMES, Kind, kind_of
from raddle.topology.yaml.refused import refusal
from raddle.topology.yaml.source import MAX_PROBLEMS, Place, Source, refuse_all

S = TypeVar("S", bound=BaseModel)

_MAX_WORDS = 200
"""Most known words that a misspelt one is compared with."""

_MAX_WORD = 100
"""Longest word that is compared, in characters."""

_SHAPES = {"model_type": "a mapping", "dict_type": "a mapping", "tuple_type": "a list"}


def read_spec(source: Source, schema: type[S], kind: Kind | None = None) -> S:
    """The file's content as `schema`.

    Args:
        kind: of file that it is the schema of.

    Raises:
        InputError: all problems of the text and of the schema; `other-kind` alone, it is of another kind.
    """
    try:
        spec = schema.model_validate(source.data())
    except ValidationError as error:
        other = kind_of(source.root.entries)
        if (
            kind
            and other not in (None, kind)
            and not source.root.entries.keys() <= schema.model_fields.keys()
        ):
            raise InputError([_other_kind(source, kind, other)]) from None
        taken = {(problem.span.line, problem.span.column) for problem in source.problems if problem.span}
        details = error.errors(include_url=False)[:MAX_PROBLEMS]
        found = [_diagnostic(detail, source, schema) for detail in details]
        new = [item for item in found if not item.span or (item.span.line, item.span.column) not in taken]
        refuse_all([*source.problems, *new])
    refuse_all(source.problems)
    return spec


def _other_kind(source: Source, kind: Kind, other: Kind) -> Diagnostic:
    return source.error(
        "other-kind",
        f"this is the file of {NAMES[other]}, not of {NAMES[kind]}",
        (),
        COMMANDS[other].format(source.file),
    )


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names the known word nearest to `word`, else `otherwise`."""
    alike = (name for name in known if abs(len(name) - len(word)) <= 3)
    if len(word) > _MAX_WORD:
        return otherwise
    near = get_close_matches(word, list(islice(alike, _MAX_WORDS)), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else otherwise


def place_name(place: Place) -> str:
    """`("links", 3, "speed")` -> `links[3].speed`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def _diagnostic(detail: ErrorDetails, source: Source, schema: type[BaseModel]) -> Diagnostic:
    place = source.written(detail["loc"])
    kind = detail["type"]
    parent = place_name(place[:-1])
    where = f"in '{parent}'" if parent else source.top
    is_key = kind == "extra_forbidden"
    is_form = kind == "literal_error" and place[-2:] == ("fabric", "kind")
    word = str(place[-1]) if is_key else str(detail["input"])
    if (is_key or is_form) and (refused := refusal(word)):
        return source.error("not-planned", f"'{word}': {refused[0]}", place, refused[1], at_key=is_key)
    if kind == "extra_forbidden":
        known = _keys(schema, place[:-1])
        hint = (
            _NOT_THERE.get(place[-2:], "")
            or _own_place(word, schema)
            or did_you_mean(word, known, f"known keys: {', '.join(known)}")
        )
        return source.error("unknown-key", f"unknown key '{place[-1]}' {where}", place, hint, at_key=True)
    if kind == "missing":
        return source.error("missing-key", f"'{place[-1]}' is missing {where}", place[:-1], at_key=True)
    if kind == "missing-key":
        hint = detail["ctx"]["hint"]
        return source.error(kind, f"{detail['msg']} in '{place_name(place)}'", place, hint, at_key=True)
    if kind == "literal_error":
        message = f"'{detail['input']}' is not a valid '{_last_key(place)}'"
        return source.error("bad-choice", message, place, f"expected {detail['ctx']['expected']}")
    if kind in _SHAPES:
        message = f"expected {_SHAPES[kind]} as '{place_name(place)}', found {_shape(detail['input'])}"
        return source.error("wrong-shape", message, place)
    hint = detail.get("ctx", {}).get("hint", "")
    return source.error(kind, f"{detail['msg']}, as '{place_name(place)}'", place, hint)


def _own_place(word: str, schema: type[BaseModel]) -> str:
    """A hint where a key belongs, if one kind of mapping of the file alone has it."""
    places: dict[type[BaseModel], str] = {schema: ""}
    waiting = [schema]
    while waiting:
        model = waiting.pop(0)
        for name, inner in model.model_fields.items():
            for each in _models(inner.annotation):
                if each not in places:
                    places[each] = f"{places[model]}.{inner.alias or name}".removeprefix(".")
                    waiting.append(each)
    having = [model for model in places if word in _own_keys(model)]
    found = [
        each for each in having if not any(issubclass(other, each) for other in having if other is not each)
    ]
    if len(found) != 1:
        return ""
    place = places[found[0]]
    where = f"'{place}'" if place else "the file itself"
    return f"'{word}' is a key of {where}"


_NOT_THERE: dict[Place, str] = {
    ("reserve", "planes"): "keep a record instead ('record: NAME.json'): planes come later with one",
    ("reserve", "rails"): "leave it out: no room is kept for more rails",
    ("reserve", "tors"): "leave it out: no room is kept for a second ToR",
}
"""Hints for keys that another mapping has, and that would be of no use there."""


def _last_key(place: Place) -> str:
    return next(part for part in reversed(place) if isinstance(part, str))


def _shape(value: object) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"'{value}'"


def _keys(schema: type[BaseModel], place: Place) -> list[str]:
    """Keys that the mapping at `place` may have."""
    annotation: Any = schema
    for part in place:
        mapping = [kind for kind in (annotation, *get_args(annotation)) if get_origin(kind) is dict]
        model = next(_models(annotation), None)
        if mapping:
            annotation = get_args(mapping[0])[1]
        elif model is not None and isinstance(part, str):
            annotation = model.model_fields[part].annotation
        # An index stays: the list's annotation holds its items' model.
    model = next(_models(annotation), None)
    return _own_keys(model) if model else []


def _own_keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The schema classes inside an annotation such as `tuple[LinkSpec, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
