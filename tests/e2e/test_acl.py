"""Access lists of running switches: a rule stops its flows and no others until it is taken away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finsy import Action, Match, P4TableEntry
from finsy.proto import gnmi, p4r

from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.model import Plan
from raddle.controller.ptf.suite import suite
from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, schema_of
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.sets import db_path, json_value
from raddle.inventory import Inventory
from raddle.lab.live import LiveTraffic
from raddle.lab.run.diagnosis import why_unfinished
from raddle.lab.switches.access_lists import lists_of_running
from raddle.lab.switches.counters import switch_counters
from raddle.lab.switches.programmed import program, switch_farm
from raddle.lab.verify.model import FailureScope
from raddle.lab.verify.running import verify_running
from raddle.lab.workloads.flow_file import read_flows
from raddle.nos.farm import SwitchFarm
from raddle.nos.show import show
from raddle.sim import FLOW_STATUS, Simulation
from raddle.topology.model import Fabric
from raddle.workload import Sent
from tests.fabrics import pod_running

MS_PS = 10**9
FLOWS = """src,dst,bytes,start_ns
host0,host2,1000000,0
host1,host2,1000000,0
host0,host3,1000000,1000000
host1,host3,1000000,1000000
host0,host2,1000000,1000000
"""
DENIED, OTHERS = 4, [2, 3]
PATIENCE_S = 60


def fabric_of(nos: str = "sonic") -> Fabric:
    """Two leaves with two hosts each: host0 and host1 at leaf0, host2 and host3 at leaf1."""
    return pod_running(nos, nos, spines=1)


@contextmanager
def programmed(fabric: Fabric) -> Iterator[tuple[Plan, SwitchFarm]]:
    plan = make_plan(fabric, "ecmp")
    with switch_farm(fabric, plan) as farm:
        program(plan, Inventory(fabric.name, dict(farm.addresses)))
        yield plan, farm


def flow_table(fabric: Fabric, folder: Path) -> Any:
    path = folder / "flows.csv"
    path.write_text(FLOWS)
    return read_flows(fabric, path)


def simulation_of(fabric: Fabric, farm: SwitchFarm, folder: Path) -> Simulation:
    table = flow_table(fabric, folder)
    placement = np.arange(len(fabric.endpoints), dtype=np.int32)
    states = {name: switch.state() for name, switch in farm.switches.items()}
    addresses = endpoint_addresses(fabric)
    return Simulation(
        fabric, addresses, states, Sent.between(table.schedule, placement), 1, start_ps=table.start_ps
    )


def done(simulation: Simulation) -> list[int]:
    return np.flatnonzero(simulation.flows().status == FLOW_STATUS.index("done")).tolist()


def address(fabric: Fabric, host: int) -> str:
    number = int(endpoint_addresses(fabric)[host])
    return ".".join(str(number >> shift & 0xFF) for shift in (24, 16, 8, 0))


def acl_set(fabric: Fabric, ports: list[str]) -> gnmi.SetRequest:
    """An ingress table with a rule against what host0 sends host2."""
    table = {"type": "L3", "stage": "ingress", "ports": ports}
    rule = {
        "PRIORITY": "100",
        "PACKET_ACTION": "DROP",
        "SRC_IP": f"{address(fabric, 0)}/32",
        "DST_IP": f"{address(fabric, 2)}/32",
        "L4_DST_PORT": "4791",
    }
    where = {"ACL_TABLE": {"DATAACL": table}, "ACL_RULE": {"DATAACL|RULE_1": rule}}
    return gnmi.SetRequest(
        update=[
            gnmi.Update(path=db_path("CONFIG_DB", "localhost", name), val=json_value(rows))
            for name, rows in where.items()
        ]
    )


def without_rules() -> gnmi.SetRequest:
    return gnmi.SetRequest(delete=[db_path("CONFIG_DB", "localhost", "ACL_RULE")])


def push(farm: SwitchFarm, request: gnmi.SetRequest) -> None:
    with GnmiClient("leaf0", farm.addresses["leaf0"]) as client:
        client.push(request)


def test_rule_set_over_gnmi_stops_exactly_its_flow_and_its_removal_lets_it_go_on(tmp_path: Path) -> None:
    fabric = fabric_of()
    with programmed(fabric) as (_, farm):
        simulation = simulation_of(fabric, farm, tmp_path)
        simulation.advance(MS_PS // 2)
        assert done(simulation) == [0, 1]
        push(farm, acl_set(fabric, ["Ethernet0", "Ethernet8"]))
        leaf = farm.switches["leaf0"]
        simulation.set_switch("leaf0", leaf.state())
        simulation.advance(5 * MS_PS)
        assert done(simulation) == [0, 1, *OTHERS]
        packets, octets = simulation.rule_counts("leaf0")["DATAACL", "RULE_1"]
        # 1 MB in packets of 4096 bytes with 62 bytes of headers and FCS each, all of them dropped.
        assert packets == -(-1_000_000 // 4096)
        assert octets == 1_000_000 + packets * 62
        qps = simulation.qps()
        assert int(qps.drops.sum()) == packets
        qp = int(np.flatnonzero(qps.drops)[0])
        text = why_unfinished(simulation, qps, simulation.ports(), qp)
        assert text == "packets dropped at leaf0:Ethernet0: ingress acl, rule DATAACL|RULE_1"
        push(farm, without_rules())
        simulation.set_switch("leaf0", leaf.state())
        simulation.run()
        assert done(simulation) == [0, 1, 2, 3, 4]
        assert simulation.rule_counts("leaf0") == {}


def test_live_traffic_waits_for_the_removal_of_a_rule_and_counters_show_it(tmp_path: Path) -> None:
    fabric = fabric_of()
    plan = make_plan(fabric, "ecmp")
    told: list[str] = []
    with switch_farm(fabric, plan) as farm:
        leaf = farm.switches["leaf0"]
        push(farm, acl_set(fabric, ["Ethernet0"]))
        sent = flow_table(fabric, tmp_path)
        with LiveTraffic(fabric, farm.switches, sent, 0.05, tell=told.append):
            program(plan, Inventory(fabric.name, dict(farm.addresses)))

            def counted() -> int:
                counters = leaf.databases.counters
                oid = counters["ACL_COUNTER_RULE_MAP"][""]["DATAACL:RULE_1"]
                return int(counters["COUNTERS"][oid]["SAI_ACL_COUNTER_ATTR_PACKETS"])

            when(leaf, lambda: counted() > 0)
            assert "RULE_1" in show(leaf.databases, ["acl", "counters"])
            assert "Active" in show(leaf.databases, ["acl", "table"])
            push(farm, without_rules())
            when(leaf, lambda: leaf.databases.state["SIMULATION"]["clock"]["is_running"] == "false")
    assert told[1].startswith("5 of 5 flows done at ")


def when(switch: Any, is_so: Callable[[], bool]) -> None:
    """Wait until a change of the switch makes it so."""
    seen = threading.Event()
    stop = switch.watch(lambda: seen.set() if is_so() else None)
    if not is_so():
        assert seen.wait(PATIENCE_S)
    stop()


@pytest.mark.parametrize("nos", ["sonic", "p4"])
def test_packet_tests_of_running_switches_are_of_their_rules(nos: str) -> None:
    fabric = fabric_of(nos)
    with programmed(fabric) as (plan, farm):
        if nos == "sonic":
            push(farm, acl_set(fabric, ["Ethernet0", "Ethernet8"]))
        else:
            entry = P4TableEntry("acl", match=Match(dst_port=(22, 0xFFFF)), priority=9, action=Action("drop"))
            update = p4r.Update(type=p4r.Update.INSERT, entity=entry.encode(schema_of(fabric_pipeline())))
            p4 = farm.switches["leaf0"].p4
            assert p4 is not None
            assert p4.forwarding.write([update], 0) == [None]
        held = lists_of_running(fabric, Inventory(fabric.name, dict(farm.addresses)), ["leaf0"])
    assert held.keys() == {"leaf0"}
    document = suite(plan, "leaf0", held["leaf0"])
    (rule,) = (test for test in document["tests"] if test["kind"] == "acl")
    ingress = {each["ingress"] for each in rule["packets"] if not each["egress"]}
    if nos == "sonic":
        assert rule["name"] == "acl DATAACL RULE_1"
        assert ingress == {1, 2}
        ends = {(each["source"], each["destination"]) for each in rule["packets"] if not each["egress"]}
        assert ends == {(address(fabric, 0), address(fabric, 2))}
    else:
        assert rule["name"].startswith("acl acl priority 9 ")
        assert len(ingress) == 3  # a P4 switch has its list at all ports


def test_p4_entry_stops_exactly_its_flow_and_its_removal_lets_it_go_on(tmp_path: Path) -> None:
    fabric = fabric_of("p4")
    pair = [0xFFFF_0000_0000 | int(endpoint_addresses(fabric)[host]) for host in (0, 2)]
    every = (1 << 128) - 1
    match = Match(src=(pair[0], every), dst=(pair[1], every), protocol=(17, 0xFF))
    entry = P4TableEntry("acl", match=match, priority=9, action=Action("drop"))
    with programmed(fabric) as (_, farm):
        simulation = simulation_of(fabric, farm, tmp_path)
        simulation.advance(MS_PS // 2)
        assert done(simulation) == [0, 1]
        leaf = farm.switches["leaf0"]
        assert leaf.p4 is not None
        entity = entry.encode(schema_of(fabric_pipeline()))
        for how, finished in ((p4r.Update.INSERT, [0, 1, *OTHERS]), (p4r.Update.DELETE, [0, 1, 2, 3, 4])):
            assert leaf.p4.forwarding.write([p4r.Update(type=how, entity=entity)], 0) == [None]
            simulation.set_switch("leaf0", leaf.state())
            simulation.advance(5 * MS_PS if DENIED not in finished else 200 * MS_PS)
            assert done(simulation) == finished
            if DENIED not in finished:
                (name, counts), *_ = (
                    (rule, each) for rule, each in simulation.rule_counts("leaf0").items() if each[0]
                )
                assert counts[0] == -(-1_000_000 // 4096)
                assert name[1].startswith("priority 9 dst=")
                leaf.set_counters(switch_counters(simulation)["leaf0"])
                wanted = p4r.DirectCounterEntry(
                    table_entry=p4r.TableEntry(table_id=entity.table_entry.table_id)
                )
                found = leaf.p4.forwarding.read([p4r.Entity(direct_counter_entry=wanted)])
                data = {each.direct_counter_entry.table_entry.priority: each for each in found}[9]
                counter = data.direct_counter_entry.data
                assert (counter.packet_count, counter.byte_count) == counts


def test_verification_of_running_switches_says_that_it_leaves_access_lists_out() -> None:
    def told(nos: str, request: gnmi.SetRequest | None) -> list[str]:
        fabric = fabric_of(nos)
        with programmed(fabric) as (_, farm):
            if request:
                push(farm, request)
            inventory = Inventory(fabric.name, dict(farm.addresses))
            result = verify_running(fabric, inventory, FailureScope(0, 0, 1, 0), lambda what, share: None)
        assert result.is_good
        return [each.message for each in result.problems if each.code == "access-lists-not-verified"]

    rules = acl_set(fabric_of(), ["Ethernet0"])
    assert told("sonic", rules) == [
        "leaf0 drops what 1 rule of access lists matches, which the proof leaves out: DATAACL|RULE_1"
    ]
    assert told("p4", None) == []  # of its access list only LLDP is taken
