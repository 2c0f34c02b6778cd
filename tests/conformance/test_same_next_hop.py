"""One plan, four kinds of switch, and every flow leaves each switch through the same port."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import raddle
from raddle import traffic
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.openflow.driver import OpenFlowController
from raddle.controller.southbound.openflow.tables import datapath_id, switch_tables
from raddle.controller.southbound.p4runtime.driver import push_p4
from raddle.controller.southbound.p4runtime.target import p4_target
from raddle.ecmp_hash import qp_numbers, udp_source_port
from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.paths import Routing
from raddle.lab.emulation.reference import simulate_reference
from raddle.lab.emulation.roce import WRITE_ONLY, Reth, RocePacket, encode
from raddle.lab.workloads.ranks import Scope, place_ranks
from raddle.topology.model import Fabric, PortRef
from raddle.workload import Seats, Workload
from tests.conformance.bmv2_switch import bmv2_switch, needs_bmv2
from tests.conformance.open_vswitch import DummySwitches, needs_open_vswitch

SEED = 1
SCHEDULE = traffic.build("all_reduce", "ring", 16, 4096 * 16)


@cache
def fabric(nos: str) -> Fabric:
    return raddle.loads(
        f"""
raddle: 1
name: pod
models: {{box: {{ports: 12, port_speed: 400G, buffer: 64MB, nos: {nos}}}}}
fabric: {{leaves: {{count: 2, model: box}}, spines: {{count: 4, model: box}}}}
hosts: {{per_leaf: 8}}
"""
    )


@cache
def plan_of(nos: str, routing: Any) -> Plan:
    demand = traffic.demand_of_pairs(traffic.steps_of(SCHEDULE), placement()) if routing == "pinned" else None
    return make_plan(fabric(nos), routing, demand)


@cache
def placement() -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Every second rank is under the other leaf."""
    return place_ranks(fabric("sonic"), Scope("strided", seed=SEED))


@dataclass(frozen=True)
class Flow:
    """Data or acknowledgements of a queue pair."""

    src: int
    dst: int
    source_port: int
    dest_qp: int

    def packet(self, layout: Layout) -> RocePacket:
        src, dst = layout.nics[self.src].address, layout.nics[self.dst].address
        return RocePacket(src, dst, self.source_port, 26, WRITE_ONLY, self.dest_qp, 0, reth=Reth(0, 0, 0))


NextHops = dict[tuple[Flow, PortRef], PortRef]
"""The port out of which a flow leaves, by the switch's port into which it came."""


@cache
def simulated(nos: str, routing: str) -> NextHops:
    """The next hops of all flows at the simulated switches, from what they report."""
    pod, plan = fabric(nos), plan_of(nos, routing)
    reference = simulate_reference(pod, plan, Workload(SCHEDULE, Seats.of_endpoints(placement())), SEED)
    first = {qp: flow for flow, qp in reversed(list(enumerate(SCHEDULE.qp.tolist())))}
    found: NextHops = {}
    for qp, flow in first.items():
        src, dst = (int(placement()[rank]) for rank in (SCHEDULE.src[flow], SCHEDULE.dst[flow]))
        sender, receiver = qp_numbers(qp, SEED)
        port = udp_source_port(sender, receiver)
        data, acks = Flow(src, dst, port, receiver), Flow(dst, src, port, sender)
        for each, path in ((data, reference.data_paths[qp]), (acks, reference.ack_paths[qp])):
            entry = pod.links[pod.endpoints[each.src].link].b
            for hop in path:
                assert hop.device == entry.device
                found[each, entry] = hop
                link = pod.link_by_port[hop]
                entry = link.b if hop == link.a else link.a
            assert entry.device == pod.hosts[pod.endpoints[each.dst].host].name
    return found


@contextmanager
def open_vswitch(plan: Plan, folder: Path) -> Iterator[DummySwitches]:
    """The plan's switches as Open vSwitch, programmed over OpenFlow."""
    switches, macs = DummySwitches(folder), neighbour_macs(plan)

    async def push() -> None:
        names = {datapath_id(switch): switch.name for switch in plan.switches}
        async with OpenFlowController(names, port=0) as controller:
            switches.add(plan, f"tcp:127.0.0.1:{controller.port}")
            await controller.connected(10)
            await controller.push({each.name: switch_tables(each, macs, False) for each in plan.switches})

    try:
        asyncio.run(push())
        yield switches
    finally:
        switches.stop()


@pytest.mark.parametrize("routing", ["pinned", "ecmp"])
@pytest.mark.parametrize(
    "kind",
    [
        "simulated P4",
        pytest.param("Open vSwitch", marks=needs_open_vswitch),
        pytest.param("BMv2", marks=[pytest.mark.system, *needs_bmv2]),
    ],
)
def test_every_flow_leaves_every_switch_as_it_leaves_the_simulated_sonic_switch(
    kind: str, routing: str, tmp_path: Path
) -> None:
    """With pins everywhere, with ECMP where the hash is ours; Open vSwitch takes one of the group's ports."""
    wanted = simulated("sonic", routing)
    at_leaf = {hop for (_, entry), hop in wanted.items() if entry.device == "leaf0"}
    links = fabric("sonic").link_by_port
    far = {end.device for hop in at_leaf for end in (links[hop].a, links[hop].b)}
    assert {f"spine{number}" for number in range(4)} <= far  # the flows use all uplinks
    if kind == "simulated P4":
        assert simulated("p4", routing) == wanted
        return
    layout = Layout(fabric("sonic"), plan_of("sonic", routing))
    if kind == "BMv2":
        assert through_bmv2(layout, wanted, tmp_path) == wanted
        return
    choices = Routing(layout, tuple(switch.routes for switch in layout.plan.switches)).choices
    routers = {switch.name: switch.mac for switch in layout.plan.switches}
    with open_vswitch(layout.plan, tmp_path) as switches:
        for (flow, entry), hop in wanted.items():
            packet = flow.packet(layout)
            words = f"in_port={layout.numbers[entry]},dl_dst={routers[entry.device]},udp"
            words += f",nw_src={packet.src},nw_dst={packet.dst},nw_ttl=64"
            words += f",udp_src={packet.udp_source_port},udp_dst=4791"
            number = switches.next_port(entry.device, words)
            assert number, f"{entry.device} drops {words}"
            found = layout.ports[entry.device, number]
            # A host's own port is no route: there is one to take.
            group = choices(entry.device, packet.dst) if routing == "ecmp" else None
            allowed = group or {hop}
            assert {found, hop} <= allowed


def through_bmv2(layout: Layout, flows: NextHops, folder: Path) -> NextHops:
    """Where BMv2 sends each flow's packet, one switch after the other."""
    found: NextHops = {}
    macs = neighbour_macs(layout.plan)
    for switch in layout.plan.switches:
        with bmv2_switch(len(switch.ports), folder) as bmv2:
            push_p4(bmv2.session, p4_target(switch, macs))
            for flow, entry in flows:
                if entry.device == switch.name:
                    frame = encode(flow.packet(layout), "02:00:00:00:ff:ff", switch.mac)
                    bmv2.send(layout.numbers[entry], frame)
                    found[flow, entry] = layout.ports[switch.name, bmv2.receive()[0]]
    return found
