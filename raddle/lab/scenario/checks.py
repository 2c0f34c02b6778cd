"""Commands of the user's own that look at a scenario's result."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from raddle.report.scenario import Check, ScenarioResult, scenarios_document

_LONGEST_S = 600
_NOT_FOUND = 127
_TOO_LONG = 124


def run_checks(commands: Sequence[str], file: str, result: ScenarioResult) -> tuple[Check, ...]:
    """Run each in the scenario's folder, with the result's JSON on its standard input."""
    folder, document = Path(file).parent, scenarios_document([result])
    return tuple(_check(command, folder, document) for command in commands)


def _check(command: str, folder: Path, document: str) -> Check:
    try:
        ended = subprocess.run(
            shlex.split(command), cwd=folder, input=document, text=True, timeout=_LONGEST_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        return Check(command, _NOT_FOUND, str(error))
    except subprocess.TimeoutExpired:
        return Check(command, _TOO_LONG, f"took more than {_LONGEST_S} s")
    lines = ended.stdout.strip().splitlines()
    return Check(command, ended.returncode, lines[-1] if lines else "")
