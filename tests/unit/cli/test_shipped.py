"""`raddle models` and `raddle examples` list what is there, within 80 columns."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.topology import bundled_examples, loads
from raddle.topology.catalog import builtin_models


def printed(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None, result.exception
    return result.stdout


def test_every_model_is_listed_and_told_with_its_source() -> None:
    lines = printed("models").splitlines()
    assert {line.split()[0] for line in lines} >= set(builtin_models())
    for name, model in builtin_models().items():
        told = printed("models", name)
        assert model.source.split()[0] in told
        assert max(map(len, [*lines, *told.splitlines()])) <= 80
    (only,) = json.loads(printed("models", "tomahawk5-64x800g", "--json"))["models"]
    assert only["port_count"] * only["port_speed_bps"] == 51_200 * 10**9


def test_every_example_is_listed_and_printed_as_it_is() -> None:
    lines = printed("examples").splitlines()
    assert {line.split()[0] for line in lines} >= set(bundled_examples())
    assert max(map(len, lines)) <= 80
    assert loads(printed("examples", "leaf-spine-16")).name == "leaf-spine-16"
    listed = json.loads(printed("examples", "--json"))["examples"]
    assert [each["name"] for each in listed] == list(bundled_examples())
    assert json.loads(printed("examples", "leaf-spine-16", "--json"))["text"].startswith("# 16 hosts")
