"""The smallest Set in SONiC's dialect."""

import json

import pytest

from raddle.controller.southbound.sonic.sets import (
    MOVES_PER_SET,
    Push,
    differences,
    plan_push,
    restored,
    with_ports,
)
from raddle.controller.southbound.sonic.tables import Tables
from tests.unit.controller.fake_switch import names

OWNED = ("INTERFACE", "STATIC_ROUTE")


def written(push: Push) -> tuple[list[str], dict[str, object]]:
    """(deleted paths, updates by path) of a push of one Set, without database and instance."""
    (request,) = push.requests
    deletes = ["/".join(names(path)[2:]) for path in request.delete]
    updates = {"/".join(names(u.path)[2:]): json.loads(u.val.json_ietf_val) for u in request.update}
    return deletes, updates


def route(*hops: str) -> dict[str, str]:
    return {"nexthop": ",".join(hops), "ifname": ",".join("Ethernet0" for _ in hops)}


def test_equal_tables_need_no_request() -> None:
    tables: Tables = {
        "STATIC_ROUTE": {"default|10.0.0.0/24": route("1.1.1.1")},
        "INTERFACE": {"Ethernet0": {}},
    }
    assert plan_push(tables, tables, OWNED).requests == ()
    assert list(differences("leaf0", tables, tables, OWNED)) == []


def test_a_missing_table_is_created_whole() -> None:
    wanted: Tables = {"STATIC_ROUTE": {"a": route("1.1.1.1"), "b": route("1.1.1.1")}}
    assert written(plan_push({}, wanted, OWNED)) == ([], {"STATIC_ROUTE": wanted["STATIC_ROUTE"]})


def test_only_keys_that_differ_are_written() -> None:
    current: Tables = {
        "STATIC_ROUTE": {"same": route("1.1.1.1"), "old": route("1.1.1.1"), "gone": route("2.2.2.2")}
    }
    wanted: Tables = {
        "STATIC_ROUTE": {"same": route("1.1.1.1"), "old": route("3.3.3.3"), "new": route("4.4.4.4")}
    }
    assert written(plan_push(current, wanted, OWNED)) == (
        ["STATIC_ROUTE/gone"],
        {"STATIC_ROUTE/old": route("3.3.3.3"), "STATIC_ROUTE/new": route("4.4.4.4")},
    )


def test_a_table_that_becomes_empty_is_deleted_as_a_table() -> None:
    current: Tables = {"STATIC_ROUTE": {"a": route("1.1.1.1"), "b": route("1.1.1.1")}}
    assert written(plan_push(current, {"STATIC_ROUTE": {}}, OWNED)) == (["STATIC_ROUTE"], {})
    assert written(plan_push(current, {}, OWNED)) == (["STATIC_ROUTE"], {})


def test_entries_of_tables_that_are_not_owned_are_left_alone() -> None:
    current: Tables = {
        "WRED_PROFILE": {"MINE": {"ecn": "x"}, "THEIRS": {"ecn": "y"}},
        "PORT": {"Ethernet0": {}},
    }
    wanted: Tables = {"WRED_PROFILE": {"MINE": {"ecn": "z"}}}
    assert written(plan_push(current, wanted, OWNED)) == ([], {"WRED_PROFILE/MINE": {"ecn": "z"}})


def test_what_a_cabled_port_has_beside_the_plan_in_its_queues_and_groups_goes_and_other_ports_stay() -> None:
    planned = {"Ethernet0|3": {"profile": "lossless"}}
    more = {"Ethernet0|4": {"profile": "lossless"}}
    others = {"Ethernet8|4": {"profile": "lossless"}, "Ethernet8|3": {"profile": "lossless"}}
    current: Tables = {"BUFFER_PG": {**planned, **more, **others}}
    assert [change.path for change in differences("leaf0", current, {"BUFFER_PG": planned})] == [
        "BUFFER_PG/Ethernet0|4"
    ]
    deletes, updates = written(plan_push(current, {"BUFFER_PG": planned}))
    assert (deletes, updates) == (["BUFFER_PG/Ethernet0|4"], {})
    ignored = {"BUFFER_PG/Ethernet0|4"}
    assert not list(differences("leaf0", current, {"BUFFER_PG": planned}, foreign=ignored))
    assert not plan_push(current, {"BUFFER_PG": planned}, foreign=ignored).requests


