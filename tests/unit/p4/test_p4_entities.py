"""What INSERT, MODIFY, DELETE and Read do to the entities of a switch."""

from __future__ import annotations

from typing import Any

import pytest
from finsy import (
    Action,
    IndirectAction,
    Match,
    P4ActionProfileGroup,
    P4ActionProfileMember,
    P4Member,
    P4TableEntry,
)
from finsy.proto import p4r, rpc_code
from hypothesis import given, settings
from hypothesis import strategies as st

from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, schema_of
from raddle.nos.p4rt.check import UpdateError
from raddle.nos.p4rt.forwarding import P4Forwarding

CONFIG = fabric_pipeline()
SCHEMA = schema_of(CONFIG)
COMMIT = p4r.SetForwardingPipelineConfigRequest.VERIFY_AND_COMMIT
RECONCILE = p4r.SetForwardingPipelineConfigRequest.RECONCILE_AND_COMMIT
CONTINUE, ROLLBACK, ATOMIC = (
    p4r.WriteRequest.CONTINUE_ON_ERROR,
    p4r.WriteRequest.ROLLBACK_ON_ERROR,
    p4r.WriteRequest.DATAPLANE_ATOMIC,
)
INSERT, MODIFY, DELETE = p4r.Update.INSERT, p4r.Update.MODIFY, p4r.Update.DELETE

PIN = P4TableEntry("pin_dst", match=Match(dst=7), action=Action("set_next_hop", port=1, dst_mac=2))
MEMBER = P4ActionProfileMember("next_hops", member_id=1, action=Action("set_next_hop", port=1, dst_mac=2))
GROUP = P4ActionProfileGroup("next_hops", group_id=1, members=[P4Member(member_id=1, weight=1)], max_size=4)
ROUTE = P4TableEntry("ipv4_route", match=Match(dst="10.0.0.0/24"), action=IndirectAction(group_id=1))


def forwarding(config: p4r.ForwardingPipelineConfig = CONFIG, **options: Any) -> P4Forwarding:
    switch = P4Forwarding(1, **options)
    switch.set_pipeline(config, COMMIT)
    return switch


def resized(name: str, size: int) -> p4r.ForwardingPipelineConfig:
    config = p4r.ForwardingPipelineConfig()
    config.CopyFrom(CONFIG)
    next(table for table in config.p4info.tables if table.preamble.alias == name).size = size
    return config


def update(how: int, entity: Any) -> p4r.Update:
    encoded = entity if isinstance(entity, p4r.Entity) else entity.encode(SCHEMA)
    return p4r.Update(type=how, entity=encoded)  # type: ignore[arg-type]


def codes(switch: P4Forwarding, *updates: p4r.Update, atomicity: int = CONTINUE) -> list[int]:
    """The code of every update of a batch."""
    return [result.code if result else rpc_code.OK for result in switch.write(updates, atomicity)]


def refusal(switch: P4Forwarding, one: p4r.Update) -> tuple[int, str]:
    (result,) = switch.write([one], CONTINUE)
    assert result is not None
    return result.code, result.message


def everything(switch: P4Forwarding) -> list[bytes]:
    wanted = [
        p4r.Entity(table_entry=p4r.TableEntry()),
        p4r.Entity(action_profile_member=p4r.ActionProfileMember()),
        p4r.Entity(action_profile_group=p4r.ActionProfileGroup()),
    ]
    return sorted(found.SerializeToString(deterministic=True) for found in switch.read(wanted))


def test_each_operation_answers_with_the_standards_code() -> None:
    switch = forwarding()
    batches = [
        (INSERT, "OK"),
        (INSERT, "ALREADY_EXISTS"),
        (MODIFY, "OK"),
        (DELETE, "OK"),
        (DELETE, "NOT_FOUND"),
    ]
    for how, expected in [*batches, (MODIFY, "NOT_FOUND")]:
        assert codes(switch, update(how, PIN)) == [rpc_code.Code.Value(expected)]


def test_references_must_hold_in_both_directions() -> None:
    switch = forwarding()
    assert refusal(switch, update(INSERT, GROUP)) == (rpc_code.NOT_FOUND, "group 1: member 1 does not exist")
    assert refusal(switch, update(INSERT, ROUTE)) == (
        rpc_code.NOT_FOUND,
        "ipv4_route: group 1 does not exist",
    )
    assert codes(switch, *(update(INSERT, each) for each in (MEMBER, GROUP, ROUTE))) == [0, 0, 0]
    assert refusal(switch, update(DELETE, MEMBER)) == (
        rpc_code.FAILED_PRECONDITION,
        "member 1 is in use by 1 others",
    )
    assert codes(switch, update(DELETE, GROUP)) == [rpc_code.FAILED_PRECONDITION]
    assert codes(switch, *(update(DELETE, each) for each in (ROUTE, GROUP, MEMBER))) == [0, 0, 0]


