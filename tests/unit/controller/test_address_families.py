"""Addresses of both families, and of links that have none."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import address_families
from raddle.controller.southbound.sonic.tables import bootstrap, pushed
from tests.fabrics import SMALL_POD, three_tiers


def test_ipv6_alone_gives_endpoints_127s_and_loopbacks_128s() -> None:
    plan = make_plan(raddle.loads(SMALL_POD + "addressing: {families: ipv6}\n"), "ecmp")
    assert dict(plan.endpoints)["host1"] == "fd00:0:0:1::3"
    prefixes = {each.name: each.prefix for each in plan.switches[0].interfaces}
    assert (prefixes["Ethernet8"], prefixes["Loopback0"]) == ("fd00:0:0:1::2/127", "fd00:0:0:2::/128")
    assert [hop.address for hop in plan.switches[0].routes[0].next_hops] == ["fd00:0:0:3::", "fd00:0:0:3::2"]


def test_dual_stack_has_a_route_of_each_family_with_the_same_ports() -> None:
    plan = make_plan(raddle.loads(SMALL_POD + "addressing: {families: dual}\n"), "ecmp")
    for switch in plan.switches:
        ports: dict[int, list[list[str]]] = {4: [], 6: []}
        for route in switch.routes:
            ports[ip_interface(route.prefix).version].append([hop.port for hop in route.next_hops])
        assert ports[4] == ports[6]
    assert [family.version for family in address_families(raddle.loads(SMALL_POD))] == [4]


def test_unnumbered_next_hops_are_the_neighbours_link_local_addresses() -> None:
    fabric = raddle.loads(SMALL_POD + "addressing: {links: unnumbered}\n")
    leaf = make_plan(fabric, "ecmp").switches[0]
    # spine0 is switch 2 with MAC address 02:00:00:00:00:02: modified EUI-64 0000:00ff:fe00:0002.
    assert leaf.routes[0].next_hops[0].address == "fe80::ff:fe00:2"
    tables = pushed(leaf)
    assert tables["INTERFACE"]["Ethernet16"] == {"ipv6_use_link_local_only": "enable"}
    assert not any(key.startswith("Ethernet16|") for key in tables["INTERFACE"])
    assert "Ethernet0|10.0.0.0/31" in tables["INTERFACE"]
    assert tables["STATIC_ROUTE"]["default|10.0.0.4/30"]["ifname"] == "Ethernet16,Ethernet24"


def test_no_address_is_given_twice_in_three_tiers() -> None:
    fabric = raddle.loads(three_tiers(pods=3, more="addressing: {families: dual}\n"))
    plan = make_plan(fabric, "ecmp")
    given = [each.prefix.partition("/")[0] for switch in plan.switches for each in switch.interfaces]
    assert len(given) == len(set(map(ip_address, given)))


def test_switches_have_their_as_number() -> None:
    plan = make_plan(raddle.loads(SMALL_POD), "ecmp")
    for switch, of_fabric in zip(plan.switches, raddle.loads(SMALL_POD).switches, strict=True):
        metadata = bootstrap(switch).config_db["DEVICE_METADATA"]["localhost"]
        assert metadata["bgp_asn"] == str(of_fabric.asn) != "0"