def test_slash_and_tilde_of_a_key_are_escaped_as_in_a_json_pointer() -> None:
    current: Tables = {"INTERFACE": {"Ethernet0": {}}}
    wanted: Tables = {"INTERFACE": {"Ethernet0": {}, "Ethernet0|10.0.0.0/31": {}, "a~b": {}}}
    (request,) = plan_push(current, wanted, OWNED).requests
    assert [update.path.elem[3].name for update in request.update] == ["Ethernet0|10.0.0.0~131", "a~0b"]
    assert [elem.name for elem in request.update[0].path.elem[:3]] == ["CONFIG_DB", "localhost", "INTERFACE"]


def test_routes_of_the_management_vrf_are_left_alone() -> None:
    current = {
        "STATIC_ROUTE": {"mgmt|0.0.0.0/0": {"nexthop": "1.1.1.1"}, "default|10.0.0.0/27": {"nexthop": "a"}}
    }
    assert written(plan_push(current, {}, OWNED)) == (["STATIC_ROUTE/default|10.0.0.0/27"], {})
    assert [c.path for c in differences("leaf0", current, {}, OWNED)] == ["STATIC_ROUTE/default|10.0.0.0/27"]


def test_fields_that_stay_are_not_told_as_if_they_went() -> None:
    current: Tables = {"CABLE_LENGTH": {"AZURE": {"Ethernet0": "5m", "Ethernet4": "5m", "Ethernet8": "5m"}}}
    wanted: Tables = {"CABLE_LENGTH": {"AZURE": {"Ethernet4": "30m"}}}
    (change,) = differences("leaf0", current, wanted, OWNED)
    assert (change.before, change.after) == ("Ethernet4=5m", "Ethernet4=30m")


def test_differences_tell_the_entry_before_and_after() -> None:
    current: Tables = {"INTERFACE": {"Ethernet0": {}}, "STATIC_ROUTE": {"a": route("1.1.1.1")}}
    wanted: Tables = {"STATIC_ROUTE": {"a": route("2.2.2.2")}}
    found = [(c.path, c.before, c.after) for c in differences("leaf0", current, wanted, OWNED)]
    assert found == [
        ("INTERFACE/Ethernet0", "{}", ""),
        ("STATIC_ROUTE/a", "ifname=Ethernet0 nexthop=1.1.1.1", "ifname=Ethernet0 nexthop=2.2.2.2"),
    ]


def test_only_the_fields_that_differ_are_written_and_others_are_not_ours() -> None:
    current: Tables = {"WRED_PROFILE": {"MINE": {"ecn": "x", "green_min_threshold": "1", "theirs": "y"}}}
    wanted: Tables = {"WRED_PROFILE": {"MINE": {"ecn": "x", "green_min_threshold": "2"}}}
    assert written(plan_push(current, wanted, OWNED)) == ([], {"WRED_PROFILE/MINE/green_min_threshold": "2"})
    assert (
        list(
            differences(
                "leaf0",
                {"WRED_PROFILE": {"MINE": {"ecn": "x", "theirs": "y"}}},
                {"WRED_PROFILE": {"MINE": {"ecn": "x"}}},
                OWNED,
            )
        )
        == []
    )


def test_what_flaps_a_port_is_in_a_set_of_its_own_for_each_port() -> None:
    current: Tables = {
        "PORT": {f"Ethernet{n}": {"admin_status": "up"} for n in (0, 8)},
        "QUEUE": {f"Ethernet{n}|3": {"scheduler": "a"} for n in (0, 8)},
        "STATIC_ROUTE": {"a": route("1.1.1.1")},
    }
    wanted: Tables = {
        "QUEUE": {f"Ethernet{n}|3": {"scheduler": "b"} for n in (0, 8)},
        "STATIC_ROUTE": {"a": route("2.2.2.2")},
    }
    push = plan_push(current, wanted, OWNED)
    assert push.flaps == ("Ethernet0", "Ethernet8")
    assert len(push.requests) == 3
    assert push.moves == 1 + 2 * 3  # each port: down, the change, up


