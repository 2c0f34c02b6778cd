"""What a command says that runs out of memory."""

import sys

import pytest

from raddle.cli import main as command_line


def test_a_command_without_memory_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> int:
        raise MemoryError

    monkeypatch.setattr(command_line, "_run_app", run)
    monkeypatch.setattr(sys, "argv", ["raddle", "bench", "fat-tree-65536"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("out of memory: take a smaller fabric")
