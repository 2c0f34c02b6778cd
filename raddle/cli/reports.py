"""Options of commands that write reports for pipelines, and their writing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from raddle.errors import InputError
from raddle.lab.scenario.baseline import Baselines, baseline_json
from raddle.report.page import Page, to_html
from raddle.report.scenario import ScenarioResult

T = TypeVar("T")

JUnitOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the result as JUnit XML, too.")]
SarifOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write what was found as SARIF 2.1.0, too.")
]
SaveBaselineOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write what scenarios measured, for --baseline.")
]
MarkdownOption = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="Write a summary in Markdown, too.")
]


def _in_a_folder(path: Path | None) -> Path | None:
    """Refuse what cannot be written before anything runs for it."""
    if path is not None and not (
        path.parent.is_dir() and os.access(path.parent, os.W_OK) and not path.is_dir()
    ):
        message = f"'{path}' cannot be written"
        raise InputError.of("cannot-write", message, "name a file in a folder that is there and yours")
    return path


HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", callback=_in_a_folder, help="Write the result as a page to look at, too."
    ),
]


def write_page(path: Path | None, make: Callable[[], Page]) -> None:
    """Write a page to its file, where one is given.

    Raises:
        InputError: `cannot-write`.
    """
    if path is not None:
        write_reports({path: lambda pages: to_html(pages[0])}, [make()])


def write_baseline(
    path: Path | None, results: Sequence[ScenarioResult], earlier: Baselines, *, is_ok: bool
) -> None:
    """Write what scenarios measured, where it is asked for; not where something fails beside an earlier
    baseline, which would then hold what has failed.

    Raises:
        InputError: `cannot-write`.
    """
    if path is not None and earlier.scenarios is not None and not is_ok:
        print(f"'{path}' is not written, as something fails beside the baseline", file=sys.stderr)
        return
    write_reports({path: baseline_json}, results)


def write_reports(forms: Mapping[Path | None, Callable[[Sequence[T]], str]], what: Sequence[T]) -> None:
    """Write each form of a result to its file, where one is given.

    Raises:
        InputError: `cannot-write`.
    """
    for path, form in forms.items():
        if path is not None:
            text = form(what).encode("utf-8", "replace")  # names of files need not be UTF-8
            try:
                path.write_bytes(text)
            except OSError as error:
                raise InputError.of("cannot-write", f"cannot write '{path}': {error.strerror}") from None
