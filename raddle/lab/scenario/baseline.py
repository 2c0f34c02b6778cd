"""What scenarios measured, put by as what later ones are compared with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.report.scenario import ScenarioResult


def baseline_json(results: Sequence[ScenarioResult]) -> str:
    """The mean over seeds of everything that was measured and ended, by scenario."""
    document = {
        result.name: {
            each.measured: fmean(value for value in each.values if value is not None)
            for each in result.verdicts
            if None not in each.values
        }
        for result in results
    }
    return json.dumps({"raddle-baseline": 1, "scenarios": document}, indent=2, sort_keys=True) + "\n"


def read_baseline(path: Path) -> dict[str, dict[str, float]]:
    """What each scenario measured then.

    Raises:
        InputError: `bad-baseline`, the file cannot be read or holds something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["raddle-baseline"] != 1:
            raise ValueError("it is of another version")
        return {
            str(name): {str(what): float(value) for what, value in measured.items()}
            for name, measured in document["scenarios"].items()
        }
    except OSError as error:
        raise InputError.unreadable("bad-baseline", path, error) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"'{path}' is no baseline"
        raise InputError.of("bad-baseline", message, "write one with --save-baseline FILE") from None


def same_name(name: str, file: str, known: dict[str, str]) -> Diagnostic | None:
    """What is wrong where another file's scenario has the name, by which reports and baselines go.

    Args:
        known: the file of each name so far; this one is added.
    """
    other = known.setdefault(name, file)
    if other == file:
        return None
    message = f"the scenario of '{other}' has the name '{name}', too"
    return Diagnostic(
        "same-name", message, SourceSpan(file, 1, 1), "reports and baselines go by it: give it another"
    )
