from __future__ import annotations

import json
from dataclasses import replace

import pytest

from raddle.controller.plan import make_plan
from raddle.controller.plan.model import PolicyRoute
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.openflow.bootstrap import Extras, ovs_commands
from raddle.controller.southbound.openflow.rendering import describe
from raddle.controller.southbound.openflow.tables import (
    CLASSIFY,
    FORWARD,
    FailoverGroup,
    Hop,
    Mark,
    Match,
    RuleKey,
    SelectGroup,
    Tables,
    switch_tables,
)
from raddle.topology import find, load
from tests.unit.controller.fabrics import leaf_spine, ring


def leaf_tables(routing: str, has_queues: bool = False) -> Tables:
    fabric = leaf_spine(leaves=2, spines=2, hosts_per_leaf=2)
    plan = (
        make_plan(fabric, "pinned", ring([0, 1, 2, 3])) if routing == "pinned" else make_plan(fabric, "ecmp")
    )
    return switch_tables(plan.switches[0], neighbour_macs(plan), has_queues)


def test_equal_next_hops_are_buckets_of_one_select_group() -> None:
    tables = leaf_tables("ecmp")
    [group] = tables.groups
    assert isinstance(group, SelectGroup)
    # Ports 1 and 2 have the hosts; spine0 and spine1 are the third and fourth switch.
    assert group.buckets == ((Hop(3, "02:00:00:00:00:02"), 1), (Hop(4, "02:00:00:00:00:03"), 1))
    assert tables.rules[RuleKey(FORWARD, 31, Match(0x0800, "10.0.0.4/30"))] == group


def test_a_pin_falls_back_on_the_group_of_the_prefix_that_covers_it() -> None:
    tables = leaf_tables("pinned")
    pins = [group for group in tables.groups if isinstance(group, FailoverGroup)]
    assert pins
    shared = tables.rules[RuleKey(FORWARD, 31, Match(0x0800, "10.0.0.4/30"))]
    assert {pin.otherwise for pin in pins} == {shared}
    assert tables.groups.index(pins[0].otherwise) < tables.groups.index(pins[0])


def test_the_attached_endpoint_gets_packets_under_its_own_mac() -> None:
    tables = leaf_tables("ecmp")
    assert tables.rules[RuleKey(FORWARD, 33, Match(0x0800, "10.0.0.3/32"))] == Hop(2, "02:01:0a:00:00:03")


def test_classes_choose_queues_only_where_the_datapath_has_them() -> None:
    def dscps(tables: Tables) -> set[int | None]:
        return {key.match.dscp for key in tables.rules if key.table != FORWARD}

    assert dscps(leaf_tables("ecmp")) == {None}
    assert dscps(leaf_tables("ecmp", has_queues=True)) == {None, 26, 48}


def test_open_vswitch_gets_a_queue_for_every_class_with_its_share_of_the_scheduler() -> None:
    leaf = make_plan(leaf_spine(leaves=2, spines=2, hosts_per_leaf=2), "ecmp").switches[0]
    commands = list(ovs_commands(leaf))
    assert commands[0].endswith("fail_mode=secure other-config:datapath-id=0000020000000000")
    assert "ovs-vsctl -- add-port leaf0 Ethernet0 -- set interface Ethernet0 ofport_request=1" in commands
    [queues] = [command for command in commands if "set port Ethernet0 " in command]
    assert "queues:0=@q0 queues:3=@q3 queues:6=@q6" in queues
    # 400G is more than 32 bits of bytes per second.
    assert f"other-config:max-rate={8 * (2**32 - 1)} " in queues
    assert (
        "tc filter add dev Ethernet0 parent 1:0 protocol ip prio 4 u32 match ip dsfield 0x68 0xfc flowid 1:4"
        in (commands)
    )


def test_a_bridge_looks_for_its_controller_every_second_and_sends_bfd_to_switches_alone() -> None:
    plan = make_plan(leaf_spine(leaves=2, spines=2, hosts_per_leaf=2), "ecmp")
    names = [switch.name for switch in plan.switches]
    commands = list(ovs_commands(plan.switches[0], Extras("tcp:192.0.2.250:6653", 100, names)))
    assert commands[-1] == (
        "ovs-vsctl -- set-controller leaf0 tcp:192.0.2.250:6653 -- set controller leaf0 "
        "connection_mode=out-of-band max_backoff=1000 inactivity_probe=5000"
    )
    [first, second] = [command for command in commands if "bfd" in command]
    assert first == ("ovs-vsctl -- set interface Ethernet16 bfd:enable=true bfd:min_tx=100 bfd:min_rx=100")
    assert "interface Ethernet24 " in second


def test_a_leaf_marks_roce_packets_without_dscp_where_that_is_asked_for() -> None:
    plan = make_plan(leaf_spine(leaves=2, spines=2, hosts_per_leaf=2), "ecmp")
    macs = neighbour_macs(plan)
    by_role = {switch.role: switch_tables(switch, macs, True, marks_roce=True) for switch in plan.switches}
    key = RuleKey(CLASSIFY, 2, Match(0x0800, dscp=0, udp_dst=4791))
    assert by_role["leaf"].rules[key] == Mark(26, 3)
    assert key not in by_role["spine"].rules


def test_rendered_flows_refer_to_rendered_groups() -> None:
    shown = json.loads(json.dumps(describe(leaf_tables("pinned"))))
    ids = {f"group:{group['group_id']}" for group in shown["groups"]}
    used = {a for flow in shown["flows"] for a in flow["actions"] if a.startswith("group:")}
    inner = {a for g in shown["groups"] for b in g["buckets"] for a in b["actions"] if a.startswith("group:")}
    assert used | inner == ids


def test_weights_are_the_buckets_weights() -> None:
    fabric = leaf_spine(leaves=2, spines=2, hosts_per_leaf=2)
    plan = make_plan(fabric, "ecmp")
    leaf = plan.switches[0]
    [route] = leaf.routes
    first, second = route.next_hops
    weighted = replace(leaf, routes=(replace(route, next_hops=(replace(first, weight=3), second)),))
    [group] = switch_tables(weighted, neighbour_macs(plan), has_queues=False).groups
    assert isinstance(group, SelectGroup)
    assert [weight for _, weight in group.buckets] == [3, 1]


@pytest.mark.parametrize("name", ["rail-256-h100", "dual-tor-1024"])
def test_every_form_of_fabric_has_tables(name: str) -> None:
    fabric = load(find(name))
    plan = make_plan(fabric, "ecmp")
    macs = neighbour_macs(plan)
    for switch in (plan.switches[0], plan.switches[-1]):
        tables = switch_tables(switch, macs, has_queues=True)
        assert len({hop.eth_dst for hop in tables.rules.values() if isinstance(hop, Hop)}) > 1


def test_a_policy_route_comes_before_every_route_of_its_destination() -> None:
    plan = make_plan(leaf_spine(leaves=2, spines=2, hosts_per_leaf=2), "ecmp")
    leaf = plan.switches[0]
    hop = leaf.routes[0].next_hops[1]
    policed = replace(leaf, policies=(PolicyRoute("10.0.0.1/32", "10.0.0.5/32", hop),))
    rules = switch_tables(policed, neighbour_macs(plan), has_queues=False).rules
    [(key, action)] = [(key, action) for key, action in rules.items() if key.match.source]
    assert key.match == Match(0x0800, "10.0.0.5/32", "10.0.0.1/32")
    assert key.priority > max(other.priority for other in rules if other != key)
    assert isinstance(action, FailoverGroup)
    assert action.hops == (Hop(4, "02:00:00:00:00:03"),)
