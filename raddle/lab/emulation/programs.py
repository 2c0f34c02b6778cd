"""The programs that an emulation runs: whether they are there, and running them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from raddle.errors import Diagnostic, InputError, UnreachableError

PACKAGES = {
    "mnexec": "mininet",
    "ip": "iproute2",
    "tc": "iproute2",
    "ethtool": "ethtool",
    "ping": "iputils-ping",
    "iperf3": "iperf3",
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-switch",
}
"""Debian's package of each program; one without has no package there."""

_SYSTEM_PYTHON = Path("/usr/lib/python3/dist-packages")


def need(programs: Iterable[str]) -> None:
    """Raise InputError `missing-program` for those that are not there, and where Mininet is not."""
    missing = [program for program in programs if not shutil.which(program)]
    if not _find_mininet():
        missing.append("mnexec" if "mnexec" not in missing else "")
    problems = []
    for program in filter(None, dict.fromkeys(missing)):
        package = PACKAGES.get(program, "")
        hint = f"Debian: apt-get install {package}" if package else "docs/emulation.md says how to get it"
        problems.append(Diagnostic("missing-program", f"emulation needs '{program}'", hint=hint))
    if problems:
        raise InputError(problems)


def load_mininet() -> None:
    """Make `import mininet` work, also where only the system's Python has it.

    Raises:
        InputError: `missing-program`, Mininet does not run on this Python.
    """
    if "mininet" not in sys.modules and not importlib.util.find_spec("mininet"):
        folder = _SYSTEM_PYTHON / "mininet"
        spec = importlib.util.spec_from_file_location(
            "mininet", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["mininet"] = module
        spec.loader.exec_module(module)
    try:
        importlib.import_module("mininet.net")
    except ImportError as error:
        raise InputError.of(
            "missing-program",
            f"Mininet does not run on this Python: {error}",
            "from Python 3.12 on Mininet 2.3 needs setuptools: pip install setuptools",
        ) from None


def _find_mininet() -> bool:
    return bool(importlib.util.find_spec("mininet")) or (_SYSTEM_PYTHON / "mininet").is_dir()


def run(words: Sequence[str], stdin: str = "") -> str:
    """Run a program to its end; returns what it printed.

    Raises:
        UnreachableError: it failed, with what it said.
    """
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise UnreachableError(f"'{' '.join(words)}' failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
