"""What commands print with --json is what their published schemas say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator, ValidationError
from typer.testing import CliRunner

from raddle.cli.documents import schema_of
from raddle.cli.main import app
from raddle.cli.schema import DocumentName
from raddle.cli.status import results_json
from raddle.controller.plan.diff import Change
from raddle.controller.reconcile import SwitchResult

FOLDER = Path(__file__).parents[3] / "docs/schemas"
NAMES = sorted(set(get_args(DocumentName)) - {"fabric", "errors"})
SWITCH = SwitchResult("leaf0", "127.0.0.1:1", (Change("leaf0", "PORT/Ethernet0", "a", "b"),), 1, "", True)


def printed(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("name", NAMES)
def test_the_published_schema_is_the_present_one(name: str) -> None:
    """Made anew by `raddle schema NAME > docs/schemas/NAME.schema.json`."""
    Draft202012Validator.check_schema(schema_of(name))
    assert json.loads((FOLDER / f"{name}.schema.json").read_text()) == schema_of(name)


@pytest.mark.parametrize(
    "words",
    [
        ["validate", "failed-links"],
        ["show", "dual-tor-1024"],
        ["show", "leaf-spine-16", "cables"],
        ["plan", "leaf-spine-16"],
        ["plan", "leaf-spine-16", "--routing", "ecmp", "--collisions"],
        ["verify", "leaf-spine-16"],
        ["models", "white-box-12.8t"],
        ["examples"],
        ["examples", "leaf-spine-16"],
    ],
    ids=" ".join,
)
def test_a_document_is_as_its_schema_says(words: list[str]) -> None:
    validator = Draft202012Validator(schema_of(words[0]))
    document = printed(*words)
    validator.validate(document)
    for broken in (document | {"more": 1}, {key: document[key] for key in list(document)[1:]}):
        with pytest.raises(ValidationError):
            validator.validate(broken)


def test_an_update_and_what_it_changes_are_as_their_schemas_say(tmp_path: Path) -> None:
    old = str(tmp_path / "old.json")
    CliRunner().invoke(app, ["plan", "leaf-spine-16", "--routing", "ecmp", "-o", old], catch_exceptions=False)
    for words in (["plan", "leaf-spine-16", "--diff", old], ["verify", "leaf-spine-16", "--from", old]):
        Draft202012Validator(schema_of(words[0])).validate(printed(*words))


def test_results_of_switches_are_as_their_schemas_say() -> None:
    results = (SWITCH, replace(SWITCH, switch="leaf1", error="no answer", is_reached=False))
    links, moves = {"leaf0": ("Ethernet8",)}, ("1 cable moves",)
    for name, more in (("apply", {"by_hand": moves}), ("drift", {}), ("status", {"links": links})):
        document = json.loads(results_json(results, ("base",), **more))
        Draft202012Validator(schema_of(name)).validate(document)
