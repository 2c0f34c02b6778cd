"""Which system packages set-up finds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONG = "".join(f"     {version} 500\n" for version in range(100_000))


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("redis-server:\n  Installed: (none)\n  Candidate: 5:8.0.2\n", True),
        (f"redis-server:\n  Installed: (none)\n  Candidate: 5:8.0.2\n  Version table:\n{LONG}", True),
        ("redis-server:\n  Installed: (none)\n  Candidate: (none)\n", False),
        ("", False),
    ],
    ids=["one version", "more versions than a pipe holds", "no candidate", "unknown"],
)
def test_a_package_is_found_however_much_apt_has_to_tell_of_it(
    told: str, known: bool, tmp_path: Path
) -> None:
    (tmp_path / "told").write_text(told)
    apt = tmp_path / "apt-cache"
    apt.write_text(f"#!/bin/sh\ncat {tmp_path}/told\n")
    apt.chmod(0o755)
    (tmp_path / "sudo").symlink_to("/bin/true")
    asked = "set -euo pipefail; . scripts/progress.sh; . scripts/apt.sh; has_package redis-server"
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", asked], cwd=ROOT, env=os.environ | path, check=False)
    assert (done.returncode == 0) == known
