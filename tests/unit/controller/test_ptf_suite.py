from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from raddle.controller.plan import make_plan
from raddle.controller.plan.model import PolicyRoute
from raddle.controller.ptf.access_lists import AccessLists
from raddle.controller.ptf.suite import NO_LISTS, suite
from raddle.state import AclMatch, ListedRule, ListedTable
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


EDGE = ListedTable(
    "EDGE",
    False,
    (0, 1),
    (
        ListedRule("SSH", True, 50, (AclMatch("ip_protocol", 6, 0xFF), AclMatch("l4_dst_port", 22, 0xFFFF))),
        ListedRule("CLASS", False, 40, (AclMatch("dscp", 26, 0x3F),), in_ports=(0,)),
        ListedRule("FAR", True, 30, (AclMatch("dst_ip", 0xFFFF_0A00_0004, 2**128 - 4),)),
        ListedRule("HIDDEN", True, 20, (AclMatch("dst_ip", 0xFFFF_0A00_0005, -1), AclMatch("dscp", 0, 0x3F))),
        ListedRule("ELSEWHERE", True, 10, (AclMatch("ether_type", 0x88CC, 0xFFFF),)),
    ),
)
OUT = ListedTable(
    "OUT", True, (1,), (ListedRule("SLOW", True, 10, (AclMatch("l4_src_port", 1024, last=2047),)),)
)
DARK = ListedTable("DARK", False, (9,), (ListedRule("ANY", True, 10),))


def test_each_rule_of_an_access_list_has_packets_at_its_ports_or_a_reason() -> None:
    leaf = PLAN.switches[0]
    ports = (*(port.name for port in leaf.ports), "Ethernet900")
    dark = replace(DARK, ports=(len(leaf.ports),))
    lists = AccessLists((EDGE, OUT, dark), ports, (("CP S1", "it is for the switch itself"),))
    document = suite(PLAN, "leaf0", lists)
    tests = {
        test["name"].removeprefix("acl "): test["packets"] for test in document["tests"] if "packets" in test
    }
    assert tests.keys() == {"EDGE SSH", "EDGE CLASS", "EDGE FAR", "OUT SLOW"}
    ssh = tests["EDGE SSH"]
    # One that is dropped and one beside it, at both ports.
    assert [(each["ingress"], bool(each["egress"])) for each in ssh][:4] == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
    ]
    assert {(each["protocol"], each["destination_port"]) for each in ssh[:4] if not each["egress"]} == {
        (6, 22)
    }
    beside = {each["destination_port"] for each in ssh[4:]}  # at its edges
    assert beside == {21, 23}
    by_class, *_ = tests["EDGE CLASS"]
    assert (by_class["ingress"], by_class["dscp"], bool(by_class["egress"])) == (1, 26, True)
    assert {each["destination"] for each in tests["EDGE FAR"] if not each["egress"]} <= {
        f"10.0.0.{last}" for last in range(4, 8)
    }
    slow = [each for each in tests["OUT SLOW"] if not each["egress"]]
    assert {each["destination"] for each in slow} == {"10.0.0.3"}  # host1, at the list's port
    assert all(1024 <= each["source_port"] < 2048 for each in slow)
    about = "access list rule "
    lines = [line.removeprefix(about) for line in document["left_out"] if line.startswith(about)]
    left_out = dict(line.split(": ", 1) for line in lines)
    assert "edges dst_ip 10.0.0.8" in left_out["EDGE FAR"]  # without a route
    assert left_out["CP S1"] == "it is for the switch itself"
    assert (
        left_out["EDGE HIDDEN"]
        == "other rules of its list, of no lower priority, take or may take every packet that was tried"
    )
    assert left_out["EDGE ELSEWHERE"] == "no routed packet that was tried surely fits it"
    assert left_out["DARK ANY"] == "its list is at no port with a cable"


def test_routes_whose_packets_a_list_drops_have_no_test_and_a_suite_without_lists_says_so() -> None:
    everything = ListedTable(
        "ALL", False, tuple(range(8)), (ListedRule("ROCE", True, 10, (AclMatch("l4_dst_port", 4791, -1),)),)
    )
    ports = tuple(port.name for port in PLAN.switches[0].ports)
    document = suite(PLAN, "leaf0", AccessLists((everything,), ports))
    kinds = {test["kind"] for test in document["tests"]}
    assert kinds == {"drop", "acl"}
    assert any(line.startswith("route 10.0.0.4/30: access lists drop") for line in document["left_out"])
    assert NO_LISTS not in document["left_out"]
    assert NO_LISTS in suite(PLAN, "leaf0")["left_out"]


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
