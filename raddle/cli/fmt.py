"""`raddle fmt`: fabric files in one layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raddle.errors import InputError
from raddle.topology.yaml.formatting import format_text
from raddle.topology.yaml.source import read_text


def fmt(
    files: Annotated[list[Path], typer.Argument(metavar="FABRIC.yaml...", help="Fabric files.")],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if a file would change.")
    ] = False,
) -> None:
    """Lay fabric files out in the usual way; comments, order and values stay."""
    changed = [path for path in files if _format(path, write=not check)]
    for path in changed:
        typer.echo(f"{'would change' if check else 'changed'} {path}")
    if check and changed:
        raise typer.Exit(1)


def _format(path: Path, write: bool) -> bool:
    """Whether the file's layout is not the usual one; writes it."""
    text = read_text(path)
    laid_out = format_text(text, str(path))
    if write and laid_out != text:
        try:
            path.write_text(laid_out, encoding="utf-8")
        except OSError as error:
            raise InputError.of("cannot-write", f"cannot write '{path}': {error.strerror}") from None
    return laid_out != text
