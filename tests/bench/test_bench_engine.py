"""The engine's benchmark runs, and compares with nothing that is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_engine.py"


def test_without_peers_no_ratio_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--runs", "1"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "raddle, PFC and DCQCN" in done.stdout
    assert "times as fast" not in done.stdout
