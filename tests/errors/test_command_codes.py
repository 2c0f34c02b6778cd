"""What commands refuse or warn of reads as in commands/told.txt, whose files are beside it.

`RADDLE_UPDATE_GOLDEN=1 pytest tests/errors` writes it anew; read the difference.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from raddle.cli.main import main
from raddle.errors import InputError
from raddle.lab.switches.cleared import write_cleared
from raddle.nos.server.redis_server import RedisServer
from raddle.topology import bundled_examples

HERE = Path(__file__).parent / "commands"
TOLD = HERE / "told.txt"
BUNDLED = bundled_examples()["leaf-spine-16"].parent


@pytest.fixture(autouse=True)
def _in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shutil.copytree(HERE, tmp_path / "commands"))
    Path("users.json").chmod(0o600)


def ended(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command line ends with: all of stderr, and the exit code."""
    monkeypatch.setattr(sys, "argv", line.split())
    with pytest.raises(SystemExit) as end:
        main()
    told = capsys.readouterr().err.replace(f"{BUNDLED}{os.sep}", "")
    return f"$ {line}\n{told}(exit code {end.value.code or 0})\n"


def test_each_command_tells_what_is_wrong_as_in_the_golden_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = TOLD.read_text(encoding="utf-8")
    lines = re.findall(r"^\$ (.*)$", golden, re.MULTILINE)
    told = "\n".join(ended(line, monkeypatch, capsys) for line in lines)
    if os.environ.get("RADDLE_UPDATE_GOLDEN"):
        TOLD.write_text(told, encoding="utf-8")
    assert told == golden


def test_a_program_that_is_missing_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    Path("sonic-port.yang").touch()
    told = ended("raddle validate near.yaml --sonic-yang .", monkeypatch, capsys)
    assert "error[no-yanglint]: yanglint is not installed\n  hint: apt-get install libyang2-tools" in told
    with pytest.raises(InputError) as refused:
        asyncio.run(RedisServer("leaf0", Path("redis")).start(0))
    assert str(refused.value) == (
        "error[no-redis]: redis-server is not installed\n"
        "  hint: apt-get install redis-server, or leave --redis out"
    )


def test_counters_that_cannot_be_kept_as_cleared_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("words.txt").absolute()))
    with pytest.raises(
        InputError, match=r"error\[cannot-save\]: cannot write '.*words.txt/raddle/leaf0@"
    ) as no:
        write_cleared("leaf0", "127.0.0.1:1", {})
    assert "hint: set XDG_CACHE_HOME to a folder of yours" in str(no.value)
