"""The smallest Set in SONiC's dialect."""

import json

from fake_switch import names
from finsy.proto import gnmi

from controller.southbound.gnmi import differences, set_request
from controller.southbound.sonic import Tables

OWNED = ("INTERFACE", "STATIC_ROUTE")


def written(request: gnmi.SetRequest | None) -> tuple[list[str], dict[str, object]]:
    """(deleted paths, updates by path) without database and instance."""
    assert request is not None
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
    assert set_request(tables, tables, OWNED) is None
    assert list(differences("leaf0", tables, tables, OWNED)) == []


def test_a_missing_table_is_created_whole() -> None:
    wanted: Tables = {"STATIC_ROUTE": {"a": route("1.1.1.1"), "b": route("1.1.1.1")}}
    assert written(set_request({}, wanted, OWNED)) == ([], {"STATIC_ROUTE": wanted["STATIC_ROUTE"]})


def test_only_keys_that_differ_are_written() -> None:
    current: Tables = {
        "STATIC_ROUTE": {"same": route("1.1.1.1"), "old": route("1.1.1.1"), "gone": route("2.2.2.2")}
    }
    wanted: Tables = {
        "STATIC_ROUTE": {"same": route("1.1.1.1"), "old": route("3.3.3.3"), "new": route("4.4.4.4")}
    }
    assert written(set_request(current, wanted, OWNED)) == (
        ["STATIC_ROUTE/gone"],
        {"STATIC_ROUTE/old": route("3.3.3.3"), "STATIC_ROUTE/new": route("4.4.4.4")},
    )


def test_a_table_that_becomes_empty_is_deleted_as_a_table() -> None:
    current: Tables = {"STATIC_ROUTE": {"a": route("1.1.1.1"), "b": route("1.1.1.1")}}
    assert written(set_request(current, {"STATIC_ROUTE": {}}, OWNED)) == (["STATIC_ROUTE"], {})
    assert written(set_request(current, {}, OWNED)) == (["STATIC_ROUTE"], {})


def test_entries_of_tables_that_are_not_owned_are_left_alone() -> None:
    current: Tables = {
        "WRED_PROFILE": {"MINE": {"ecn": "x"}, "THEIRS": {"ecn": "y"}},
        "PORT": {"Ethernet0": {}},
    }
    wanted: Tables = {"WRED_PROFILE": {"MINE": {"ecn": "z"}}}
    assert written(set_request(current, wanted, OWNED)) == ([], {"WRED_PROFILE/MINE": {"ecn": "z"}})


def test_slash_and_tilde_of_a_key_are_escaped_as_in_a_json_pointer() -> None:
    current: Tables = {"INTERFACE": {"Ethernet0": {}}}
    wanted: Tables = {"INTERFACE": {"Ethernet0": {}, "Ethernet0|10.0.0.0/31": {}, "a~b": {}}}
    request = set_request(current, wanted, OWNED)
    assert request is not None
    assert [update.path.elem[3].name for update in request.update] == ["Ethernet0|10.0.0.0~131", "a~0b"]
    assert [elem.name for elem in request.update[0].path.elem[:3]] == ["CONFIG_DB", "localhost", "INTERFACE"]


def test_routes_of_the_management_vrf_are_left_alone() -> None:
    current = {
        "STATIC_ROUTE": {"mgmt|0.0.0.0/0": {"nexthop": "1.1.1.1"}, "default|10.0.0.0/27": {"nexthop": "a"}}
    }
    assert written(set_request(current, {}, OWNED)) == (["STATIC_ROUTE/default|10.0.0.0/27"], {})
    assert [c.path for c in differences("leaf0", current, {}, OWNED)] == ["STATIC_ROUTE/default|10.0.0.0/27"]


def test_differences_tell_the_entry_before_and_after() -> None:
    current: Tables = {"INTERFACE": {"Ethernet0": {}}, "STATIC_ROUTE": {"a": route("1.1.1.1")}}
    wanted: Tables = {"STATIC_ROUTE": {"a": route("2.2.2.2")}}
    found = [(c.path, c.before, c.after) for c in differences("leaf0", current, wanted, OWNED)]
    assert found == [
        ("INTERFACE/Ethernet0", "{}", ""),
        ("STATIC_ROUTE/a", "ifname=Ethernet0 nexthop=1.1.1.1", "ifname=Ethernet0 nexthop=2.2.2.2"),
    ]