def test_a_value_is_kept_in_its_shortest_form_and_refused_where_it_is_too_wide() -> None:
    switch = forwarding()
    long = update(INSERT, PIN)
    long.entity.table_entry.match[0].exact.value = b"\0\0\0\7"
    assert codes(switch, long, update(INSERT, PIN)) == [0, rpc_code.ALREADY_EXISTS]
    wide = update(MODIFY, PIN)
    wide.entity.table_entry.action.action.params[0].value = b"\x02\x00"  # 9 bits of port hold up to 511
    assert refusal(switch, wide) == (
        rpc_code.OUT_OF_RANGE,
        "pin_dst: set_next_hop: 'port' is 0x200, which needs more than 9 bits",
    )


BAD: list[tuple[str, str]] = [
    ("table_id", "table id 0x00000063 is not in the P4Info"),
    ("action_id", "pin_dst: action 0x00000063 is not possible here"),
    ("no_match", "pin_dst: exact match field 'dst' is missing"),
    ("twice", "pin_dst: match field 'dst' is given twice"),
    ("kind", "pin_dst: match field 'dst' is of kind exact"),
    ("priority", "pin_dst: an entry has no priority, but 5 was given"),
    ("no_param", "pin_dst: parameter 'dst_mac' of 'set_next_hop' is missing"),
    ("no_action", "pin_dst: an entry needs an action"),
]


@pytest.mark.parametrize(("what", "message"), BAD)
def test_an_entry_that_the_p4info_does_not_have_is_an_invalid_argument(what: str, message: str) -> None:
    bad = update(INSERT, PIN)
    entry = bad.entity.table_entry
    if what == "table_id":
        entry.table_id = 99
    elif what == "action_id":
        entry.action.action.action_id = 99
    elif what == "no_match":
        entry.ClearField("match")
    elif what == "twice":
        entry.match.append(entry.match[0])
    elif what == "kind":
        entry.match[0].lpm.value = b"\1"
    elif what == "priority":
        entry.priority = 5
    elif what == "no_param":
        del entry.action.action.params[1]
    else:
        entry.ClearField("action")
    code, text = refusal(forwarding(), bad)
    assert code == rpc_code.INVALID_ARGUMENT
    assert text.startswith(message)


def test_matches_of_everything_and_stray_bits_are_refused() -> None:
    switch = forwarding()
    route = update(INSERT, ROUTE)
    route.entity.table_entry.match[0].lpm.prefix_len = 0
    assert "prefix length 0 of 'dst' is not in 1..32" in refusal(switch, route)[1]
    route.entity.table_entry.match[0].lpm.prefix_len = 4
    assert refusal(switch, route)[1] == "ipv4_route: the value of 'dst' has bits outside of its mask"
    acl = P4TableEntry("acl", match=Match(ether_type=(0x88CC, 0xFFFF)), action=Action("trap"))
    assert "an entry needs a priority above 0" in refusal(switch, update(INSERT, acl))[1]


def test_a_full_table_is_resource_exhausted() -> None:
    switch = forwarding(resized("pin_dst", 1))
    other = P4TableEntry("pin_dst", match=Match(dst=8), action=Action("set_next_hop", port=1, dst_mac=2))
    assert codes(switch, update(INSERT, PIN)) == [0]
    assert refusal(switch, update(INSERT, other)) == (
        rpc_code.RESOURCE_EXHAUSTED, "pin_dst is full: it holds 1 entries"
    )  # fmt: skip


def test_a_group_holds_weights_up_to_its_size_once_per_member() -> None:
    switch = forwarding()
    assert codes(switch, update(INSERT, MEMBER)) == [0]
    most = SCHEMA.action_profiles["next_hops"].max_group_size
    for weight, expected in (
        (most + 1, rpc_code.RESOURCE_EXHAUSTED),
        (0, rpc_code.INVALID_ARGUMENT),
        (most, 0),
    ):
        members = [P4Member(member_id=1, weight=weight)]
        group = P4ActionProfileGroup("next_hops", group_id=1, members=members, max_size=most)
        assert codes(switch, update(INSERT, group)) == [expected]
    twice = P4ActionProfileGroup(
        "next_hops", group_id=2, members=[P4Member(member_id=1, weight=1)] * 2, max_size=most
    )
    assert "has a member twice" in refusal(switch, update(INSERT, twice))[1]


