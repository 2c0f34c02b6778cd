"""What raddle does not plan is refused by its name, with what there is instead."""

from __future__ import annotations

import pytest

from raddle import InputError, loads
from raddle.topology.yaml.json_schema import json_schema
from raddle.topology.yaml.refused import REFUSED
from tests.fabrics import SMALL_POD


@pytest.mark.parametrize(
    ("text", "line", "said", "instead"),
    [
        (SMALL_POD + "vrfs: [{name: red}]\n", 5, "hosts are on routed ports", "'base'"),
        (SMALL_POD + "uplink: 1\nwan: []\n", 6, "one key of their own", "external"),
        (SMALL_POD.replace("per_leaf: 2", "per_leaf: 2, nics: {lacp: true}"), 4, "MC-LAG", "bond: true"),
        (SMALL_POD.replace("fabric: {", "fabric: {kind: dragonfly, "), 3, "up and then down", "fat-tree"),
        (SMALL_POD + "models: {box: {ports: 4, voq: true}}\n", 5, "one shared buffer", "'buffer'"),
        (SMALL_POD + "evpn: {}\n", 5, "overlays", "'tenants'"),
    ],
)
def test_a_word_is_refused_where_it_stands(text: str, line: int, said: str, instead: str) -> None:
    with pytest.raises(InputError) as caught:
        loads(text)
    found = next(each for each in caught.value.diagnostics if each.code == "not-planned")
    assert found.span
    assert (found.span.line, said in found.message, instead in found.hint) == (line, True, True)


def test_no_refused_word_is_a_key() -> None:
    keys: set[str] = set()

    def collect(node: object) -> None:
        if isinstance(node, dict):
            keys.update(node.get("properties", {}))
            for each in node.values():
                collect(each)
        elif isinstance(node, list):
            for each in node:
                collect(each)

    collect(json_schema())
    assert {"fabric", "nics", "speed"} <= keys
    assert set(REFUSED) & keys == {"mesh"}  # of uplinks; as a kind of fabric it is refused