def test_a_port_that_is_down_does_not_flap() -> None:
    current: Tables = {
        "PORT": {
            "Ethernet0": {"lanes": "1", "admin_status": "down"},
            "Ethernet8": {"lanes": "2", "admin_status": "up"},
        },
        "QUEUE": {f"Ethernet{n}|3": {"scheduler": "a"} for n in (0, 8)},
    }
    wanted: Tables = {
        "PORT": {"Ethernet0": {"admin_status": "up"}},
        "QUEUE": {f"Ethernet{n}|3": {"scheduler": "b"} for n in (0, 8)},
    }
    push = plan_push(current, wanted, ("QUEUE",))
    assert push.flaps == ("Ethernet8",)
    assert len(push.requests) == 2
    assert push.moves == 2 + 3


def test_a_port_that_is_to_be_down_does_not_flap() -> None:
    current: Tables = {
        "PORT": {f"Ethernet{n}": {"admin_status": "up"} for n in (0, 8)},
        "QUEUE": {f"Ethernet{n}|3": {"scheduler": "a"} for n in (0, 8)},
    }
    wanted: Tables = {
        "PORT": {"Ethernet0": {"admin_status": "down"}, "Ethernet8": {"admin_status": "up"}},
        "QUEUE": {"Ethernet8|3": {"scheduler": "b"}},
    }
    assert plan_push(current, wanted, ("QUEUE",)).flaps == ("Ethernet8",)


def test_a_port_that_comes_up_has_its_queues_first_and_no_other_port_is_touched() -> None:
    current: Tables = {
        "QUEUE": {"Ethernet0|3": {"scheduler": "a"}, "Ethernet8|1": {"scheduler": "a"}},
        "SCHEDULER": {"a": {"weight": "1"}},
    }
    wanted: Tables = {
        "QUEUE": {f"Ethernet{n}|3": {"scheduler": "b"} for n in (0, 8)},
        "SCHEDULER": {"a": {"weight": "2"}, "b": {"weight": "3"}},
    }
    tables = with_ports(current, wanted, {"Ethernet8"})
    assert tables["QUEUE"] == {"Ethernet0|3": {"scheduler": "a"}, "Ethernet8|3": {"scheduler": "b"}}
    assert tables["SCHEDULER"] == {"b": {"weight": "3"}}


def test_the_global_entry_of_port_qos_map_flaps_nothing() -> None:
    current: Tables = {"PORT_QOS_MAP": {"global": {"dscp_to_tc_map": "A"}}}
    assert plan_push(current, {"PORT_QOS_MAP": {"global": {"dscp_to_tc_map": "B"}}}, OWNED).flaps == ()


@pytest.mark.parametrize(
    ("hwsku", "table", "before", "after", "is_left"),
    [
        ("Arista-7060X6-64PE", "BUFFER_POOL", {"size": "1"}, {"size": "2"}, True),
        ("Arista-7060X6-64PE", "BUFFER_PROFILE", {"dynamic_th": "1"}, {"dynamic_th": "2"}, False),
        ("Arista-7060X6-64PE", "BUFFER_PROFILE", {"xon": "1"}, {"xon": "2"}, True),
        ("DellEMC-Z9664f-O64", "BUFFER_PROFILE", {"dynamic_th": "1"}, {"dynamic_th": "2"}, True),
        ("DellEMC-Z9664f-O64", "PFC_WD", {"action": "drop"}, {"action": "alert"}, True),
        ("Arista-7060X6-64PE", "PFC_WD", {"action": "drop"}, {"action": "alert"}, False),
        ("Force10-S6000", "BUFFER_PROFILE", {"dynamic_th": "1"}, {"dynamic_th": "2"}, False),
        ("Force10-S6000", "BUFFER_PROFILE", {"xoff": "1"}, {"xoff": "2"}, True),
        ("ACS-SN5600", "BUFFER_PROFILE", {}, {"packet_discard_action": "drop"}, False),
        ("ACS-MSN4700", "BUFFER_PROFILE", {}, {"packet_discard_action": "drop"}, True),
        ("DellEMC-Z9664f-O64", "PORT", {"alias": "a"}, {"alias": "b"}, True),
        ("DellEMC-Z9664f-O64", "PORT", {"mtu": "1500"}, {"mtu": "9100"}, False),
    ],
)
def test_what_gnmi_cannot_change_is_left_to_the_boot_file(
    hwsku: str, table: str, before: dict[str, str], after: dict[str, str], is_left: bool
) -> None:
    metadata = {"localhost": {"hwsku": hwsku}}
    current: Tables = {"DEVICE_METADATA": metadata, table: {"Ethernet0": before}}
    push = plan_push(current, {"DEVICE_METADATA": metadata, table: {"Ethernet0": after}}, OWNED)
    assert push.bootstrap == ((f"{table}/Ethernet0",) if is_left else ())
    assert len(push.requests) == (0 if is_left else 1)


