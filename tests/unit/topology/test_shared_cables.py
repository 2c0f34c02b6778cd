"""Cables of several links: which can be plugged in as they are, and which are partly empty."""

from __future__ import annotations

import pytest

from raddle.topology import find, load, loads
from raddle.topology.views.capacity import cable_warnings

TIER = "{{count: 2, model: spectrum4-64x800g, breakout: 4x200G}}"
TEXT = f"""\
raddle: 1
name: cables
fabric: {{{{planes: {{planes}}, leaves: {TIER}, spines: {TIER}, uplinks: {{{{{{uplinks}}}}}}}}}}
hosts: {{{{per_leaf: 4, nics: {{{{count: 4, ports: {{planes}}, speed: 200G, links_per_cable: {{links}}}}}}}}}}
"""


def _codes(text: str) -> list[tuple[str, object]]:
    return [(each.code, each.place[-2]) for each in cable_warnings(loads(text))]


@pytest.mark.parametrize(
    ("planes", "links", "uplinks", "expected"),
    [
        (3, 1, "per_pair: 1", []),
        # Four links go round three planes: each leaf's cages have links of several hosts' cables.
        (3, 4, "per_pair: 1", [("shuffle-cable", "nics")]),
        # All four NICs of a host are on one leaf, in one cage.
        (1, 4, "per_pair: 1", []),
        # Two halves of a cage, as twin-port optics have them.
        (1, 2, "per_pair: 1", []),
        (1, 3, "per_pair: 1", [("cable-not-full", "nics")]),
        (1, 1, "per_pair: 4, links_per_cable: 4", []),
        # Each leaf has three links to each of two spines: the second cable goes to both and has two links.
        (
            1,
            1,
            "per_pair: 3, links_per_cable: 4",
            [("cable-not-full", "uplinks")],
        ),
    ],
)
def test_cables_are_warned_of_where_they_are_shuffled_or_partly_empty(
    planes: int, links: int, uplinks: str, expected: list[tuple[str, str]]
) -> None:
    found = _codes(TEXT.format(planes=planes, links=links, uplinks=uplinks))
    assert [each for each in found if each in expected] == expected
    if not expected:
        assert found == []


def test_the_example_of_two_links_to_a_cable_has_no_warning() -> None:
    assert not list(cable_warnings(load(find("three-networks-2048"))))
