"""Links to the outside: what is planned for them arrives there, and what verify says is so of every state.

The checker here knows nothing of verify's: it walks the states that switches derive of their databases, port
by port, with one address for each prefix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.held import HeldPlan
from raddle.controller.plan.model import Plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.ptf.suite import suite
from raddle.controller.service.desired import Desired
from raddle.controller.southbound.openflow.tables import switch_tables
from raddle.controller.southbound.p4runtime.target import p4_target
from raddle.controller.verify.outside import free_address
from raddle.errors import InputError
from raddle.lab.emulation.layout import Layout
from raddle.lab.switches.reported import planned_switch
from raddle.lab.verify.model import FailureScope, Verification
from raddle.lab.verify.plan import verify_plan
from raddle.lab.workloads.collective import collective_demand
from raddle.state import SwitchState
from raddle.topology.model import Fabric, Link, PortRef
from raddle.topology.views.capacity import cable_kinds, tiers
from raddle.topology.views.rows import cable_rows
from raddle.topology.views.svg import states_of, to_svg

TWO_TIERS = """\
raddle: 1
name: border
fabric: {leaves: {count: 4}, spines: {count: 2}}
hosts: {per_leaf: 2, groups: 0-2}
external:
  - {name: wan0, port: "leaf2:Ethernet128", address: 192.0.2.1/31, as_number: 65010}
  - {name: wan1, port: "leaf3:Ethernet128", address: 192.0.2.5/31, prefixes: [0.0.0.0/0, 198.51.100.0/24]}
"""

THREE_TIERS = """\
raddle: 1
name: border3
fabric:
  kind: fat-tree
  pods: 3
  leaves: {per_pod: 2}
  spines: {per_pod: 2}
  superspines: {count: 4}
hosts: {per_leaf: 1}
external:
  - {name: wan0, port: "leaf0:Ethernet128", address: 192.0.2.1/31}
  - {name: wan1, port: "leaf3:Ethernet128", address: 192.0.2.5/31}
  - {name: wan2, port: "leaf3:Ethernet136", address: 192.0.2.9/31, prefixes: [203.0.113.0/24]}
"""

PREFIXES = {
    "border": {"0.0.0.0/0": "8.8.8.8", "198.51.100.0/24": "198.51.100.7"},
    "border3": {"0.0.0.0/0": "8.8.8.8", "203.0.113.0/24": "203.0.113.9"},
}


def states_after(fabric: Fabric, plan: Plan, dead: frozenset[int]) -> dict[str, SwitchState]:
    """What switches forward with once some links are dark."""
    dark: dict[str, set[str]] = {}
    for index in dead:
        for end in (fabric.links[index].a, fabric.links[index].b):
            dark.setdefault(end.device, set()).add(end.port)
    return {
        switch.name: planned_switch(switch).state(frozenset(dark.get(switch.name, ())))
        for switch in plan.switches
    }


def onward(state: SwitchState, address: int) -> list[str]:
    """The ports of the longest prefix that holds an address."""
    held = [
        route for route in state.routes
        if not route.is_ipv6 and address >> (32 - route.length) == route.prefix >> (32 - route.length)
    ]  # fmt: skip
    longest = max(held, key=lambda route: route.length, default=None)
    return [state.ports[port].name for port in longest.ports] if longest else []


def walks(
    fabric: Fabric, states: dict[str, SwitchState], switch: str, address: int, seen: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The end of every way, a device's name or `lost` or `loop`, and the switches on it."""
    seen = (*seen, switch)
    ports = onward(states[switch], address)
    if not ports:
        yield "lost", seen
    for port in ports:
        link = fabric.link_by_port[PortRef(switch, port)]
        far = (link.b if link.a.device == switch else link.a).device
        if far in seen:
            yield "loop", seen
        elif far in states:
            yield from walks(fabric, states, far, address, seen)
        else:
            yield far, seen


def leads_to(fabric: Fabric, prefix: str) -> set[str]:
    return {host.name for host in fabric.hosts if host.outside and prefix in host.outside.prefixes}


def has_way(fabric: Fabric, dead: frozenset[int], switch: str, router: str) -> bool:
    """Live links lead up from a switch and then down to the leaf of a router, and on to it."""
    live = [link for link in fabric.links if link.index not in dead]
    if not (last := next((link for link in live if link.a.device == router), None)):
        return False
    return bool(above(live, switch) & above(live, last.b.device))


def above(live: list[Link], switch: str) -> set[str]:
    found = {switch}
    while True:
        more = {link.b.device for link in live if link.a.device in found} - found
        if not more:
            return found
        found |= more


