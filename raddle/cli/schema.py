"""`raddle schema`: the JSON Schema of a fabric file, and of what commands print."""

from __future__ import annotations

import json
from typing import Annotated, Literal, get_args

import typer

from raddle.errors import InputError
from raddle.topology.yaml.json_schema import schema_text
from raddle.topology.yaml.reading import did_you_mean

DocumentName = Literal[
    "fabric",
    "errors",
    "bench",
    "simulate",
    "workload",
    "workload-result",
    "elastic",
    "elastic-result",
    "scenario",
    "expect",
    "explain",
    "run",
    "sweep",
    "sweep-result",
    "cost",
    "doctor",
    "prices",
    "check",
    "validate",
    "show",
    "plan",
    "verify",
    "apply",
    "status",
    "drift",
    "telemetry",
    "emulate",
    "import",
    "models",
    "examples",
]


def schema(
    document: Annotated[
        str,
        typer.Argument(
            metavar="DOCUMENT",
            help="fabric, workload, elastic, scenario, sweep, prices: files; errors: of any command on bad "
            "input; or the command that prints it (workload-result).",
        ),
    ] = "fabric",
) -> None:
    """Print the JSON Schema of a fabric file, for editors, or of a document that --json prints."""
    known = get_args(DocumentName)
    if document not in known:
        hint = did_you_mean(document, known, f"there are {', '.join(known)}")
        raise InputError.of("bad-option", f"no document '{document}' has a schema", hint)
    if document == "fabric":
        typer.echo(schema_text(), nl=False)
        return
    from raddle.cli.documents import schema_of  # takes the libraries of all commands

    typer.echo(json.dumps(schema_of(document), indent=2, sort_keys=True))
