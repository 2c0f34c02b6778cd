"""`format_text`: a fabric file in the one usual layout, with its comments and its meaning."""

from __future__ import annotations

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
    yaml = YAML(typ="rt")
    yaml.Resolver = _TextResolver
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    try:
        yaml.dump(yaml.load(text.replace("\r\n", "\n")), out)
    except YAMLError as error:
        raise _refusal(file, str(error).splitlines()[0]) from None
    laid_out = "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n") + "\n"
    if _meaning(parse(laid_out, file)) != _meaning(before) or _comments(laid_out) != _comments(text):
        raise _refusal(file, "its layout has no usual form")
    return laid_out


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
