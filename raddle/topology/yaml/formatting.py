"""`format_text`: a fabric file in the one usual layout, with its comments and its meaning."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.resolver import VersionedResolver

from raddle.errors import Diagnostic, InputError
from raddle.topology.yaml.source import Source, parse, refuse_all

WIDTH = 110
"""Columns after which a line is folded."""


class _TextResolver(VersionedResolver):
    """Every scalar is a text: `010` and `on` come out as they went in."""

    @property
    def versioned_resolver(self) -> dict[str | None, list[Any]]:
        return {}


def format_text(text: str, file: str) -> str:
    """The text with two spaces of indentation, one space where YAML needs any, and one line end at the end.

    Keys stay in their order, values and comments as they are.

    Raises:
        InputError: the text is not a fabric file's YAML, or cannot be laid out without changing it.
    """
    before = parse(text, file)
    refuse_all(before.problems)
    plain = text.replace("\r\n", "\n")
    short, runs = _without_runs(plain)
    laid_out = _with_runs(_round_trip(short, file), runs)
    if any(len(line) > WIDTH for line in laid_out.splitlines()):
        laid_out = _round_trip(plain, file)
    if _meaning(parse(laid_out, file)) != _meaning(before) or _comments(laid_out) != _comments(text):
        raise _refusal(file, "its layout has no usual form")
    return laid_out


def _round_trip(text: str, file: str) -> str:
    yaml = YAML(typ="rt")
    yaml.Resolver = _TextResolver
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    try:
        yaml.dump(yaml.load(text), out)
    except YAMLError as error:
        raise _refusal(file, str(error).splitlines()[0]) from None
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n") + "\n"


_SCALAR = r"[A-Za-z0-9_.](?:[A-Za-z0-9_./-]|:(?=[A-Za-z0-9]))*"
_LIST = rf"\[ *{_SCALAR}(?: *, *{_SCALAR})* *\]"
_PAIR = rf"{_SCALAR} *: +(?:{_SCALAR}|{_LIST})"
_ITEM = re.compile(rf"( *)- +(\{{ *{_PAIR}(?: *, *{_PAIR})* *\}}) *")
"""A line that is an item of a list, a mapping of plain values in braces: what long lists are made of."""
_RUN = "raddle-fmt-run-"


def _without_runs(text: str) -> tuple[str, list[list[str]]]:
    """The text with each run of plain items as one, whose name says which, and the items of the runs.

    The round trip takes a millisecond an item, and an item's layout depends on nothing but itself.
    """
    if _RUN in text:
        return text, []
    lines: list[str] = []
    runs: list[list[str]] = []
    indent = None
    for line in text.split("\n"):
        found = _ITEM.fullmatch(line)
        if found is None:
            lines.append(line)
        elif found[1] == indent:
            runs[-1].append(_laid_out(found[2]))
        else:
            lines.append(f"{found[1]}- {_RUN}{len(runs)}")
            runs.append([_laid_out(found[2])])
        indent = found[1] if found else None
    return "\n".join(lines), runs


def _laid_out(item: str) -> str:
    tight = re.sub(r" *([\[\]{}]) *", r"\1", item)
    return re.sub(r" *, *", ", ", re.sub(r" *:(?: +|(?=\[))", ": ", tight))


def _with_runs(text: str, runs: list[list[str]]) -> str:
    def items(found: re.Match[str]) -> str:
        return "\n".join(f"{found[1]}- {item}" for item in runs[int(found[2])])

    return re.sub(rf"^( *)- {_RUN}(\d+)$", items, text, flags=re.MULTILINE)


def _meaning(source: Source) -> dict[str, Any]:
    refuse_all(source.problems)
    return source.data()


def _comments(text: str) -> list[str]:
    """Comments of a text in order, by a rule that is the same for both texts: ` #` to the line's end."""
    parts = [line.partition(" #")[2] if not line.startswith("#") else line[1:] for line in text.splitlines()]
    return [part.strip() for part in parts if part.strip()]


def _refusal(file: str, reason: str) -> InputError:
    hint = "lay it out by hand; the file is unchanged"
    return InputError([Diagnostic("cannot-format", f"'{file}' cannot be formatted: {reason}", hint=hint)])
