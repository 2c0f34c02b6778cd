from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from raddle.controller.plan import make_plan
from raddle.controller.plan.model import PolicyRoute
from raddle.controller.ptf.suite import suite
from tests.unit.controller.fabrics import leaf_spine, ring

PLAN = make_plan(leaf_spine(leaves=2, spines=2, hosts_per_leaf=2), "pinned", ring([0, 1, 2, 3]))


@pytest.mark.parametrize("switch", PLAN.switches, ids=lambda switch: switch.name)
def test_every_route_and_pin_has_a_test_whose_packets_no_longer_prefix_takes(switch: object) -> None:
    plan = next(each for each in PLAN.switches if each is switch)
    tests = {test["name"]: test for test in suite(PLAN, plan.name)["tests"]}
    numbers = {port.name: number for number, port in enumerate(plan.ports, 1)}
    prefixes = [ip_network(route.prefix) for route in plan.routes]
    for route in plan.routes:
        test = tests[f"{'pin' if route.origin == 'pin' else 'route'} {route.prefix}"]
        assert test["egress"] == {str(numbers[hop.port]): hop.weight for hop in route.next_hops}
        target = ip_address(test["destination"])
        longest = max((each for each in prefixes if target in each), key=lambda each: each.prefixlen)
        assert str(longest) == route.prefix


def test_queues_and_what_is_dropped_have_tests() -> None:
    document = suite(PLAN, "leaf0")
    queues = {test["queue"]: test["dscp"] for test in document["tests"] if test["kind"] == "queue"}
    assert queues == {0: 0, 3: 26, 6: 48}
    drops = {test["what"] for test in document["tests"] if test["kind"] == "drop"}
    assert drops == {"another MAC", "broadcast", "VLAN 7", "TTL 1", "LLDP", "own address"}
    assert {port["peer_mac"] for port in document["ports"].values()} >= {"02:01:0a:00:00:01"}


def test_a_pin_of_two_addresses_is_tested_with_both_and_a_route_with_another_source() -> None:
    leaf = PLAN.switches[0]
    hop = next(route for route in leaf.routes if route.origin == "fabric").next_hops[1]
    policed = replace(leaf, policies=(PolicyRoute("10.0.0.1/32", "10.0.0.4/32", hop),))
    plan = replace(PLAN, switches=(policed, *PLAN.switches[1:]))
    tests = {test["name"]: test for test in suite(plan, "leaf0")["tests"]}
    pin = tests["pin 10.0.0.1/32 10.0.0.4/32"]
    assert (pin["source"], pin["destination"], list(pin["egress"])) == ("10.0.0.1", "10.0.0.4", ["4"])
    route = tests["route 10.0.0.4/30"]
    assert (route["destination"], route["source"]) == ("10.0.0.4", "10.0.0.3")
