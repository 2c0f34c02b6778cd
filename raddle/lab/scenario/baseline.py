"""What scenarios measured, put by as what later ones are compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from raddle.errors import Diagnostic, InputError, SourceSpan, why_unreadable
from raddle.report.scenario import ScenarioResult

_VERSION = 2
_HINT = "write one with --save-baseline FILE"


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run measured of something. `by_seed` is empty where the mean alone was put by."""

    mean: float
    by_seed: Mapping[int, float] = field(default_factory=dict)


Baseline = Mapping[str, Earlier]
"""What a scenario measured earlier, by what it is: `train.busbw`."""


@dataclass(frozen=True, slots=True)
class Baselines:
    """What relative expectations compare with.

    Attributes:
        scenarios: by name; None where no baseline is given.
        is_begun: a baseline is written: what this one lacks is not judged.
    """

    scenarios: Mapping[str, Baseline] | None = None
    is_begun: bool = False

    def of(self, scenario: str) -> Baseline | None:
        """That of a scenario; None where no baseline is given."""
        return None if self.scenarios is None else self.scenarios.get(scenario, {})


NO_BASELINE = Baselines()


def known_baselines(path: Path | None, save: Path | None) -> Baselines:
    """The baseline of `--baseline`, where `--save-baseline` writes another: perhaps the same, for the first
    time.

    Raises:
        InputError: `bad-baseline`.
    """
    if path is None or (path == save and not path.exists()):
        return Baselines(None, save is not None)
    return Baselines(read_baseline(path), save is not None)


def baseline_json(results: Sequence[ScenarioResult]) -> str:
    """What was measured with each seed and ended, by scenario."""
    document = {
        result.name: {
            each.measured: {
                str(seed): value
                for seed, value in zip(result.seeds, each.values, strict=True)
                if value is not None
            }
            for each in result.verdicts
            if any(value is not None for value in each.values)
        }
        for result in results
    }
    return json.dumps({"raddle-baseline": _VERSION, "scenarios": document}, indent=2, sort_keys=True) + "\n"


def read_baseline(path: Path) -> dict[str, dict[str, Earlier]]:
    """What each scenario measured then. Version 1 of the file has means alone.

    Raises:
        InputError: `bad-baseline`, the file cannot be read or holds something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["raddle-baseline"] not in (1, _VERSION):
            raise ValueError("it is of another version")
        return {
            str(name): {str(what): _earlier(value) for what, value in measured.items()}
            for name, measured in document["scenarios"].items()
        }
    except OSError as error:
        message = f"cannot read '{path}': {why_unreadable(error)}"
        raise InputError.of("bad-baseline", message, _HINT) from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        message = f"'{path}' is no baseline"
        raise InputError.of("bad-baseline", message, _HINT) from None


def _earlier(value: Any) -> Earlier:
    if not isinstance(value, dict):
        return Earlier(float(value))
    by_seed = {int(seed): float(each) for seed, each in value.items()}
    return Earlier(fmean(by_seed.values()), by_seed)


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
