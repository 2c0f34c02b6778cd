"""The JSON Schema accepts what loads, refuses what an editor can see is wrong, and is shipped as printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.topology import bundled_examples
from raddle.topology.yaml.json_schema import json_schema, schema_text, shipped_text

SCHEMA = json_schema()


def problems(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.json_path for error in validator.iter_errors(yaml.safe_load(text))]


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_shipped_copy_is_what_the_command_prints() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert result.stdout == schema_text() == shipped_text()


@pytest.mark.parametrize("name", bundled_examples())
def test_examples_are_valid(name: str) -> None:
    assert problems(bundled_examples()[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("fabric: {leaves: {count: 2}, spines: {count: 0}}", "$.fabric.spines.count"),
        ("fabric: {leaves: {cuont: 2}, spines: {count: 2}}", "$.fabric.leaves"),
        ("hosts: {per_leaf: 2, nics: {speed: 400}}", "$.hosts"),
        ("roce: {ecn: {kmin: 800 kilo}}", "$.roce.ecn.kmin"),
        ("roce: {mtu: 1500}", "$.roce.mtu"),
        ("roce: {pfc: 'on'}", "$.roce.pfc"),
        ("overrides: {links: [{ends: [leaf0, spine0], state: broken}]}", "$.overrides.links[0].state"),
        ("raddle: 2", "$.raddle"),
    ],
)
def test_mistake_is_marked_where_it_stands(text: str, path: str) -> None:
    assert problems(text) == [path]


def test_variables_may_stand_for_numbers_and_quantities() -> None:
    assert problems('fabric: {leaves: {count: "${n}"}, spines: {count: 2}, uplinks: {cable: "${far}"}}') == []


def test_every_key_says_what_it_is() -> None:
    def keys(node: Any, path: str) -> list[str]:
        missing = []
        for name, value in node.get("properties", {}).items():
            if "description" not in value and "$ref" not in value:
                missing.append(f"{path}.{name}")
        return missing

    nested = [each for name, each in SCHEMA["$defs"].items() for each in keys(each, name)]
    # DCQCN's parameters carry the paper's names; model.Dcqcn explains them.
    unsaid = [name for name in [*keys(SCHEMA, "top"), *nested] if not name.startswith("DcqcnSpec")]
    assert unsaid == []


def test_examples_in_the_schema_match_their_patterns() -> None:
    text = Path(__file__).parents[3].joinpath("raddle/topology/fabric.schema.json").read_text()
    assert len(re.findall(r'"pattern"', text)) > 50

    def check(node: Any) -> None:
        if isinstance(node, dict):
            for example in node.get("examples", ()) if "pattern" in node else ():
                assert re.search(node["pattern"], example)
            for value in node.values():
                check(value)
        elif isinstance(node, list):
            for item in node:
                check(item)

    check(SCHEMA)
