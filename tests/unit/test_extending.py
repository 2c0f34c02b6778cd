"""The recipes of docs/extending.md name files and folders that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPES = re.split(r"^## ", (ROOT / "docs/extending.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda text: text.partition("\n")[0])
def test_the_files_of_a_recipe_are_there(recipe: str) -> None:
    paths = re.findall(r"`([a-z_]+/[a-zA-Z0-9_./]+)`", recipe)
    assert len(paths) >= 2
    assert [path for path in paths if not (ROOT / path).exists()] == []
