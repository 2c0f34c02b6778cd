"""Rules: how a text of a YAML file becomes a value, with its limits and what an editor may check of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from raddle.errors import with_hint

T = TypeVar("T")


def refuse(code: str, message: str, hint: str = "") -> PydanticCustomError:
    """The error of a field, to be raised: its code, what the reader sees and one way out."""
    return PydanticCustomError(code, "{message}", {"message": message, "hint": hint})


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """How a text of the file becomes a value, and what an editor may check of it (JSON Schema)."""

    validate: Callable[[Any], Any]
    json: dict[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.validate, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self.json)


def field(code: str, parse: Callable[[str], T], json: dict[str, Any]) -> Rule:
    """A rule that takes `parse` of a text and lets a value that is parsed already through.

    What stands behind "; " in the message of a ValueError becomes the hint.
    """

    def validate(value: Any) -> Any:
        if isinstance(value, dict | list):
            what = "mapping" if isinstance(value, dict) else "list"
            raise refuse("wrong-shape", f"expected one value, found a {what}")
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except ValueError as error:
            message, hint = with_hint(error)
            raise refuse(code, message, hint) from None

    return Rule(validate, json)


def text_json(pattern: str, example: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^({pattern})$", "examples": [example]}


_COUNT = re.compile(r"0|[1-9][0-9]{0,13}")


def parse_count(text: str) -> int:
    """`12` -> 12; octal-looking `012`, signs and fractions are refused."""
    if not _COUNT.fullmatch(text):
        raise ValueError(
            f"'{text}' is not a whole number; write digits without sign or leading zero, such as 12"
        )
    return int(text)


def between(
    low: int, high: int, what: str, parse: Callable[[str], int] = parse_count
) -> Callable[[str], int]:
    def parse_limited(text: str) -> int:
        value = parse(text)
        if not low <= value <= high:
            way_out = f"{low} or more" if value < low else f"{high} or less"
            raise ValueError(f"'{text}' is not a {what}, which is {low} to {high}; write {way_out}")
        return value

    return parse_limited


def positive(parse: Callable[[str], T], what: str, limit: T, limit_text: str) -> Callable[[str], T]:
    def parse_positive(text: str) -> T:
        value: Any = parse(text)
        if not 0 < value <= limit:
            raise ValueError(f"'{text}' is not a {what}, which is above 0 and at most {limit_text}")
        return value  # type: ignore[no-any-return]

    return parse_positive


def whole(low: int, high: int, what: str, parse: Callable[[str], int] = parse_count) -> Rule:
    """An int from `low` to `high`."""
    json = {"type": "integer", "minimum": low, "maximum": high}
    return field("bad-number", between(low, high, what, parse), json)
