"""Pools that a file does not give fit the fabric."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import combinations

import pytest

import raddle
from raddle.controller.plan.addresses import plan_addresses
from raddle.topology.forms.checks import _check_pools
from raddle.topology.forms.pools import LARGE
from raddle.topology.yaml.schema_policy import AddressingSpec
from raddle.topology.yaml.source import parse

WIDE = """\
raddle: 1
name: wide
fabric: {{leaves: {{count: {leaves}, model: tomahawk4-64x400g}}}}
hosts: [{{per_leaf: 64, groups: 0}}, {{per_leaf: 1, groups: 1-{last}, name: "h{{i}}"}}]
"""


def wide(leaves: int, more: str = "") -> raddle.Fabric:
    """Leaves with blocks of 128 addresses each."""
    return raddle.loads(WIDE.format(leaves=leaves, last=leaves - 1) + more)


def numbers(fabric: raddle.Fabric) -> dict[str, int]:
    """Address of each endpoint by name."""
    names = (endpoint.name for endpoint in fabric.endpoints)
    return dict(zip(names, plan_addresses(fabric).endpoints, strict=True))


def test_a_pool_that_is_too_small_is_larger_and_the_others_are_as_ever() -> None:
    before, after = wide(512), wide(513)
    assert (before.addressing.hosts, after.addressing.hosts) == ("10.0.0.0/16", "10.0.0.0/9")
    assert after.addressing.loopbacks == before.addressing.loopbacks
    assert after.addressing.underlay == before.addressing.underlay
    assert numbers(before).items() <= numbers(after).items()


def test_a_pool_that_the_file_gives_stays_and_is_refused() -> None:
    with pytest.raises(raddle.InputError, match="pool-too-small"):
        plan_addresses(wide(513, "addressing: {hosts: 10.0.0.0/16}\n"))


def test_larger_pools_hold_the_defaults_and_meet_no_other() -> None:
    usual = AddressingSpec()
    for name, pool in LARGE.items():
        assert ip_network(getattr(usual, name)).subnet_of(ip_network(pool))  # type: ignore[arg-type]
    for one, other in combinations(LARGE, 2):
        for pools in ((LARGE[one], LARGE[other]), (LARGE[one], getattr(usual, other))):
            assert not ip_network(pools[0]).overlaps(ip_network(pools[1]))


@pytest.mark.parametrize(
    ("addressing", "hint"),
    [
        ("", "write 'addressing: {hosts: a /29 or larger}'"),
        ("addressing: {loopbacks: 10.1.0.0/24}\n", "write 'addressing: {hosts: a /29 or larger}'"),
        ("addressing: {hosts: 10.0.0.0/30}\n", "make it a /29 or larger"),
    ],
)
def test_a_pool_that_is_too_small_says_where_it_is_to_be_written(addressing: str, hint: str) -> None:
    """Networks of a file have pools of their own that are not given and do not grow."""
    source = parse(f"raddle: 1\nname: t\nfabric: {{}}\n{addressing}", "t.yaml")
    needs = {"hosts": (8, "4 host links")}
    (found,) = _check_pools({"hosts": ip_network("10.0.0.0/30")}, needs, ("addressing",), source)
    assert (found.code, found.hint) == ("pool-too-small", hint)
