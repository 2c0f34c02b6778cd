"""P4Runtime 1.4, chapters 7, 10 to 15: batches, reads, and how a pipeline is set."""

from __future__ import annotations

import threading

import pytest
from finsy.proto import p4r, rpc_code

from raddle.nos.p4rt.check import UpdateError
from raddle.nos.p4rt.forwarding import P4Forwarding
from tests.unit.p4.spec.spec_switch import (
    COMMIT,
    CONTINUE,
    DELETE,
    EXACT,
    INSERT,
    LPM,
    MODIFY,
    OWNED,
    WEIGHTS,
    config,
    entry,
    group,
    member,
    one_shot,
    read,
    switch,
    write,
)

Request = p4r.SetForwardingPipelineConfigRequest
Action = Request.Action
EVERYTHING = p4r.TableEntry()
NOTHING = p4r.ForwardingPipelineConfig()


def refused(on: P4Forwarding, made: p4r.ForwardingPipelineConfig, how: Action.ValueType) -> str:
    with pytest.raises(UpdateError) as caught:
        on.set_pipeline(made, how)
    return rpc_code.Code.Name(caught.value.code)


def test_7_a_configuration_is_kept_as_a_whole_and_its_cookie_is_the_controllers() -> None:
    on, other = switch(), config("other")
    other.cookie.cookie, other.p4_device_config = 78, b"another program"
    on.set_pipeline(other, COMMIT)
    assert on.pipeline
    assert on.pipeline.config == other
    other.ClearField("cookie")  # optional (7.3)
    on.set_pipeline(other, COMMIT)
    assert not on.pipeline.config.HasField("cookie")


def test_10_a_refusal_has_a_code_of_its_own_and_words_that_name_the_entity() -> None:
    on = switch()
    write(on, INSERT, entry())
    wanted = {"ALREADY_EXISTS": (INSERT, entry()), "NOT_FOUND": (DELETE, entry(7))}
    for code, (how, part) in wanted.items():
        (error,) = on.write([p4r.Update(type=how, entity=p4r.Entity(table_entry=part))], CONTINUE)
        assert error
        assert rpc_code.Code.Name(error.code) == code
        assert "exact" in error.message


def test_11_a_read_beside_a_write_sees_an_update_as_a_whole_or_not_at_all() -> None:
    on, stop = switch(), threading.Event()
    groups = [one_shot((1, 1)), one_shot((2, 2, 2))]
    write(on, INSERT, groups[0])

    def change() -> None:
        while not stop.is_set():
            for each in reversed(groups):
                assert write(on, MODIFY, each) == ["OK"]

    writer = threading.Thread(target=change)
    writer.start()
    try:
        seen = [read(on, EVERYTHING)[0][0].table_entry for _ in range(500)]
    finally:
        stop.set()
        writer.join()
    assert all(each in groups for each in seen)


def test_12_a_write_before_a_pipeline_is_a_failed_precondition() -> None:
    with pytest.raises(UpdateError) as caught:
        write(P4Forwarding(1), INSERT, entry())
    assert caught.value.code == rpc_code.FAILED_PRECONDITION


def test_12_an_update_without_type_or_entity_is_an_invalid_argument() -> None:
    assert write(switch(), 0, entry()) == ["INVALID_ARGUMENT"]
    assert write(switch(), INSERT, p4r.Entity()) == ["INVALID_ARGUMENT"]


def test_12_2_every_update_is_attempted_and_has_its_status() -> None:
    on = switch()
    bad = entry(table=99)
    assert write(on, INSERT, entry(1), bad, entry(1), entry(2)) == [
        "OK",
        "INVALID_ARGUMENT",
        "ALREADY_EXISTS",
        "OK",
    ]
    assert len(read(on, EVERYTHING)[0]) == 2


@pytest.mark.parametrize("atomicity", [p4r.WriteRequest.ROLLBACK_ON_ERROR, p4r.WriteRequest.DATAPLANE_ATOMIC])
def test_12_2_all_or_none(atomicity: int) -> None:
    on = switch()
    write(on, INSERT, entry(3))
    before = read(on, EVERYTHING)[0]
    codes = write(on, INSERT, entry(1), one_shot(), entry(3), entry(2), atomicity=atomicity)
    assert codes == ["ABORTED", "ABORTED", "ALREADY_EXISTS", "ABORTED"]
    assert read(on, EVERYTHING)[0] == before
    assert write(on, INSERT, member()) == ["OK"]  # no one-shot group is left in the books


