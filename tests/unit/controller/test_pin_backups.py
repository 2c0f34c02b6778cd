"""Next hops in reserve for pins: which they are, how switches hold and use them, and what is proven."""

from __future__ import annotations

import json
import runpy
from collections import Counter
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import numpy as np
import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.backup import backup_of, inner_links
from raddle.controller.plan.codec import to_json
from raddle.controller.plan.model import NextHop, Plan, Route
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.plan.replan import replanner
from raddle.controller.southbound.openflow import messages
from raddle.controller.southbound.openflow.codec import OPENFLOW_13, OPENFLOW_15, Wire
from raddle.controller.southbound.openflow.group_parts import watched
from raddle.controller.southbound.openflow.routes import routes_in
from raddle.controller.southbound.openflow.tables import FailoverGroup, port_numbers, switch_tables
from raddle.controller.southbound.p4runtime.pipelines import pins_pipeline
from raddle.controller.southbound.p4runtime.routes import EntityRoutes
from raddle.controller.southbound.p4runtime.target import describe_target, p4_target
from raddle.controller.southbound.sonic.routes import held_routes, hops_of
from raddle.controller.southbound.sonic.tables import pushed, static_route
from raddle.controller.verify.network import entries_of_plan, entries_of_state
from raddle.errors import InputError
from raddle.lab.switches.reported import planned_switch
from raddle.lab.verify.model import FailureScope
from raddle.lab.verify.plan import verify_plan
from raddle.lab.workloads.collective import collective_demand
from raddle.nos.p4rt.entity_tables import EntityTables
from raddle.nos.p4rt.pipeline import Pipeline
from raddle.workload import Demand
from tests.fabrics import leaf_spine, pod_running
from tests.unit.p4.p4_fabrics import MIDDLEBLOCK, needs_middleblock

ON = "routing: {policy: pinned, pin_backups: true}\n"
CHECKER = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "check-certificate"))
SINGLE = FailureScope(together=1, most=100, seed=1, congested_groups=8)

FABRIC = raddle.loads(leaf_spine(leaves=2, spines=4, per_leaf=8, more=ON))
DEMAND = collective_demand(FABRIC, "all_to_all", None)
PLAN = make_plan(FABRIC, "pinned", DEMAND)


def pins_of(plan: Plan, switch: int = 0) -> list[Route]:
    return [route for route in plan.switches[switch].routes if route.origin == "pin"]


def test_every_pin_has_another_next_hop_of_its_leafs_route_in_reserve() -> None:
    leaf = PLAN.switches[0]
    [around] = {route.next_hops for route in leaf.routes if route.origin == "fabric"}
    assert len(pins_of(PLAN)) == 8  # one for each host of the other leaf
    for route in pins_of(PLAN):
        own, backup = route.next_hops
        assert (own.distance, backup.distance) == (1, 2)
        assert own in around
        assert replace(backup, distance=1) in around
        assert own.port != backup.port
        assert route.used == (own,)


def test_the_pins_of_a_link_are_dealt_over_the_other_links() -> None:
    fabric = raddle.loads(leaf_spine(leaves=3, spines=4, per_leaf=12, more=ON))
    plan = make_plan(fabric, "pinned", collective_demand(fabric, "all_to_all", None))
    dealt = Counter((route.next_hops[0].port, route.next_hops[1].port) for route in pins_of(plan))
    # 24 hosts of other leaves over 4 links are 6 pins of a link, and 2 for each of the 3 others.
    assert set(dealt.values()) == {2}
    assert len(dealt) == 4 * 3


def test_a_pin_without_another_next_hop_has_no_backup() -> None:
    fabric = raddle.loads(leaf_spine(leaves=2, spines=1, more=ON))
    plan = make_plan(fabric, "pinned", collective_demand(fabric, "all_to_all", None))
    assert all(len(route.next_hops) == 1 for switch in (0, 1) for route in pins_of(plan, switch))


def test_a_switch_holds_a_backup_as_a_floating_static_route() -> None:
    route = pins_of(PLAN)[0]
    own, backup = route.next_hops
    entry = pushed(PLAN.switches[0])["STATIC_ROUTE"][f"default|{route.prefix}"]
    assert entry == {
        "nexthop": f"{own.address},{backup.address}",
        "ifname": f"{own.port},{backup.port}",
        "distance": "1,2",
    }
    assert hops_of(entry) == route.next_hops
    assert held_routes(pushed(PLAN.switches[0])) == {r.prefix: r.next_hops for r in PLAN.switches[0].routes}


