"""The documentation site builds without a warning, and names no option that is not there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from raddle.cli.main import COMMANDS, load_command

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is missing")
    environment = {**os.environ, "NO_COLOR": "1"}
    command = [str(ROOT / "scripts/site"), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    for name in COMMANDS:
        assert (site / f"cli/{name}/index.html").is_file(), f"no page for {name}"
    for kind, key in {
        "fabric": "per_pair", "workload": "nodes", "scenario": "expect", "sweep": "sample_seed",
        "elastic": "warm_up", "prices": "per_metre",
    }.items():  # fmt: skip
        assert key in (site / f"keys/{kind}/index.html").read_text()
    index = (site / "index.html").read_text()
    assert not re.search(r"""<(script|link|img)[^>]+(src|href)=["']https?:""", index), (
        "the site loads from elsewhere"
    )


def test_every_command_has_a_manual_page(tmp_path: Path) -> None:
    subprocess.run([str(ROOT / "scripts/man"), str(tmp_path)], check=True, timeout=120, capture_output=True)
    assert {f"raddle-{name}.1" for name in COMMANDS} <= {page.name for page in tmp_path.iterdir()}
    bench = (tmp_path / "raddle-bench.1").read_text()
    assert "\\-\\-collective" in bench or "--collective" in bench
    if shutil.which("man"):
        command = ["man", "--warnings", "-l", str(tmp_path / "raddle-bench.1")]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert not told.stderr


def commands(page: Path) -> Iterator[str]:
    """The raddle commands of a page, continued lines as one."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    yield from re.findall(r"^(?:    |\$ )(?:sudo )?(raddle .*)$", text, re.MULTILINE)
    yield from re.findall(r"`(?:sudo (?:\.venv/bin/)?)?(raddle [a-z0-9]+ [^`]*)`", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_in_the_docs_are_there(page: Path) -> None:
    for line in commands(page):
        words = line.split("#")[0].split()[1:]
        name = words[0] if words else ""
        if not re.fullmatch(r"[a-z]+", name):
            continue
        assert name in COMMANDS, f"{line}: no command {name}"
        known = {option for command in tree(load_command(name)) for option in options(command)}
        used = re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]*)", line.split("#")[0])
        assert set(used) <= known, f"{line}: {sorted(set(used) - known)}"


def tree(command: click.Command) -> Iterator[click.Command]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from tree(inner)


def options(command: click.Command) -> Iterator[str]:
    yield "--help"
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