def test_12_2_an_atomicity_that_the_standard_does_not_have_is_refused() -> None:
    on = switch()
    with pytest.raises(UpdateError, match="no atomicity 9") as refused:
        write(on, INSERT, entry(1), atomicity=9)
    assert refused.value.code == rpc_code.INVALID_ARGUMENT
    assert read(on, EVERYTHING)[0] == []


def test_12_1_what_a_batch_refers_to_may_be_in_it() -> None:
    pointing = one_shot()
    pointing.action.action_profile_group_id = 1
    assert write(switch(), INSERT, member(), group(), pointing) == ["OK"] * 3


def test_13_a_read_before_a_pipeline_is_a_failed_precondition() -> None:
    with pytest.raises(UpdateError) as caught:
        read(P4Forwarding(1), EVERYTHING)
    assert caught.value.code == rpc_code.FAILED_PRECONDITION


def test_13_3_good_requests_are_answered_beside_bad_ones() -> None:
    on = switch()
    write(on, INSERT, entry())
    bad = p4r.TableEntry(table_id=99)
    found, codes = read(on, p4r.TableEntry(table_id=EXACT), bad, p4r.Entity(), p4r.TableEntry(table_id=LPM))
    assert [each.table_entry for each in found] == [entry()]
    assert codes == ["OK", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "OK"]


def test_13_3_an_entity_comes_as_often_as_it_is_asked_for() -> None:
    on = switch()
    write(on, INSERT, entry())
    assert len(read(on, EVERYTHING, p4r.TableEntry(table_id=EXACT))[0]) == 2


def test_13_a_role_reads_its_own_tables_and_nobodys() -> None:
    on = switch()
    write(on, INSERT, entry(1), entry(2, OWNED), member())
    everything = (EVERYTHING, p4r.ActionProfileMember())
    kinds = {role: len(read(on, *everything, role=role)[0]) for role in ("", "owner", "another")}
    assert kinds == {"": 3, "owner": 3, "another": 2}
    assert read(on, p4r.TableEntry(table_id=OWNED), role="another") == ([], ["OK"])


def test_14_verify_changes_nothing() -> None:
    on = switch()
    write(on, INSERT, entry())
    on.set_pipeline(config("other"), Request.VERIFY)
    assert on.pipeline is not None
    assert on.pipeline.name == "spec"
    assert len(read(on, EVERYTHING)[0]) == 1


@pytest.mark.parametrize(
    "how",
    [Request.VERIFY, Request.VERIFY_AND_SAVE, Request.VERIFY_AND_COMMIT, Request.RECONCILE_AND_COMMIT],
    ids=["VERIFY", "VERIFY_AND_SAVE", "VERIFY_AND_COMMIT", "RECONCILE_AND_COMMIT"],
)
def test_14_no_pipeline_is_an_invalid_argument(how: Action.ValueType) -> None:
    on = switch()
    write(on, INSERT, entry())
    assert refused(on, NOTHING, how) == "INVALID_ARGUMENT"
    assert len(read(on, EVERYTHING)[0]) == 1


def test_14_an_action_that_is_none_is_an_invalid_argument() -> None:
    assert refused(switch(), config(), Request.UNSPECIFIED) == "INVALID_ARGUMENT"


def test_14_verify_and_commit_clears_the_tables() -> None:
    on = switch()
    write(on, INSERT, entry(), member())
    on.set_pipeline(config(), COMMIT)
    assert read(on, EVERYTHING, p4r.ActionProfileMember())[0] == []


def test_14_commit_without_a_saved_pipeline_is_not_found() -> None:
    assert refused(switch(), NOTHING, Request.COMMIT) == "NOT_FOUND"