@pytest.mark.parametrize(("written", "held"), [("0", 1), ("", 1), ("7", 7)])
def test_no_distance_is_that_of_every_static_route(written: str, held: int) -> None:
    assert hops_of({"nexthop": "10.0.0.1", "ifname": "Ethernet0", "distance": written}) == (
        NextHop("10.0.0.1", "Ethernet0", distance=held),
    )
    assert "distance" not in static_route((NextHop("10.0.0.1", "Ethernet0"),))


def test_a_simulated_switch_takes_the_backup_then_the_route_of_the_leaf() -> None:
    leaf, route = PLAN.switches[0], pins_of(PLAN)[0]
    own, backup = (hop.port for hop in route.next_hops)
    switch = planned_switch(leaf)

    def ports(*dark: str) -> list[str]:
        state = switch.state(frozenset(dark))
        address = int.from_bytes(map(int, route.prefix.partition("/")[0].split(".")))
        found = [
            each for each in state.routes if address >> 32 - each.length << 32 - each.length == each.prefix
        ]
        best = max(found, key=lambda each: each.length)
        return [state.ports[port].name for port in best.ports]

    assert ports() == [own]
    assert ports(own) == [backup]
    assert ports(backup) == [own]
    rest = {hop.port for hop in next(r for r in leaf.routes if r.origin == "fabric").next_hops}
    assert set(ports(own, backup)) == rest - {own, backup}


def test_running_switches_are_verified_with_what_they_have_in_reserve() -> None:
    for switch in PLAN.switches:
        assert set(entries_of_state(planned_switch(switch).state())) >= set(entries_of_plan(switch))


def test_the_proof_follows_packets_to_the_backup_and_covers_it() -> None:
    good = verify_plan(FABRIC, PLAN, DEMAND, SINGLE, lambda what, share: None)
    assert not good.problems
    assert good.proof
    document = json.loads(good.proof())
    for route in pins_of(PLAN):
        assert set(document["tables"]["leaf0"][route.prefix]) == {hop.port for hop in route.next_hops}
    assert CHECKER["check"](document)[0] == good.dependencies
    planned = json.loads(to_json(PLAN))
    CHECKER["check_plan"](document, planned)
    document["tables"]["leaf0"][pins_of(PLAN)[0].prefix].pop()
    with pytest.raises(CHECKER["Rejected"], match="the routes of leaf0 are not the plan's"):
        CHECKER["check_plan"](document, planned)


def test_a_backup_that_turns_below_is_found() -> None:
    """A spine that has another leaf in reserve for a leaf's hosts: packets go up from there again."""
    fabric = raddle.loads(leaf_spine(leaves=3, spines=2, more=ON))
    demand = collective_demand(fabric, "all_to_all", None)
    plan = make_plan(fabric, "pinned", demand)
    spine = next(switch for switch in plan.switches if switch.name == "spine0")
    first, second, *_ = spine.routes
    turned = first.next_hops[0], replace(second.next_hops[0], distance=2)
    routes = (replace(first, next_hops=turned), *spine.routes[1:])
    switches = tuple(replace(each, routes=routes) if each is spine else each for each in plan.switches)
    found = verify_plan(fabric, replace(plan, switches=switches), demand, SINGLE, lambda what, share: None)
    assert found.present.is_good  # while all links are up
    assert found.proof is None  # but the backup makes buffers wait in a ring
    told = [f"{problem.code}: {problem.message}" for problem in found.problems]
    assert any(text.startswith("loop: ") for text in told)
    ring = "deadlock: with next hops in reserve in use: lossless buffers can deadlock"
    assert any(text.startswith(ring) for text in told)


def written_after_the_death_of(
    port: str, plan: Plan = PLAN, demand: Demand = DEMAND
) -> dict[str, tuple[NextHop, ...]]:
    """What the controller writes to leaf0 when one of its links is dead, by prefix."""
    [index] = [each for each, name in inner_links(FABRIC).items() if name.startswith(f"leaf0:{port} ")]
    backup = backup_of(FABRIC, plan, replanner(FABRIC, plan, demand), "", [index])
    return {write.prefix: write.after for write in backup.controller if write.switch == "leaf0"}


def test_a_repair_leaves_pins_alone_that_lose_neither_link_nor_backup() -> None:
    port = pins_of(PLAN)[0].next_hops[0].port
    written = written_after_the_death_of(port)
    for route in pins_of(PLAN):
        touched = port in {hop.port for hop in route.next_hops}
        assert (route.prefix in written) == touched
        after = written.get(route.prefix, route.next_hops)
        assert len(after) == 2
        assert port not in {hop.port for hop in after}
        if route.next_hops[0].port != port:
            assert after[0] == route.next_hops[0]