def test_a_default_entry_is_modified_reset_and_otherwise_left_alone() -> None:
    switch = forwarding()
    wanted = p4r.Entity(
        table_entry=p4r.TableEntry(table_id=SCHEMA.tables["switch_config"].id, is_default_action=True)
    )
    initial = switch.read([wanted])
    setting = P4TableEntry(
        "switch_config",
        is_default_action=True,
        action=Action("configure", switch_mac=1, hash_seed=2, hash_on_qp=0, hash_offset=0),
    )
    assert codes(switch, update(INSERT, setting)) == [rpc_code.INVALID_ARGUMENT]
    assert codes(switch, update(MODIFY, setting)) == [0]
    assert switch.read([wanted]) == [setting.encode(SCHEMA)]
    assert codes(switch, update(MODIFY, wanted)) == [0]
    assert switch.read([wanted]) == initial
    constant = P4TableEntry("pin_dst", is_default_action=True, action=Action("NoAction"))
    assert codes(switch, update(MODIFY, constant)) == [rpc_code.PERMISSION_DENIED]


@pytest.mark.parametrize("atomicity", [ROLLBACK, ATOMIC])
def test_an_atomic_batch_leaves_nothing_behind(atomicity: int) -> None:
    switch = forwarding()
    batch = [update(INSERT, MEMBER), update(INSERT, ROUTE), update(INSERT, PIN)]
    assert codes(switch, *batch, atomicity=atomicity) == [
        rpc_code.ABORTED,
        rpc_code.NOT_FOUND,
        rpc_code.ABORTED,
    ]
    assert everything(switch) == []
    assert codes(switch, *batch, atomicity=CONTINUE) == [0, rpc_code.NOT_FOUND, 0]


def test_a_pins_switch_stops_at_the_first_error_and_refuses_duplicates() -> None:
    switch = forwarding(fails_on_first=True)
    assert codes(switch, update(DELETE, PIN), update(INSERT, MEMBER)) == [
        rpc_code.NOT_FOUND,
        rpc_code.ABORTED,
    ]
    with pytest.raises(UpdateError, match="duplicated key in the same batch"):
        switch.write([update(INSERT, PIN), update(INSERT, PIN)], CONTINUE)


KINDS = st.sampled_from([MEMBER, GROUP, ROUTE, PIN])


@given(st.lists(st.tuples(st.sampled_from([INSERT, MODIFY, DELETE]), KINDS), max_size=12))
@settings(max_examples=60, deadline=None)
def test_a_batch_that_is_rolled_back_is_as_if_it_had_never_been(moves: list[tuple[int, Any]]) -> None:
    switch = forwarding()
    codes(switch, update(INSERT, MEMBER), update(INSERT, GROUP))
    before = everything(switch)
    missing = P4TableEntry("pin_dst", match=Match(dst=99))
    codes(switch, *(update(*move) for move in moves), update(DELETE, missing), atomicity=ROLLBACK)
    assert everything(switch) == before
    # And the books of references are right: what was there goes away in order.
    assert codes(switch, update(DELETE, GROUP), update(DELETE, MEMBER)) == [0, 0]


def test_reads_take_wildcards_and_exact_keys() -> None:
    switch = forwarding()
    codes(switch, *(update(INSERT, each) for each in (MEMBER, GROUP, ROUTE, PIN)))

    def names(entity: Any) -> list[str]:
        found = switch.read([entity.encode(SCHEMA)])
        return [SCHEMA.tables[each.table_entry.table_id].alias for each in found]

    assert sorted(names(P4TableEntry())) == ["ipv4_route", "pin_dst"]
    assert names(P4TableEntry("pin_dst")) == ["pin_dst"]
    assert names(P4TableEntry("ipv4_route", match=Match(dst="10.0.0.0/24"))) == ["ipv4_route"]
    assert names(P4TableEntry("ipv4_route", match=Match(dst="10.0.1.0/24"))) == []
    with pytest.raises(UpdateError, match="not in the P4Info"):
        switch.read([p4r.Entity(table_entry=p4r.TableEntry(table_id=99))])


