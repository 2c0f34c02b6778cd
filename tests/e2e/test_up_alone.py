"""`raddle up` is alone on its inventory and its folder, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

FABRIC = """
raddle: 1
name: {name}
models: {{box: {{ports: 8, port_speed: 400G, buffer: 64MB}}}}
fabric: {{leaves: {{count: 1, model: box}}, spines: {{count: 1, model: box}}}}
hosts: {{per_leaf: 1}}
"""


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come within {seconds} s"
        time.sleep(0.05)


@contextmanager
def up(folder: Path, name: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A running `raddle up` of a fabric of this name, once its inventory is there."""
    (folder / f"{name}.yaml").write_text(FABRIC.format(name=name))
    scratch = folder / "tmp"
    scratch.mkdir(exist_ok=True)
    # Whoever runs the tests under nohup has SIGHUP ignored, and so would what they start.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, "-m", "raddle", "up", f"{name}.yaml", *options],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGHUP, before)
    try:
        until(lambda: process.poll() is not None or (folder / "raddle-inventory.json").exists())
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def refusal(folder: Path, name: str, *options: str) -> str:
    (folder / f"{name}.yaml").write_text(FABRIC.format(name=name))
    command = [sys.executable, "-m", "raddle", "up", f"{name}.yaml", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_second_up_in_a_folder_is_refused_by_name_and_the_first_stays(tmp_path: Path) -> None:
    with up(tmp_path, "first", "--state", "kept") as process:
        inventory = (tmp_path / "raddle-inventory.json").read_text()
        says = refusal(tmp_path, "second")
        assert f"is held by 'raddle up first', process {process.pid}" in says
        assert "give this one an --inventory of its own" in says
        says = refusal(tmp_path, "second", "--inventory", "other.json", "--state", "kept")
        assert f"'kept/up.lock' is held by 'raddle up first', process {process.pid}" in says
        assert not (tmp_path / "other.json").exists()
        assert (tmp_path / "raddle-inventory.json").read_text() == inventory
        process.send_signal(signal.SIGHUP)
        process.wait(20)
    left = {path.name for path in tmp_path.iterdir()} - {"first.yaml", "second.yaml", "kept", "tmp"}
    assert left == set()
    assert not (tmp_path / "kept" / "up.lock").exists()


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is missing (Debian: redis-server)")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is missing (util-linux)")
def test_after_kill_9_no_redis_server_runs_and_the_next_up_clears_the_rest(tmp_path: Path) -> None:
    with up(tmp_path, "pod", "--redis") as process:
        assert process.stdout
        port = int(process.stdout.readline().rpartition(":")[2])
        assert redis.Redis(port=port).ping()
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)

    def is_gone() -> bool:
        try:
            redis.Redis(port=port).ping()
        except redis.ConnectionError:
            return True
        return False

    until(is_gone)
    (left,) = (tmp_path / "tmp").iterdir()
    fabric = json.loads((tmp_path / "raddle-inventory.json").read_text())["fabric"]
    assert fabric == "pod"
    (tmp_path / "raddle-inventory.json").unlink()
    with up(tmp_path, "pod", "--redis") as process:
        assert not left.exists()
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / "raddle-inventory.json").exists()
