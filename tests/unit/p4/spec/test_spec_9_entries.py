"""P4Runtime 1.4, chapters 8 and 9.1: values and table entries. Each case is named by its section."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from finsy.proto import p4r

from tests.unit.p4.spec.spec_switch import (
    CONST,
    DELETE,
    DROP,
    EXACT,
    GROUPED,
    INSERT,
    KEYLESS,
    LPM,
    METERED,
    MODIFY,
    NOTHING,
    ONLY_DEFAULT,
    ONLY_ENTRY,
    OPTIONAL,
    RANGE,
    TERNARY,
    TIMED,
    entry,
    forward,
    one_shot,
    read,
    switch,
    write,
)

Change = Callable[[p4r.TableEntry], Any]


def keyed(table: int, kind: str, priority: int = 0, **values: Any) -> p4r.TableEntry:
    made = entry(table=table)
    made.ClearField("match")
    match = getattr(made.match.add(field_id=1), kind)
    for name, value in values.items():
        setattr(match, name, value)
    made.priority = priority
    return made


def without_match(table: int, priority: int = 0) -> p4r.TableEntry:
    made = entry(table=table)
    made.ClearField("match")
    made.priority = priority
    return made


def default(action: int = ONLY_DEFAULT, table: int = EXACT) -> p4r.TableEntry:
    made = p4r.TableEntry(table_id=table, is_default_action=True)
    made.action.action.action_id = action
    return made


def changed(how: Change, base: p4r.TableEntry | None = None) -> p4r.TableEntry:
    made = p4r.TableEntry()
    made.CopyFrom(base or entry())
    how(made)
    return made


def marked(made: p4r.TableEntry, cookie: int) -> None:
    made.metadata, made.controller_metadata = b"mine", cookie


INSERTS: list[tuple[str, p4r.TableEntry, str]] = [
    ("8.3 leading zeros are taken", changed(lambda e: setattr(e.match[0].exact, "value", b"\0\1")), "OK"),
    (
        "8.3 a value wider than its field",
        changed(lambda e: setattr(e.match[0].exact, "value", b"\2\0")),
        "OUT_OF_RANGE",
    ),
    ("8.3 an empty value", changed(lambda e: setattr(e.match[0].exact, "value", b"")), "OUT_OF_RANGE"),
    (
        "8.3 an empty parameter",
        changed(lambda e: setattr(e.action.action.params[0], "value", b"")),
        "OUT_OF_RANGE",
    ),
    (
        "8.3 a parameter wider than its bits",
        changed(lambda e: e.action.action.CopyFrom(forward(port=512))),
        "OUT_OF_RANGE",
    ),
    ("9.1 an unknown table", changed(lambda e: setattr(e, "table_id", 99)), "INVALID_ARGUMENT"),
    ("9.1 a constant entry", changed(lambda e: setattr(e, "is_const", True)), "INVALID_ARGUMENT"),
    ("9.1 an entry of a keyless table", without_match(KEYLESS), "INVALID_ARGUMENT"),
    ("9.1 an exact entry with a priority", changed(lambda e: setattr(e, "priority", 1)), "INVALID_ARGUMENT"),
    ("9.1 a ternary entry without a priority", without_match(TERNARY), "INVALID_ARGUMENT"),
    ("9.1 a ternary entry with a priority", without_match(TERNARY, 5), "OK"),
    ("9.1.1 a field twice", changed(lambda e: e.match.append(e.match[0])), "INVALID_ARGUMENT"),
    (
        "9.1.1 a field that is not there",
        changed(lambda e: setattr(e.match[0], "field_id", 2)),
        "INVALID_ARGUMENT",
    ),
    ("9.1.1 an exact field is missing", without_match(EXACT), "INVALID_ARGUMENT"),
    ("9.1.1 another kind of match", keyed(EXACT, "lpm", value=b"\1", prefix_len=9), "INVALID_ARGUMENT"),
    ("9.1.1 a prefix", keyed(LPM, "lpm", value=b"\1\0", prefix_len=1), "OK"),
    ("9.1.1 a prefix of no bits", keyed(LPM, "lpm", value=b"\0", prefix_len=0), "INVALID_ARGUMENT"),
    (
        "9.1.1 a prefix longer than its field",
        keyed(LPM, "lpm", value=b"\1", prefix_len=10),
        "INVALID_ARGUMENT",
    ),
    ("9.1.1 bits below a prefix", keyed(LPM, "lpm", value=b"\1\1", prefix_len=1), "INVALID_ARGUMENT"),
    ("9.1.1 a ternary match", keyed(TERNARY, "ternary", 5, value=b"\4", mask=b"\6"), "OK"),
    (
        "9.1.1 bits outside of a mask",
        keyed(TERNARY, "ternary", 5, value=b"\1", mask=b"\6"),
        "INVALID_ARGUMENT",
    ),
    ("9.1.1 a mask of nothing", keyed(TERNARY, "ternary", 5, value=b"\0", mask=b"\0"), "INVALID_ARGUMENT"),
    ("9.1.1 a range", keyed(RANGE, "range", 5, low=b"\1", high=b"\3"), "OK"),
    (
        "9.1.1 a range that ends before it begins",
        keyed(RANGE, "range", 5, low=b"\3", high=b"\1"),
        "INVALID_ARGUMENT",
    ),
    ("9.1.1 a range of everything", keyed(RANGE, "range", 5, low=b"\0", high=b"\1\xff"), "INVALID_ARGUMENT"),
    ("9.1.1 an optional match", keyed(OPTIONAL, "optional", 5, value=b"\4"), "OK"),
    ("9.1.2 no action", changed(lambda e: e.ClearField("action")), "INVALID_ARGUMENT"),
    (
        "9.1.2 an unknown action",
        changed(lambda e: setattr(e.action.action, "action_id", 99)),
        "INVALID_ARGUMENT",
    ),
    (
        "9.1.2 an action of the default entry in another",
        changed(lambda e: e.action.action.CopyFrom(p4r.Action(action_id=ONLY_DEFAULT))),
        "PERMISSION_DENIED",
    ),
    ("9.1.2 a parameter is missing", changed(lambda e: e.action.action.params.pop()), "INVALID_ARGUMENT"),
    (
        "9.1.2 a parameter twice",
        changed(lambda e: e.action.action.params.append(e.action.action.params[0])),
        "INVALID_ARGUMENT",
    ),
    (
        "9.1.2 an unknown parameter",
        changed(lambda e: e.action.action.params.add(param_id=3, value=b"\1")),
        "INVALID_ARGUMENT",
    ),
    (
        "9.1.2 a member in a direct table",
        changed(lambda e: setattr(e.action, "action_profile_member_id", 1)),
        "INVALID_ARGUMENT",
    ),
    ("9.1.2 an action in an indirect table", entry(table=GROUPED), "INVALID_ARGUMENT"),
    (
        "9.1.2 a member that is not there",
        changed(lambda e: setattr(e.action, "action_profile_member_id", 1), one_shot()),
        "NOT_FOUND",
    ),
    (
        "9.1.2 a group that is not there",
        changed(lambda e: setattr(e.action, "action_profile_group_id", 1), one_shot()),
        "NOT_FOUND",
    ),
    ("9.1.3 a default entry", default(), "INVALID_ARGUMENT"),
    ("9.1.4 an entry of a constant table", entry(table=CONST), "PERMISSION_DENIED"),
    (
        "9.1.7 a meter where there is none",
        changed(lambda e: e.meter_config.SetInParent()),
        "INVALID_ARGUMENT",
    ),
    (
        "9.1.7 a counter where there is none",
        changed(lambda e: e.counter_data.SetInParent(), keyed(LPM, "lpm", value=b"\1\0", prefix_len=1)),
        "INVALID_ARGUMENT",
    ),
    (
        "9.1.7 a meter that this switch does not have",
        changed(lambda e: e.meter_config.SetInParent(), entry(table=METERED)),
        "UNIMPLEMENTED",
    ),
    (
        "9.1.8 an idle timeout where there is none",
        changed(lambda e: setattr(e, "idle_timeout_ns", 1)),
        "INVALID_ARGUMENT",
    ),
    (
        "9.1.8 a time since the last hit is written",
        changed(lambda e: e.time_since_last_hit.SetInParent(), entry(table=TIMED)),
        "INVALID_ARGUMENT",
    ),
    (
        "9.1.8 an idle timeout that this switch does not watch",
        changed(lambda e: setattr(e, "idle_timeout_ns", 1), entry(table=TIMED)),
        "UNIMPLEMENTED",
    ),
    ("9.1.8 no idle timeout", entry(table=TIMED), "OK"),
]


@pytest.mark.parametrize(("made", "code"), [each[1:] for each in INSERTS], ids=[each[0] for each in INSERTS])
def test_an_insert_is_answered_as_its_section_says(made: p4r.TableEntry, code: str) -> None:
    on = switch()
    assert write(on, INSERT, made) == [code]
    held, _ = read(on, p4r.TableEntry(table_id=made.table_id if made.table_id != 99 else EXACT))
    assert len(held) == (code == "OK")


def test_8_2_an_entry_is_read_as_it_was_written_with_its_metadata() -> None:
    on = switch()
    made = changed(lambda e: marked(e, 9))
    write(on, INSERT, made)
    assert [each.table_entry for each in read(on, p4r.TableEntry(table_id=EXACT))[0]] == [made]


def test_8_3_forms_of_one_value_are_one_key() -> None:
    on = switch()
    long = changed(lambda e: setattr(e.match[0].exact, "value", b"\0\1"))
    assert write(on, INSERT, long, entry()) == ["OK", "ALREADY_EXISTS"]


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda e: setattr(e.action.action, "action_id", 99),
        lambda e: setattr(e.action, "action_profile_group_id", 99),
        lambda e: setattr(e, "is_const", True),
        lambda e: setattr(e, "idle_timeout_ns", 5),
        lambda e: e.meter_config.SetInParent(),
    ],
    ids=["action", "group", "is_const", "idle_timeout", "meter"],
)
def test_9_1_a_delete_goes_by_the_key_alone(nonsense: Change) -> None:
    on = switch()
    write(on, INSERT, entry())
    assert write(on, DELETE, changed(nonsense)) == ["OK"]
    assert write(on, DELETE, entry()) == ["NOT_FOUND"]


def test_9_1_an_entry_beyond_the_size_is_resource_exhausted() -> None:
    on = switch()
    assert write(on, INSERT, *(entry(key) for key in range(1, 6))) == ["OK"] * 4 + ["RESOURCE_EXHAUSTED"]


def test_9_1_an_update_with_is_const_is_refused_whichever_it_is() -> None:
    on = switch()
    write(on, INSERT, entry())
    assert write(on, MODIFY, changed(lambda e: setattr(e, "is_const", True))) == ["INVALID_ARGUMENT"]


def test_9_1_2_a_modify_without_action_leaves_the_action() -> None:
    on = switch()
    write(on, INSERT, entry())
    bare = changed(lambda e: e.ClearField("action"))
    assert write(on, MODIFY, bare) == ["OK"]
    assert [each.table_entry for each in read(on, p4r.TableEntry(table_id=EXACT))[0]] == [entry()]


DEFAULTS: list[tuple[str, int, p4r.TableEntry, str]] = [
    ("9.1.3 it is modified", MODIFY, default(), "OK"),
    ("9.1.3 it is not deleted", DELETE, default(), "INVALID_ARGUMENT"),
    (
        "9.1.3 it has no match",
        MODIFY,
        changed(lambda e: setattr(e, "is_default_action", True)),
        "INVALID_ARGUMENT",
    ),
    (
        "9.1.3 it has no priority",
        MODIFY,
        changed(lambda e: setattr(e, "priority", 1), default()),
        "INVALID_ARGUMENT",
    ),
    ("9.1.3 a keyless table has one", MODIFY, default(DROP, KEYLESS), "OK"),
    ("9.1.3 a constant one", MODIFY, default(NOTHING, CONST), "PERMISSION_DENIED"),
    ("9.1.3 that of an indirect table", MODIFY, default(DROP, GROUPED), "PERMISSION_DENIED"),
    (
        "9.1.2 an action of other entries",
        MODIFY,
        changed(lambda e: setattr(e.action.action, "action_id", ONLY_ENTRY), default()),
        "PERMISSION_DENIED",
    ),
    (
        "9.1.8 it has no idle timeout",
        MODIFY,
        changed(lambda e: setattr(e, "idle_timeout_ns", 1), default(DROP, TIMED)),
        "INVALID_ARGUMENT",
    ),
]


@pytest.mark.parametrize(
    ("how", "made", "code"), [each[1:] for each in DEFAULTS], ids=[each[0] for each in DEFAULTS]
)
def test_a_default_entry_is_as_its_section_says(how: int, made: p4r.TableEntry, code: str) -> None:
    assert write(switch(), how, made) == [code]


@pytest.mark.parametrize(
    ("how", "keeps_action", "code"),
    [
        (INSERT, True, "PERMISSION_DENIED"),
        (INSERT, False, "PERMISSION_DENIED"),
        (MODIFY, True, "PERMISSION_DENIED"),
        (MODIFY, False, "NOT_FOUND"),  # that is for direct resources of the program's own entries
        (DELETE, False, "PERMISSION_DENIED"),
    ],
)
def test_9_1_4_entries_of_a_constant_table_are_the_programs(how: int, keeps_action: bool, code: str) -> None:
    made = entry(table=CONST)
    if not keeps_action:
        made.ClearField("action")
    assert write(switch(), how, made) == [code]


def test_9_1_3_the_programs_own_default_entry_is_read_and_comes_back_on_reset() -> None:
    on = switch()
    asked = p4r.TableEntry(table_id=CONST, is_default_action=True)
    (found,), _ = read(on, asked)
    assert found.table_entry.action.action.action_id == NOTHING
    untold, set_again = p4r.TableEntry(table_id=EXACT, is_default_action=True), default()
    before, _ = read(on, untold)
    assert [each.table_entry for each in before] == [untold]  # the P4Info does not say which
    write(on, MODIFY, set_again)
    assert [each.table_entry for each in read(on, untold)[0]] == [set_again]
    assert write(on, MODIFY, untold) == ["OK"]
    assert read(on, untold)[0] == before


READS: list[tuple[str, Change, int]] = [
    ("9.1.6 everything of a table", lambda e: None, 3),
    ("9.1.6 one key", lambda e: e.match.extend(entry(2).match), 1),
    ("9.1.6 a key that is not there", lambda e: e.match.extend(entry(9).match), 0),
    ("9.1.6 by action", lambda e: setattr(e.action.action, "action_id", ONLY_ENTRY), 1),
    ("9.1.6 by metadata", lambda e: setattr(e, "metadata", b"mine"), 1),
    ("9.1.6 by controller metadata", lambda e: setattr(e, "controller_metadata", 4), 1),
    (
        "9.1.6 by all of them",
        lambda e: marked(e, 5),
        0,
    ),
]


@pytest.mark.parametrize(("how", "count"), [each[1:] for each in READS], ids=[each[0] for each in READS])
def test_a_wildcard_read_filters(how: Change, count: int) -> None:
    on = switch()
    write(
        on,
        INSERT,
        entry(1),
        changed(lambda e: marked(e, 4), entry(2)),
        entry(3, action=p4r.Action(action_id=ONLY_ENTRY)),
    )
    found, codes = read(on, changed(how, p4r.TableEntry(table_id=EXACT)))
    assert (len(found), codes) == (count, ["OK"])


def test_9_1_6_priorities_filter_and_a_read_of_all_tables_takes_no_filter() -> None:
    on = switch()
    write(on, INSERT, *(keyed(TERNARY, "ternary", n, value=b"\4", mask=b"\4") for n in (5, 6)))
    assert len(read(on, p4r.TableEntry(table_id=TERNARY, priority=5))[0]) == 1
    assert len(read(on, p4r.TableEntry())[0]) == 2
    assert read(on, p4r.TableEntry(priority=5))[1] == ["INVALID_ARGUMENT"]


@pytest.mark.parametrize(("table", "code"), [(EXACT, "INVALID_ARGUMENT"), (TIMED, "UNIMPLEMENTED")])
def test_9_1_8_the_time_since_the_last_hit_is_not_told(table: int, code: str) -> None:
    asked = p4r.TableEntry(table_id=table)
    asked.time_since_last_hit.SetInParent()
    assert read(switch(), asked)[1] == [code]
