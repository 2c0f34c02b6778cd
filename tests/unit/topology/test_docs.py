"""The documentation's examples run, and it names every key."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import raddle
from raddle.cli.main import app
from raddle.topology.yaml.json_schema import json_schema

DOCS = Path(__file__).parents[3] / "docs"
COMMANDS = [DOCS / "cli" / f"{name}.md" for name in ("fmt", "init", "schema", "show", "validate")]


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_python_examples_print_what_the_page_shows() -> None:
    names: dict[str, Any] = {}
    examples, shown = blocks("python.md", "python"), blocks("python.md", "text")
    assert len(examples) == len(shown) >= 6
    for code, expected in zip(examples, shown, strict=True):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "python.md", "exec"), names)
        assert printed.getvalue() == expected


@pytest.mark.parametrize("number", range(15))
def test_yaml_examples_load(number: int) -> None:
    examples = blocks("fabric.md", "yaml")
    assert len(examples) == 15
    assert raddle.loads(examples[number], file="fabric.md").endpoints


def test_fabric_page_names_every_key_of_the_schema() -> None:
    page = (DOCS / "fabric.md").read_text(encoding="utf-8")
    schema = json_schema()
    nodes = [schema, *schema["$defs"].values()]
    keys = {key for node in nodes for key in node.get("properties", {})}
    assert {key for key in keys if not re.search(rf"\b{key}\b", page)} == set()


@pytest.mark.parametrize("page", COMMANDS, ids=lambda page: page.stem)
def test_command_examples_run_and_print_what_the_page_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"^    \$ raddle (.*)\n((?:    (?!\$).*\n)*)", page.read_text() + "\n", re.MULTILINE)
    assert found
    for command, shown in found:
        command, _, target = command.partition(" > ")
        result = CliRunner().invoke(app, shlex.split(command))
        assert result.exit_code == 0, (command, result.output)
        if target:
            (tmp_path / target).write_text(result.stdout)
        expected = re.sub(r"^    ", "", shown, flags=re.MULTILINE)
        pattern = re.escape(expected).replace(re.escape("...\n"), r"(?:.*\n)+?")
        assert re.match(pattern, result.stdout), (command, result.stdout[:500])