def test_a_pin_stays_on_its_backup_where_no_other_way_loads_links_less() -> None:
    """Eight flows at a time to the other leaf: with three of four links left, three share one at best."""
    ends = np.arange(16, dtype=np.int32)
    demand = Demand(ends, np.roll(ends, 8), np.zeros(16, np.int32))
    plan = make_plan(FABRIC, "pinned", demand)
    port = pins_of(plan)[0].next_hops[0].port
    written = written_after_the_death_of(port, plan, demand)
    moved = [route for route in pins_of(plan) if route.next_hops[0].port == port]
    assert len(moved) == 2
    for route in moved:
        assert written[route.prefix][0] == replace(route.next_hops[1], distance=1)
        assert written[route.prefix][1].distance == 2


@pytest.mark.parametrize("wire", [OPENFLOW_13, OPENFLOW_15], ids=["1.3", "1.5"])
def test_an_openflow_switch_has_the_backup_as_the_second_bucket(wire: Wire) -> None:
    leaf, route = PLAN.switches[0], pins_of(PLAN)[0]
    has_method = wire.has_selection_method
    tables = switch_tables(leaf, neighbour_macs(PLAN), has_queues=False, has_selection_method=has_method)
    numbers = port_numbers(leaf)
    [group] = {
        action
        for key, action in tables.rules.items()
        if key.match.destination == route.prefix and isinstance(action, FailoverGroup)
    }
    assert [hop.port for hop in group.hops] == [numbers[hop.port] for hop in route.next_hops]
    ids = {each: number for number, each in enumerate(tables.groups, 1)}
    message = messages.group_add(wire, leaf.mac, group, ids)
    assert [watched(bucket)[0] for bucket in message.buckets][:2] == [hop.port for hop in group.hops]
    assert watched(message.buckets[2])[1] == ids[group.otherwise]
    descriptions = [messages.group_add(wire, leaf.mac, each, ids) for each in tables.groups]
    assert messages.read_groups(leaf.mac, descriptions)[ids[group]] == group
    read = routes_in(tables, {number: name for name, number in numbers.items()})[route.prefix]
    assert [(hop.port, hop.distance) for hop in read] == [(hop.port, hop.distance) for hop in route.next_hops]


P4 = pod_running("p4", "p4", spines=4, per_leaf=4, more=ON)
P4_PLAN = make_plan(P4, "pinned", collective_demand(P4, "all_to_all", None))


def test_a_p4_switch_has_the_backup_in_the_pins_own_action() -> None:
    leaf, macs = P4_PLAN.switches[0], neighbour_macs(P4_PLAN)
    target = p4_target(leaf, macs)
    held = EntityRoutes(target.schema, target.entities, target.ports).table
    numbers = {name: number for number, name in target.ports.items()}
    peers = {port.name: port.peer.partition(":")[0] for port in leaf.ports}
    written = json.dumps(describe_target(target))
    assert len(pins_of(P4_PLAN)) == 4
    for route in pins_of(P4_PLAN):
        own, backup = route.next_hops
        found = held[route.prefix]
        assert [(hop.port, hop.distance) for hop in found] == [(own.port, 1), (backup.port, 2)]
        assert (
            f"set_next_hop_or(port={numbers[own.port]:#x}, dst_mac={macs[peers[own.port]]}, "
            f"backup_port={numbers[backup.port]:#x}, backup_mac={macs[peers[backup.port]]})" in written
        )


def test_a_simulated_p4_switch_takes_the_backup_then_the_route_of_the_leaf() -> None:
    leaf, route = P4_PLAN.switches[0], pins_of(P4_PLAN)[0]
    target = p4_target(leaf, neighbour_macs(P4_PLAN))
    pipeline = Pipeline(target.config)
    tables = EntityTables.of(pipeline, target.entities.values())
    switch = replace(planned_switch(leaf), is_p4=True, pipeline=pipeline, entities=tables)
    own, backup = (hop.port for hop in route.next_hops)
    address = int(ip_network(route.prefix).network_address)

    def ports(*dark: str) -> list[str]:
        state = switch.state(frozenset(dark))
        found = [r for r in state.routes if address >> 32 - r.length << 32 - r.length == r.prefix]
        return [state.ports[port].name for port in max(found, key=lambda each: each.length).ports]

    assert ports() == [own]
    assert ports(own) == [backup]
    assert ports(backup) == [own]
    rest = {hop.port for hop in next(r for r in leaf.routes if r.origin == "fabric").next_hops}
    assert set(ports(own, backup)) <= rest - {own, backup}


@needs_middleblock
def test_sonic_pins_refuses_backups() -> None:
    leaf = replace(P4_PLAN.switches[0], nos="pins")
    with pytest.raises(InputError, match="next hops in reserve for pins, which SONiC PINS does not hold"):
        p4_target(leaf, neighbour_macs(P4_PLAN), pins_pipeline(MIDDLEBLOCK))
