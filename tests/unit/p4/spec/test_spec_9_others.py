"""P4Runtime 1.4, sections 9.1.7 and 9.3 to 9.9: counters, and kinds of entity that this switch lacks."""

from __future__ import annotations

from typing import Any

import pytest
from finsy.proto import p4r

from tests.unit.p4.spec.spec_switch import (
    COUNTER,
    DELETE,
    DIGEST,
    EXACT,
    INSERT,
    LPM,
    METER,
    METERED,
    MODIFY,
    REGISTER,
    VALUE_SET,
    Part,
    entry,
    read,
    switch,
    write,
)


def cell(index: int | None = None, packets: int | None = None, id: int = COUNTER) -> p4r.Entity:
    made = p4r.CounterEntry(counter_id=id)
    if index is not None:
        made.index.index = index
    if packets is not None:
        made.data.packet_count = packets
    return p4r.Entity(counter_entry=made)


def hits(key: int = 1, packets: int | None = None, table: int = EXACT) -> p4r.Entity:
    made = p4r.DirectCounterEntry(table_entry=entry(key, table))
    made.table_entry.ClearField("action")
    if packets is not None:
        made.data.packet_count = packets
    return p4r.Entity(direct_counter_entry=made)


WRITES: list[tuple[str, int, Part, str]] = [
    ("9.3.2 a cell is set", MODIFY, cell(3, 9), "OK"),
    ("9.3.2 all cells are set", MODIFY, cell(None, 9), "OK"),
    ("9.3.2 a cell without data", MODIFY, cell(3), "OK"),
    ("9.3.2 a cell is not inserted", INSERT, cell(3, 9), "INVALID_ARGUMENT"),
    ("9.3.2 a cell is not deleted", DELETE, cell(3), "INVALID_ARGUMENT"),
    ("9.3.2 an index below 0", MODIFY, cell(-1, 9), "INVALID_ARGUMENT"),
    ("9.3.2 an index beyond the end", MODIFY, cell(8, 9), "OUT_OF_RANGE"),
    ("9.3.2 an unknown counter", MODIFY, cell(0, 9, 99), "INVALID_ARGUMENT"),
    ("9.3.1 the counter of an entry is set", MODIFY, hits(1, 9), "OK"),
    ("9.3.1 it is not inserted", INSERT, hits(1, 9), "INVALID_ARGUMENT"),
    ("9.3.1 it is not deleted", DELETE, hits(1), "INVALID_ARGUMENT"),
    ("9.3.1 the counter of no entry", MODIFY, hits(2, 9), "NOT_FOUND"),
    ("9.3.1 a table without counter", MODIFY, hits(1, 9, LPM), "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(
    ("how", "part", "code"), [each[1:] for each in WRITES], ids=[each[0] for each in WRITES]
)
def test_a_counter_is_written_as_its_section_says(how: int, part: Part, code: str) -> None:
    on = switch()
    write(on, INSERT, entry())
    assert write(on, how, part) == [code]


def packets_of(part: Part, on: Any) -> list[int]:
    found, codes = read(on, part)
    assert codes == ["OK"]
    return [
        (
            each.counter_entry if each.HasField("counter_entry") else each.direct_counter_entry
        ).data.packet_count
        for each in found
    ]


def test_9_3_2_a_write_without_index_sets_all_cells_and_one_without_data_none() -> None:
    on = switch()
    assert packets_of(cell(), on) == list(range(8))
    write(on, MODIFY, cell(None, 5))
    assert packets_of(cell(), on) == [5] * 8
    write(on, MODIFY, cell(2, 7), cell(2))
    assert packets_of(cell(), on) == [5, 5, 7, 5, 5, 5, 5, 5]


def test_9_3_2_a_wildcard_reads_every_counter_and_an_index_one_cell() -> None:
    on = switch()
    assert packets_of(p4r.Entity(counter_entry=p4r.CounterEntry()), on) == list(range(8))
    assert packets_of(cell(6), on) == [6]
    assert read(on, cell(8), cell(-1), cell(0, id=99))[1] == [
        "OUT_OF_RANGE",
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
    ]


def test_9_3_1_a_modify_without_data_leaves_the_counter() -> None:
    on = switch()
    write(on, INSERT, entry())
    write(on, MODIFY, hits(1, 40))
    write(on, MODIFY, hits(1))
    assert packets_of(hits(1), on) == [40]


def test_9_3_1_the_counter_of_no_entry_is_not_found() -> None:
    assert read(switch(), hits(1))[1] == ["NOT_FOUND"]


def test_9_1_7_counter_data_is_read_where_it_is_asked_for_and_kept_by_a_modify_without_it() -> None:
    on = switch()
    started = entry()
    started.counter_data.packet_count = 30
    write(on, INSERT, started)
    write(on, MODIFY, entry())
    (plain,), _ = read(on, p4r.TableEntry(table_id=EXACT))
    assert not plain.table_entry.HasField("counter_data")
    asked = p4r.TableEntry(table_id=EXACT)
    asked.counter_data.SetInParent()
    (told,), _ = read(on, asked)
    assert told.table_entry.counter_data.packet_count == 30


def test_9_1_7_an_entry_that_comes_again_counts_from_0() -> None:
    on = switch()
    started = entry()
    started.counter_data.packet_count = 30
    write(on, INSERT, started)
    write(on, DELETE, entry())
    write(on, INSERT, entry())
    assert packets_of(hits(1), on) == [7]  # what the switch itself has counted


def indexed(kind: str, id: int, index: int) -> p4r.Entity:
    made = p4r.Entity()
    part = getattr(made, kind)
    setattr(part, kind.replace("_entry", "_id"), id)
    part.index.index = index
    return made


METER_ENTRY = p4r.DirectMeterEntry(table_entry=entry(table=METERED))
LACKING: list[tuple[str, p4r.Entity, str]] = [
    ("9.4 a meter", p4r.Entity(meter_entry=p4r.MeterEntry(meter_id=METER)), "UNIMPLEMENTED"),
    ("9.4 a meter's cell", indexed("meter_entry", METER, 1), "UNIMPLEMENTED"),
    ("9.4 a meter's cell below 0", indexed("meter_entry", METER, -1), "INVALID_ARGUMENT"),
    ("9.4 a meter's cell beyond the end", indexed("meter_entry", METER, 2), "OUT_OF_RANGE"),
    ("9.4 an unknown meter", p4r.Entity(meter_entry=p4r.MeterEntry(meter_id=99)), "INVALID_ARGUMENT"),
    ("9.4 a direct meter", p4r.Entity(direct_meter_entry=METER_ENTRY), "UNIMPLEMENTED"),
    (
        "9.4 a direct meter of a table without",
        p4r.Entity(direct_meter_entry=p4r.DirectMeterEntry(table_entry=entry())),
        "INVALID_ARGUMENT",
    ),
    (
        "9.6 a value set",
        p4r.Entity(value_set_entry=p4r.ValueSetEntry(value_set_id=VALUE_SET)),
        "UNIMPLEMENTED",
    ),
    (
        "9.6 an unknown value set",
        p4r.Entity(value_set_entry=p4r.ValueSetEntry(value_set_id=99)),
        "INVALID_ARGUMENT",
    ),
    ("9.7 a register's cell below 0", indexed("register_entry", REGISTER, -1), "INVALID_ARGUMENT"),
    ("9.7 a register's cell beyond the end", indexed("register_entry", REGISTER, 2), "OUT_OF_RANGE"),
    ("9.7 a register", p4r.Entity(register_entry=p4r.RegisterEntry(register_id=REGISTER)), "UNIMPLEMENTED"),
    (
        "9.7 an unknown register",
        p4r.Entity(register_entry=p4r.RegisterEntry(register_id=99)),
        "INVALID_ARGUMENT",
    ),
    ("9.8 a digest", p4r.Entity(digest_entry=p4r.DigestEntry(digest_id=DIGEST)), "UNIMPLEMENTED"),
    ("9.8 an unknown digest", p4r.Entity(digest_entry=p4r.DigestEntry(digest_id=99)), "INVALID_ARGUMENT"),
    ("9.9 an unknown extern", p4r.Entity(extern_entry=p4r.ExternEntry(extern_type_id=5)), "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(("part", "code"), [each[1:] for each in LACKING], ids=[each[0] for each in LACKING])
def test_what_this_switch_has_none_of_is_refused_alike_by_write_and_read(part: p4r.Entity, code: str) -> None:
    on = switch()
    is_inserted = part.WhichOneof("entity") in ("digest_entry", "extern_entry")
    others = code if is_inserted else "INVALID_ARGUMENT"
    assert [write(on, how, part) for how in (INSERT, MODIFY, DELETE)] == [[others], [code], [others]]
    assert read(on, part) == ([], [code])


@pytest.mark.parametrize(
    ("how", "group", "session", "code"),
    [
        (INSERT, 1, None, "UNIMPLEMENTED"),
        (INSERT, None, 1, "UNIMPLEMENTED"),
        (INSERT, 0, None, "INVALID_ARGUMENT"),
        (MODIFY, None, 0, "INVALID_ARGUMENT"),
        (DELETE, None, 3, "UNIMPLEMENTED"),
        (INSERT, None, None, "INVALID_ARGUMENT"),
    ],
)
def test_9_5_multicast_groups_and_clone_sessions_are_unimplemented_and_there_are_none(
    how: int, group: int | None, session: int | None, code: str
) -> None:
    on = switch()
    part = p4r.Entity(packet_replication_engine_entry=p4r.PacketReplicationEngineEntry())
    replication = part.packet_replication_engine_entry
    if group is not None:
        replication.multicast_group_entry.multicast_group_id = group
    if session is not None:
        replication.clone_session_entry.session_id = session
    assert write(on, how, part) == [code]
    assert read(on, part) == ([], ["OK"])


@pytest.mark.parametrize(
    "kind",
    [
        "meter_entry",
        "direct_meter_entry",
        "value_set_entry",
        "register_entry",
        "digest_entry",
        "extern_entry",
    ],
)
def test_13_2_a_wildcard_of_a_kind_that_this_switch_has_none_of_finds_nothing(kind: str) -> None:
    part = p4r.Entity()
    getattr(part, kind).SetInParent()
    assert read(switch(), part) == ([], ["OK"])
