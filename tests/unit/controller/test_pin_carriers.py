"""What carries a pin: the same paths whatever carries them, and an error where a carrier cannot."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from functools import reduce
from ipaddress import ip_address, ip_network
from operator import xor
from typing import Literal

import numpy as np
import pytest

from raddle import loads
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Carrier, Plan, SwitchPlan
from raddle.controller.southbound.sonic.tables import pushed
from raddle.errors import InputError
from raddle.lab.collisions import find_job_collisions
from raddle.lab.workloads.collective import find_job
from raddle.topology.model import Fabric, TableBudget
from raddle.workload import Demand, Seats
from tests import fabrics
from tests.unit.controller.fabrics import MODEL, demand, leaf_spine, placement, ring, shifts

POLICY_MODEL = replace(MODEL, features=("policy-routing",))


def carried_by(carrier: Carrier | Literal["auto"], fabric: Fabric) -> Fabric:
    return replace(fabric, routing=replace(fabric.routing, pins=carrier))


def hash_of(switch: SwitchPlan, src: int, dst: int, port: int) -> int:
    """By the definitions: a key of seed and 5-tuple, CRC-32 or the XOR of its words, rotated right."""
    key = struct.pack(">IIIBHH", switch.hash_seed, src, dst, 17, port, 4791)
    if switch.hash_algorithm == "xor":
        found, width = reduce(xor, struct.unpack(">9H", key + b"\0")), 16
    else:
        assert switch.hash_algorithm == "crc32"
        found, width = zlib.crc32(key), 32
    offset = switch.hash_offset % width
    return (found >> offset | found << (width - offset)) & ((1 << width) - 1)


def paths(fabric: Fabric, plan: Plan, flows: Demand) -> dict[tuple[int, int], list[str]]:
    """Ports that data takes from leaf to leaf, by policy routes, then routes, then the hash of the port."""
    address = {name: int(ip_address(text)) for name, text in plan.endpoints}
    names = [endpoint.name for endpoint in fabric.endpoints]
    ports = {(each.src, each.dst): each for each in plan.source_ports}
    switches = {switch.name: switch for switch in plan.switches}
    found = {}
    for src, dst in zip(flows.src.tolist(), flows.dst.tolist(), strict=True):
        for start, end, is_ack in ((src, dst, False), (dst, src, True)):
            here, way = fabric.switches[fabric.endpoints[start].leaf].name, []
            chosen = ports.get((names[src], names[dst]))
            from_to = address[names[start]], address[names[end]]
            while here != fabric.switches[fabric.endpoints[end].leaf].name:
                switch = switches[here]
                hops = [
                    policy.next_hop
                    for policy in switch.policies
                    if (int(ip_address(policy.src)), int(ip_address(policy.dst))) == from_to
                ]
                if not hops:
                    routes = [
                        (ip_network(route.prefix).prefixlen, route.next_hops)
                        for route in switch.routes
                        if ip_address(from_to[1]) in ip_network(route.prefix)
                    ]
                    hops = list(max(routes, key=lambda found: found[0])[1])
                place = 0
                if len(hops) > 1:
                    assert chosen, "the hash would decide"
                    place = hash_of(switch, *from_to, chosen.acks if is_ack else chosen.data)
                port = hops[place % len(hops)].port
                way.append(f"{here}:{port}")
                here = next(each.peer.split(":")[0] for each in switch.ports if each.name == port)
            found[start, end] = way
    return found


@pytest.mark.parametrize("shape", [(4, 4, 4, 1), (4, 2, 6, 3), (3, 5, 5, 1)])
def test_all_carriers_give_the_same_paths(shape: tuple[int, int, int, int]) -> None:
    fabric = leaf_spine(*shape, model=POLICY_MODEL)
    flows = ring(placement("strided", fabric))
    carriers: tuple[Carrier, ...] = ("host-route", "policy-route", "udp-source-port")
    plans = {carrier: make_plan(carried_by(carrier, fabric), "pinned", flows) for carrier in carriers}
    assert {plan.pins.carrier for plan in plans.values() if plan.pins} == set(carriers)
    ways = [paths(fabric, plan, flows) for plan in plans.values()]
    assert ways[0] == ways[1] == ways[2]


@pytest.mark.parametrize(("algorithm", "offset"), [("crc32", 5), ("crc32", None), ("xor", 0), ("xor", None)])
def test_source_ports_follow_the_hash_that_the_switches_are_set_to(
    algorithm: Literal["crc32", "xor"], offset: int | None
) -> None:
    fabric = leaf_spine(4, 4, 4)
    routing = replace(fabric.routing, hash_algorithm=algorithm, hash_offset=offset)
    fabric = replace(fabric, routing=routing)
    flows = ring(placement("strided", fabric))
    by_port, by_route = (
        paths(fabric, make_plan(carried_by(carrier, fabric), "pinned", flows), flows)
        for carrier in ("udp-source-port", "host-route")
    )
    assert by_port == by_route


def test_a_carrier_that_tells_sources_apart_reaches_the_bound_where_host_routes_cannot() -> None:
    fabric = leaf_spine(4, 4, 4, model=POLICY_MODEL)
    flows = shifts(placement("random", fabric))
    shared, apart = (
        make_plan(carried_by(carrier, fabric), "pinned", flows).pins
        for carrier in ("host-route", "policy-route")
    )
    assert shared
    assert apart
    assert apart.data.total == apart.data.total_bound == shared.data.total_bound < shared.data.total


def test_incast_from_one_leaf_is_spread_by_source_ports() -> None:
    fabric = carried_by("udp-source-port", leaf_spine(2, 4, 4))
    flows = demand((0, src, 7) for src in range(4))
    plan = make_plan(fabric, "pinned", flows)
    ways = paths(fabric, plan, flows)
    assert len({ways[src, 7][0] for src in range(4)}) == 4
    assert plan.pins
    assert plan.pins.data.worst == plan.pins.data.bound == 1


def test_policy_routes_need_a_model_that_declares_them() -> None:
    fabric = carried_by("policy-route", leaf_spine(2, 2, 2))
    with pytest.raises(InputError, match="does not declare 'policy-routing'") as caught:
        make_plan(fabric, "pinned", demand([(0, 1, 2)]))
    assert caught.value.diagnostics[0].code == "carrier-not-supported"


def test_policy_routes_are_not_dropped_in_silence_on_sonic() -> None:
    fabric = carried_by("policy-route", leaf_spine(2, 2, 2, model=POLICY_MODEL))
    plan = make_plan(fabric, "pinned", demand([(0, 1, 2)]))
    with pytest.raises(InputError, match="leaf0 has 1 policy routes, which cannot be written to SONiC"):
        pushed(plan.switches[0])


def test_pins_beyond_a_table_are_refused_by_name_and_auto_takes_the_next_carrier() -> None:
    model = replace(MODEL, tables=TableBudget(host_routes=3))
    fabric = leaf_spine(2, 4, 4, model=model)
    flows = demand((0, src, src + 4) for src in range(4))
    with pytest.raises(InputError, match=r"leaf0 needs 4 pins in host_routes; a white-box-12[.]8t holds 3"):
        make_plan(carried_by("host-route", fabric), "pinned", flows)
    plan = make_plan(fabric, "pinned", flows)
    assert plan.pins
    assert (plan.pins.carrier, plan.pins.pins) == ("udp-source-port", 4)
    assert not any(route.origin == "pin" for switch in plan.switches for route in switch.routes)


def test_source_ports_of_ipv6_flows_take_the_planned_paths_in_the_engine() -> None:
    more = "routing: {pins: udp-source-port}\naddressing: {families: ipv6}\n"
    fabric = loads(fabrics.leaf_spine(4, 4, 4, more))
    order = placement("strided", fabric)
    plan = make_plan(fabric, "pinned", ring(order))
    job = replace(find_job(fabric, "all_reduce", "ring"), seats=Seats.of_endpoints(np.array(order, np.int32)))
    report = find_job_collisions(fabric, plan, [job])
    assert len(plan.source_ports) == 16
    assert report.collisions == ()


def test_tiers_that_hash_alike_cannot_be_steered_apart_and_the_flows_are_named() -> None:
    """CRC is affine: with groups of 2 the bit that chooses the spine chooses the superspine too."""
    document = fabrics.three_tiers(more="routing: {pins: udp-source-port, hash: {offset: OFFSET}}\n")
    fabric = loads(document.replace("OFFSET", "0"))
    flows = Demand(
        np.arange(8, dtype=np.int32), (np.arange(8, dtype=np.int32) + 4) % 8, np.zeros(8, np.int32)
    )
    with pytest.raises(
        InputError, match=r"no UDP source port makes the switches hash host\d+ -> host\d+"
    ) as caught:
        make_plan(fabric, "pinned", flows)
    assert caught.value.diagnostics[0].code == "pin-not-expressible"
    apart = make_plan(loads(document.replace("OFFSET", "per-tier")), "pinned", flows)
    assert len(apart.source_ports) == len(flows.src)
