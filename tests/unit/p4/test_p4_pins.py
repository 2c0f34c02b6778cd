"""Pins and weights on P4Runtime switches, by routes, policies and members of groups."""

from __future__ import annotations

import dataclasses
import json
from ipaddress import IPv4Address
from typing import Any

import pytest
from finsy.proto import p4r

from raddle import traffic
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.model import Carrier, PolicyRoute
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.p4runtime.session import P4Session
from raddle.controller.southbound.p4runtime.target import describe_target, p4_target
from raddle.errors import InputError
from raddle.lab.switches.counters import switch_counters
from raddle.lab.switches.programmed import over_p4runtime, program, read_states
from raddle.lab.verify.model import FailureScope
from raddle.lab.verify.running import verify_running
from raddle.lab.workloads.collective import collective_demand
from raddle.lab.workloads.ranks import Scope, place_ranks
from raddle.lab.workloads.source_ports import source_ports
from raddle.sim.simulation import Simulation
from raddle.state import PolicyState
from raddle.topology.model import Fabric
from raddle.workload import Sent
from tests.fabrics import pod_running
from tests.unit.p4.p4_fabrics import needs_middleblock, running

NOS = ["p4", pytest.param("pins", marks=needs_middleblock)]
MIB = 1 << 20


@needs_middleblock
def test_weights_are_those_of_wcmp_groups_on_pins() -> None:
    fabric = pod_running("pins", "pins")
    with running(fabric) as (plan, farm, inventory):
        leaf = plan.switches[0]
        route = next(route for route in leaf.routes if len(route.next_hops) == 2)
        first, second = route.next_hops
        heavy = dataclasses.replace(route, next_hops=(dataclasses.replace(first, weight=3), second))
        weighted = dataclasses.replace(leaf, routes=(heavy,))
        program(dataclasses.replace(plan, switches=(weighted, *plan.switches[1:])), inventory)
        state = farm.switches["leaf0"].state()
        assert [each.weights for each in state.routes if len(each.ports) == 2] == [(3, 1)]


def test_weights_become_weights_of_members() -> None:
    fabric = pod_running("p4", "p4")
    plan = make_plan(fabric, "ecmp")
    leaf = plan.switches[0]
    route = next(route for route in leaf.routes if len(route.next_hops) == 2)
    heavy = dataclasses.replace(
        route, next_hops=(dataclasses.replace(route.next_hops[0], weight=3), route.next_hops[1])
    )
    weighted = dataclasses.replace(leaf, routes=(heavy,))
    target = p4_target(weighted, neighbour_macs(plan))
    rendered = json.dumps(describe_target(target))
    assert "3*set_next_hop_or(port=0x3, dst_mac=02:00:00:00:00:02, backup_port=0x4" in rendered
    assert target.in_groups
    grouped = json.dumps(describe_target(target.in_groups()))
    first, second = (int(IPv4Address(hop.address)) for hop in heavy.next_hops)
    assert f'"value": "{first}x3 {second}"' in grouped
    with running(fabric) as (_, farm, inventory):
        program(dataclasses.replace(plan, switches=(weighted, *plan.switches[1:])), inventory)
        state = farm.switches["leaf0"].state()
        assert [each.weights for each in state.routes if len(each.ports) == 2] == [(3, 1)]


def test_a_policy_is_a_pin_by_both_addresses_that_the_switch_forwards_by() -> None:
    fabric = pod_running("p4", "p4")
    plan = make_plan(fabric, "ecmp")
    leaf = plan.switches[0]
    hop = next(route for route in leaf.routes if len(route.next_hops) == 2).next_hops[1]
    pinned = dataclasses.replace(leaf, policies=(PolicyRoute("10.0.0.1", "10.0.0.5", hop),))
    target = p4_target(pinned, neighbour_macs(plan))
    assert "pin_pair/src=::ffff:a00:1 dst=::ffff:a00:5" in json.dumps(describe_target(target))
    with running(fabric) as (_, _, inventory):
        program(dataclasses.replace(plan, switches=(pinned, *plan.switches[1:])), inventory)
        state = read_states(inventory, over_p4runtime(fabric))["leaf0"]
        port = [each.name for each in state.ports].index(hop.port)
        assert state.policies == (PolicyState(dst=0x0A000005, ports=(port,), src=0x0A000001),)
        with pytest.raises(InputError, match="leaf0 pins 1 flows by more than the destination"):
            verify_running(fabric, inventory, FailureScope(0, 1, 1, 1), lambda *_: None)


