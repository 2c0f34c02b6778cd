"""`raddle schema`: the JSON Schema of a fabric file, and of what commands print."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Literal

import typer

from raddle.topology.yaml.json_schema import schema_text


def schema(
    document: Annotated[
        Literal["fabric", "errors"],
        typer.Argument(help="A fabric file, or what --json prints where there is no result."),
    ] = "fabric",
) -> None:
    """Print the JSON Schema of a fabric file, for editors, or of a document that --json prints."""
    if document == "fabric":
        typer.echo(schema_text(), nl=False)
    else:
        text = files("raddle.report").joinpath(f"schemas/{document}.schema.json").read_text(encoding="utf-8")
        typer.echo(text, nl=False)
