"""One link among parallel ones is named by its number, in overrides and in faults."""

from __future__ import annotations

import pytest

from raddle.errors import InputError
from raddle.lab.run.faults import parse_failure
from raddle.topology import loads
from raddle.topology.model import Fabric
from raddle.topology.naming import natural

FORM = """
raddle: 1
name: t
fabric: {leaves: {count: 2}, spines: {count: 1}, uplinks: {per_pair: 12}}
hosts: {per_leaf: 1}
"""


def down(fabric: Fabric) -> list[str]:
    return [str(link.a) for link in fabric.links if not link.is_up]


def test_numbers_count_from_0_in_the_order_of_the_ports() -> None:
    # A port to the host, then twelve of 8 lanes each: number 10 is the eleventh of them.
    text = FORM + "overrides: {links: [{ends: [leaf0, spine0], number: 10, state: down}]}\n"
    assert down(loads(text)) == ["leaf0:Ethernet88"]


def test_the_end_that_is_named_first_counts() -> None:
    text = FORM + "overrides: {links: [{ends: [spine0, leaf1], number: 0, state: down}]}\n"
    (link,) = [link for link in loads(text).links if not link.is_up]
    assert str(link.b) == "spine0:Ethernet96"


def test_one_of_parallel_links_is_removed() -> None:
    text = FORM + "overrides: {remove: [{ends: [leaf0, spine0], number: 3}]}\n"
    assert len(loads(text).links) == len(loads(FORM).links) - 1


def test_a_number_past_the_last_link_is_refused() -> None:
    with pytest.raises(InputError, match="no link number 12 between 'leaf0' and 'spine0'"):
        loads(FORM + "overrides: {links: [{ends: [leaf0, spine0], number: 12, state: down}]}\n")


def test_a_fault_names_a_link_by_its_devices_and_number() -> None:
    assert str(parse_failure(loads(FORM), "leaf0:spine0#10@20us")[0].port) == "leaf0:Ethernet88"
    assert str(parse_failure(loads(FORM), "spine0:leaf0#2@20us")[0].port) == "spine0:Ethernet16"


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("leaf0:spine0", "has 12 links"),
        ("leaf0:spine0#12", "none of the 12 links"),
        ("leaf0:spine0#-1", "none of the 12 links"),
        ("leaf0:leaf1#0", "is at no link"),
    ],
)
def test_a_fault_that_names_no_single_link_is_refused(where: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_failure(loads(FORM), f"{where}@20us")


def test_names_sort_as_people_read_them() -> None:
    names = ["Ethernet16", "leaf10:Ethernet0", "Ethernet8", "leaf9:Ethernet112", "leaf9:Ethernet24"]
    assert sorted(names, key=natural) == [
        "Ethernet8", "Ethernet16", "leaf9:Ethernet24", "leaf9:Ethernet112", "leaf10:Ethernet0",
    ]  # fmt: skip
