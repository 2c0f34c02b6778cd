"""A command starts fast: it imports what it needs, which is counted here, and not what others need."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from raddle.cli.main import COMMANDS, app, load_command

RUN = (
    "import sys; from raddle.cli.main import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
)


SERVERS = {"grpc", "finsy", "pygnmi", "raddle.nos.farm", "raddle.controller.reconcile"}


def modules_of(words: Sequence[str]) -> set[str]:
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("words", "most", "absent"),
    [
        # Python itself and typer; 0.25 s of a core.
        (["--version"], 220, {"numpy", "pydantic", "yaml", "rich", "raddle.topology", "grpc"}),
        (["--help"], 220, {"numpy", "pydantic", "yaml", "rich", "raddle.topology", "grpc"}),
        # And numpy, pydantic, yaml, the schema and the planner's checks; 0.5 s.
        (
            ["validate", "leaf-spine-16"],
            460,
            {
                "networkx",
                "highspy",
                "grpc",
                "finsy",
                "os_ken",
                "rich",
                "raddle.nos",
                "raddle.lab",
                "raddle.sim",
            },
        ),
        # And what plans, closed forms and the engine take: no switch's server, no client, no controller.
        (["cost", "leaf-spine-16", "--template"], 700, SERVERS | {"raddle.nos"}),
        (["expect", "leaf-spine-16", "-b", "64M", "-e", "64M"], 780, SERVERS),
        (["explain", "leaf-spine-16", "busbw", "--size", "1M"], 780, SERVERS),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_start_imports_no_more_than_it_needs(words: list[str], most: int, absent: set[str]) -> None:
    modules = modules_of(words)
    assert not modules & absent
    assert len(modules) <= most


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_of_the_list_is_there_and_fits_80_columns(name: str) -> None:
    command = load_command(name)
    with typer.Context(command, info_name=f"raddle {name}") as context:
        lines = command.get_help(context).splitlines()
    assert max(map(len, lines)) <= 80
    assert re.match(rf"Usage: raddle {name} ", lines[0])


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_page_of_its_name(name: str) -> None:
    page = (Path(__file__).parents[3] / f"docs/cli/{name}.md").read_text(encoding="utf-8")
    assert page.splitlines()[0].startswith(f"# raddle {name}")


def test_the_list_of_commands_has_a_line_for_each_in_80_columns() -> None:
    lines = CliRunner().invoke(app, ["-h"], env={"COLUMNS": "80"}).output.splitlines()
    for name, says in COMMANDS.items():
        assert any(line.split() == [name, *says.split()] for line in lines), name
    assert max(map(len, lines)) <= 80


def test_a_misspelt_command_is_answered_with_the_near_one() -> None:
    result = CliRunner().invoke(app, ["verfy"])
    assert result.exit_code == 2
    assert "Did you mean 'verify'?" in result.output


def test_shells_complete_commands_options_and_choices() -> None:
    def complete(words: str) -> list[str]:
        env = {"_RADDLE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return CliRunner().invoke(app, [], env=env, prog_name="raddle").output.split()

    assert complete("raddle ver") == ["verify"]
    assert "--format" in complete("raddle show --")
    assert complete("raddle show --format sv") == ["svg"]
