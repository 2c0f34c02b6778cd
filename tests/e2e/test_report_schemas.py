"""JUnit XML and SARIF of everything that a check can find are valid by the formats' own schemas."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from raddle.cli.main import app
from tests.e2e.test_check import FABRIC, OTHERS, SCENARIO

XSD = Path(__file__).parents[1] / "schemas/junit-10.xsd"
"""Of Jenkins' xUnit plugin, with its licence in it."""

SARIF = Path(__file__).parents[3] / "shared/reference/schemas/sarif-schema-2.1.0.json"


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the reports of a good and an unformatted fabric, scenarios that hold and do not, with
    seeds, a check and signs that XML minds, and files that cannot be read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pod.yaml").write_text(FABRIC)
    (tmp_path / "wide.yaml").write_text(FABRIC.replace("name: pod", "name:   wide"))
    (tmp_path / "ring.yaml").write_text(
        SCENARIO.replace("name: ring", "name: ring\nseeds: 1-3").replace(
            "expect: train.busbw >= 0.97x baseline",
            "expect:\n  - train.busbw >= 1 GB/s\n  - train.busbw > 900 GB/s\n  - fct p99 < 1x ideal\n"
            "checks: sh dislike.sh",
        )
    )
    (tmp_path / "dislike.sh").write_text("printf '<&> ü \\007'; exit 3\n")
    (tmp_path / "broken.yaml").write_text("raddle: 1\nname: broken\nfabric: {leaves: {count: 0}}\n")
    (tmp_path / "sizes.yaml").write_text(OTHERS["sizes.yaml"].replace("4M", "<4M>"))
    words = ["check", ".", "--junit", "junit.xml", "--sarif", "found.sarif"]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 2
    return tmp_path


@pytest.mark.skipif(
    shutil.which("xmllint") is None, reason="xmllint is not installed: apt-get install libxml2-utils"
)
def test_junit_is_valid_by_the_schema_of_jenkins(reports: Path) -> None:
    words = ["xmllint", "--nonet", "--noout", "--schema", str(XSD), "junit.xml"]
    found = subprocess.run(
        words, capture_output=True, text=True, cwd=reports, env={**os.environ, "LC_ALL": "C"}
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.skipif(not SARIF.is_file(), reason="OASIS' schema of SARIF 2.1.0 is not beside the repository")
def test_sarif_is_valid_by_the_schema_of_oasis(reports: Path) -> None:
    document = json.loads((reports / "found.sarif").read_text())
    Draft7Validator(json.loads(SARIF.read_text())).validate(document)
    rules = {rule["id"] for rule in document["runs"][0]["tool"]["driver"]["rules"]}
    codes = {result["ruleId"] for result in document["runs"][0]["results"]}
    assert {"expectation-failed", "check-failed", "not-formatted", "bad-number", "bad-size"} <= codes <= rules
