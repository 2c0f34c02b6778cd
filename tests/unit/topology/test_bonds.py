"""NICs whose two ports are one bond: what the fabric makes of them, and what it refuses."""

from __future__ import annotations

import pytest

from raddle import InputError, loads
from raddle.controller.plan.addresses import address_families
from tests.fabrics import BONDED, DUAL_TOR, leaf_spine


def test_both_ports_of_a_bond_have_one_address_and_their_leaves_one_block_and_mac() -> None:
    fabric = loads(BONDED)
    plan = address_families(fabric)[0]
    ends = fabric.endpoints
    assert [each.twin for each in ends] == [1, 0, 3, 2, 5, 4, 7, 6]
    assert all(plan.endpoints[each.index] == plan.endpoints[each.twin or 0] for each in ends)
    assert len(set(plan.endpoints)) == 4
    assert {fabric.switches[each.leaf].name for each in ends[:2]} == {"leaf0", "leaf1"}
    assert fabric.follower_leaves == {1: 0, 3: 2}
    assert [len(own) for own in plan.leaf_prefixes] == [1, 0, 1, 0]
    assert plan.link_ends[ends[0].link] == plan.link_ends[ends[1].link]
    assert [fabric.switches[0].mac == fabric.switches[leaf].mac for leaf in (1, 2)] == [True, False]
    assert (fabric.routing.policy, fabric.routing.is_declared) == ("ecmp", True)


def test_without_bonds_each_port_has_an_address_of_its_own() -> None:
    fabric = loads(DUAL_TOR)
    assert len(set(address_families(fabric)[0].endpoints)) == 8
    assert fabric.follower_leaves == {}


EXPLICIT = """
raddle: 1
name: two
devices:
  leaf0: {role: leaf}
  leaf1: {role: leaf}
  leaf2: {role: leaf}
  spine0: {role: spine}
  host0: {role: host, nics: {count: 1, ports: 2, bond: true}}
  host1: {role: host, nics: {count: 1, ports: 2, bond: true}}
links:
  - {ends: ["host0:eth0p0", "leaf0:Ethernet0"]}
  - {ends: ["host0:eth0p1", "leaf1:Ethernet0"]}
  - {ends: ["host1:eth0p0", "leaf0:Ethernet8"]}
  - {ends: ["host1:eth0p1", "leaf1:Ethernet8"]}
  - {ends: ["leaf0:Ethernet16", "spine0:Ethernet0"]}
  - {ends: ["leaf1:Ethernet16", "spine0:Ethernet8"]}
  - {ends: ["leaf2:Ethernet16", "spine0:Ethernet16"]}
"""


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (leaf_spine().replace("per_leaf: 2", "per_leaf: 2, nics: {bond: true}"), 4, "NICs of 1"),
        (BONDED.replace("tors: 2, ", ""), 4, "has both ports on 'leaf0'"),
        (BONDED.replace("tors: 2", "planes: 2"), 4, "on leaves of two planes"),
        (BONDED + "routing: {policy: pinned}\n", 5, "flows to bonds are not pinned"),
        (BONDED + "record: there.json\n", 5, "'record' does not know bonds"),
        (
            EXPLICIT.replace("leaf1:Ethernet8", "leaf2:Ethernet8"),
            10,
            "'leaf0' has bonds with 'leaf2' and with 'leaf1'",
        ),
        (
            EXPLICIT.replace(
                "host1: {role: host, nics: {count: 1, ports: 2, bond: true}}",
                "host1: {role: host, nics: {ports: 2}}",
            ),
            10,
            "'host1:eth0p0' is no bond, on 'leaf0' that has bonds with 'leaf1'",
        ),
        (
            EXPLICIT.replace('"leaf1:Ethernet0"]', '"leaf1:Ethernet0"], speed: 200G'),
            13,
            "links of two speeds",
        ),
    ],
)
def test_what_is_no_bond_is_refused_where_it_stands(text: str, line: int, said: str) -> None:
    with pytest.raises(InputError) as caught:
        loads(text)
    first = caught.value.diagnostics[0]
    assert first.code == "bad-bond"
    assert said in first.message
    assert first.span
    assert first.span.line == line
    assert first.hint


def test_an_explicit_fabric_has_bonds_too() -> None:
    assert loads(EXPLICIT).follower_leaves == {1: 0}
