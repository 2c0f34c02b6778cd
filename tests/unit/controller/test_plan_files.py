"""QoS, JSON and differences of plans."""

import json
from dataclasses import replace
from typing import Any

import pytest

from raddle.controller.plan import Change, codec, diff_plans, from_json, make_plan, to_json
from raddle.controller.plan.held import HeldPlan, held_document, held_pieces
from raddle.controller.plan.qos import plan_qos
from raddle.errors import InputError
from raddle.topology.model import Ecn, LosslessClass, RocePolicy
from tests.unit.controller.fabrics import ROCE, leaf_spine, placement, ring


def test_a_lossless_class_keeps_its_priority_from_dscp_to_queue_and_pg() -> None:
    roce = replace(ROCE, lossless=(LosslessClass(4, 34), LosslessClass(3, 26)))
    qos = plan_qos(roce)
    for priority, dscp in ((3, 26), (4, 34)):
        tc = qos.dscp_to_tc[dscp]
        assert (tc, qos.tc_to_queue[tc], qos.tc_to_pg[tc]) == (priority, priority, priority)
    assert qos.lossless == (3, 4)


def test_cnps_have_a_strict_queue_and_a_priority_group_that_nothing_else_has() -> None:
    qos = plan_qos(ROCE)
    tc = qos.dscp_to_tc[48]
    assert (tc, qos.queue_weights[tc], qos.tc_to_pg.count(6)) == (6, 0, 1)
    assert qos.tc_to_pg[tc] == qos.cnp == 6
    assert qos.queue_weights.count(0) == 1


@pytest.mark.parametrize(
    "roce",
    [
        replace(ROCE, cnp=LosslessClass(0, 48)),
        replace(ROCE, cnp=LosslessClass(3, 48)),
        replace(ROCE, congestion_control="none"),
    ],
)
def test_cnps_without_a_priority_of_their_own_share_the_lossy_group(roce: RocePolicy) -> None:
    qos = plan_qos(roce)
    assert qos.cnp is None
    assert set(qos.tc_to_pg) == {0, 3}


def test_where_no_other_priority_is_lossy_all_that_is_lossy_has_the_cnps_group() -> None:
    lossless = tuple(LosslessClass(priority, 8 + priority) for priority in range(8) if priority != 6)
    qos = plan_qos(replace(ROCE, lossless=lossless))
    assert qos.tc_to_pg == tuple(range(8))


def test_all_other_traffic_is_tc_0() -> None:
    qos = plan_qos(ROCE)
    assert {tc for dscp, tc in enumerate(qos.dscp_to_tc) if dscp not in (26, 48)} == {0}


@pytest.mark.parametrize("routing", ["ecmp", "pinned"])
def test_a_plan_survives_json(routing: Any) -> None:
    fabric = leaf_spine(3, 2, 2, per_pair=2)
    plan = make_plan(fabric, routing, ring(placement("strided", fabric)))
    assert from_json(to_json(plan)) == plan


def test_equal_fabrics_give_the_same_bytes_with_sorted_keys() -> None:
    texts = {to_json(make_plan(leaf_spine(3, 2, 2), "ecmp")) for _ in range(2)}
    (text,) = texts
    document = json.loads(text)
    assert document["schema_version"] == 1
    assert json.dumps(document, indent=1, sort_keys=True) + "\n" == text


def test_a_plan_with_more_next_hops_than_json_holds_is_refused_before_any_is_spelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = make_plan(leaf_spine(3, 2, 2), "ecmp")
    monkeypatch.setattr(codec, "MOST_NEXT_HOPS", 18)  # 3 * 2 * 2 of leaves, 2 * 3 of spines
    assert to_json(plan).count('"address"') == 18
    monkeypatch.setattr(codec, "MOST_NEXT_HOPS", 17)
    monkeypatch.setattr(codec, "_pieces", lambda *_: pytest.fail("a plan that is refused was written"))
    for write in (
        to_json,
        lambda plan: held_pieces(HeldPlan(plan)),
        lambda plan: held_document(HeldPlan(plan)),
    ):
        with pytest.raises(InputError) as refused:
            write(plan)
        (told,) = refused.value.diagnostics
        assert told.code == "plan-too-large"
        assert "has 12 routes with 18 next hops: JSON holds at most 17 next hops" in told.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "schema_version None; 1 is expected"),
        ('{"schema_version": 2}', "schema_version 2; 1 is expected"),
        ('{"schema_version": 1, "fabric": "x"}', "switches: Field required"),
    ],
)
def test_a_bad_plan_file_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        from_json(text)
    assert "error[bad-plan]" in str(caught.value)
    assert says in str(caught.value)


def test_equal_plans_do_not_differ() -> None:
    assert diff_plans(make_plan(leaf_spine(3, 2, 2), "ecmp"), make_plan(leaf_spine(3, 2, 2), "ecmp")) == ()


def test_a_dead_link_changes_routes_and_its_two_ports_only() -> None:
    old, new = (make_plan(leaf_spine(2, 2, 1, down=dead), "ecmp") for dead in ((), [(1, 1, 0)]))
    assert diff_plans(old, new) == (
        Change(
            "leaf0",
            "routes/10.0.0.2/31",
            "172.16.0.0 Ethernet8, 172.16.0.2 Ethernet16",
            "172.16.0.0 Ethernet8",
        ),
        Change("leaf1", "ports/Ethernet16/is_enabled", "True", "False"),
        Change(
            "leaf1",
            "routes/10.0.0.0/31",
            "172.16.0.4 Ethernet8, 172.16.0.6 Ethernet16",
            "172.16.0.4 Ethernet8",
        ),
        Change("spine1", "ports/Ethernet8/is_enabled", "True", "False"),
        Change("spine1", "routes/10.0.0.2/31", "172.16.0.7 Ethernet8", ""),
    )


def test_pins_and_policy_show_in_the_difference() -> None:
    fabric = leaf_spine(2, 2, 2)
    marked = leaf_spine(2, 2, 2, roce=replace(ROCE, ecn=Ecn(100_000, 400_000, 0.1)))
    pins = diff_plans(
        make_plan(fabric, "ecmp"), make_plan(fabric, "pinned", ring(placement("strided", fabric)))
    )
    assert {change.path.split("/")[0] for change in pins} == {"routes"}
    assert all(change.path.endswith("/32") and not change.before for change in pins)
    ecn = diff_plans(make_plan(fabric, "ecmp"), make_plan(marked, "ecmp"))
    assert {change.path for change in ecn} == {"qos/ecn"}


def test_a_switch_that_is_gone_is_all_deletions() -> None:
    changes = diff_plans(make_plan(leaf_spine(2, 2, 1), "ecmp"), make_plan(leaf_spine(2, 1, 1), "ecmp"))
    assert all(change.after == "" for change in changes if change.switch == "spine1")
    assert any(change.path == "hash_seed" for change in changes if change.switch == "spine1")
