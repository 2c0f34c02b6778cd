"""Longest-prefix match against a plain search with the standard library's ipaddress."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from raddle.sim.switch_columns import find_groups, group_columns
from raddle.state import RouteState

NONE = 0xFFFFFFFF


@st.composite
def networks(draw: st.DrawFn) -> IPv4Network:
    """Prefixes within 10.0.0.0/24, so that they overlap often, and now and then 0.0.0.0/0."""
    length = draw(st.sampled_from([0, 24, 26, 28, 30, 31, 32]))
    return IPv4Network((0x0A000000 | draw(st.integers(0, 255)), length), strict=False)


@given(st.sets(networks(), max_size=20), st.lists(st.integers(0, 255), min_size=1, max_size=20))
def test_longest_prefix_decides(prefixes: set[IPv4Network], hosts: list[int]) -> None:
    ordered = sorted(prefixes)
    routes = tuple(
        RouteState(int(network.network_address), network.prefixlen, (index, index + 1))
        for index, network in enumerate(ordered)
    )
    addresses = tuple(0x0A000000 | host for host in hosts)
    fib, groups = find_groups(routes, addresses)
    offsets, ports = group_columns(groups)
    for address, group in zip(addresses, fib.tolist(), strict=True):
        matches = [network for network in ordered if IPv4Address(address) in network]
        if not matches:
            assert group == NONE
            continue
        best = ordered.index(max(matches, key=lambda network: network.prefixlen))
        assert ports[offsets[group] : offsets[group + 1]].tolist() == [best, best + 1]


def test_routes_with_the_same_ports_share_a_group() -> None:
    routes = (RouteState(0x0A000000, 31, (4, 5)), RouteState(0x0A000002, 31, (4, 5)))
    fib, groups = find_groups(routes, (0x0A000001, 0x0A000003))
    assert fib.tolist() == [0, 0]
    assert [len(group.ports) for group in groups] == [2]


def test_blackhole_is_a_group_without_ports() -> None:
    fib, groups = find_groups((RouteState(0x0A000000, 24, ()),), (0x0A000001,))
    offsets, ports = group_columns(groups)
    assert (fib.tolist(), offsets.tolist(), ports.tolist()) == ([0], [0, 0], [])


def test_only_raddle_sim_imports_the_native_core() -> None:
    root = Path(__file__).parents[3]
    statement = re.compile(r"^\s*(from|import) raddle(\._core| import .*\b_core\b)", re.MULTILINE)
    users = {
        path.parent.relative_to(root).as_posix()
        for package in ("raddle", "controller", "nos", "traffic")
        for path in (root / package).rglob("*.py")
        if statement.search(path.read_text())
    }
    assert users == {"raddle/sim"}
