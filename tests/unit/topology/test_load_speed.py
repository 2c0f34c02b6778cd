"""Loading large files: within generous bounds of time and memory, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


def figures(name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.topology", "--json", name]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_explicit_file_of_20000_links_loads_in_5_s() -> None:
    found = figures("explicit-20000")
    assert (found["links"], found["switches"]) == (20_000, 224)
    assert found["cpu_s"] < 5.0


def test_clos_8192_loads_in_2_s_and_1_gb() -> None:
    found = figures("clos-8192")
    assert (found["links"], found["endpoints"]) == (16_384, 8192)
    assert found["cpu_s"] < 2.0
    assert found["peak_mb"] < 1000


@pytest.mark.parametrize("value", ["[x,", "{x: 1, ", "- ", '"x": "y"\n'])
def test_hostile_file_is_refused_within_500_mb(tmp_path: Path, value: str) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_text(value * (4 * 2**20 // len(value) - 1))
    code = (
        "import re, sys, raddle\n"
        "try:\n    raddle.load(sys.argv[1])\n"
        "except raddle.InputError:\n"
        "    print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])\n"
    )
    limit = 120  # seconds; the time bound is in tests/errors, this is so that nothing hangs
    command = [sys.executable, "-c", code, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit)
    assert 0 < int(result.stdout) * 1024 < 500 * 10**6