def test_14_commit_with_a_pipeline_is_an_invalid_argument_and_the_saved_one_stays_saved() -> None:
    on = switch()
    on.set_pipeline(config("next"), Request.VERIFY_AND_SAVE)
    assert refused(on, config("next"), Request.COMMIT) == "INVALID_ARGUMENT"
    on.set_pipeline(NOTHING, Request.COMMIT)
    assert on.pipeline is not None
    assert on.pipeline.name == "next"


def test_14_a_saved_pipeline_is_committed_once() -> None:
    on = switch()
    on.set_pipeline(config("next"), Request.VERIFY_AND_SAVE)
    on.set_pipeline(NOTHING, Request.COMMIT)
    assert refused(on, NOTHING, Request.COMMIT) == "NOT_FOUND"


def test_14_what_is_written_after_a_save_comes_into_force_with_the_commit() -> None:
    on = switch()
    write(on, INSERT, entry(1), entry(2))
    without = config("next")
    without.p4info.tables[EXACT - 1].size = 9
    on.set_pipeline(without, Request.VERIFY_AND_SAVE)
    assert read(on, EVERYTHING)[0] == []  # reads and writes are of the saved pipeline
    assert write(on, INSERT, entry(7)) == ["OK"]
    assert write(on, DELETE, entry(1)) == ["NOT_FOUND"]
    assert _forwarded(on) == [1, 2]  # packets see the old one
    on.set_pipeline(NOTHING, Request.COMMIT)
    assert _forwarded(on) == [7]
    assert [each.table_entry for each in read(on, EVERYTHING)[0]] == [entry(7)]


def _forwarded(on: P4Forwarding) -> list[int]:
    _, tables = on.snapshot()
    return sorted(int.from_bytes(row.exact["key"], "big") for row in tables.rows["exact"])


def test_14_a_pipeline_that_is_set_replaces_a_saved_one() -> None:
    on = switch()
    on.set_pipeline(config("next"), Request.VERIFY_AND_SAVE)
    on.set_pipeline(config("last"), COMMIT)
    assert refused(on, NOTHING, Request.COMMIT) == "NOT_FOUND"


def test_14_reconcile_keeps_what_fits_and_refuses_what_does_not() -> None:
    on = switch()
    write(on, INSERT, entry(1), entry(2), member(1), member(2), group(1, (1, 1)))
    everything = (EVERYTHING, p4r.ActionProfileMember(), p4r.ActionProfileGroup())
    before = read(on, *everything)[0]
    larger, smaller = config("larger"), config("smaller")
    larger.p4info.tables[EXACT - 1].size, smaller.p4info.tables[EXACT - 1].size = 9, 1
    on.set_pipeline(larger, Request.RECONCILE_AND_COMMIT)
    assert read(on, *everything)[0] == before
    assert refused(on, smaller, Request.RECONCILE_AND_COMMIT) == "INVALID_ARGUMENT"
    assert read(on, *everything)[0] == before


def test_6_ids_that_stand_twice_in_a_p4info_are_an_invalid_argument() -> None:
    broken = config()
    broken.p4info.tables[1].preamble.id = EXACT
    assert refused(switch(), broken, COMMIT) == "INVALID_ARGUMENT"


def test_6_an_action_that_is_missing_from_a_p4info_is_an_invalid_argument() -> None:
    broken = config()
    del broken.p4info.actions[0]
    assert refused(switch(), broken, COMMIT) == "INVALID_ARGUMENT"


def test_9_2_2_a_group_of_a_profile_without_selector_is_an_invalid_argument() -> None:
    plain = config()
    plain.p4info.action_profiles[0].with_selector = False
    on = switch()
    on.set_pipeline(plain, COMMIT)
    assert write(on, INSERT, member(), group(profile=WEIGHTS)) == ["OK", "INVALID_ARGUMENT"]
    assert write(on, INSERT, one_shot()) == ["INVALID_ARGUMENT"]


def test_12_a_modify_that_fails_leaves_what_was_there() -> None:
    on = switch()
    write(on, INSERT, one_shot((8,)))
    assert write(on, MODIFY, one_shot((9,)), atomicity=CONTINUE) == ["INVALID_ARGUMENT"]
    assert [each.table_entry for each in read(on, EVERYTHING)[0]] == [one_shot((8,))]
