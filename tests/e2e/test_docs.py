"""Every ```console example of the README and the docs is run; what it shows must be what is printed.

Lines that begin with `$ ` are commands (`> ` goes on with one), run one after the other in one folder per
page, with `topologies/` beside them. The other lines must be in the command's output, blanks apart; `...`
stands for any lines, and `(exit code N)` for the exit code where it is not 0. A command that ends in ` &`
stays until the page ends. All others are forks of one process, as importing is most of what they take.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.forked import forked_commands

ROOT = Path(__file__).parents[2]
TOOLS = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
SET = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PATH": TOOLS}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass
class Example:
    command: str
    shown: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        codes = [re.fullmatch(r"\(exit code (\d+)\)", line) for line in self.shown]
        return next((int(code[1]) for code in codes if code), 0)


def examples(page: Path) -> list[Example]:
    found: list[Example] = []
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Example(line[2:]))
            elif line.startswith("> "):
                found[-1].command += f"\n{line[2:]}"
            elif line.strip():
                found[-1].shown.append(line.strip())
    return found


def squeeze(text: str) -> str:
    return " ".join(text.split())


def start(command: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start what stays, and wait until it has written its inventory."""
    process = subprocess.Popen(
        f"exec {command.removesuffix(' &')}", shell=True, cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (folder / "raddle-inventory.json").exists():
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline, f"'{command}' wrote no inventory within 30 s"
        time.sleep(0.02)
    return process


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with forked_commands(tmp_path_factory.mktemp("forks"), SET) as folder:
        yield folder


@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=lambda page: page.stem)
def test_examples_print_what_the_page_shows(page: Path, forks: Path, tmp_path: Path) -> None:
    (tmp_path / "topologies").symlink_to(ROOT / "topologies")
    environment = {**SET, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    forked = {**environment, "PATH": f"{forks}:{TOOLS}"}
    running: list[subprocess.Popen[str]] = []
    try:
        for example in examples(page):
            if example.command.endswith(" &"):
                running.append(start(example.command, tmp_path, environment))
                continue
            done = subprocess.run(
                example.command, shell=True, cwd=tmp_path, env=forked, text=True, timeout=120,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, executable="/bin/bash",
            )  # fmt: skip
            assert done.returncode == example.exit_code, f"$ {example.command}\n{done.stdout}"
            printed = [squeeze(line) for line in done.stdout.splitlines()]
            for line in example.shown:
                if line != "..." and not line.startswith("(exit code"):
                    assert squeeze(line) in printed, (
                        f"$ {example.command}\ndoes not print: {line}\n{done.stdout}"
                    )
    finally:
        for process in running:
            process.terminate()
            process.communicate(timeout=10)
