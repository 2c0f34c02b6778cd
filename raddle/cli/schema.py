"""`raddle schema`: the JSON Schema of a fabric file, and of what commands print."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from raddle.topology.yaml.json_schema import schema_text

DocumentName = Literal[
    "fabric",
    "errors",
    "bench",
    "simulate",
    "validate",
    "show",
    "plan",
    "verify",
    "apply",
    "status",
    "drift",
    "import",
    "models",
    "examples",
]


def schema(
    document: Annotated[
        DocumentName,
        typer.Argument(
            metavar="[DOCUMENT]",
            help="fabric; errors, what any command prints on bad input; or the command that prints it.",
        ),
    ] = "fabric",
) -> None:
    """Print the JSON Schema of a fabric file, for editors, or of a document that --json prints."""
    if document == "fabric":
        typer.echo(schema_text(), nl=False)
        return
    from raddle.cli.documents import schema_of  # takes the libraries of all commands

    typer.echo(json.dumps(schema_of(document), indent=2, sort_keys=True))
