"""A simulated switch as finsy and p4runtime-shell see it, clients that know nothing of raddle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raddle.controller.plan import make_plan
from raddle.lab.switches.programmed import switch_farm
from tests.fabrics import pod_running

HERE = Path(__file__).parent
COMPILED = HERE.parents[1] / "p4/compiled"
SHELL = os.environ.get("P4RUNTIME_SHELL_PYTHON", "")

FABRIC = pod_running("p4", "p4", leaves=1, spines=1)


def session(python: str, script: str) -> dict[str, Any]:
    """What a client's session printed."""
    with switch_farm(FABRIC, make_plan(FABRIC, "ecmp")) as farm:
        command = [python, str(HERE / script), farm.addresses["leaf0"], str(COMPILED)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return document


def test_a_finsy_session_works_as_the_standard_says() -> None:
    assert session(sys.executable, "finsy_session.py") == {
        "primary": True,
        "api": "1.4.0",
        "pipeline": "fabric.p4",
        "holds_what_was_written": True,
        "default": True,
        "insert_twice": {"1": "ALREADY_EXISTS"},
        "missing": {"0": "NOT_FOUND", "1": "NOT_FOUND"},
        "in_use": {"0": "FAILED_PRECONDITION"},
        "counters": [0],
        "left": [],
        "group_without_size": {"0": "INVALID_ARGUMENT"},
        "mixed": {"0": "INVALID_ARGUMENT"},
        "member_beside": {"0": "INVALID_ARGUMENT"},
        "one_shot": True,
    }


@pytest.mark.skipif(
    not SHELL,
    reason="P4RUNTIME_SHELL_PYTHON names no Python that has p4runtime-shell (with its older protobuf)",
)
def test_a_p4runtime_shell_session_works_as_the_standard_says() -> None:
    seen = session(SHELL, "p4runtime_shell_session.py")
    assert seen["entries"] == ["acl", "ipv4_route"]
    assert "ALREADY_EXISTS" in seen["again"]
    assert "NOT_FOUND" in seen["missing"]
    assert "FAILED_PRECONDITION" in seen["in_use"]
    assert "INVALID_ARGUMENT" in seen["group_without_size"]
    assert seen["one_shot"] == [["set_next_hop", 2], ["set_next_hop", 1]]
    for mixed in ("one_shot_beside_members", "member_beside_one_shot"):
        assert "INVALID_ARGUMENT" in seen[mixed]
    assert seen["packets"] == 0
