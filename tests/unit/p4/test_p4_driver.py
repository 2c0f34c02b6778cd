"""The plan on P4Runtime switches: pushed, read back, and forwarded with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from finsy import Action, IndirectAction, Match, P4ActionProfileMember, P4CounterData, P4TableEntry
from finsy.proto import p4r, rpc_code

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.plan.update import Write
from raddle.controller.reconcile import PushPolicy, apply_plan, check, read_links
from raddle.controller.southbound.p4runtime import driver
from raddle.controller.southbound.p4runtime import target as targets
from raddle.controller.southbound.p4runtime.fabric import fabric_entities
from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline
from raddle.controller.southbound.p4runtime.session import P4Session
from raddle.controller.southbound.p4runtime.target import p4_target
from raddle.controller.southbound.p4runtime.updates import by_key
from raddle.errors import InputError, UnreachableError
from raddle.inventory import load_inventory
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.switches.prepared import SwitchSource
from raddle.lab.switches.programmed import over_p4runtime, program, read_states
from raddle.lab.workloads.collective import collective_demand
from raddle.lab.workloads.ranks import Scope
from raddle.nos.p4rt import check_entry, forwarding
from raddle.nos.p4rt.check import UpdateError
from raddle.nos.p4rt.read import select
from raddle.sim.switch_columns import find_groups
from raddle.state import HASH_FIELDS, SwitchState
from raddle.topology.model import Ecn, Fabric
from tests.fabrics import pod_running, three_tiers
from tests.unit.p4.p4_fabrics import MIDDLEBLOCK, needs_middleblock, running

NOS = ["p4", pytest.param("pins", marks=needs_middleblock)]
MIB = 1 << 20


def groups_of(state: SwitchState, fabric: Fabric) -> list[tuple[int, ...]]:
    """The ports, in order and as often as hashed to, that each endpoint is reached over."""
    fib, groups = find_groups(state.routes, endpoint_addresses(fabric))
    return [groups[group].ports for group in fib.tolist()]


@pytest.mark.parametrize("nos", NOS)
def test_a_p4_switch_forwards_as_a_sonic_switch_with_the_same_plan(nos: str) -> None:
    tables = {}
    for kind in ("sonic", nos):
        fabric = pod_running(kind, kind, leaves=3, spines=3)
        with running(fabric) as (plan, farm, inventory):
            program(plan, inventory)
            states = read_states(inventory, over_p4runtime(fabric))
            assert {name: switch.state() for name, switch in farm.switches.items()} == states
        tables[kind] = {
            name: (state.hash_seed, groups_of(state, fabric), state.ports[0].dscp_to_tc)
            for name, state in states.items()
        }
    assert tables["sonic"] == tables[nos]


@pytest.mark.parametrize("nos", NOS)
def test_a_pinned_ring_takes_the_same_time_over_p4runtime_as_over_gnmi(nos: str) -> None:
    times = []
    for kind, p4info in (("sonic", None), (nos, MIDDLEBLOCK if nos == "pins" else None)):
        fabric = pod_running(kind, "sonic", leaves=2, spines=2)  # With `nos` a mixed fabric.
        request = BenchRequest("all_reduce", "ring", (MIB,), "pinned", (Scope("strided"),))
        result = run_bench(fabric, request, SwitchSource(p4info=p4info))
        times.append(result.rows[0].time_ps)
        assert not result.collisions
    assert times[0] == times[1]


@pytest.mark.parametrize("nos", NOS)
def test_a_second_apply_writes_nothing_and_drift_names_the_entity(nos: str) -> None:
    with running(pod_running(nos, "sonic")) as (plan, farm, inventory):
        first = apply_plan(plan, inventory)
        assert all(result.is_in_sync for result in first)
        assert [result.protocol for result in first] == ["p4runtime", "p4runtime", "gnmi", "gnmi"]
        again = apply_plan(plan, inventory)
        assert [(result.changes, result.sets) for result in again] == [((), 0)] * 4
        side = farm.switches["leaf0"].p4
        assert side is not None
        table = "ipv4_route" if nos == "p4" else "ipv4_table"
        pipeline = side.forwarding.pipeline
        assert pipeline is not None
        id = pipeline.table_names[table].id
        victim = side.forwarding.read([p4r.Entity(table_entry=p4r.TableEntry(table_id=id))])[0]
        side.forwarding.write([p4r.Update(type=p4r.Update.DELETE, entity=victim)], 0)
        (change,) = check(plan, inventory)[0].changes
        assert change.path.startswith(f"{table}/")
        assert (change.before, bool(change.after)) == ("", True)
        assert apply_plan(plan, inventory)[0].sets == 1
        assert not check(plan, inventory)[0].changes


def test_a_new_plan_is_brought_by_the_least_writes_and_leaves_nothing_old() -> None:
    fabric = pod_running("p4", "p4", leaves=3)
    pinned = make_plan(fabric, "pinned", collective_demand(fabric, "all_reduce", "ring", Scope("strided")))
    with running(fabric) as (plan, farm, inventory):
        program(plan, inventory)
        before = {name: switch.state() for name, switch in farm.switches.items()}
        (leaf, *_) = apply_plan(pinned, inventory)
        assert {change.path.partition("/")[0] for change in leaf.changes} == {"pin_dst"}
        program(plan, inventory)
        assert {name: switch.state() for name, switch in farm.switches.items()} == before


def test_ports_that_mark_by_their_speeds_are_refused_where_the_pipeline_marks_by_class() -> None:
    plan = make_plan(pod_running("p4", "p4"), "ecmp")
    qos = dataclasses.replace(plan.switches[0].qos, ecn_speeds=((400 * 10**9, Ecn(10**6, 2 * 10**6, 1.0)),))
    one, macs = dataclasses.replace(plan.switches[0], qos=qos), neighbour_macs(plan)
    rows = [each for each in fabric_entities(one, macs) if isinstance(each, P4TableEntry)]
    marks = [row.action for row in rows if row.table_id == "ecn"]
    assert marks == [Action("set_ecn", min=244, max=488, p=65535)]
    thresholds = "roce: {ecn: {speeds: [{speed: 100G, kmin: 1MB, kmax: 2MB}]}}\n"
    slow = "overrides: {links: [{ends: [leaf0, host0], speed: 100G}]}\n"
    mixed = pod_running("p4", "p4", more=thresholds + slow)
    with pytest.raises(InputError, match=r"error\[ecn-not-held\]: ports of leaf0 are to mark by their"):
        make_plan(mixed, "ecmp")
    make_plan(pod_running("sonic", "p4", more=thresholds + slow), "ecmp")


def test_a_link_that_goes_down_leaves_its_groups_without_the_controller() -> None:
    fabric = pod_running("p4", "p4")
    with running(fabric) as (plan, farm, inventory):
        program(plan, inventory)
        leaf = farm.switches["leaf0"]
        remote = groups_of(leaf.state(), fabric)[-1]
        assert len(remote) == 2
        leaf.set_carrier(leaf.state().ports[remote[0]].name, False)
        assert groups_of(leaf.state(), fabric)[-1] == remote[1:]


def test_a_port_without_a_link_is_told_whatever_programs_the_switch() -> None:
    with running(pod_running("p4", "sonic")) as (plan, farm, inventory):
        program(plan, inventory)
        assert set(read_links(plan, inventory).values()) == {()}
        for name in ("leaf0", "spine1"):
            farm.switches[name].set_carrier("Ethernet0", False)
        dark = {name: ports for name, ports in read_links(plan, inventory).items() if ports}
        assert dark == {"leaf0": ("Ethernet0",), "spine1": ("Ethernet0",)}


def test_what_a_batch_had_done_is_taken_back_when_a_table_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """New entries are written before old ones go: there is one too many for a while."""
    with running(pod_running("p4", "sonic")) as (plan, farm, inventory):
        target = p4_target(plan.switches[0], neighbour_macs(plan))
        routes = target.schema.tables["ipv4_route"].id
        count = sum(key[:2] == ("entry", routes) for key in target.entities)
        monkeypatch.setattr(targets, "fabric_pipeline", lambda: with_routes(count))
        trap = P4ActionProfileMember("next_hops", member_id=9, action=Action("trap"))
        old = P4TableEntry("ipv4_route", match=Match(dst="192.0.2.0/24"), action=IndirectAction(member_id=9))
        with P4Session("leaf0", inventory.addresses["leaf0"], 1) as session:
            session.require_primary()
            session.set_pipeline(with_routes(count), p4r.SetForwardingPipelineConfigRequest.VERIFY_AND_COMMIT)
            for each in (trap, old):
                session.write([p4r.Update(type=p4r.Update.INSERT, entity=each.encode(target.schema))])
        result = apply_plan(plan, inventory)[0]
        assert f"RESOURCE_EXHAUSTED: ipv4_route is full: it holds {count} entries" in result.error
        assert "the table is full" in result.error
        assert "what it had accepted was taken back" in result.error
        side = farm.switches["leaf0"].p4
        assert side is not None
        for wanted, left in (
            (p4r.Entity(table_entry=p4r.TableEntry()), old),
            (p4r.Entity(action_profile_member=p4r.ActionProfileMember()), trap),
        ):
            assert by_key(side.forwarding.read([wanted])) == by_key([left.encode(target.schema)])


def test_a_plan_that_does_not_fit_a_table_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "fabric_pipeline", lambda: with_routes(5))
    with running(pod_running("p4", "sonic")) as (plan, farm, inventory):
        result = apply_plan(plan, inventory)[0]
        assert "entries of ipv4_route, which holds 5\n  hint: plan fewer pins, or compile" in result.error
        side = farm.switches["leaf0"].p4
        assert side is not None
        assert side.forwarding.pipeline is None


def with_routes(size: int) -> p4r.ForwardingPipelineConfig:
    """The program with another number of IPv4 routes."""
    config = fabric_pipeline()
    next(table for table in config.p4info.tables if table.preamble.alias == "ipv4_route").size = size
    return config


def test_another_primary_is_named_and_nothing_is_written() -> None:
    with (
        running(pod_running("p4", "sonic")) as (plan, _, inventory),
        P4Session("leaf0", inventory.addresses["leaf0"], 1, None, 5) as other,
    ):
        other.require_primary()
        result = apply_plan(plan, inventory)[0]
        assert "another controller is primary" in result.error
        assert (
            "its election id is 5; stop it, or give a higher 'election_id' in the inventory" in result.error
        )
        assert result.sets == 0
        outranking = dataclasses.replace(inventory, election_ids={"leaf0": 6})
        assert apply_plan(plan, outranking)[0].is_in_sync


def test_an_apply_leaves_the_switch_to_the_controllers_that_it_knew() -> None:
    """The election id of one that was there before is enough to be the primary again (section 5.3)."""
    with running(pod_running("p4", "sonic")) as (plan, _, inventory):

        def controller(election_id: int) -> P4Session:
            return P4Session("leaf0", inventory.addresses["leaf0"], 1, None, election_id)

        with controller(2**70 + 7) as before:
            before.require_primary()
        assert apply_plan(plan, inventory)[0].is_in_sync
        with controller(2**70 + 7) as again:
            assert again.open()
        with controller(9) as other, pytest.raises(UnreachableError) as refused:
            other.require_primary()
        assert f"election id 9 is below {2**70 + 7}, which it has seen" in str(refused.value)
        assert f"give {2**70 + 7} or more as its 'election_id' in the inventory" in str(refused.value)


def test_a_switch_with_another_pipeline_is_held_back_until_it_may_be_replaced() -> None:
    other = fabric_pipeline()
    other.p4info.pkg_info.name = "basic.p4"
    other.cookie.cookie = 1
    with running(pod_running("p4", "sonic")) as (plan, _, inventory):
        with P4Session("leaf0", inventory.addresses["leaf0"], 1) as session:
            session.require_primary()
            session.set_pipeline(other, p4r.SetForwardingPipelineConfigRequest.VERIFY_AND_COMMIT)
        held = apply_plan(plan, inventory)[0]
        assert held.held.startswith("pipeline mismatch: it runs the pipeline 'basic.p4'")
        assert held.sets == 0
        done = apply_plan(plan, inventory, PushPolicy(allow_flap=True))[0]
        assert done.is_in_sync


def test_a_pins_switch_without_its_p4info_is_refused_with_the_way_out() -> None:
    fabric = pod_running("pins", "sonic")
    plan = make_plan(fabric, "ecmp")
    with pytest.raises(InputError, match="no-p4info") as refused:
        p4_target(plan.switches[0], neighbour_macs(plan))
    assert "--p4info" in str(refused.value)


@pytest.mark.parametrize("nos", NOS)
def test_routes_of_both_families_are_those_of_a_sonic_switch(nos: str) -> None:
    routes = {}
    for kind in ("sonic", nos):
        fabric = pod_running(kind, kind, leaves=3, spines=2, more="addressing: {families: dual}")
        with running(fabric) as (plan, farm, inventory):
            program(plan, inventory)
            assert not any(each.changes or each.error for each in check(plan, inventory))
            routes[kind] = {
                name: {
                    (route.is_ipv6, route.prefix, route.length): sorted(route.ports)
                    for route in switch.state().routes
                    # A SONiC switch has its cables' prefixes, these have their neighbours' addresses.
                    if route.ports and route.length < (127 if route.is_ipv6 else 31)
                }
                for name, switch in farm.switches.items()
            }
    assert sum(is_ipv6 for is_ipv6, _, _ in routes[nos]["leaf0"]) == 2
    assert routes[nos] == routes["sonic"]


@needs_middleblock
def test_an_inventory_that_names_the_p4info_programs_pins_switches(tmp_path: Path) -> None:
    with running(pod_running("pins", "sonic", leaves=1, spines=1)) as (plan, _, inventory):
        inventory.save(tmp_path / "inventory.json")
        loaded = load_inventory(tmp_path / "inventory.json")
        assert loaded.p4info == MIDDLEBLOCK.resolve()
        assert all(each.is_in_sync for each in apply_plan(plan, loaded))


def test_a_file_that_is_no_p4info_is_named(tmp_path: Path) -> None:
    from raddle.controller.southbound.p4runtime.pipelines import pins_pipeline

    bad = tmp_path / "x.txt"
    bad.write_text("tables {")
    with pytest.raises(InputError, match="is not a P4Info"):
        pins_pipeline(bad)
    with pytest.raises(InputError, match="cannot read"):
        pins_pipeline(tmp_path / "none")
    bad.write_text('pkg_info { name: "x" }')
    with pytest.raises(InputError, match="has no table 'router_interface_table'"):
        pins_pipeline(bad)


def test_queue_pairs_of_the_files_hash_count_on_p4_and_on_sonic_switches_alike() -> None:
    fabric = raddle.loads(
        """
