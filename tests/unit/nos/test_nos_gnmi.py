"""gNMI of a switch, over a socket: SONiC's answers to Capabilities, Get and Set."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from raddle.nos.db.patch import PatchError
from raddle.nos.farm import SwitchFarm
from raddle.nos.switch import BootConfig, SimulatedSwitch

Served = tuple[SimulatedSwitch, gnmi_pb2_grpc.gNMIStub]
ROUTE = "default|10.20.0.0~116"


def path(text: str, origin: str = "sonic-db") -> gnmi_pb2.Path:
    elems = [gnmi_pb2.PathElem(name=name) for name in text.split("/") if name]
    return gnmi_pb2.Path(origin=origin, elem=elems)


def config(text: str) -> gnmi_pb2.Path:
    return path(f"CONFIG_DB/localhost/{text}")


def update(text: str, value: object) -> gnmi_pb2.Update:
    return gnmi_pb2.Update(
        path=config(text), val=gnmi_pb2.TypedValue(json_ietf_val=json.dumps(value).encode())
    )


def get(served: Served, where: gnmi_pb2.Path, encoding: Any = gnmi_pb2.JSON_IETF) -> Any:
    response = served[1].Get(gnmi_pb2.GetRequest(path=[where], encoding=encoding), timeout=10)
    (notification,) = response.notification
    (result,) = notification.update
    assert result.path == where
    return json.loads(result.val.json_ietf_val)


def change(served: Served, **parts: Any) -> gnmi_pb2.SetResponse:
    return served[1].Set(gnmi_pb2.SetRequest(**parts), timeout=10)


def failure(call: Callable[..., object], *args: Any, **kwargs: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **kwargs)
    return caught.value.code(), caught.value.details() or ""


def test_capabilities_name_sonic_db_and_json_ietf(served: Served) -> None:
    response = served[1].Capabilities(gnmi_pb2.CapabilityRequest(), timeout=10)
    assert [(model.name, model.organization, model.version) for model in response.supported_models] == [
        ("openconfig-interfaces", "OpenConfig working group", ""),
        ("sonic-db", "SONiC", "0.1.0"),
    ]
    assert list(response.supported_encodings) == [gnmi_pb2.JSON, gnmi_pb2.JSON_IETF, gnmi_pb2.PROTO]
    assert response.gNMI_version == "0.7.0"


def test_get_reads_a_field_a_list_an_index_a_key_a_table_and_a_database(served: Served) -> None:
    databases = served[0].databases
    assert get(served, config("PORT/Ethernet0/mtu")) == "9100"
    assert get(served, config("SWITCH_HASH/GLOBAL/ecmp_hash")) == ["SRC_IP", "DST_IP", "L4_SRC_PORT"]
    assert get(served, config("SWITCH_HASH/GLOBAL/ecmp_hash/1")) == "DST_IP"
    assert get(served, config("SWITCH_HASH/GLOBAL/ecmp_hash@")) == "SRC_IP,DST_IP,L4_SRC_PORT"
    assert get(served, config("PORT/Ethernet0")) == databases.config["PORT"]["Ethernet0"]
    assert get(served, config("INTERFACE/Ethernet0|10.0.0.0~131")) == {}
    assert get(served, config("INTERFACE")) == databases.config["INTERFACE"]
    assert get(served, config("")) == databases.config
    assert get(served, path("APPL_DB/localhost/PORT_TABLE")) == databases.appl["PORT_TABLE"]
    assert get(served, path("APPL_DB/localhost/SWITCH_TABLE/switch/ecmp_hash_seed")) == "10"
    assert get(served, path("STATE_DB/localhost/PORT_TABLE/Ethernet0/supported_fecs")) == "rs,fc,none,auto"


def test_get_joins_prefix_and_path(served: Served) -> None:
    request = gnmi_pb2.GetRequest(
        prefix=path("CONFIG_DB/localhost"), path=[path("PORT/Ethernet0/mtu", "")], encoding=gnmi_pb2.JSON_IETF
    )
    (notification,) = served[1].Get(request, timeout=10).notification
    assert notification.update[0].val.json_ietf_val == b'"9100"'
    assert notification.prefix == request.prefix


def test_a_single_field_comes_in_any_encoding_and_a_table_only_in_json_ietf(served: Served) -> None:
    assert get(served, config("PORT/Ethernet0/mtu"), gnmi_pb2.JSON) == "9100"
    not_found = grpc.StatusCode.NOT_FOUND
    assert failure(get, served, config("PORT"), gnmi_pb2.JSON) == (not_found, "Unknown encoding JSON")
    code, text = failure(get, served, config("PORT"), gnmi_pb2.PROTO)
    assert code == not_found
    assert text.startswith("No proto bytes found in redis")
    assert failure(get, served, config("PORT"), gnmi_pb2.ASCII) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "unsupported encoding: ASCII",
    )


WRAPPED = "rpc error: code = Unimplemented desc = "


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (config("PORTABC"), "Failed to find CONFIG_DB PORTABC"),
        (config("PORT/Ethernet99"), "No valid entry found for path CONFIG_DB/PORT/Ethernet99"),
        (config("PORT/Ethernet0/sped"), "No valid entry found for path CONFIG_DB/PORT/Ethernet0/sped"),
        (config("SWITCH_HASH/GLOBAL/ecmp_hash/3"), "Invalid index 3"),
        (config("SWITCH_HASH/GLOBAL/ecmp_hash/abc"), "Invalid index abc"),
        (config("PORT/Ethernet0/mtu/0"), "Invalid db table Path CONFIG_DB/PORT/Ethernet0/mtu/0"),
        (path("CONFIG_DB"), WRAPPED + "Invalid elem length"),
        (path("MY_DB/localhost/T"), WRAPPED + "Invalid target: ns , container "),
        (path(""), WRAPPED + "No target specified in path"),
        (path("COUNTERS_DB/localhost"), "Can not read all tables in COUNTERS_DB"),
    ],
)
def test_what_is_not_there_is_not_found(served: Served, where: gnmi_pb2.Path, text: str) -> None:
    code, details = failure(get, served, where)
    assert code == grpc.StatusCode.NOT_FOUND
    assert details.startswith(text)


def test_paths_of_a_request_agree_in_origin_database_and_instance(served: Served) -> None:
    def ask(*paths: gnmi_pb2.Path) -> tuple[grpc.StatusCode, str]:
        return failure(
            served[1].Get, gnmi_pb2.GetRequest(path=paths, encoding=gnmi_pb2.JSON_IETF), timeout=10
        )

    port = config("PORT")
    assert ask(port, path("CONFIG_DB/localhost/PORT", "openconfig")) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "Origin conflict in path",
    )
    not_found = grpc.StatusCode.NOT_FOUND
    assert ask(port, path("APPL_DB/localhost/PORT_TABLE")) == (not_found, WRAPPED + "Target conflict in path")
    assert ask(port, path("CONFIG_DB/asic0/PORT")) == (
        not_found,
        WRAPPED + "Namespace/container conflict in path",
    )


def test_get_of_a_type_other_than_all_is_refused(served: Served) -> None:
    request = gnmi_pb2.GetRequest(path=[config("PORT")], type=gnmi_pb2.GetRequest.CONFIG)
    assert failure(served[1].Get, request, timeout=10) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "unsupported request type: CONFIG",
    )


def test_set_adds_replaces_and_deletes_a_route(served: Served) -> None:
    def ports() -> list[tuple[int, ...]]:
        return [route.ports for route in served[0].state().routes if route.length == 16]

    response = change(served, update=[update(f"STATIC_ROUTE/{ROUTE}", {"nexthop": "172.16.0.1"})])
    assert [(result.op, result.path) for result in response.response] == [
        (gnmi_pb2.UpdateResult.UPDATE, config(f"STATIC_ROUTE/{ROUTE}"))
    ]
    assert ports() == [(1,)]
    change(served, replace=[update(f"STATIC_ROUTE/{ROUTE}/nexthop", "172.16.0.3")])
    assert ports() == [(2,)]
    change(served, delete=[config(f"STATIC_ROUTE/{ROUTE}")])
    assert ports() == []


def test_set_does_deletes_then_replaces_then_updates(served: Served) -> None:
    change(served, update=[update(f"STATIC_ROUTE/{ROUTE}", {"nexthop": "172.16.0.1", "ifname": "Ethernet8"})])
    response = change(
        served,
        update=[update(f"STATIC_ROUTE/{ROUTE}", {"nexthop": "172.16.0.3"})],
        delete=[config(f"STATIC_ROUTE/{ROUTE}")],
    )
    assert [result.op for result in response.response] == [
        gnmi_pb2.UpdateResult.DELETE,
        gnmi_pb2.UpdateResult.UPDATE,
    ]
    assert get(served, config(f"STATIC_ROUTE/{ROUTE}")) == {"nexthop": "172.16.0.3"}
    change(served, replace=[gnmi_pb2.Update(path=config(f"STATIC_ROUTE/{ROUTE}"))])
    assert failure(get, served, config(f"STATIC_ROUTE/{ROUTE}"))[0] == grpc.StatusCode.NOT_FOUND


def test_a_delete_of_what_is_missing_does_nothing(served: Served) -> None:
    before = served[0].databases
    change(served, delete=[config("VLAN/Vlan100"), config(f"STATIC_ROUTE/{ROUTE}"), config("")])
    assert served[0].databases is before


@pytest.mark.parametrize(
    ("change_set", "text"),
    [
        ({"update": [update("VLAN/Vlan100/vlanid", "100")]}, "Error: member 'VLAN' not found in "),
        (
            {"replace": [update("PORT/Ethernet0/tpid", "0x8100")]},
            "Invalid entry map[admin_status:up ",
        ),
        ({"replace": [update("VLAN", {})]}, "Invalid database VLAN -> map["),
        ({"replace": [update("PORT/Ethernet999", {})]}, "Invalid entry map[Ethernet0:map[admin_status:up "),
        ({"update": [update("PORT", None)]}, "Invalid table <nil>"),
        ({"update": [update("PORT/Ethernet0/mtu", 1e7)]}, "Invalid field 1e+07"),
        (
            {"update": [update("PORT/Ethernet0/mtu", {"b": [True, 1.5], "a": {}})]},
            "Invalid field map[a:map[] b:[true 1.5]]",
        ),
        ({"update": [update("PORT/Ethernet0/mtu/-", "x")]}, "Invalid index -"),
        ({"update": [update("PORT/Ethernet0/mtu/0", "x")]}, "Invalid target field map[admin_status:up "),
        ({"update": [update("PORT/Ethernet0/adv_speeds/1", "x")]}, "Invalid index 1"),
        ({"update": [update("PORT", [])]}, "Invalid table []"),
        ({"update": [update("PORT/Ethernet0", "up")]}, "Invalid entry up"),
        ({"update": [update("PORT/Ethernet0/mtu", 9100)]}, "Invalid field 9100"),
        (
            {"update": [update("PORT/Ethernet0/mtu/0/1", "x")]},
            "Invalid db table Path [PORT Ethernet0 mtu 0 1]",
        ),
        ({"update": [update("", {})]}, "Invalid db table Path []"),
        (
            {"update": [update("NODE_CFG", {"a": {}})]},
            "Error: Given patch is not valid because it has changes",
        ),
        (
            {"delete": [config("DEVICE_NEIGHBOR/Ethernet0")]},
            "Error: Given patch is not valid because it will result",
        ),
        (
            {"replace": [update("PORT/Ethernet0/mtu", "1")]},
            "Error: Given patch will produce invalid config. Error: ",
        ),
        (
            {"delete": [config("INTERFACE/Ethernet0")]},
            "Error: Given patch will produce invalid config. Error: ",
        ),
        ({"delete": [config("LOOPBACK_INTERFACE/Loopback0")]}, "Error: Given patch operation is invalid."),
        ({"delete": [config("BUFFER_POOL")]}, "Error: Modification of BUFFER_POOL table is illegal"),
        ({"update": [gnmi_pb2.Update(path=config("PORT"))]}, "Invalid update /PORT"),
        (
            {"update": [gnmi_pb2.Update(path=config("PORT"), val=gnmi_pb2.TypedValue(json_val=b"{}"))]},
            "Fail to parse ",
        ),
        (
            {
                "update": [
                    gnmi_pb2.Update(path=config("PORT"), val=gnmi_pb2.TypedValue(json_ietf_val=b":abc"))
                ]
            },
            "Fail to parse :abc",
        ),
        ({"replace": [update("", [])]}, "Error: Given patch will produce invalid config. Error: "),
    ],
)
def test_a_refused_set_is_unknown_with_sonics_text_and_changes_nothing(
    served: Served, change_set: dict[str, Any], text: str
) -> None:
    before = served[0].databases
    good = {
        "update": [update(f"STATIC_ROUTE/{ROUTE}", {"nexthop": "172.16.0.1"}), *change_set.get("update", [])]
    }
    alone_is_root = change_set.get("replace") == [update("", [])]
    code, details = failure(change, served, **(change_set if alone_is_root else change_set | good))
    assert code == grpc.StatusCode.UNKNOWN
    assert details.startswith(text)
    assert served[0].databases is before


def test_items_of_a_list_are_counted_as_the_set_leaves_them(served: Served) -> None:
    place = "PORT/Ethernet0/adv_speeds"
    values = [update(place, ["400000"]), update(f"{place}/1", "200000"), update(f"{place}/2", "100000")]
    change(served, update=values)
    assert get(served, config(place)) == ["400000", "200000", "100000"]
    change(served, delete=[config(place)])


def test_set_on_another_database_or_a_bad_path_is_refused(served: Served) -> None:
    value = gnmi_pb2.TypedValue(json_ietf_val=b"{}")
    appl = gnmi_pb2.Update(path=path("APPL_DB/localhost/PORT_TABLE/Ethernet0"), val=value)
    code, text = failure(change, served, update=[appl])
    assert (code, text) == (grpc.StatusCode.UNKNOWN, "Set RPC does not support APPL_DB")
    short = gnmi_pb2.Update(path=path("CONFIG_DB"), val=value)
    assert failure(change, served, update=[short]) == (
        grpc.StatusCode.NOT_FOUND,
        WRAPPED + "Invalid elem length",
    )


def test_replacing_the_root_replaces_the_configuration(served: Served) -> None:
    document = get(served, config(""))
    document["STATIC_ROUTE"]["default|10.20.0.0/16"] = {"nexthop": "172.16.0.1"}
    change(served, replace=[update("", document)])
    assert get(served, config(f"STATIC_ROUTE/{ROUTE}/nexthop")) == "172.16.0.1"
    change(served, delete=[config(f"STATIC_ROUTE/{ROUTE}")])


@pytest.mark.parametrize("kind", ["string_val", "json_val", "ascii_val"])
def test_a_full_configuration_is_ietf_json(served: Served, kind: str) -> None:
    content: Any = b"{}" if kind == "json_val" else "abc"
    value = gnmi_pb2.TypedValue(**{kind: content})
    whole = gnmi_pb2.Update(path=config(""), val=value)
    for changes in ({"delete": [config("")], "update": [whole]}, {"replace": [whole]}):
        code, text = failure(change, served, **changes)
        assert (code, text) == (grpc.StatusCode.UNKNOWN, "Value encoding is not IETF JSON")


def test_two_thousand_routes_in_one_set_arrive(served: Served) -> None:
    routes = {f"default|10.30.{n // 256}.{n % 256}~132": {"nexthop": "172.16.0.1"} for n in range(2000)}
    change(served, update=[update(f"STATIC_ROUTE/{key}", entry) for key, entry in routes.items()])
    table = get(served, config("STATIC_ROUTE"))
    assert {key.replace("~1", "/") for key in routes} <= set(table)
    change(served, delete=[config(f"STATIC_ROUTE/{key}") for key in routes])
    assert len(get(served, config("STATIC_ROUTE"))) == len(table) - 2000


def test_a_long_refusal_still_travels(served: Served) -> None:
    broken = {f"Ethernet{n}": {"mtu": "é" * 100} for n in range(100)}
    code, text = failure(change, served, update=[update("PORT", broken)])
    assert code == grpc.StatusCode.UNKNOWN
    assert text.startswith("Error: ")


def test_reflection_names_the_services() -> None:
    boot = BootConfig({}, {})
    with SwitchFarm({"leaf0": boot}, {}) as farm, grpc.insecure_channel(farm.addresses["leaf0"]) as channel:
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert "gnmi.gNMI" in services


@pytest.mark.parametrize(
    ("origin", "target", "elems"),
    [
        ("openconfig-interfaces", "", "interfaces"),
        ("", "OC-YANG", "openconfig-interfaces:interfaces"),
        ("", "", "openconfig-interfaces:interfaces"),
    ],
)
def test_get_of_interfaces_knows_every_way_to_ask_for_openconfig(
    served: Served, origin: str, target: str, elems: str
) -> None:
    request = gnmi_pb2.GetRequest(
        prefix=gnmi_pb2.Path(target=target), path=[path(elems, origin)], encoding=gnmi_pb2.JSON_IETF
    )
    (notification,) = served[1].Get(request, timeout=10).notification
    (name,) = json.loads(notification.update[0].val.json_ietf_val)
    assert name == "openconfig-interfaces:interfaces"


def test_set_of_openconfig_is_refused_as_on_a_switch_without_translib_write(served: Served) -> None:
    value = gnmi_pb2.TypedValue(json_ietf_val=b"{}")
    asked = gnmi_pb2.Update(path=path("interfaces", "openconfig"), val=value)
    assert failure(change, served, update=[asked]) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "Translib write is disabled",
    )


def test_a_change_that_flaps_a_port_takes_it_down_and_up_and_one_that_does_not_leaves_it_up(
    served: Served,
) -> None:
    switch = served[0]
    seen: list[tuple[str, str]] = []

    def look() -> None:
        port = switch.databases.appl["PORT_TABLE"]["Ethernet0"]
        seen.append((port["admin_status"], port["oper_status"]))

    stop = switch.watch(look)
    change(served, update=[update("PORT/Ethernet0/description", "to a host")])
    assert set(seen) == {("up", "up")}
    change(served, update=[update("PORT_QOS_MAP/Ethernet0/pfc_enable", "5")])
    stop()
    assert seen[-2:] == [("down", "down"), ("up", "up")]
    assert switch.databases.config["PORT_QOS_MAP"]["Ethernet0"]["pfc_enable"] == "5"


def test_a_port_is_up_again_when_the_change_that_took_it_down_cannot_be_saved(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = served[0]
    before = switch.databases.config

    def fail(*arguments: object) -> None:
        raise PatchError("Error: nothing was changed, as the disk is full")

    monkeypatch.setattr(switch, "_accept", fail)
    code, text = failure(change, served, update=[update("PORT_QOS_MAP/Ethernet0/pfc_enable", "5")])
    assert (code, text) == (grpc.StatusCode.UNKNOWN, "Error: nothing was changed, as the disk is full")
    assert switch.databases.config == before
