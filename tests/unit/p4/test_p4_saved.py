"""What a switch has been told over P4Runtime outlives a restart where `raddle up --state` keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from finsy import Action, Match, P4TableEntry
from finsy.proto import p4r

from raddle.controller.plan import make_plan
from raddle.controller.reconcile import apply_plan, check
from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, pins_pipeline, schema_of
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import Doors, switch_farm
from raddle.nos.p4rt.check import UpdateError
from raddle.nos.p4rt.forwarding import P4Forwarding
from raddle.nos.p4rt.saved import P4Store
from tests.fabrics import pod_running
from tests.unit.p4.p4_fabrics import MIDDLEBLOCK, needs_middleblock

_SET, _WRITE = p4r.SetForwardingPipelineConfigRequest, p4r.WriteRequest
INSERT, MODIFY = p4r.Update.INSERT, p4r.Update.MODIFY


@pytest.mark.parametrize("nos", ["p4", pytest.param("pins", marks=needs_middleblock)])
def test_switches_come_back_as_they_were_programmed(nos: str, tmp_path: Path) -> None:
    fabric = pod_running(nos, nos)
    plan = make_plan(fabric, "ecmp")
    p4info = MIDDLEBLOCK if nos == "pins" else None
    doors = Doors(state_folder=tmp_path)
    with switch_farm(fabric, plan, doors=doors) as farm:
        results = apply_plan(plan, Inventory(fabric.name, dict(farm.addresses), p4info=p4info))
        assert all(result.is_in_sync for result in results)
        states = {name: switch.state() for name, switch in farm.switches.items()}
    with switch_farm(fabric, plan, doors=doors) as farm:
        assert {name: switch.state() for name, switch in farm.switches.items()} == states
        again = check(plan, Inventory(fabric.name, dict(farm.addresses), p4info=p4info))
        assert not any(result.changes or result.error for result in again)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    fabric = pod_running("p4", "p4")
    file = tmp_path / "leaf1" / "p4_tables.pb"
    file.parent.mkdir()
    file.write_bytes(b"something else")
    with pytest.raises(InputError) as refused:
        switch_farm(fabric, make_plan(fabric, "ecmp"), doors=Doors(state_folder=tmp_path))
    assert f"error[bad-saved-tables]: cannot boot from '{file}': not a P4Runtime" in str(refused.value)
    assert "hint: remove the file" in str(refused.value)


def test_what_cannot_be_saved_is_not_done(tmp_path: Path) -> None:
    store = P4Store(tmp_path / "p4_tables.pb")
    schema = schema_of(fabric_pipeline())
    switch = P4Forwarding(1, saved=store)
    switch.set_pipeline(fabric_pipeline(), _SET.VERIFY_AND_COMMIT)
    before = store.path.read_bytes()
    (tmp_path / "p4_tables.pb.tmp").mkdir()  # in the way of the next draft
    store.journal.mkdir()
    pin = P4TableEntry("pin_dst", match=Match(dst=7), action=Action("set_next_hop", port=1, dst_mac=2))
    with pytest.raises(UpdateError, match="nothing was changed, as"):
        switch.write([p4r.Update(type=INSERT, entity=pin.encode(schema))], _WRITE.CONTINUE_ON_ERROR)
    assert switch.read([p4r.Entity(table_entry=p4r.TableEntry())]) == []
    with pytest.raises(UpdateError, match="cannot be saved"):
        switch.set_pipeline(fabric_pipeline(), _SET.RECONCILE_AND_COMMIT)
    assert store.path.read_bytes() == before


def pins(numbers: Iterable[int]) -> list[P4TableEntry]:
    action = Action("set_next_hop", port=1, dst_mac=2)
    return [P4TableEntry("pin_dst", match=Match(dst=number), action=action) for number in numbers]


def test_a_thousand_writes_cost_as_many_bytes_of_disk_and_all_come_back(tmp_path: Path) -> None:
    store = P4Store(tmp_path / "p4_tables.pb")
    schema = schema_of(fabric_pipeline())
    switch = P4Forwarding(1, saved=store)
    switch.set_pipeline(fabric_pipeline(), _SET.VERIFY_AND_COMMIT)
    before = store.path.read_bytes()
    sizes = []
    for pin in pins(range(1, 1001)):
        update = p4r.Update(type=INSERT, entity=pin.encode(schema))
        assert switch.write([update], _WRITE.CONTINUE_ON_ERROR) == [None]
        sizes.append(store.journal.stat().st_size)
    assert store.path.read_bytes() == before
    steps = {late - early for early, late in pairwise(sizes)}
    assert max(steps) - min(steps) <= 2  # a step is the update alone, whatever the tables hold
    everything = [p4r.Entity(table_entry=p4r.TableEntry())]
    assert P4Forwarding(1, saved=store).read(everything) == switch.read(everything)


def test_a_journal_that_a_crash_has_cut_off_or_left_behind_does_no_harm(tmp_path: Path) -> None:
    store = P4Store(tmp_path / "p4_tables.pb")
    schema = schema_of(fabric_pipeline())
    switch = P4Forwarding(1, saved=store)
    switch.set_pipeline(fabric_pipeline(), _SET.VERIFY_AND_COMMIT)
    for pin in pins((1, 2)):
        switch.write([p4r.Update(type=INSERT, entity=pin.encode(schema))], _WRITE.CONTINUE_ON_ERROR)
    whole = store.journal.read_bytes()
    everything = [p4r.Entity(table_entry=p4r.TableEntry())]
    store.journal.write_bytes(whole[:-3])
    assert len(P4Forwarding(1, saved=store).read(everything)) == 1
    switch.set_pipeline(fabric_pipeline(), _SET.RECONCILE_AND_COMMIT)  # saves all, and ends the journal
    assert not store.journal.exists()
    store.journal.write_bytes(whole)
    assert len(P4Forwarding(1, saved=store).read(everything)) == 2


@needs_middleblock
def test_an_entry_that_was_turned_to_a_later_one_comes_back(tmp_path: Path) -> None:
    """A next hop is made, then modified to go by a router interface that came after it."""
    config = pins_pipeline(MIDDLEBLOCK)
    schema = schema_of(config)
    store = P4Store(tmp_path / "p4_tables.pb")
    switch = P4Forwarding(1, fails_on_first=True, saved=store)
    switch.set_pipeline(config, _SET.VERIFY_AND_COMMIT)

    def interface(name: str) -> list[P4TableEntry]:
        return [
            P4TableEntry(
                "router_interface_table", match=Match(router_interface_id=name),
                action=Action("set_port_and_src_mac", port=name, src_mac=1),
            ),
            P4TableEntry(
                "neighbor_table", match=Match(router_interface_id=name, neighbor_id="fe80::1"),
                action=Action("set_dst_mac", dst_mac=2),
            ),
        ]  # fmt: skip

    def hop(name: str) -> P4TableEntry:
        action = Action("set_ip_nexthop", router_interface_id=name, neighbor_id="fe80::1")
        return P4TableEntry("nexthop_table", match=Match(nexthop_id="hop"), action=action)

    for how, entity in (
        *((INSERT, each) for each in interface("Ethernet0")),
        (INSERT, hop("Ethernet0")),
        *((INSERT, each) for each in interface("Ethernet8")),
        (MODIFY, hop("Ethernet8")),
    ):
        update = p4r.Update(type=how, entity=entity.encode(schema))
        assert switch.write([update], _WRITE.CONTINUE_ON_ERROR) == [None]
    everything = [p4r.Entity(table_entry=p4r.TableEntry())]
    assert P4Forwarding(1, saved=store).read(everything) == switch.read(everything)
