"""Scenario results as SARIF 2.1.0 (OASIS), with each finding at its line of YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

from raddle.report.scenario import ScenarioResult

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_RULES = {
    "expectation": "What a scenario expects does not hold.",
    "check": "A command of the scenario's own ended with another code than 0.",
}


def sarif_json(results: Sequence[ScenarioResult]) -> str:
    """One run of the tool, with a result for each expectation and check that failed."""
    driver = {
        "name": "raddle",
        "version": version("raddle"),
        "rules": [{"id": rule, "shortDescription": {"text": text}} for rule, text in _RULES.items()],
    }
    found = [each for result in results for each in _found(result)]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": found}
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _found(result: ScenarioResult) -> Iterator[dict[str, Any]]:
    for verdict in result.verdicts:
        if not verdict.holds:
            text = f"{verdict.text}: {verdict.shown}{'; ' if verdict.why else ''}{verdict.why}"
            yield _result("expectation", f"{result.name}: {text}", result.file, verdict.line, verdict.column)
    for check in result.checks:
        if check.exit_code:
            text = f"{result.name}: {check.command}: exit code {check.exit_code} {check.output}".rstrip()
            yield _result("check", text, result.file, 0, 0)


def _result(rule: str, text: str, file: str, line: int, column: int) -> dict[str, Any]:
    uri = PurePath(file).as_uri() if PurePath(file).is_absolute() else PurePath(file).as_posix()
    place = {
        "artifactLocation": {"uri": uri},
        "region": {"startLine": max(line, 1), "startColumn": max(column, 1)},
    }
    return {
        "ruleId": rule,
        "level": "error",
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }
