"""`raddle examples`: the fabrics that come with raddle."""

from __future__ import annotations

import json
import textwrap
from itertools import takewhile
from typing import Annotated, Any

import typer

from raddle.cli.options import JsonOption
from raddle.topology import bundled_examples, find

SCHEMA_VERSION = 1


def examples(
    name: Annotated[
        str | None, typer.Argument(metavar="[EXAMPLE]", help="Print its file, to start from.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the example fabrics; every command that takes a fabric file takes their names."""
    known = bundled_examples()
    if name is not None:
        text = find(name).read_text(encoding="utf-8")
        print(_json({"text": text}) if as_json else text, end="\n" if as_json else "")
        return
    titles = {name: _title(path.read_text(encoding="utf-8")) for name, path in known.items()}
    if as_json:
        listed = [{"name": name, "title": title, "file": str(known[name])} for name, title in titles.items()]
        print(_json({"examples": listed}))
        return
    width = max(map(len, titles), default=0) + 2
    for name, title in titles.items():
        print(textwrap.fill(title, 80, initial_indent=f"{name:<{width}}", subsequent_indent=" " * width))


def _json(document: dict[str, Any]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, **document}, indent=2, sort_keys=True)


def _title(text: str) -> str:
    """The comment that a file begins with, up to the end of its first sentence."""
    comment = takewhile(lambda line: line.startswith("#"), text.splitlines())
    first, _, _ = " ".join(line.lstrip("# ") for line in comment).partition(". ")
    return first.rstrip(".")
