"""JUnit XML and SARIF of everything that a check can find are as the formats demand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from tests.e2e.test_check import FABRIC, OTHERS, SCENARIO

XSD = Path(__file__).parents[1] / "schemas/junit-10.xsd"
"""Of Jenkins' xUnit plugin, with its licence in it."""


URI = r"(?a:[\w.~!$&'()*+,;=@:/-]|%[0-9A-F]{2})+"
"""Letters, digits and signs of a URI without query (RFC 3986, 2 and 3.3)."""


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the reports of a good and an unformatted fabric, scenarios that hold and do not, with
    seeds, a check and signs that XML minds, and files that cannot be read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pod.yaml").write_text(FABRIC)
    (tmp_path / "wide ü.yaml").write_text(FABRIC.replace("name: pod", "name:   wide"))
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


@pytest.fixture
def sarif(reports: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((reports / "found.sarif").read_text())
    return document


def test_sarif_has_what_its_standard_demands(sarif: dict[str, Any]) -> None:
    """OASIS, SARIF 2.1.0, by section; the properties are all that raddle writes."""
    assert sarif.keys() == {"$schema", "version", "runs"}  # 3.13
    assert sarif["version"] == "2.1.0"  # 3.13.2
    (run,) = sarif["runs"]
    assert run.keys() == {"tool", "columnKind", "results"}  # 3.14
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")  # 3.14.27
    driver = run["tool"]["driver"]  # 3.18.2
    assert driver.keys() == {"name", "version", "rules"}  # 3.19
    rules = [rule["id"] for rule in driver["rules"]]
    assert len(rules) == len(set(rules))  # 3.19.23
    for result in run["results"]:
        assert result.keys() == {"ruleId", "level", "message", "locations"}  # 3.27
        assert result["ruleId"] in rules  # 3.27.5
        assert result["level"] in ("none", "note", "warning", "error")  # 3.27.10
        assert result["message"].keys() == {"text"}  # 3.11.3
        assert result["message"]["text"]  # 3.11.8
        for location in result["locations"]:
            physical = location["physicalLocation"]  # 3.28.3
            assert physical.keys() == {"artifactLocation", "region"}  # 3.29
            assert re.fullmatch(URI, physical["artifactLocation"]["uri"])  # 3.4.3
            region = physical["region"]
            assert "startLine" in region  # 3.30.4
            assert region.keys() <= {"startLine", "startColumn"}  # 3.30
            assert all(isinstance(value, int) and value >= 1 for value in region.values())  # 3.30.5, 3.30.6


def test_sarif_names_each_finding_in_its_file(sarif: dict[str, Any]) -> None:
    found = [
        (result["ruleId"], location["physicalLocation"]["artifactLocation"]["uri"])
        for result in sarif["runs"][0]["results"]
        for location in result["locations"]
    ]
    codes = {"expectation-failed", "check-failed", "not-formatted", "bad-number", "bad-size"}
    assert codes <= {code for code, _ in found}
    assert ("not-formatted", "wide%20%C3%BC.yaml") in found
