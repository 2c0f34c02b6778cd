"""`--checkpoint` and `--resume` on the command line; tests/unit/lab/test_checkpoints.py has what they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from typer.testing import CliRunner, Result

from raddle.cli.main import app
from raddle.errors import InputError

FLOWS = "src,dst,bytes\n" + "".join(f"{i},{(i + 5) % 16},16000000\n" for i in range(16))


def words(folder: Path, out: str, *options: str) -> list[str]:
    flows = folder / "flows.csv"
    flows.write_text(FLOWS)
    return ["simulate", "leaf-spine-16", "--flows", str(flows), "-o", str(folder / out), "--json", *options]


def refusal(folder: Path, *options: str) -> str:
    result: Result = CliRunner().invoke(app, words(folder, "out", *options))
    assert isinstance(result.exception, InputError)
    return str(result.exception)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_killed_by_the_system_goes_on_and_ends_as_another(tmp_path: Path) -> None:
    file = tmp_path / "run.npz"
    options = ("--fidelity", "packet", "--checkpoint", str(file))
    command = [sys.executable, "-m", "raddle"]
    begun = [*command, *words(tmp_path, "killed", *options, "--checkpoint-every", "1ms")]
    with subprocess.Popen(begun, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not file.exists() and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert "error[checkpoint-exists]" in refusal(tmp_path, *options)
    again = [*command, *words(tmp_path, "killed", *options, "--resume")]
    resumed = subprocess.run(again, capture_output=True, text=True, check=True)
    assert "the run goes on at" in resumed.stderr
    assert not file.exists()
    whole = CliRunner().invoke(app, words(tmp_path, "whole", *options, "--resume"))
    assert "run.npz is not there: the run begins anew" in whole.stderr
    assert resumed.stdout == whole.stdout
    left = {name: data for name, data in files(tmp_path / "killed").items() if not name.endswith(".part")}
    assert left == files(tmp_path / "whole")


def test_what_a_checkpoint_cannot_have_is_refused(tmp_path: Path) -> None:
    place = ("--checkpoint", str(tmp_path / "run.npz"))
    assert "messages that flow have none" in refusal(tmp_path, *place, "--fidelity", "fluid")
    assert "no frames that --trace" in refusal(tmp_path, *place, "--trace", "host3")
    assert "give it with --checkpoint FILE" in refusal(tmp_path, "--resume")
    assert "error[cannot-write]" in refusal(tmp_path, "--checkpoint", str(tmp_path / "no/run.npz"))