def verified(fabric: Fabric, plan: Plan, together: int = 1) -> Verification:
    return verify_plan(fabric, plan, None, FailureScope(together, 1, 1, 8), lambda what, share: None)


@pytest.mark.parametrize("text", [TWO_TIERS, THREE_TIERS])
def test_every_way_of_every_switch_ends_at_a_link_to_the_prefix_and_never_climbs_again(text: str) -> None:
    fabric = raddle.loads(text)
    states = states_after(fabric, make_plan(fabric, "ecmp"), frozenset())
    tier = {switch.name: ("leaf", "spine", "superspine").index(switch.role) for switch in fabric.switches}
    for prefix, address in PREFIXES[fabric.name].items():
        for switch in fabric.switches:
            for end, way in walks(fabric, states, switch.name, int(ip_address(address))):
                assert end in leads_to(fabric, prefix), (prefix, way, end)
                heights = [tier[name] for name in way]
                top = heights.index(max(heights))
                assert heights == sorted(heights[: top + 1]) + sorted(heights[top + 1 :], reverse=True)


@pytest.mark.parametrize("text", [TWO_TIERS, THREE_TIERS])
def test_what_verify_says_of_single_failures_is_what_walking_every_state_finds(text: str) -> None:
    fabric = raddle.loads(text)
    plan = make_plan(fabric, "ecmp")
    result = verified(fabric, plan)
    by_prefix = {each.prefix: each for each in result.external}
    failures = [(frozenset((link.index,)), "") for link in fabric.links]
    failures += [
        (frozenset(link.index for link in fabric.links if name in (link.a.device, link.b.device)), name)
        for name in fabric.switch_by_name
    ]
    for prefix, address in PREFIXES[fabric.name].items():
        loops = lost = 0
        for dead, gone in failures:
            states = states_after(fabric, plan, dead)
            ends = {
                switch.name: {end for end, _ in walks(fabric, states, switch.name, int(ip_address(address)))}
                for switch in fabric.leaves
                if switch.name != gone
                and any(link.b.device == switch.name and link.index not in dead for link in fabric.links)
                and any(has_way(fabric, dead, switch.name, router) for router in leads_to(fabric, prefix))
            }
            hosted = {fabric.links[each.link].b.device for each in fabric.endpoints}
            ends = {name: found for name, found in ends.items() if name in hosted}
            loops += any("loop" in found for found in ends.values())
            lost += any(found - leads_to(fabric, prefix) for found in ends.values())
        found = by_prefix[prefix]
        assert (found.failures, found.lost_after, len(found.loops_after)) == (len(failures), lost, loops)


def test_a_longer_prefix_over_fewer_links_than_the_one_around_it_can_go_round() -> None:
    fabric = raddle.loads(TWO_TIERS)
    result = verified(fabric, make_plan(fabric, "ecmp"))
    (problem,) = [each for each in result.problems if each.code == "loop"]
    assert "packets to 198.51.100.0/24 outside can go round" in problem.message
    alike = TWO_TIERS.replace("as_number: 65010", "prefixes: [0.0.0.0/0, 198.51.100.0/24]")
    fabric = raddle.loads(alike)
    assert verified(fabric, make_plan(fabric, "ecmp")).is_good


def test_an_address_of_the_pool_that_nobody_has_does_not_go_outside() -> None:
    fabric = raddle.loads(TWO_TIERS)
    plan = make_plan(fabric, "ecmp")
    uplink = next(link for link in fabric.links if (link.a.device, link.b.device) == ("leaf0", "spine0"))
    states = states_after(fabric, plan, frozenset((uplink.index,)))
    host = int(ip_address(dict(plan.endpoints)["host0"]))
    for address in (host, int(ip_address("10.0.255.9")), int(ip_address("192.0.2.3"))):
        assert {end for end, _ in walks(fabric, states, "spine0", address)} == {"lost"}


def test_ranks_pairs_and_bisection_are_of_hosts_alone() -> None:
    inside = raddle.loads(TWO_TIERS.partition("external:")[0])
    fabric = raddle.loads(TWO_TIERS)
    assert fabric.accelerators.count == inside.accelerators.count == 6
    assert (
        verified(fabric, make_plan(fabric, "ecmp"), 0).bisection_bps
        == verified(inside, make_plan(inside, "ecmp"), 0).bisection_bps
    )
    assert make_plan(fabric, "ecmp").endpoints[:6] == make_plan(inside, "ecmp").endpoints


