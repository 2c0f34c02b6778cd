"""`raddle fmt`: one layout; comments, order and values stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle import InputError, loads
from raddle.cli.main import app
from raddle.topology import bundled_examples
from raddle.topology.yaml.formatting import format_text

MESSY = """\
# The pod of the third row.
raddle:   1
name: "pod"   # quoted, and so it stays


fabric:
      leaves:   {count: 2,model: white-box-12.8t}   # two of them
      spines: {count:   2}
hosts: {per_leaf: 2}
overrides:
    links:
    # under repair
    -   {ends: [leaf0,spine1], state: down}
    -   ends: [ leaf1, spine0 ]
        cable: 7m\x20\x20
"""
NEAT = """\
# The pod of the third row.
raddle: 1
name: "pod"   # quoted, and so it stays


fabric:
  leaves: {count: 2, model: white-box-12.8t}         # two of them
  spines: {count: 2}
hosts: {per_leaf: 2}
overrides:
  links:
    # under repair
    - {ends: [leaf0, spine1], state: down}
    - ends: [leaf1, spine0]
      cable: 7m
"""


def test_layout_is_mended_and_comments_stay() -> None:
    lines = format_text(MESSY, "pod.yaml").splitlines()
    assert [line.split() for line in lines] == [line.split() for line in NEAT.splitlines()]
    assert [len(line) - len(line.lstrip()) for line in lines] == [
        len(line) - len(line.lstrip()) for line in NEAT.splitlines()
    ]


def test_formatting_twice_changes_nothing_and_the_fabric_is_the_same() -> None:
    once = format_text(MESSY, "pod.yaml")
    assert format_text(once, "pod.yaml") == once
    assert loads(once) == loads(MESSY)


@pytest.mark.parametrize("name", bundled_examples())
def test_examples_are_formatted(name: str) -> None:
    text = bundled_examples()[name].read_text(encoding="utf-8")
    assert format_text(text, name) == text


def test_words_that_yaml_1_1_would_convert_stay_as_written() -> None:
    text = "name: on\na: 010\nb: 1:30\nc: 0x1F\nd: 1e3\ne: ~\nf: 1_000\ng: 2026-01-01\nh: 'yes'\ni: .5\n"
    assert format_text(text, "x.yaml") == text


def test_windows_line_ends_become_plain_ones() -> None:
    assert format_text("raddle: 1\r\nname: pod\r\n", "x.yaml") == "raddle: 1\nname: pod\n"


def test_file_with_problems_is_refused_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text("name: pod\nname: pod2\n")
    with pytest.raises(InputError, match="duplicate-key"):
        format_text(path.read_text(), str(path))
    result = CliRunner().invoke(app, ["fmt", str(path)])
    assert isinstance(result.exception, InputError)
    assert path.read_text() == "name: pod\nname: pod2\n"


def test_check_changes_nothing_and_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(MESSY)
    result = CliRunner().invoke(app, ["fmt", "--check", str(path)])
    assert (result.exit_code, result.stdout) == (1, f"would change {path}\n")
    assert path.read_text() == MESSY
    assert CliRunner().invoke(app, ["fmt", str(path)]).stdout == f"changed {path}\n"
    again = CliRunner().invoke(app, ["fmt", "--check", str(path)])
    assert (again.exit_code, again.stdout) == (0, "")
