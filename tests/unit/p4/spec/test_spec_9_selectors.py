"""P4Runtime 1.4, section 9.2: members, groups and one-shot groups. Each case is named by its section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from finsy.proto import p4r

from raddle.nos.p4rt.forwarding import P4Forwarding
from tests.unit.p4.spec.spec_switch import (
    DELETE,
    GROUPED,
    INSERT,
    MEMBERED,
    MEMBERS,
    MODIFY,
    WEIGHTS,
    Part,
    entity,
    entry,
    group,
    member,
    one_shot,
    read,
    switch,
    write,
)


def with_members(profile: int = WEIGHTS, count: int = 4) -> P4Forwarding:
    on = switch()
    write(on, INSERT, *(member(id, profile, id) for id in range(1, count + 1)))
    return on


def pointing(**action: int) -> p4r.TableEntry:
    made = entry(table=GROUPED)
    made.action.CopyFrom(p4r.TableAction(**action))  # type: ignore[arg-type]
    return made


def twice() -> p4r.ActionProfileGroup:
    made = group()
    made.members.append(made.members[0])
    return made


def watching(number: int) -> p4r.ActionProfileGroup:
    made = group()
    made.members[0].watch = number
    return made


GROUPS: list[tuple[str, p4r.ActionProfileGroup, str]] = [
    ("9.2.2 a group", group(weights=(1, 2)), "OK"),
    ("9.2.2 id 0", group(0), "INVALID_ARGUMENT"),
    ("9.2.2 an unknown profile", group(profile=99), "INVALID_ARGUMENT"),
    ("9.2.2 a member that is not there", group(weights=(1,) * 5), "NOT_FOUND"),
    ("9.2.2 a member twice", twice(), "INVALID_ARGUMENT"),
    ("9.2.2 weight 0", group(weights=(0,)), "INVALID_ARGUMENT"),
    ("9.2.2 max_size 0 where the program has a limit", group(max_size=0), "INVALID_ARGUMENT"),
    ("9.2.2 max_size above max_group_size", group(max_size=9), "INVALID_ARGUMENT"),
    ("9.2.2 max_size below 0", group(max_size=-1), "INVALID_ARGUMENT"),
    ("9.2.2 the largest max_size", group(max_size=8), "OK"),
    ("9.2.2 weights above max_size", group(weights=(2, 2), max_size=3), "RESOURCE_EXHAUSTED"),
    ("9.2.2 weights of max_size", group(weights=(1, 2), max_size=3), "OK"),
    ("9.2.2 watch_port of a port", group(watch=b"\4"), "OK"),
    ("9.2.2 watch_port of no port", group(watch=b"\5"), "INVALID_ARGUMENT"),
    ("9.2.2 watch (deprecated) of a port", watching(4), "OK"),
    ("9.2.2 watch (deprecated) of no port", watching(5), "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(("made", "code"), [each[1:] for each in GROUPS], ids=[each[0] for each in GROUPS])
def test_a_group_is_answered_as_its_section_says(made: p4r.ActionProfileGroup, code: str) -> None:
    on = with_members()
    assert write(on, INSERT, made) == [code]
    held, _ = read(on, p4r.ActionProfileGroup())
    assert [each.action_profile_group for each in held] == ([made] if code == "OK" else [])


SUMS: list[tuple[str, Sequence[int], int, str]] = [
    ("6.4.3 weights do not count", (4, 4, 4), 3, "OK"),
    ("6.4.3 members count", (1, 1), 1, "RESOURCE_EXHAUSTED"),
    ("6.4.3 a weight above max_member_weight", (5,), 3, "INVALID_ARGUMENT"),
    ("9.2.2 max_size above max_group_size", (1,), 4, "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(
    ("weights", "size", "code"), [each[1:] for each in SUMS], ids=[each[0] for each in SUMS]
)
def test_a_group_of_a_selector_that_counts_members(weights: Sequence[int], size: int, code: str) -> None:
    on = with_members(MEMBERS)
    assert write(on, INSERT, group(weights=weights, max_size=size, profile=MEMBERS)) == [code]


STEPS: list[tuple[str, Sequence[tuple[int, Part, str]]]] = [
    ("9.2.1 a member twice", [(INSERT, member(), "ALREADY_EXISTS")]),
    ("9.2.1 member id 0", [(INSERT, member(0), "INVALID_ARGUMENT")]),
    ("9.2.1 a member of no profile", [(INSERT, member(9, 99), "INVALID_ARGUMENT")]),
    (
        "9.2.1 a member without action",
        [(INSERT, p4r.ActionProfileMember(action_profile_id=WEIGHTS, member_id=9), "INVALID_ARGUMENT")],
    ),
    ("9.2.1 a member changes", [(MODIFY, member(1, port=3), "OK")]),
    ("9.2.1 a member that is not there changes", [(MODIFY, member(9), "NOT_FOUND")]),
    ("9.2.1 a member that is not there goes", [(DELETE, member(9), "NOT_FOUND")]),
    (
        "9.2.1 a member goes by its id alone",
        [(DELETE, p4r.ActionProfileMember(action_profile_id=WEIGHTS, member_id=4), "OK")],
    ),
    ("9.2.1 a member of a group stays", [(INSERT, group(), "OK"), (DELETE, member(), "FAILED_PRECONDITION")]),
    (
        "9.2.1 a member of an entry stays",
        [(INSERT, pointing(action_profile_member_id=1), "OK"), (DELETE, member(), "FAILED_PRECONDITION")],
    ),
    ("9.2.2 a group twice", [(INSERT, group(), "OK"), (INSERT, group(), "ALREADY_EXISTS")]),
    ("9.2.2 a group changes", [(INSERT, group(), "OK"), (MODIFY, group(weights=(3, 4)), "OK")]),
    ("9.2.2 max_size stays", [(INSERT, group(), "OK"), (MODIFY, group(max_size=4), "INVALID_ARGUMENT")]),
    (
        "9.2.2 max_size is said again",
        [(INSERT, group(), "OK"), (MODIFY, group(max_size=0), "INVALID_ARGUMENT")],
    ),
    ("9.2.2 a group that is not there changes", [(MODIFY, group(), "NOT_FOUND")]),
    ("9.2.2 a group that is not there goes", [(DELETE, group(), "NOT_FOUND")]),
    (
        "9.2.2 a group goes by its id alone",
        [
            (INSERT, group(), "OK"),
            (DELETE, p4r.ActionProfileGroup(action_profile_id=WEIGHTS, group_id=1), "OK"),
        ],
    ),
    (
        "9.2.2 a group of an entry stays",
        [
            (INSERT, group(), "OK"),
            (INSERT, pointing(action_profile_group_id=1), "OK"),
            (DELETE, group(), "FAILED_PRECONDITION"),
        ],
    ),
    (
        "9.2.2 member 1 and group 1 are two things",
        [(INSERT, group(1), "OK"), (DELETE, member(4), "OK"), (MODIFY, member(1), "OK")],
    ),
    ("9.2.3 no one-shot beside members", [(INSERT, one_shot(), "INVALID_ARGUMENT")]),
]


@pytest.mark.parametrize("steps", [each[1] for each in STEPS], ids=[each[0] for each in STEPS])
def test_members_and_groups_are_answered_as_their_section_says(
    steps: Sequence[tuple[int, Part, str]],
) -> None:
    on = with_members()
    assert [write(on, how, part)[0] for how, part, _ in steps] == [code for _, _, code in steps]


def test_9_2_1_members_beyond_the_size_are_resource_exhausted() -> None:
    on = with_members(count=12)
    assert write(on, INSERT, member(13)) == ["RESOURCE_EXHAUSTED"]


def with_mode(**modes: Any) -> p4r.TableEntry:
    made = one_shot()
    for name, value in modes.items():
        setattr(made.action.action_profile_action_set, name, value)
    return made


ONE_SHOTS: list[tuple[str, p4r.TableEntry, str]] = [
    ("9.2.3 a one-shot group", one_shot((1, 2)), "OK"),
    ("9.2.3 of max_group_size", one_shot((3, 5)), "OK"),
    ("9.2.3 above max_group_size", one_shot((4, 5)), "INVALID_ARGUMENT"),
    ("9.2.3 without an action", one_shot(()), "INVALID_ARGUMENT"),
    ("9.2.3 weight 0", one_shot((0, 1)), "INVALID_ARGUMENT"),
    ("9.2.3 weight below 0", one_shot((-1,)), "INVALID_ARGUMENT"),
    ("9.2.3 watch_port of a port", one_shot(watch=b"\1"), "OK"),
    ("9.2.3 watch_port of no port", one_shot(watch=b"\x09"), "INVALID_ARGUMENT"),
    ("9.2.3 in a direct table", one_shot(table=1), "INVALID_ARGUMENT"),
    ("9.2.3 the selectors own semantics", with_mode(size_semantics=1), "OK"),
    ("9.2.3 other semantics", with_mode(size_semantics=2), "UNIMPLEMENTED"),
    ("9.2.3 another way to select", with_mode(action_selection_mode=2), "UNIMPLEMENTED"),
    ("9.2.3 members count where the selector says so", one_shot((4, 4, 4), table=MEMBERED), "OK"),
    ("9.2.3 more members than max_group_size", one_shot((1,) * 4, table=MEMBERED), "INVALID_ARGUMENT"),
    ("9.2.3 a weight above max_member_weight", one_shot((5,), table=MEMBERED), "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(
    ("made", "code"), [each[1:] for each in ONE_SHOTS], ids=[each[0] for each in ONE_SHOTS]
)
def test_a_one_shot_group_is_answered_as_its_section_says(made: p4r.TableEntry, code: str) -> None:
    on = switch()
    assert write(on, INSERT, made) == [code]
    if code == "OK":
        found, _ = read(on, p4r.TableEntry(table_id=made.table_id))
        assert [each.table_entry for each in found] == [made]  # never a desugared version
        assert read(on, p4r.ActionProfileMember(), p4r.ActionProfileGroup())[0] == []


def test_9_2_3_the_same_action_twice_is_not_coalesced() -> None:
    on = switch()
    made = one_shot((1,))
    actions = made.action.action_profile_action_set.action_profile_actions
    actions.append(actions[0])
    assert write(on, INSERT, made) == ["OK"]
    assert [each.table_entry for each in read(on, p4r.TableEntry(table_id=GROUPED))[0]] == [made]


def test_9_2_3_one_shots_fill_the_selector_and_free_it_again() -> None:
    on = switch()
    assert write(on, INSERT, one_shot((8,), 1), one_shot((5,), 2)) == ["OK", "RESOURCE_EXHAUSTED"]
    assert write(on, MODIFY, one_shot((4,), 1)) == ["OK"]
    assert write(on, INSERT, one_shot((8,), 2)) == ["OK"]
    assert write(on, DELETE, one_shot((), 1), one_shot((), 2)) == ["OK", "OK"]


@pytest.mark.parametrize("part", [member(), group()], ids=["member", "group"])
def test_9_2_3_nothing_else_beside_one_shots(part: Part) -> None:
    on = switch()
    assert write(on, INSERT, one_shot()) == ["OK"]
    assert write(on, INSERT, part) == ["INVALID_ARGUMENT"]
    assert write(on, INSERT, member(1, MEMBERS)) == ["OK"]  # another selector's
    write(on, DELETE, one_shot())
    assert write(on, INSERT, member()) == ["OK"]


def test_9_2_members_and_groups_are_read_by_profile_and_id() -> None:
    on = with_members()
    write(on, INSERT, group(1), group(2), member(1, MEMBERS))
    asked: list[tuple[Part, int]] = [
        (p4r.ActionProfileMember(), 5),
        (p4r.ActionProfileMember(action_profile_id=WEIGHTS), 4),
        (p4r.ActionProfileMember(action_profile_id=WEIGHTS, member_id=2), 1),
        (p4r.ActionProfileGroup(action_profile_id=WEIGHTS), 2),
        (p4r.ActionProfileGroup(action_profile_id=WEIGHTS, group_id=2), 1),
    ]
    for part, count in asked:
        assert len(read(on, part)[0]) == count
    assert read(on, entity(p4r.ActionProfileGroup(action_profile_id=99)))[1] == ["INVALID_ARGUMENT"]
