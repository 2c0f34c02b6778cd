"""How the process of a command ends."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import atexit, gc, sys
atexit.register(lambda: print("frozen" if gc.get_freeze_count() else "to be looked through"))
from raddle.cli.main import main
main()
"""


def test_nothing_is_looked_through_for_garbage_when_a_command_has_ended() -> None:
    for words in (["models"], ["models", "no-such-model"]):
        ended = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True)
        assert ended.stdout.endswith("frozen\n"), ended
