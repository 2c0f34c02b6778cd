"""The OpenFlow driver with Open vSwitch: what is pushed is what forwards, and what is read back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raddle import traffic
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.openflow.drift import difference
from raddle.controller.southbound.openflow.driver import OpenFlowController
from raddle.controller.southbound.openflow.tables import (
    FORWARD,
    Drop,
    Match,
    RuleKey,
    SelectGroup,
    Tables,
    datapath_id,
    switch_tables,
)
from raddle.errors import UnreachableError
from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.reference import simulate_reference
from raddle.lab.workloads.collective import collective_demand
from raddle.topology import find, load
from raddle.workload import Seats, Workload
from tests.conformance.open_vswitch import DummySwitches, needs_open_vswitch

pytestmark = needs_open_vswitch

FABRIC = load(find("leaf-spine-16"))


def pinned_plan() -> Plan:
    return make_plan(FABRIC, "pinned", collective_demand(FABRIC, "all_reduce", None))


PLAN = pinned_plan()
NAMES = {datapath_id(switch): switch.name for switch in PLAN.switches}


def tables_of(plan: Plan) -> dict[str, Tables]:
    macs = neighbour_macs(plan)
    return {
        switch.name: switch_tables(switch, macs, has_queues=False, has_selection_method=True)
        for switch in plan.switches
    }


@pytest.fixture(scope="module")
def switches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummySwitches]:
    started = DummySwitches(tmp_path_factory.mktemp("ovs"))
    yield started
    started.stop()


def with_controller(
    switches: DummySwitches, work: Callable[[OpenFlowController], Awaitable[None]], election_id: int = 1
) -> None:
    """Run `work` with all switches of the fabric, new and empty, connected."""

    async def session() -> None:
        async with OpenFlowController(NAMES, port=0, election_id=election_id) as controller:
            switches.add(PLAN, f"tcp:127.0.0.1:{controller.port}")
            await controller.connected(10)
            await work(controller)

    try:
        asyncio.run(session())
    finally:
        switches.remove(PLAN)


MACS = {switch.name: switch.mac for switch in PLAN.switches}


def roce(source: str, destination: str, port: int, mac: str) -> str:
    return (
        f"in_port={port},dl_dst={mac},udp,nw_src={source},nw_dst={destination},nw_ttl=64,"
        "udp_src=50000,udp_dst=4791"
    )


def test_a_pushed_plan_reads_back_as_itself(switches: DummySwitches) -> None:
    async def work(controller: OpenFlowController) -> None:
        wanted = tables_of(PLAN)
        sent = await controller.push(wanted)
        assert all(sent.values())
        for name, tables in wanted.items():
            assert (await controller.read(name)).tables == tables
        await controller.read_back(wanted)
        assert set((await controller.push(wanted)).values()) == {0}

    with_controller(switches, work)


def test_tables_of_both_families_read_back_as_themselves(switches: DummySwitches, tmp_path: Path) -> None:
    file = tmp_path / "dual.yaml"
    file.write_text(Path(FABRIC.file).read_text() + "addressing: {families: dual}\n")
    plan = make_plan(load(file), "ecmp")

    async def work(controller: OpenFlowController) -> None:
        wanted = tables_of(plan)
        assert {key.match.eth_type for key in wanted["leaf0"].rules} == {0, 0x0800, 0x86DD}
        await controller.push(wanted)
        await controller.read_back(wanted)

    with_controller(switches, work)


def test_drift_names_what_somebody_changed(switches: DummySwitches) -> None:
    async def work(controller: OpenFlowController) -> None:
        wanted = tables_of(PLAN)
        await controller.push(wanted)
        key = next(key for key in wanted["leaf0"].rules if key.table == FORWARD)
        dropped = RuleKey(FORWARD, 5, Match(0x0800, "10.9.0.0/16"))
        rules = dict(wanted["leaf0"].rules)
        del rules[key]
        await controller.push({"leaf0": replace(wanted["leaf0"], rules=rules | {dropped: Drop()})})
        drift = difference(wanted["leaf0"], await controller.read("leaf0"))
        assert (drift.missing, drift.extra) == ((key,), (dropped,))
        with pytest.raises(UnreachableError, match=r"other tables than pushed on leaf0$"):
            await controller.read_back(wanted)

    with_controller(switches, work)


def test_tables_are_changed_at_once_by_what_is_known_to_be_there(switches: DummySwitches) -> None:
    async def work(controller: OpenFlowController) -> None:
        wanted = tables_of(PLAN)
        await controller.push(wanted)
        held = await controller.read_back(wanted)
        other = {
            name: replace(tables, rules=dict(list(tables.rules.items())[:-3]))
            for name, tables in wanted.items()
        }
        known = await controller.change(held, other)
        assert known == await controller.read_back(other)
        known = await controller.change(known, wanted)
        assert {name: each.tables for name, each in known.items()} == wanted
        await controller.read_back(wanted)

    with_controller(switches, work)


def test_open_vswitch_and_simulated_sonic_switches_send_every_flow_the_same_way(
    switches: DummySwitches,
) -> None:
    """Hop by hop through Open vSwitch's own lookup, beside the simulator's trace of what gNMI reports."""
    ranks = len(FABRIC.endpoints)
    placement = np.arange(ranks, dtype=np.int32)
    schedule = traffic.build("all_reduce", "ring", ranks, 4096 * ranks)
    reference = simulate_reference(FABRIC, PLAN, Workload(schedule, Seats.of_endpoints(placement)), 1)
    numbers = Layout(FABRIC, PLAN).numbers
    addresses = [address for _, address in PLAN.endpoints]

    async def work(controller: OpenFlowController) -> None:
        await controller.push(tables_of(PLAN))
        for qp, (data, acks) in enumerate(zip(reference.data_paths, reference.ack_paths, strict=True)):
            flow = schedule.qp.tolist().index(qp)
            ends = (int(schedule.src[flow]), int(schedule.dst[flow]))
            for (src, dst), path in ((ends, data), (ends[::-1], acks)):
                entry = FABRIC.links[FABRIC.endpoints[src].link].b
                for hop in path:
                    assert hop.device == entry.device
                    packet = roce(addresses[src], addresses[dst], numbers[entry], MACS[hop.device])
                    assert switches.next_port(hop.device, packet) == numbers[hop]
                    link = FABRIC.link_by_port[hop]
                    entry = link.b if hop == link.a else link.a
                assert entry.device == FABRIC.hosts[FABRIC.endpoints[dst].host].name

    with_controller(switches, work)


def test_only_what_is_for_the_switch_and_has_no_vlan_is_routed(switches: DummySwitches) -> None:
    async def work(controller: OpenFlowController) -> None:
        await controller.push(tables_of(PLAN))
        addresses = [address for _, address in PLAN.endpoints]
        packet = roce(addresses[3], addresses[4], 4, MACS["leaf0"])
        way = switches.next_port("leaf0", packet)
        assert way
        assert switches.next_port("leaf0", f"{packet},dl_vlan=0,dl_vlan_pcp=3") == way
        assert switches.next_port("leaf0", f"{packet},dl_vlan=7") is None
        for mac in (MACS["leaf1"], "ff:ff:ff:ff:ff:ff"):
            assert switches.next_port("leaf0", roce(addresses[3], addresses[4], 4, mac)) is None

    with_controller(switches, work)


def test_a_pin_whose_link_dies_goes_over_the_group_without_it(switches: DummySwitches) -> None:
    async def work(controller: OpenFlowController) -> None:
        wanted = tables_of(PLAN)
        await controller.push(wanted)
        addresses = [address for _, address in PLAN.endpoints]
        packet = roce(addresses[3], addresses[4], 4, MACS["leaf0"])
        before = switches.next_port("leaf0", packet)
        assert before
        members = next(g for g in wanted["leaf0"].groups if isinstance(g, SelectGroup)).buckets
        switches.set_port("leaf0", before, "down")
        for _ in range(100):  # the switch looks at its ports in its own time
            after = {switches.next_port("leaf0", packet, dp_hash) for dp_hash in range(1, 17)}
            if before not in after:
                break
            await asyncio.sleep(0.05)
        switches.set_port("leaf0", before, "up")
        assert after == {hop.port for hop, _ in members} - {before}

    with_controller(switches, work)


def test_a_full_table_is_named_and_the_switch_left_as_it_was(switches: DummySwitches) -> None:
    async def work(controller: OpenFlowController) -> None:
        small = {
            name: replace(t, rules=dict(list(t.rules.items())[:5])) for name, t in tables_of(PLAN).items()
        }
        await controller.push(small)
        switches.vsctl("--", "--id=@t", "create", "Flow_Table", "flow_limit=6", "overflow_policy=refuse",
                       "--", "set", "bridge", "leaf0", f"flow_tables:{FORWARD}=@t")  # fmt: skip
        with pytest.raises(UnreachableError, match=r"leaf0: its flow table is full .*; it is back as it was"):
            await controller.push(tables_of(PLAN))
        assert (await controller.read("leaf0")).tables == small["leaf0"]

    with_controller(switches, work)


def test_of_two_controllers_the_one_with_the_higher_election_id_is_master(switches: DummySwitches) -> None:
    async def work(controller: OpenFlowController) -> None:
        only = {number: name for number, name in NAMES.items() if name == "leaf0"}
        async with OpenFlowController(only, port=0, election_id=1) as late:
            targets = [f"tcp:127.0.0.1:{each.port}" for each in (controller, late)]
            switches.vsctl("set-controller", "leaf0", *targets)
            with pytest.raises(UnreachableError, match="leaf0: another controller is its master"):
                await late.connected(10)

    with_controller(switches, work, election_id=2)


def test_a_port_in_use_is_an_error_that_names_it() -> None:
    async def work() -> None:
        async with OpenFlowController(NAMES, port=0) as first:
            with pytest.raises(UnreachableError, match=rf"127.0.0.1:{first.port}: Address already in use"):
                async with OpenFlowController(NAMES, port=first.port):
                    pass

    asyncio.run(work())


def test_switches_that_do_not_come_are_named() -> None:
    async def work() -> None:
        async with OpenFlowController({1: "leaf0"}, port=0) as controller:
            with pytest.raises(UnreachableError, match=r"leaf0: no connection from it within 0.05 s"):
                await controller.connected(0.05)

    asyncio.run(work())


def test_port_events_say_which_port_died_and_came_back(switches: DummySwitches) -> None:
    events: asyncio.Queue[tuple[str, int, bool]] = asyncio.Queue()

    async def session() -> None:
        async with OpenFlowController(
            NAMES, port=0, on_port=lambda *event: events.put_nowait(event)
        ) as controller:
            switches.add(PLAN, f"tcp:127.0.0.1:{controller.port}")
            await controller.connected(10)
            assert controller.live_ports("spine0")[1]
            for state in ("down", "up"):
                switches.set_port("spine0", 1, state)
                async with asyncio.timeout(5):
                    while await events.get() != ("spine0", 1, state == "up"):
                        pass

    try:
        asyncio.run(session())
    finally:
        switches.remove(PLAN)


def test_a_port_whose_other_end_bfd_does_not_hear_is_dead_though_it_has_a_carrier(
    switches: DummySwitches,
) -> None:
    events: asyncio.Queue[tuple[str, int, bool]] = asyncio.Queue()

    async def heard(event: tuple[str, int, bool]) -> None:
        async with asyncio.timeout(10):
            while await events.get() != event:
                pass

    def set_bfd(port: str, is_on: bool) -> None:
        words = (f"bfd:enable={str(is_on).lower()}", "bfd:min_tx=100", "bfd:min_rx=100")
        switches.vsctl("set", "interface", port, *words)

    async def session() -> None:
        async with OpenFlowController(
            NAMES, port=0, on_port=lambda *event: events.put_nowait(event)
        ) as controller:
            switches.add(PLAN, f"tcp:127.0.0.1:{controller.port}")
            await controller.connected(10)
            assert controller.live_ports("leaf0")[5]
            cable = f"{switches.folder}/cable"
            switches.vsctl("set", "interface", "leaf0-5", f"options:pstream=punix:{cable}")
            switches.vsctl("set", "interface", "spine0-1", f"options:stream=unix:{cable}")
            set_bfd("leaf0-5", True)
            await heard(("leaf0", 5, False))
            set_bfd("spine0-1", True)
            await heard(("leaf0", 5, True))
            set_bfd("spine0-1", False)
            await heard(("leaf0", 5, False))
            assert switches.vsctl("get", "interface", "leaf0-5", "link_state").strip() == "up"

    try:
        asyncio.run(session())
    finally:
        switches.remove(PLAN)
