"""`raddle schema`: the JSON Schema of a fabric file."""

from __future__ import annotations

import typer

from raddle.topology.yaml.json_schema import schema_text


def schema() -> None:
    """Print the JSON Schema of a fabric file, for editors."""
    typer.echo(schema_text(), nl=False)
