"""Without the extra 'openflow' nothing but OpenFlow is missing, and that is said with a way out."""

from __future__ import annotations

import subprocess
import sys

COMMAND = "import sys; sys.modules['os_ken'] = None; sys.argv[0] = 'raddle'; "
COMMAND += "from raddle.cli.main import main; main()"
DRIVER = """
import sys
sys.modules["os_ken"] = None
from raddle.errors import InputError
try:
    import raddle.controller.southbound.openflow.driver
except InputError as error:
    print(error)
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_commands_work_without_it() -> None:
    done = run(COMMAND, "validate", "leaf-spine-16")
    assert done.returncode == 0, done.stderr


def test_openflow_names_the_extra() -> None:
    done = run(DRIVER)
    assert done.returncode == 0, done.stderr
    assert "error[no-openflow]: OpenFlow switches need the Python package os-ken" in done.stdout
    assert "hint: pip install 'raddle[openflow]'" in done.stdout
