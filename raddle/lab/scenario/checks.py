"""Commands of the user's own that look at a scenario's result."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from raddle.errors import SourceSpan
from raddle.report.scenario import Check, ScenarioResult, scenarios_document

_LONGEST_S = 600
_NOT_FOUND = 127
_TOO_LONG = 124


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and where it stands."""

    text: str
    span: SourceSpan


def run_checks(commands: Sequence[Command], file: str, result: ScenarioResult) -> tuple[Check, ...]:
    """Run each in the scenario's folder, with the result's JSON on its standard input."""
    folder, document = Path(file).parent, scenarios_document([result])
    return tuple(_check(command, folder, document) for command in commands)


def _check(command: Command, folder: Path, document: str) -> Check:
    exit_code, output = _ended(command.text, folder, document)
    return Check(command.text, exit_code, output, command.span.line, command.span.column)


def _ended(command: str, folder: Path, document: str) -> tuple[int, str]:
    """The exit code, and the last line that it printed."""
    try:
        ended = subprocess.run(
            shlex.split(command), cwd=folder, input=document, text=True, timeout=_LONGEST_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        return _NOT_FOUND, str(error)
    except subprocess.TimeoutExpired:
        return _TOO_LONG, f"took more than {_LONGEST_S} s"
    lines = ended.stdout.strip().splitlines()
    return ended.returncode, lines[-1] if lines else ""
