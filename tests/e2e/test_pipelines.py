"""The pipelines of docs/pipelines run as they are written: their commands, on a clone with a fabric."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PIPELINES = Path(__file__).parents[2] / "docs/pipelines"
FABRIC = """\
raddle: 1
name: pod
fabric:
  kind: leaf-spine
  leaves: {count: 2}
  spines: {count: 2}
hosts:
  per_leaf: 2
"""


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with a branch whose pod has one host more a leaf."""
    origin = tmp_path / "origin"
    origin.mkdir()
    (origin / "pod.yaml").write_text(FABRIC)
    git(origin, "init", "-q", "-b", "main")
    git(origin, "add", "--all")
    git(origin, "commit", "-qm", "the pod")
    git(tmp_path, "clone", "-q", "origin", "clone")
    (tmp_path / "clone" / "pod.yaml").write_text(f"{FABRIC}roce:\n  ecn: {{kmin: 700KB}}\n")
    return tmp_path / "clone"


def of_github(document: dict[str, Any]) -> list[str]:
    steps = document["jobs"]["check"]["steps"]
    filled = [
        re.sub(r"\$\{\{ github\.base_ref \|\| '(\w+)' \}\}", r"\1", step.get("run", "")) for step in steps
    ]
    assert not any("${{" in command for command in filled)
    return [command for command in filled if command]


def of_gitlab(document: dict[str, Any]) -> list[str]:
    commands: list[str] = document["check fabrics"]["script"]
    return commands


@pytest.mark.parametrize(
    ("file", "commands_of", "summary"),
    [("github-actions.yml", of_github, "summary.md"), ("gitlab-ci.yml", of_gitlab, "raddle.md")],
)
def test_the_commands_of_a_pipeline_run_as_written(
    clone: Path, file: str, commands_of: Any, summary: str
) -> None:
    commands = commands_of(yaml.safe_load((PIPELINES / file).read_text()))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RADDLE": "pip",  # what is there already, in place of a wheel that is nowhere
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(clone / "summary.md"),
        "CI_DEFAULT_BRANCH": "main",
    }
    for good in (True, False):
        if not good:
            (clone / "pod.yaml").write_text(FABRIC.replace("kind: leaf-spine", "kind: leaf-spin"))
        done = [
            subprocess.run(["bash", "-euc", each], cwd=clone, env=environment, capture_output=True, text=True)
            for each in commands
        ]
        assert done[0].returncode == 0, done[0].stderr
        assert done[-1].returncode == (0 if good else 2), done[-1].stderr + done[-1].stdout
        assert (clone / "raddle.xml").is_file()
        assert ("all 3 passed" if good else "failed") in (clone / summary).read_text()
