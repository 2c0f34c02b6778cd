"""`raddle fmt`: one layout; comments, order and values stay."""

from __future__ import annotations

import random
import time
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


@pytest.mark.parametrize("seed", range(40))
def test_long_lists_are_laid_out_as_the_round_trip_lays_out_each_item(seed: int) -> None:
    """Runs of plain items are laid out line by line; another character in each sends them the long way."""
    draw = random.Random(seed)

    def space() -> str:
        return " " * draw.choice((0, 0, 1, 2))

    def scalar() -> str:
        return draw.choice(
            ("leaf0", "leaf0:Ethernet8", "a:b", "10.0.0.0/8", "010", "on", "1:30", ".5", "200G")
        )

    def value() -> str:
        inner = f"{space()},{space()}".join(scalar() for _ in range(draw.randint(1, 3)))
        return scalar() if draw.random() < 0.5 else f"[{space()}{inner}{space()}]"

    def item() -> str:
        keys = draw.sample(("ends", "speed", "cable", "state"), draw.randint(1, 2))
        pairs = (f"{key}{space()}: {space()}{value()}" for key in keys)
        return f"-{space()} {{{space()}{f'{space()},{space()}'.join(pairs)}{space()}}}{space()}"

    lines = [item() for _ in range(6)]
    texts = [
        "a: 1\nlinks:\n" + "".join(f"  {line}\n" for line in each) + "b:\n  - c: 1\n  - {d: 1}\n"
        for each in (lines, [line.replace("{", "{é: 1, ", 1) for line in lines])
    ]
    quick, slow = (format_text(text, "x.yaml") for text in texts)
    assert quick == slow.replace("é: 1, ", "")


def test_five_thousand_items_take_two_seconds_and_keep_what_stands_between() -> None:
    rows = "".join(f"    -   {{ends: [leaf{n % 8},spine{n % 4}], speed: 200G}}\n" for n in range(5000))
    text = f"name: pod\nlinks:\n    # first\n{rows}    - ends: [a, b]  # last\n"
    start = time.process_time()
    laid_out = format_text(text, "x.yaml")
    assert time.process_time() - start < 2
    assert laid_out.startswith("name: pod\nlinks:\n    # first\n  - {ends: [leaf0, spine0], speed: 200G}\n")
    assert laid_out.endswith("  - {ends: [leaf7, spine3], speed: 200G}\n  - ends: [a, b]    # last\n")


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
