"""requirements.lock has every package that pyproject.toml asks for, in a version that it admits."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def test_every_declared_package_is_locked_in_a_version_that_it_admits() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(text for extra in extras.values() for text in extra)]
    declared = [Requirement(text) for text in wanted]
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = [Requirement(line) for line in lines if not line.startswith("#")]
    pins: dict[str, set[str]] = {}
    for each in locked:
        pins.setdefault(canonicalize_name(each.name), set()).add(str(each.specifier).removeprefix("=="))
    for each in declared:
        versions = pins.get(canonicalize_name(each.name), set())
        assert versions, f"{each.name} is not in requirements.lock; run scripts/lock"
        assert all(each.specifier.contains(version) for version in versions), f"{each}: {versions}"