def test_the_address_that_stands_for_a_prefix_is_in_no_longer_one() -> None:
    others = [ip_network(text) for text in ("0.0.0.0/1", "192.0.0.0/2", "128.0.0.0/3", "255.0.0.0/8")]
    found = free_address(ip_network("0.0.0.0/0"), others)
    assert found is not None
    assert ip_address(found) in ip_network("160.0.0.0/3")
    assert free_address(ip_network("0.0.0.0/0"), [ip_network("0.0.0.0/1"), ip_network("128.0.0.0/1")]) is None


def test_a_link_to_the_outside_of_a_network_is_no_host_of_the_file() -> None:
    site = """\
raddle: 1
name: site
networks:
  back: {fabric: {leaves: {count: 2}, spines: {count: 1}}, hosts: {per_leaf: 2, accelerators: {count: 1}}}
  front:
    fabric: {leaves: {count: 1}}
    hosts: {per_leaf: 4}
    external: [{name: wan0, port: "front-leaf0:Ethernet128", address: 192.0.2.1/31}]
"""
    for name in ("back", "front"):
        fabric = raddle.loads(site, network=name)
        assert fabric.network is not None
        assert (fabric.servers, fabric.network.hosts) == (4, 4)


def test_what_is_not_programmed_as_sonic_refuses_links_to_the_outside_by_name() -> None:
    fabric = raddle.loads(TWO_TIERS)
    plan = make_plan(fabric, "ecmp")
    for refuse in (
        lambda: Layout(fabric, plan),
        lambda: switch_tables(plan.switches[0], neighbour_macs(plan), has_queues=False),
        lambda: p4_target(plan.switches[0], neighbour_macs(plan)),
    ):
        with pytest.raises(InputError, match="external-not-supported"):
            refuse()


def test_packets_are_tested_to_end_at_what_is_discarded() -> None:
    plan = make_plan(raddle.loads(TWO_TIERS), "ecmp")
    discarded = [ip_network(r.prefix) for r in plan.switches[0].routes if not r.next_hops]
    tests = suite(plan, plan.switches[0].name)["tests"]
    drops = [test for test in tests if test.get("what") == "discarded"]
    assert len(drops) == len(discarded)
    for test in drops:
        assert any(ip_address(test["destination"]) in network for network in discarded)
    assert all(
        test["egress"] for test in suite(plan, plan.switches[0].name)["tests"] if test["kind"] == "route"
    )


def test_pins_stay_beside_links_to_the_outside() -> None:
    fabric = raddle.loads(TWO_TIERS)
    demand = collective_demand(fabric, "all_reduce", None)
    plan = make_plan(fabric, "pinned", demand)
    assert make_plan(fabric, "pinned", demand, earlier=plan) == plan


def test_what_is_discarded_stays_so_after_the_controllers_repairs() -> None:
    fabric = raddle.loads(TWO_TIERS)
    wanted = Desired(fabric, HeldPlan(make_plan(fabric, "ecmp")))
    written = 0
    for link in wanted.links:
        repaired = wanted.repaired(wanted.backup([link]))
        written += sum(map(len, wanted.writes_to(repaired).values()))
        for before, after in zip(wanted.held.plan.switches, repaired.held.plan.switches, strict=True):
            kept = {route.prefix for route in after.routes if not route.next_hops}
            assert {route.prefix for route in before.routes if not route.next_hops} <= kept
    assert written


def test_links_to_the_outside_are_a_tier_of_their_own() -> None:
    """Six hosts and two routers: not eight hosts, in sums, in lists and in the bill of cables."""
    fabric = raddle.loads(TWO_TIERS)
    found = [(tier.name, tier.links) for tier in tiers(fabric)]
    assert found == [("host-leaf", 6), ("leaf-spine", 8), ("outside-leaf", 2)]
    assert Counter(row["tier"] for row in cable_rows(fabric)) == dict(found)
    assert sum(kind.count for kind in cable_kinds(fabric) if kind.tier == "host-leaf") == 6
    assert "host-leaf: 6 x 400G; outside-leaf: 2 x 400G" in to_svg(fabric)


def test_a_slower_link_to_the_outside_is_no_slow_link_of_a_host() -> None:
    text = TWO_TIERS.replace("address: 192.0.2.5/31", "speed: 100G, address: 192.0.2.5/31")
    text = text.replace("address: 192.0.2.1/31", "speed: 100G, address: 192.0.2.1/31")
    assert "slow" not in states_of(raddle.loads(text))
