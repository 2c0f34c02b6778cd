"""raddle takes one name: a user's own controller.py, nos.py and traffic.py work beside it.

scripts/check-wheel runs the same script with the wheel.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_users_own_modules_and_raddles_stand_side_by_side_in_a_checkout() -> None:
    command = [sys.executable, str(ROOT / "scripts/try_installed.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "own modules and raddle's, side by side: 8 switches" in done.stdout