def _with_policy_routing(fabric: Fabric) -> Fabric:
    """The fabric with that feature in every model."""
    switches = tuple(
        dataclasses.replace(switch, model=dataclasses.replace(switch.model, features=("policy-routing",)))
        for switch in fabric.switches
    )
    return dataclasses.replace(fabric, switches=switches)


def test_a_plan_loads_every_link_alike_whatever_carries_its_pins() -> None:
    loads = []
    for carrier in ("host-route", "policy-route", "udp-source-port"):
        fabric = pod_running("p4", "p4", leaves=2, spines=4, per_leaf=4)
        fabric = dataclasses.replace(
            _with_policy_routing(fabric), routing=dataclasses.replace(fabric.routing, pins=carrier)
        )
        ranks = place_ranks(fabric, Scope("strided", seed=1))
        schedule = traffic.build("all_reduce", "ring", len(ranks), MIB)
        plan = make_plan(fabric, "pinned", collective_demand(fabric, "all_reduce", "ring", Scope("strided")))
        assert plan.pins
        assert plan.pins.carrier == carrier
        with running(fabric) as (_, _, inventory):
            program(plan, inventory)
            states = read_states(inventory, over_p4runtime(fabric))
        assert any(state.policies for state in states.values()) == (carrier == "policy-route")
        chosen = source_ports(fabric, plan, Sent.between(schedule, ranks))
        simulation = Simulation(
            fabric,
            endpoint_addresses(fabric),
            states,
            Sent.between(schedule, ranks),
            0,
            source_ports=chosen,
        )
        simulation.run()
        assert simulation.is_done
        loads.append(simulation.ports().tx_bytes.sum(axis=1).tolist())
    assert loads[0] == loads[1] == loads[2]


@pytest.mark.parametrize("carrier", ["host-route", "policy-route"])
def test_the_pins_of_a_leaf_count_what_its_uplinks_send(carrier: Carrier) -> None:
    """In a strided ring all traffic goes to another leaf, and all of it is pinned."""
    fabric = pod_running("p4", "p4", leaves=2, spines=2, per_leaf=2)
    fabric = dataclasses.replace(
        _with_policy_routing(fabric), routing=dataclasses.replace(fabric.routing, pins=carrier)
    )
    ranks = place_ranks(fabric, Scope("strided", seed=1))
    schedule = traffic.build("all_reduce", "ring", len(ranks), MIB)
    plan = make_plan(fabric, "pinned", collective_demand(fabric, "all_reduce", "ring", Scope("strided")))
    with running(fabric) as (_, farm, inventory):
        program(plan, inventory)
        states = {name: switch.state() for name, switch in farm.switches.items()}
        simulation = Simulation(fabric, endpoint_addresses(fabric), states, Sent.between(schedule, ranks), 0)
        simulation.run()
        for name, counters in switch_counters(simulation).items():
            if name in farm.switches:
                farm.switches[name].set_counters(counters)
        uplinks = sent(farm.switches["leaf0"].databases.counters, ("Ethernet16", "Ethernet24"))
        with P4Session("leaf0", inventory.addresses["leaf0"], 1) as session:
            everything = p4r.Entity(direct_counter_entry=p4r.DirectCounterEntry())
            data = [each.direct_counter_entry.data for each in session.read([everything])]
    assert sum(each.packet_count for each in data) == uplinks[0] > 0
    assert sum(each.byte_count for each in data) == uplinks[1] > 0


def sent(counters: Any, ports: tuple[str, ...]) -> tuple[int, int]:
    """Packets and bytes that ports have sent, from COUNTERS_DB."""
    oids = counters["COUNTERS_PORT_NAME_MAP"][""]
    rows = [counters["COUNTERS"][oids[port]] for port in ports]
    packets = sum(int(row["SAI_PORT_STAT_IF_OUT_UCAST_PKTS"]) for row in rows)
    return packets, sum(int(row["SAI_PORT_STAT_IF_OUT_OCTETS"]) for row in rows)


@needs_middleblock
def test_pins_entities_refer_only_to_what_is_written_before_them() -> None:
    with running(pod_running("pins", "sonic")) as (plan, farm, inventory):
        program(plan, inventory)
        side = farm.switches["leaf0"].p4
        assert side is not None
        pipeline = side.forwarding.pipeline
        assert pipeline is not None
        for name in ("router_interface_table", "neighbor_table", "nexthop_table", "wcmp_group_table"):
            id = pipeline.table_names[name].id
            held = side.forwarding.read([p4r.Entity(table_entry=p4r.TableEntry(table_id=id))])
            results = side.forwarding.write([p4r.Update(type=p4r.Update.DELETE, entity=held[0])], 0)
            assert results[0] is not None
            assert "is in use by" in results[0].message
