"""What an emulation's switches have said, kept when the sandbox is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

from raddle.errors import InputError

SWITCH_LOGS = Path("/run")
OPEN_VSWITCH = SWITCH_LOGS / "openvswitch"
"""Where the programs of Open vSwitch look; in a sandbox /run is its own."""


def make_folder(folder: Path) -> None:
    """Have the folder before anything starts.

    Raises:
        InputError: `cannot-write`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError.of("cannot-write", f"cannot write '{folder}': {error.strerror}") from None


def keep_logs(folder: Path) -> None:
    """Copy the log of every switch program into a folder of this machine."""
    for log in (*SWITCH_LOGS.glob("*.log"), *OPEN_VSWITCH.glob("*.log")):
        shutil.copyfile(log, folder / log.name)