def test_indexed_counters_count_on_from_what_is_written() -> None:
    switch = forwarding(counts=lambda name, index: (index, 100 * index))
    counter = SCHEMA.counters["port_tx"]
    wanted = p4r.Entity(counter_entry=p4r.CounterEntry(counter_id=counter.id, index=p4r.Index(index=3)))
    (found,) = switch.read([wanted])
    assert (found.counter_entry.data.packet_count, found.counter_entry.data.byte_count) == (3, 300)
    cleared = p4r.Entity()
    cleared.CopyFrom(wanted)
    cleared.counter_entry.data.SetInParent()
    assert codes(switch, update(MODIFY, cleared)) == [0]
    (found,) = switch.read([wanted])
    assert (found.counter_entry.data.packet_count, found.counter_entry.data.byte_count) == (0, 0)
    wanted.counter_entry.index.index = counter.size
    with pytest.raises(UpdateError, match=f"index {counter.size} is not in 0..{counter.size - 1}"):
        switch.read([wanted])
    wanted.counter_entry.ClearField("index")
    assert len(switch.read([wanted])) == counter.size


def test_direct_counters_count_on_from_what_is_written() -> None:
    switch = forwarding(direct_counts=lambda table, label: (7, 700))
    codes(switch, update(INSERT, PIN))
    key = PIN.encode(SCHEMA).table_entry
    key.ClearField("action")
    wanted = p4r.Entity(direct_counter_entry=p4r.DirectCounterEntry(table_entry=key))

    def counted() -> tuple[int, int]:
        (found,) = switch.read([wanted])
        data = found.direct_counter_entry.data
        return data.packet_count, data.byte_count

    assert counted() == (7, 700)
    with_counter = p4r.Entity(table_entry=key)
    with_counter.table_entry.counter_data.SetInParent()
    assert switch.read([with_counter])[0].table_entry.counter_data.packet_count == 7
    cleared = p4r.Entity()
    cleared.CopyFrom(wanted)
    cleared.direct_counter_entry.data.SetInParent()
    missing = update(DELETE, P4TableEntry("pin_dst", match=Match(dst=99)))
    assert codes(switch, update(MODIFY, cleared), missing, atomicity=ROLLBACK)[1] == rpc_code.NOT_FOUND
    assert counted() == (7, 700)
    assert codes(switch, update(MODIFY, cleared), update(INSERT, cleared)) == [0, rpc_code.INVALID_ARGUMENT]
    assert counted() == (0, 0)
    codes(switch, update(DELETE, PIN))
    assert refusal(switch, update(MODIFY, wanted))[0] == rpc_code.NOT_FOUND
    started = PIN.encode(SCHEMA)
    started.table_entry.counter_data.packet_count = 5
    assert codes(switch, update(INSERT, started)) == [0]
    assert counted() == (5, 0)


def test_reconcile_keeps_the_entities_that_fit_and_refuses_otherwise() -> None:
    switch = forwarding()
    other = P4TableEntry("pin_dst", match=Match(dst=8), action=Action("set_next_hop", port=1, dst_mac=2))
    codes(switch, *(update(INSERT, each) for each in (MEMBER, GROUP, ROUTE, PIN, other)))
    before = everything(switch)
    switch.set_pipeline(resized("pin_dst", 2), RECONCILE)
    assert everything(switch) == before
    with pytest.raises(UpdateError, match="does not fit the new pipeline: pin_dst is full"):
        switch.set_pipeline(resized("pin_dst", 1), RECONCILE)
    assert everything(switch) == before


def test_a_pipeline_is_verified_saved_and_committed_in_steps() -> None:
    request = p4r.SetForwardingPipelineConfigRequest
    switch = P4Forwarding(1)
    with pytest.raises(UpdateError, match="No forwarding pipeline config set"):
        switch.read([])
    switch.set_pipeline(CONFIG, request.VERIFY)
    assert switch.pipeline is None
    with pytest.raises(UpdateError, match="no pipeline was saved"):
        switch.set_pipeline(p4r.ForwardingPipelineConfig(), request.COMMIT)
    switch.set_pipeline(CONFIG, request.VERIFY_AND_SAVE)
    assert switch.pipeline is None
    switch.set_pipeline(p4r.ForwardingPipelineConfig(), request.COMMIT)
    assert switch.pipeline is not None
    with pytest.raises(UpdateError, match="the P4Info has no tables"):
        switch.set_pipeline(p4r.ForwardingPipelineConfig(), COMMIT)