def test_8192_changed_host_routes_are_cut_into_sets_and_take_an_hour_on_hardware() -> None:
    keys = [f"default|10.{n >> 8}.{n & 255}.1/32" for n in range(8192)]
    current: Tables = {"STATIC_ROUTE": {key: route("1.1.1.1") for key in keys}}
    wanted: Tables = {"STATIC_ROUTE": {key: route("2.2.2.2") for key in keys}}
    push = plan_push(current, wanted, OWNED)
    assert [len(request.update) for request in push.requests] == [MOVES_PER_SET] * 16 + [192]
    assert push.estimate_s == pytest.approx(8192 * 0.4)


def test_a_cut_table_is_never_empty_and_children_go_before_their_parents() -> None:
    old = {f"Ethernet{n}": {} for n in range(400)} | {f"Ethernet{n}|10.0.0.{n}/31": {} for n in range(400)}
    push = plan_push({"INTERFACE": old}, {"INTERFACE": {"Loop": {}}}, OWNED)
    deleted = [path.elem[3].name for request in push.requests for path in request.delete]
    assert len(push.requests[0].update) == 1
    assert all(
        deleted.index(f"Ethernet{n}|10.0.0.{n}~131") < deleted.index(f"Ethernet{n}") for n in range(400)
    )


def test_restored_tables_have_the_touched_entries_as_before_and_others_as_now() -> None:
    before: Tables = {"STATIC_ROUTE": {"a": route("1.1.1.1"), "gone": route("1.1.1.1")}}
    pushed = {"a": route("2.2.2.2"), "new": route("2.2.2.2"), "taken": route("2.2.2.2")}
    before["STATIC_ROUTE"]["taken"] = route("1.1.1.1")
    foreign = {"theirs": route("9.9.9.9"), "taken": route("9.9.9.9")}
    now: Tables = {"STATIC_ROUTE": pushed | foreign}
    paths = [f"STATIC_ROUTE/{key}" for key in ("a", "gone", "new", "taken")]
    assert restored(before, now, {"STATIC_ROUTE": pushed}, paths) == {
        "STATIC_ROUTE": {"a": route("1.1.1.1"), "gone": route("1.1.1.1")} | foreign
    }


def test_a_watchdog_that_a_switch_has_none_of_comes_with_the_boot_file() -> None:
    """The updater's difference is the whole table then, which no chip may add."""
    metadata: Tables = {"DEVICE_METADATA": {"localhost": {"hwsku": "Arista-7060X6-64PE"}}}
    watchdog: Tables = {"PFC_WD": {"Ethernet0": {"action": "drop"}}}
    assert plan_push(metadata, metadata | watchdog, OWNED).bootstrap == ("PFC_WD/Ethernet0",)
    other: Tables = {"PFC_WD": {"Ethernet8": {"action": "drop"}}}
    assert plan_push(metadata | other, metadata | watchdog, OWNED).bootstrap == ()


def test_a_release_that_is_too_old_leaves_a_field_to_the_boot_file() -> None:
    metadata: Tables = {"DEVICE_METADATA": {"localhost": {"hwsku": "ACS-SN5600"}}}
    sides: list[Tables] = [metadata | {"BUFFER_PROFILE": {"pg": {"xoff": size}}} for size in ("1", "2")]
    assert plan_push(sides[0], sides[1], OWNED, build="SONiC.20230531.01").bootstrap == ()
    assert plan_push(sides[0], sides[1], OWNED, build="SONiC.20220531.01").bootstrap == ("BUFFER_PROFILE/pg",)
