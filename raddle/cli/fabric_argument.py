"""The argument FABRIC, apart from other options so that a command that only reads the file starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raddle.topology import bundled_examples


def complete_fabric(incomplete: str) -> list[str]:
    """What a shell offers for FABRIC: fabric files and folders here, and the bundled examples."""
    here = Path(incomplete)
    folder = here if incomplete.endswith("/") else here.parent
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = [f"{path}/" if path.is_dir() else str(path) for path in found]
    files = [path for path in paths if path.endswith(("/", ".yaml", ".yml"))]
    return [name for name in (*bundled_examples(), *files) if name.startswith(incomplete)]


FabricArg = Annotated[
    str,
    typer.Argument(
        metavar="FABRIC",
        help="Fabric file, or the name of one that comes with raddle.",
        autocompletion=complete_fabric,
    ),
]
