"""What cases found, as SARIF 2.1.0 (OASIS), each at its line of YAML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from raddle.errors import Diagnostic
from raddle.report.cases import Case

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif_json(cases: Sequence[Case]) -> str:
    """One run of the tool, with a result for each problem; its code is the rule."""
    found = [(case, problem) for case in cases for problem in case.problems]
    rules = sorted({problem.code for _, problem in found})
    driver = {"name": "raddle", "version": version("raddle"), "rules": [{"id": rule} for rule in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(case, problem) for case, problem in found],
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _result(case: Case, problem: Diagnostic) -> dict[str, Any]:
    where = problem.span
    path = PurePath(where.file if where else case.file)
    region = {"startLine": where.line, "startColumn": where.column} if where else {"startLine": 1}
    location = {
        # SOURCE: SARIF 2.1.0, 3.10.1: a URI, in which spaces and letters beyond ASCII are escaped.
        "artifactLocation": {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())},
        "region": region,
    }
    return {
        "ruleId": problem.code,
        "level": "error" if problem.severity == "error" else "warning",
        "message": {"text": f"{problem.message}{'; ' if problem.hint else ''}{problem.hint}"},
        "locations": [{"physicalLocation": location}],
    }
