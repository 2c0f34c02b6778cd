"""Packet tests beside access lists: only packets whose way is sure, whatever the suite does not model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from raddle.controller.plan import make_plan
from raddle.controller.ptf.access_lists import AccessLists
from raddle.controller.ptf.suite import suite
from raddle.errors import InputError
from raddle.lab.switches.access_lists import lists_of_config
from raddle.lab.switches.reported import planned_switch
from raddle.state import AclMatch, ListedRule, ListedTable
from tests.unit.controller.fabrics import leaf_spine, ring

PLAN = make_plan(leaf_spine(leaves=2, spines=2, hosts_per_leaf=2), "pinned", ring([0, 1, 2, 3]))
LEAF = PLAN.switches[0]
PORTS = tuple(port.name for port in LEAF.ports)
ALL = tuple(range(len(PORTS)))
SESSION = {"type": "ERSPAN", "src_ip": "10.0.0.1", "dst_ip": "10.9.9.9", "dscp": "8", "ttl": "64"}
CUSTOM = {"MATCHES": ["IP_PROTOCOL", "L4_DST_PORT"], "ACTIONS": ["PACKET_ACTION", "MIRROR_INGRESS_ACTION"]}


def udp(port: str, value: int) -> tuple[AclMatch, ...]:
    return AclMatch("ip_protocol", 17, 0xFF), AclMatch(port, value, 0xFFFF)  # type: ignore[arg-type]


def suite_of(*rules: ListedRule, absent_port: int | None = None) -> dict[str, Any]:
    table = ListedTable("L", False, ALL, rules)
    return suite(PLAN, LEAF.name, AccessLists((table,), PORTS, absent_port=absent_port))


def over_sonic(rules: Mapping[str, Mapping[str, str]], kind: str = "L3") -> dict[str, Any]:
    config = dict(planned_switch(LEAF).config) | {
        "ACL_TABLE_TYPE": {"CUSTOM": CUSTOM},
        "ACL_TABLE": {"A": {"type": kind, "stage": "ingress", "ports": list(PORTS)}},
        "ACL_RULE": {f"A|{name}": dict(rule) for name, rule in rules.items()},
        "MIRROR_SESSION": {"s1": SESSION},
    }
    return suite(PLAN, LEAF.name, lists_of_config(LEAF.name, config))  # type: ignore[arg-type]


def packets(document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {
        test["name"].removeprefix("acl "): test["packets"] for test in document["tests"] if "packets" in test
    }


def about(document: Mapping[str, Any], what: str) -> list[str]:
    return [line for line in document["left_out"] if line.startswith(what)]


def test_beside_udp_that_is_dropped_tcp_comes_out_and_where_nothing_does_it_is_said() -> None:
    found = packets(over_sonic({"D": {"PRIORITY": "9", "PACKET_ACTION": "DROP", "IP_PROTOCOL": "17"}}))["A D"]
    assert {each["protocol"] for each in found if each["egress"]} == {6}
    document = suite_of(ListedRule("ANY", True, 1))
    assert not any(each["egress"] for each in packets(document)["L ANY"])
    (line,) = about(document, "access list rule L ANY")
    assert "no packet beside those that are dropped was found that surely comes out" in line


def test_all_packets_of_routes_and_queues_are_beside_the_lists() -> None:
    document = suite_of(ListedRule("ONE", True, 1, udp("l4_src_port", 0xC005)))
    sent = [
        test for test in document["tests"] if test["kind"] in ("route", "pin", "queue") and test["flows"] > 5
    ]
    assert sent
    for test in sent:
        ports = range(test["source_port"], test["source_port"] + test["flows"])
        assert 0xC005 not in ports
    source = AclMatch("src_ip", 0xFFFF_C612_0010, (1 << 128) - 16)  # 198.18.0.16/28, but not the first flow's
    spread = [
        test for test in suite_of(ListedRule("SOME", True, 1, (source,)))["tests"] if test["kind"] == "route"
    ]
    many = [test for test in spread if len(test["egress"]) > 1 and "." in test["destination"]]
    assert many
    assert {test["spread"] for test in many} == {"198.19.0.1"}
    high = AclMatch("l4_src_port", 0x4000, last=0xFFFF)
    left_out = suite_of(ListedRule("HIGH", True, 1, (high,)))["left_out"]
    assert "route 10.0.0.4/30: access lists drop its packets" in left_out
    odd = suite_of(ListedRule("ODD", True, 1, (AclMatch("l4_src_port", 1, 1),)))["left_out"]
    assert "route 10.0.0.4/30: access lists drop, or may drop, some of its packets" in odd


def test_packets_without_ports_have_port_0_on_fabric_p4_and_none_that_is_known_elsewhere() -> None:
    low = ListedRule("LOW", True, 20, (AclMatch("l4_dst_port", 0, 0xFC00),))
    icmp = ListedRule("ICMP", False, 10, (AclMatch("ip_protocol", 1, 0xFF),))
    for absent in (0, None):
        assert packets(suite_of(low, icmp, absent_port=absent)).keys() == {"L LOW"}
    high = ListedRule("HIGH", True, 20, (AclMatch("l4_dst_port", 0x8000, 0x8000),))
    assert "L ICMP" in packets(suite_of(high, icmp, absent_port=0))
    assert "L ICMP" not in packets(suite_of(high, icmp))


def test_rules_of_one_priority_act_in_no_order() -> None:
    keep = ListedRule("KEEP", False, 5, (AclMatch("dscp", 26, 0x3F),))
    drop = ListedRule("DROP", True, 5, (AclMatch("dscp", 0x1A, 0x1A),))
    document = suite_of(keep, drop)
    assert packets(document).keys() == {"L DROP"}
    assert 26 not in {each["dscp"] for each in packets(document)["L DROP"]}
    assert 26 not in {test["dscp"] for test in document["tests"] if test["kind"] == "queue"}


@pytest.mark.parametrize(
    ("field", "value"), [("TCP_FLAGS", "0x02/0x02"), ("ICMP_TYPE", "10"), ("VLAN_ID", "7")]
)
def test_what_looks_at_other_fields_may_take_any_packet(field: str, value: str) -> None:
    tcp = {"IP_PROTOCOL": "6"}
    document = over_sonic(
        {
            "R1": {"PRIORITY": "100", "PACKET_ACTION": "DROP", field: value, **tcp},
            "R2": {"PRIORITY": "50", "PACKET_ACTION": "FORWARD", "L4_DST_PORT": "5001", **tcp},
            "R3": {"PRIORITY": "40", "PACKET_ACTION": "DROP", "L4_DST_PORT": "5001"},
        }
    )
    found = packets(document)
    assert found.keys() == {"A R3"}  # of UDP
    assert {each["protocol"] for each in found["A R3"]} == {17}
    assert about(document, "access list rule A R1") == [
        f"access list rule A R1: it looks at {field}, which the tests do not vary"
    ]


def test_protocols_and_addresses_that_switches_drop_by_themselves_are_not_sent() -> None:
    for match in (
        AclMatch("ip_protocol", 51, 0xFF),
        AclMatch("src_ip", 0xFFFF_F000_0000, (1 << 128) - (1 << 28)),
        AclMatch("src_ip", 0xFFFF_0000_0000, (1 << 128) - (1 << 24)),
        AclMatch("l4_dst_port", 67, 0xFFFF),
    ):
        document = suite_of(ListedRule("R", False, 1, (match,)), absent_port=0)
        assert not packets(document)
        assert about(document, "access list rule L R: no routed packet")


@pytest.mark.parametrize(
    "redirect", [{"PACKET_ACTION": "REDIRECT:Ethernet8"}, {"REDIRECT_ACTION": "10.0.0.9"}]
)
def test_redirected_packets_are_in_no_test(redirect: dict[str, str]) -> None:
    far = {"DST_IP": "10.0.0.4/30"}
    document = over_sonic(
        {
            "R1": {"PRIORITY": "100", **redirect, **far},
            "R2": {"PRIORITY": "50", "PACKET_ACTION": "DROP", **far},
            "R3": {"PRIORITY": "40", "PACKET_ACTION": "DROP", "IP_PROTOCOL": "6"},
        }
    )
    assert packets(document).keys() == {"A R3"}
    assert "access list rule A R1: it redirects packets" in document["left_out"]
    assert "10.0.0.4" not in {test["destination"] for test in document["tests"] if "destination" in test}
    assert not {"10.0.0.4"} & {each["destination"] for each in packets(document)["A R3"]}


def test_a_mirror_rule_may_take_packets_as_its_session_may_be_up() -> None:
    document = over_sonic(
        {
            "M": {"PRIORITY": "9", "MIRROR_INGRESS_ACTION": "s1", "L4_DST_PORT": "4791"},
            "D": {"PRIORITY": "5", "PACKET_ACTION": "DROP", "IP_PROTOCOL": "17"},
        },
        "CUSTOM",
    )
    dropped = [each for each in packets(document)["A D"] if not each["egress"]]
    assert dropped
    assert 4791 not in {each["destination_port"] for each in dropped}
    assert "access list rule A M: it mirrors packets" in document["left_out"]


def test_both_edges_of_a_range_and_a_prefix_are_tested_inside_and_outside() -> None:
    drop = {"PRIORITY": "9", "PACKET_ACTION": "DROP"}
    found = packets(over_sonic({"P": {**drop, "L4_DST_PORT_RANGE": "100-200"}}))["A P"]
    fates = {each["destination_port"]: bool(each["egress"]) for each in found}
    assert fates.items() >= {99: True, 100: False, 200: False, 201: True}.items()
    found = packets(over_sonic({"S": {**drop, "SRC_IP": "192.0.2.64/28"}}))["A S"]
    fates = {each["source"]: bool(each["egress"]) for each in found}
    within = {"192.0.2.63": True, "192.0.2.64": False, "192.0.2.79": False, "192.0.2.80": True}
    assert fates.items() >= within.items()


def test_a_priority_that_is_no_number_is_named() -> None:
    with pytest.raises(InputError, match=r"ACL_RULE A\|R: PRIORITY 'x' is no number"):
        over_sonic({"R": {"PRIORITY": "x", "PACKET_ACTION": "DROP", "IP_PROTOCOL": "6"}})


def test_a_rules_packets_are_those_whose_fate_is_its_own() -> None:
    ssh = ListedRule("SSH", True, 9, (AclMatch("ip_protocol", 6, 0xFF), AclMatch("l4_dst_port", 22, 0xFFFF)))
    far = ListedRule("FAR", True, 5, (AclMatch("dst_ip", 0xFFFF_0A00_0004, (1 << 128) - 4),))
    found = packets(suite_of(ssh, far))["L SSH"]
    assert "10.0.0.4" not in {each["destination"] for each in found}
    fates = {(each["destination_port"], bool(each["egress"])) for each in found}
    assert fates >= {(21, True), (22, False), (23, True)}