raddle: 1
name: pod
models:
  a-leaf: {ports: 8, port_speed: 400G, buffer: 64MB, nos: p4}
  a-spine: {ports: 8, port_speed: 400G, buffer: 64MB, features: [hash-on-qp]}
fabric: {leaves: {count: 2, model: a-leaf}, spines: {count: 2, model: a-spine}}
hosts: {per_leaf: 2}
routing: {hash: {fields: [src_ip, dst_ip, ip_protocol, l4_src_port, l4_dst_port, bth_qp]}}
"""
    )
    with running(fabric) as (plan, _, inventory):
        program(plan, inventory)
        states = read_states(inventory, over_p4runtime(fabric))
    assert {state.hash_fields for state in states.values()} == {(*HASH_FIELDS, "bth_qp")}


@pytest.mark.parametrize("nos", NOS)
@pytest.mark.parametrize("is_drained", [True, False])
def test_a_drain_goes_in_rounds_and_no_leaf_sends_to_a_spine_in_vain(
    nos: str, is_drained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["", "overrides: {drain: [spine1]}"]
    first, second = (pod_running(nos, nos, leaves=3, more=more) for more in texts[:: 1 if is_drained else -1])
    in_vain: list[tuple[str, int]] = []
    order: list[str] = []
    with running(first) as (plan, farm, inventory):
        program(plan, inventory)
        write = driver.P4Driver.write_routes

        def look(self: driver.P4Driver, writes: Sequence[Write]) -> None:
            write(self, writes)
            order.append(self.name)
            there = {route.prefix for route in farm.switches["spine1"].state().routes if route.length == 30}
            for switch in plan.switches[:3]:
                for route in farm.switches[switch.name].state().routes:
                    peers = [switch.ports[port].peer for port in route.ports]
                    is_used = any(peer.startswith("spine1") for peer in peers)
                    if route.length == 30 and is_used and route.prefix not in there:
                        in_vain.append((switch.name, route.prefix))

        monkeypatch.setattr(driver.P4Driver, "write_routes", look)
        results = apply_plan(make_plan(second, "ecmp"), inventory)
        assert all(result.is_in_sync for result in results), results
        assert sorted(order) == ["leaf0", "leaf1", "leaf2", "spine1"]
        assert order.index("spine1") == (3 if is_drained else 0)
        assert in_vain == []


def test_what_is_put_back_counts_on_from_where_it_was() -> None:
    """A pin with 7 packets is deleted by a push, which is taken back."""
    fabric = pod_running("p4", "sonic")
    with running(fabric) as (plan, _, inventory):
        program(plan, inventory)
        made = p4_target(plan.switches[0], neighbour_macs(plan))
        pin = P4TableEntry(
            "pin_dst",
            match=Match(dst=0xFFFF << 32 | 0x0A000005),
            action=Action("set_next_hop", port=3, dst_mac="02:00:00:00:00:02"),
            counter_data=P4CounterData(byte_count=700, packet_count=7),
        ).encode(made.schema)
        with P4Session("leaf0", inventory.addresses["leaf0"], 1) as session:
            session.require_primary()
            session.write([p4r.Update(type=p4r.Update.INSERT, entity=pin)])
            pushed = driver.P4Driver("leaf0", session.address, made, lambda: session)
            pushed.use(session)
            assert len(pushed.survey().changes) == 1
            pushed.finish(())
            assert "taken back" in pushed.restore(())
            [held] = session.read([pin])
        assert held.table_entry.counter_data.packet_count == 7


def test_a_switch_that_lacks_one_shot_groups_gets_members_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """The specification asks for one-shot groups, and a server may have been written before them."""

    def refuse(*_: object) -> None:
        raise UpdateError(rpc_code.UNIMPLEMENTED, "no action sets here")

    monkeypatch.setattr(check_entry, "check_action_set", refuse)
    with running(pod_running("p4", "sonic")) as (plan, farm, inventory):
        assert all(result.is_in_sync for result in apply_plan(plan, inventory))
        side = farm.switches["leaf0"].p4
        assert side
        kinds = {each.WhichOneof("entity") for each in side.forwarding.read(_EVERYTHING)}
        assert kinds == {"table_entry", "action_profile_member", "action_profile_group"}
        groups = [each for each in farm.switches["leaf0"].state().routes if len(each.ports) == 2]
        monkeypatch.undo()
        # Nor does it change to one-shot groups later: a selector has one style.
        assert all(result.sets == 0 for result in apply_plan(plan, inventory))
        assert groups


_EVERYTHING = [
    p4r.Entity(table_entry=p4r.TableEntry()),
    p4r.Entity(action_profile_member=p4r.ActionProfileMember()),
    p4r.Entity(action_profile_group=p4r.ActionProfileGroup()),
]


def test_a_switch_that_has_no_members_and_groups_is_programmed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Support for the style of members and groups is optional (section 9.2.3)."""

    def lacking(store: object, wanted: p4r.Entity) -> Iterator[p4r.Entity]:
        if wanted.WhichOneof("entity") != "table_entry":
            raise UpdateError(rpc_code.UNIMPLEMENTED, "neither members nor groups here")
        return select(store, wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(forwarding, "select", lacking)
    with running(pod_running("p4", "sonic")) as (plan, _, inventory):
        assert all(result.is_in_sync for result in apply_plan(plan, inventory))


def test_a_newer_program_keeps_what_the_tables_hold() -> None:
    """RECONCILE_AND_COMMIT where the switch can; its entries are then made as planned."""
    older = fabric_pipeline()
    older.cookie.cookie = 1
    with running(pod_running("p4", "sonic")) as (plan, farm, inventory):
        apply_plan(plan, inventory)
        side = farm.switches["leaf0"].p4
        assert side
        held = side.forwarding.read(_EVERYTHING)
        side.forwarding.set_pipeline(older, p4r.SetForwardingPipelineConfigRequest.RECONCILE_AND_COMMIT)
        assert apply_plan(plan, inventory)[0].held.startswith("pipeline mismatch")
        again = apply_plan(plan, inventory, PushPolicy(allow_flap=True))[0]
        assert again.is_in_sync
        assert side.forwarding.read(_EVERYTHING) == held


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"election_id": 0}, "the election_id of leaf0, 0, is not in 1..2^128-1"),
        ({"election_id": "high"}, "the election_id of leaf0, 'high', is not in"),
        ({"role": ""}, "the role of leaf0, '', is no name"),
    ],
)
def test_an_election_id_or_role_that_is_none_is_refused(
    more: dict[str, object], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "inventory.json"
    switch = {"address": "127.0.0.1:50051", **more}
    path.write_text(json.dumps({"fabric": "pod", "switches": {"leaf0": switch}}))
    with pytest.raises(InputError) as refused:
        load_inventory(path)
    assert problem in str(refused.value)


def test_an_inventory_says_with_which_election_id_and_role_we_come(tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    switch = {"address": "127.0.0.1:50051", "election_id": 2**100, "role": "sdn_controller"}
    path.write_text(json.dumps({"fabric": "pod", "switches": {"leaf0": switch}}))
    made = load_inventory(path)
    assert (made.election_ids, made.roles) == ({"leaf0": 2**100}, {"leaf0": "sdn_controller"})


def test_three_tiers_of_p4_switches_rotate_their_hash_as_sonic_switches_do() -> None:
    """Each tier chooses by other bits, so that what meets in one does not meet in the next."""
    offsets = {}
    for nos in ("p4", "sonic"):
        box = f"models: {{box: {{ports: 8, port_speed: 400G, buffer: 64MB, nos: {nos}}}}}\n"
        tree = three_tiers(more=box).replace("per_pod: 2", "per_pod: 2, model: box")
        fabric = raddle.loads(tree.replace("{count: 4}", "{count: 4, model: box}"))
        with running(fabric) as (plan, farm, inventory):
            program(plan, inventory)
            offsets[nos] = {
                switch.name: (farm.switches[switch.name].state().hash_offset, switch.role)
                for switch in fabric.switches
            }
    assert offsets["p4"] == offsets["sonic"]
    assert len(set(offsets["p4"].values())) == 3


def test_a_pin_whose_port_goes_down_leaves_its_packets_to_the_route() -> None:
    """As in the program, whose register the port's own event sets."""
    with running(pod_running("p4", "p4")) as (plan, farm, inventory):
        program(plan, inventory)
        leaf = farm.switches["leaf0"]
        uplinks = [port.name for port in plan.switches[0].ports if port.peer.startswith("spine")]
        number = [port.name for port in plan.switches[0].ports].index(uplinks[0]) + 1
        remote = int(IPv4Address(dict(plan.endpoints)["host2"]))
        pin = P4TableEntry(
            "pin_dst",
            match=Match(dst=remote | 0xFFFF << 32),
            action=Action("set_next_hop", port=number, dst_mac=1),
        )
        with P4Session("leaf0", inventory.addresses["leaf0"], 1) as session:
            session.require_primary()
            schema = p4_target(plan.switches[0], neighbour_macs(plan)).schema
            session.write([p4r.Update(type=p4r.Update.INSERT, entity=pin.encode(schema))])

        def pinned() -> list[int]:
            return [len(each.ports) for each in leaf.state().routes if each.prefix == remote]

        assert pinned() == [1]
        leaf.set_carrier(uplinks[0], False)
        assert pinned() == []
        leaf.set_carrier(uplinks[0], True)
        assert pinned() == [1]
