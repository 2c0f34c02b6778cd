"""Every code stands on a page and in a test; docs/errors.md has those of a fabric file, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/errors.md").read_text(encoding="utf-8")

CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")

RAISERS = {
    *("Diagnostic", "Finding", "of", "error", "problem", "refuse", "unreadable"),
    *("field", "_note", "_stop", "_warn"),
}
FORMATTED = {"duplicate-priority", "duplicate-dscp"}
"""Codes that `f"duplicate-{key}"` makes."""


def codes_of(path: Path) -> Iterator[str]:
    """Texts that are the first argument of what makes a diagnostic."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
        if name in RAISERS:
            first = node.args[0]
            either = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
            for each in either:
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.value


def documented(part: str) -> list[str]:
    return re.findall(r"^\| `([a-z0-9-]+)` \|", part, re.MULTILINE)


def every_code() -> dict[str, Path]:
    """All codes of the program, with a file that raises each."""
    found: dict[str, Path] = {}
    for folder in ("raddle", "controller", "nos", "traffic"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "_gen" not in path.parts:
                found |= {code: path for code in codes_of(path) if CODE.fullmatch(code)}
    return found


def test_page_and_code_have_the_same_codes() -> None:
    fabric, rest = PAGE.split("## From the planner")
    planner = rest.split("## From commands")[0]
    commands = [ROOT / f"raddle/cli/{name}.py" for name in ("fmt", "init", "schema", "show", "validate")]
    paths = [*(ROOT / "raddle/topology").rglob("*.py"), *commands]
    topology = {code for path in paths for code in codes_of(path)}
    assert set(documented(fabric)) == topology | FORMATTED
    plan = {code for path in (ROOT / "controller/plan").glob("*.py") for code in codes_of(path)}
    assert set(documented(planner)) <= plan


def test_each_code_is_documented_once() -> None:
    codes = documented(PAGE)
    assert len(codes) == len(set(codes))


def test_most_codes_have_an_example() -> None:
    golden = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.txt"))
    shown = set(re.findall(r"error\[([a-z0-9-]+)\]", golden))
    errors = documented(PAGE.split("## Warnings")[0])
    # The others need a file of another size, place or kind, or a name that no file has; test_golden_errors,
    # test_include, test_networks and test_platform_files make them.
    others = {"unreadable-file", "file-too-large", "too-many-problems", "too-many-includes", "bad-text"}
    others |= {"no-such-network", "bad-platform-file"}
    assert set(errors) - shown <= others


def test_every_code_of_the_program_stands_on_a_page() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    assert [f"{code} ({path.name})" for code, path in every_code().items() if f"`{code}`" not in pages] == []


def test_every_code_of_the_program_stands_in_a_test() -> None:
    """Which asks for its text: test_command_codes for those of commands, the files here for their own."""
    paths = [path for kind in ("py", "txt") for path in (ROOT / "tests").rglob(f"*.{kind}")]
    tests = "".join(path.read_text(errors="replace") for path in paths if path != Path(__file__))
    tested = set(re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+", tests))
    assert [f"{code} ({path.name})" for code, path in every_code().items() if code not in tested] == []
