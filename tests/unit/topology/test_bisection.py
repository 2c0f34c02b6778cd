"""Bisection of leaves that have hosts in common: hosts against hosts, not one leaf against the other."""

from __future__ import annotations

import pytest

from raddle.topology import loads
from raddle.topology.views.bisection import bisection_bps, bisection_is_estimate

G = 10**9


def _fabric(form: str, hosts: str, more: str = "") -> str:
    return f"raddle: 1\nname: halves\nfabric: {{{form}}}\nhosts: {{{hosts}}}\n{more}"


@pytest.mark.parametrize("bond", ["true", "false"])
@pytest.mark.parametrize(("hosts", "is_estimate"), [(3, True), (4, False)])
def test_two_tors_without_spines_carry_half_of_their_hosts(bond: str, hosts: int, is_estimate: bool) -> None:
    nics = f"nics: {{count: 1, ports: 2, bond: {bond}, speed: 200G}}"
    fabric = loads(_fabric("tors: 2, leaves: {count: 2}", f"per_leaf: {hosts}, {nics}"))
    assert bisection_bps(fabric) == hosts * 2 * 200 * G // 2
    assert bisection_is_estimate(fabric) == is_estimate


@pytest.mark.parametrize(
    ("leaves", "gbps", "is_estimate"),
    [
        (2, 16 * 2 * 400 // 2, False),  # One pair of ToRs: 8 hosts against 8, through their leaves.
        (4, 4 * 8 * 400 // 2, False),  # Two pairs of them: the uplinks of one.
        (6, 6 * 8 * 400 // 2, True),  # Three cannot be halved.
    ],
)
def test_pairs_of_tors_under_spines_are_halved_as_pairs(leaves: int, gbps: int, is_estimate: bool) -> None:
    form = f"tors: 2, leaves: {{count: {leaves}}}, spines: {{count: 2}}, uplinks: {{per_pair: 4}}"
    fabric = loads(_fabric(form, "per_leaf: 16, nics: {count: 1, ports: 2, bond: true, speed: 400G}"))
    assert bisection_bps(fabric) == gbps * G
    assert bisection_is_estimate(fabric) == is_estimate


def test_one_group_of_rails_carries_half_of_its_hosts() -> None:
    form = "kind: rail-optimized, leaves: {count: 4}, spines: {count: 1}"
    fabric = loads(_fabric(form, "per_leaf: 4, nics: {count: 4, speed: 400G}"))
    assert bisection_bps(fabric) == 4 * 4 * 400 * G // 2
    assert not bisection_is_estimate(fabric)


def test_a_missing_link_of_a_bond_takes_half_of_itself_and_not_all() -> None:
    hosts = "per_leaf: 4, nics: {count: 1, ports: 2, bond: true, speed: 200G}"
    dead = "overrides: {links: [{ends: [leaf1, host0], state: down}]}\n"
    fabric = loads(_fabric("tors: 2, leaves: {count: 2}", hosts, dead))
    assert bisection_bps(fabric) == 7 * 200 * G // 2
    assert bisection_is_estimate(fabric)


def test_leaves_that_few_hosts_have_in_common_are_no_group() -> None:
    """A chain: what the ends have between them is what the middle lets through, not half of all."""
    devices = "".join(f"  leaf{i}: {{role: leaf}}\n" for i in range(4))
    devices += "".join(f"  host{i}: {{role: host, nics: {{count: 2}}}}\n" for i in range(3))
    ends = [(f"host{i}:eth{k}", f"leaf{i + k}:Ethernet{8 * (1 - k)}") for i in range(3) for k in range(2)]
    links = "".join(f'  - {{ends: ["{a}", "{b}"]}}\n' for a, b in ends)
    fabric = loads(f"raddle: 1\nname: chain\ndevices:\n{devices}links:\n{links}")
    assert bisection_bps(fabric) == 0
    assert bisection_is_estimate(fabric)
