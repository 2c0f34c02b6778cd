"""At a terminal reports have plots and are as narrow as it is; in a pipe they are plain."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli import bench as command
from raddle.cli import main as main_module
from raddle.cli import terminal
from raddle.cli.main import app
from raddle.errors import InputError

SIZES = ["-b", "256K", "-e", "1M", "--routing", "ecmp", "--placement", "strided"]


def run(*words: str) -> str:
    return CliRunner().invoke(app, list(words), catch_exceptions=False).stdout


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for module in (terminal, command):
        monkeypatch.setattr(module, "is_terminal", lambda: True)


@pytest.mark.usefixtures("narrow")
def test_a_benchmark_fits_80_columns_and_ends_in_bars() -> None:
    lines = run("bench", "leaf-spine-16", *SIZES).splitlines()
    assert max(map(len, lines)) <= 80
    title = "Bus bandwidth of all_reduce in GB/s; | is line rate, 49.02"
    assert title in lines
    assert [line.split()[0] for line in lines[lines.index(title) + 1 :]] == ["256KiB", "1MiB"]


def test_a_pipe_gets_the_table_of_nccl_tests_and_what_other_files_say_beside(tmp_path: Path) -> None:
    earlier, log = tmp_path / "earlier.json", tmp_path / "nccl.log"
    earlier.write_text(run("bench", "leaf-spine-16", *SIZES, "--json"))
    printed = run("bench", "leaf-spine-16", *SIZES)
    assert "out-of-place" in printed
    assert "█" not in printed
    log.write_text(printed)
    page = tmp_path / "page.html"
    beside = ["--beside", str(earlier), "--beside", str(log), "--html", str(page)]
    lines = run("bench", "leaf-spine-16", *SIZES, *beside).splitlines()
    at = lines.index("# Beside earlier.json (16 ranks)")
    assert [line.split()[-1] for line in lines[at + 3 : at + 5]] == ["100.0%", "100.0%"]
    text = page.read_text()
    held = text[text.index('id="page">') + 10 :]
    figure = json.loads(held[: held.index("</script>")])["figures"][0]["data"]["curves"]
    now, before, measured, bound = figure
    assert [each["name"] for each in figure[1:3]] == ["baseline: earlier.json (16 ranks)", "log: nccl.log"]
    assert before["points"] == now["points"]
    assert measured["points"][1][1] == pytest.approx(now["points"][1][1], rel=1e-3)  # of a printed time
    assert (bound["style"], bound["points"][0][0]) == ("reference", 262144)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"collective": "all_gather"}', "is of all_gather, not of all_reduce"),
        ("{}", "is no result of a benchmark"),
        ("# hello", "this is no output of nccl-tests"),
    ],
)
def test_a_file_that_is_nothing_to_compare_with_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a").write_text(text)
    result = CliRunner().invoke(app, ["bench", "leaf-spine-16", *SIZES, "--beside", str(tmp_path / "a")])
    assert isinstance(result.exception, InputError)
    assert says in str(result.exception)


def test_a_process_that_may_open_no_more_files_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(standalone_mode: bool) -> None:
        raise OSError(errno.EMFILE, "Too many open files", "inventory.json")

    monkeypatch.setattr(main_module, "app", full)
    monkeypatch.setattr("sys.argv", ["raddle", "status"])
    with pytest.raises(SystemExit) as ended:
        main_module.main()
    assert ended.value.code == 2
    assert "error[too-many-files]: the machine lets this process open no more" in capsys.readouterr().err
