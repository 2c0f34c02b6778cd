"""Addresses by position: blocks per leaf, /31 links, /32 loopbacks."""

from dataclasses import replace
from ipaddress import IPv4Network, ip_address

import pytest

from raddle.controller.plan import endpoint_addresses, make_plan
from raddle.controller.plan.addresses import plan_addresses
from raddle.errors import InputError
from tests.unit.controller.fabrics import POOLS, leaf_spine


def test_each_leaf_owns_an_aligned_block_that_holds_its_endpoints() -> None:
    fabric = leaf_spine(3, 2, 5)
    addresses = plan_addresses(fabric)
    # 5 host links need 10 addresses; the next power of two is 16.
    assert [str(prefix) for (prefix,) in addresses.leaf_prefixes] == [
        "10.0.0.0/28",
        "10.0.0.16/28",
        "10.0.0.32/28",
    ]
    for endpoint, address in zip(fabric.endpoints, endpoint_addresses(fabric), strict=True):
        assert ip_address(address) in addresses.leaf_prefixes[endpoint.leaf][0]


def test_leaf_port_is_even_and_endpoint_odd_of_one_slash_31() -> None:
    fabric = leaf_spine(2, 1, 2)
    plan = make_plan(fabric, "ecmp")
    assert dict(plan.endpoints)["host1"] == "10.0.0.3"
    leaf0 = {each.name: each.prefix for each in plan.switches[0].interfaces}
    assert leaf0["Ethernet8"] == "10.0.0.2/31"


def test_spine_is_even_and_leaf_odd_on_links_between_switches() -> None:
    plan = make_plan(leaf_spine(2, 2, 1), "ecmp")
    prefixes = {
        switch.name: {each.name: each.prefix for each in switch.interfaces} for switch in plan.switches
    }
    # Links in order: leaf0-spine0, leaf0-spine1, leaf1-spine0, leaf1-spine1.
    assert prefixes["leaf1"]["Ethernet8"] == "172.16.0.5/31"
    assert prefixes["spine0"]["Ethernet8"] == "172.16.0.4/31"


def test_no_address_is_given_twice() -> None:
    plan = make_plan(leaf_spine(4, 4, 4, per_pair=2), "ecmp")
    given = [each.prefix.split("/")[0] for switch in plan.switches for each in switch.interfaces]
    given += [address for _, address in plan.endpoints]
    assert len(given) == len(set(given))


def test_loopbacks_are_host_routes_of_their_pool() -> None:
    plan = make_plan(leaf_spine(2, 2, 1), "ecmp")
    loopbacks = [each.prefix for switch in plan.switches for each in switch.interfaces if "Loop" in each.name]
    assert loopbacks == [f"10.255.0.{i}/32" for i in range(4)]
    assert all(IPv4Network(each).subnet_of(IPv4Network(POOLS.loopbacks)) for each in loopbacks)


def test_all_pools_that_are_too_small_are_named_with_a_size_that_fits() -> None:
    small = replace(POOLS, hosts="10.0.0.0/28", underlay="172.16.0.0/29", loopbacks="10.255.0.0/30")
    with pytest.raises(InputError) as caught:
        plan_addresses(leaf_spine(4, 2, 4, addressing=small))
    text = str(caught.value)
    assert text.count("error[pool-too-small]") == 3
    assert "addressing.hosts is 10.0.0.0/28 with 16 addresses; 4 leaves of 8 addresses need 32" in text
    assert "use at least a /27" in text
    assert "8 links of 2 addresses need 16" in text
    assert "6 switches need 6" in text


def test_hint_of_the_pool_error_is_the_smallest_pool_that_works() -> None:
    exact = replace(POOLS, hosts="10.0.0.0/27", underlay="172.16.0.0/28", loopbacks="10.255.0.0/29")
    assert plan_addresses(leaf_spine(4, 2, 4, addressing=exact)).endpoints[-1] == int(ip_address("10.0.0.31"))
