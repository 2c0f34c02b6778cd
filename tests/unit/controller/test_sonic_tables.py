"""SwitchPlan -> SONiC tables."""

from dataclasses import replace
from typing import Any

import pytest

from raddle.controller.plan import make_plan
from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.sonic.sets import plan_push
from raddle.controller.southbound.sonic.tables import Tables, bootstrap, pushed
from raddle.topology.model import Fabric, LosslessClass, PfcWatchdog, RocePolicy
from tests.unit.controller.fabrics import MODEL, ROCE, leaf_spine


def boot(fabric: Fabric, switch: int = 0) -> Tables:
    return bootstrap(make_plan(fabric, "ecmp").switches[switch]).config_db


def with_roce(roce: RocePolicy) -> Tables:
    return boot(leaf_spine(2, 2, 2, roce=roce))


def test_all_values_are_strings_and_no_table_is_empty() -> None:
    switch = make_plan(leaf_spine(2, 2, 2), "ecmp").switches[0]
    for tables in (bootstrap(switch).config_db, pushed(switch)):
        assert all(tables.values())
        values = [v for table in tables.values() for fields in table.values() for v in fields.values()]
        assert values
        assert all(isinstance(value, str) for value in values)


def test_cabled_ports_are_up_and_the_others_down() -> None:
    ports = boot(leaf_spine(2, 2, 2))["PORT"]
    assert len(ports) == MODEL.port_count
    assert [name for name, fields in ports.items() if fields["admin_status"] == "up"] == [
        "Ethernet0",
        "Ethernet8",
        "Ethernet16",
        "Ethernet24",
    ]
    assert ports["Ethernet8"] == {
        "alias": "etp2",
        "index": "2",
        "lanes": "9,10,11,12,13,14,15,16",
        "speed": "400000",
        "fec": "rs",
        "mtu": "9100",
        "admin_status": "up",
    }


def test_a_dead_link_is_admin_down_at_both_ends() -> None:
    fabric = leaf_spine(2, 2, 2, down=[(0, 1, 0)])
    assert boot(fabric, 0)["PORT"]["Ethernet24"]["admin_status"] == "down"
    assert boot(fabric, 3)["PORT"]["Ethernet0"]["admin_status"] == "down"


def test_tiers_have_the_types_of_an_ai_back_end() -> None:
    fabric = leaf_spine(2, 2, 2)
    types = [boot(fabric, index)["DEVICE_METADATA"]["localhost"]["type"] for index in (0, 3)]
    assert types == ["BackEndToRRouter", "BackEndLeafRouter"]


def test_hash_seed_goes_to_switch_json() -> None:
    switch = make_plan(leaf_spine(2, 2, 2, seed=7), "ecmp").switches[0]
    assert bootstrap(switch).switch_json == {
        "SWITCH_TABLE:switch": {"ecmp_hash_seed": "7", "ecmp_hash_offset": "0"}
    }


def hashed(**changes: Any) -> SwitchPlan:
    fabric = leaf_spine(2, 2, 2, seed=7)
    routing = replace(fabric.routing, **changes)
    return make_plan(replace(fabric, routing=routing), "ecmp").switches[2]


def test_usual_hash_leaves_switch_hash_alone() -> None:
    assert "SWITCH_HASH" not in pushed(hashed())


def test_another_hash_goes_to_switch_hash_and_switch_json() -> None:
    spine = hashed(hash_algorithm="crc16", hash_fields=("src_ip", "bth_qp"), hash_offset=3)
    assert pushed(spine)["SWITCH_HASH"] == {
        "GLOBAL": {"ecmp_hash_algorithm": "CRC_CCITT", "ecmp_hash": ["SRC_IP", "RDMA_BTH_DEST_QP"]}
    }
    offsets = {"ecmp_hash_seed": "7", "ecmp_hash_offset": "3"}
    assert bootstrap(spine).switch_json == {"SWITCH_TABLE:switch": offsets}


def test_hash_that_is_no_longer_wanted_is_deleted() -> None:
    wanted = pushed(hashed())
    push = plan_push(pushed(hashed(hash_algorithm="xor")), wanted)
    assert [path.elem[-1].name for request in push.requests for path in request.delete] == ["SWITCH_HASH"]


def test_lossless_groups_get_the_headroom_of_their_cable() -> None:
    tables = boot(leaf_spine(2, 2, 2))
    assert tables["BUFFER_PG"]["Ethernet0|3"] == {"profile": "pg_lossless_400000_3m_profile"}
    assert tables["BUFFER_PG"]["Ethernet16|3"] == {"profile": "pg_lossless_400000_30m_profile"}
    assert tables["CABLE_LENGTH"]["AZURE"]["Ethernet16"] == "30m"
    assert tables["BUFFER_PROFILE"]["pg_lossless_400000_30m_profile"] == {
        "pool": "ingress_lossless_pool",
        "size": "9144",
        "xon": "9144",
        "xon_offset": "9144",
        "xoff": "534528",
        "dynamic_th": "0",
    }


def test_headroom_of_all_lossless_groups_fits_the_pools_xoff() -> None:
    tables = with_roce(replace(ROCE, lossless=(LosslessClass(3, 26), LosslessClass(4, 34))))
    xoff = {name: int(fields.get("xoff", 0)) for name, fields in tables["BUFFER_PROFILE"].items()}
    groups = [key for key in tables["BUFFER_PG"] if key.endswith("|3-4")]
    assert len(groups) == 4
    need = sum(2 * xoff[tables["BUFFER_PG"][key]["profile"]] for key in groups)
    assert int(tables["BUFFER_POOL"]["ingress_lossless_pool"]["xoff"]) == need


def test_egress_never_refuses_a_lossless_packet() -> None:
    tables = boot(leaf_spine(2, 2, 2))
    pool = int(tables["BUFFER_POOL"]["egress_lossless_pool"]["size"])
    assert pool == MODEL.buffer_bytes
    assert int(tables["BUFFER_PROFILE"]["egress_lossless_profile"]["static_th"]) == pool
    assert tables["BUFFER_QUEUE"]["Ethernet0|3"] == {"profile": "egress_lossless_profile"}


def test_pfc_and_its_watchdog_are_enabled_on_the_lossless_priorities() -> None:
    tables = boot(leaf_spine(2, 2, 2))
    assert tables["PORT_QOS_MAP"]["Ethernet0"]["pfc_enable"] == "3"
    assert tables["PORT_QOS_MAP"]["Ethernet0"]["pfcwd_sw_enable"] == "3"
    assert tables["PFC_WD"]["Ethernet0"] == {
        "action": "drop",
        "detection_time": "200",
        "restoration_time": "200",
    }


def test_without_pfc_there_is_no_lossless_group_and_no_watchdog() -> None:
    tables = with_roce(replace(ROCE, pfc=False))
    assert "PFC_WD" not in tables
    assert "pfc_enable" not in tables["PORT_QOS_MAP"]["Ethernet0"]
    for table, way in (("BUFFER_PG", "ingress"), ("BUFFER_QUEUE", "egress")):
        profiles = {fields["profile"] for fields in tables[table].values()}
        assert profiles == {f"{way}_lossy_profile", f"{way}_cnp_profile"}


def test_cnps_have_a_frame_reserved_in_a_group_and_a_queue_of_their_own() -> None:
    tables = boot(leaf_spine(2, 2, 2))
    assert tables["TC_TO_PRIORITY_GROUP_MAP"]["AZURE"]["6"] == "6"
    assert tables["BUFFER_PG"]["Ethernet0|6"] == {"profile": "ingress_cnp_profile"}
    assert tables["BUFFER_QUEUE"]["Ethernet0|6"] == {"profile": "egress_cnp_profile"}
    sizes = {tables["BUFFER_PROFILE"][f"{way}_cnp_profile"]["size"] for way in ("ingress", "egress")}
    assert sizes == {"9144"}
    # All that ingress may hold is the buffer: the pool with what is reserved in it, and headroom.
    pool = tables["BUFFER_POOL"]["ingress_lossless_pool"]
    assert int(pool["size"]) + int(pool["xoff"]) == MODEL.buffer_bytes


def test_without_a_watchdog_pfc_stays() -> None:
    tables = with_roce(replace(ROCE, watchdog=None))
    assert "PFC_WD" not in tables
    assert "pfcwd_sw_enable" not in tables["PORT_QOS_MAP"]["Ethernet0"]
    assert tables["PORT_QOS_MAP"]["Ethernet0"]["pfc_enable"] == "3"


@pytest.mark.parametrize(("detect_ms", "poll"), [(100, "100"), (400, "200")])
def test_watchdog_polls_at_least_as_often_as_it_detects(detect_ms: int, poll: str) -> None:
    tables = with_roce(replace(ROCE, watchdog=PfcWatchdog(detect_ms, 400, "forward")))
    assert tables["PFC_WD"]["GLOBAL"] == {"POLL_INTERVAL": poll}


def test_ecn_boots_with_sonics_defaults_and_is_pushed_from_the_plan() -> None:
    switch = make_plan(leaf_spine(2, 2, 2), "ecmp").switches[0]
    green = ("green_min_threshold", "green_max_threshold", "green_drop_probability")
    before = bootstrap(switch).config_db["WRED_PROFILE"]["AZURE_LOSSLESS"]
    after = pushed(switch)["WRED_PROFILE"]["AZURE_LOSSLESS"]
    assert [before[field] for field in green] == ["1048576", "2097152", "5"]
    assert [after[field] for field in green] == ["800000", "3200000", "20"]
    queues = bootstrap(switch).config_db["QUEUE"]
    assert {key for key, fields in queues.items() if "wred_profile" in fields} == {
        f"Ethernet{8 * port}|3" for port in range(4)
    }


def test_the_cnp_queue_is_strict_and_the_others_dwrr() -> None:
    tables = boot(leaf_spine(2, 2, 2))
    kinds = [
        tables["SCHEDULER"][tables["QUEUE"][f"Ethernet0|{queue}"]["scheduler"]]["type"] for queue in range(8)
    ]
    assert kinds == ["DWRR"] * 6 + ["STRICT", "DWRR"]


def test_several_next_hops_are_aligned_vectors() -> None:
    tables = pushed(make_plan(leaf_spine(2, 2, 2), "ecmp").switches[0])
    assert tables["STATIC_ROUTE"] == {
        "default|10.0.0.4/30": {"nexthop": "172.16.0.0,172.16.0.2", "ifname": "Ethernet16,Ethernet24"}
    }
    assert tables["INTERFACE"]["Ethernet16"] == tables["INTERFACE"]["Ethernet16|172.16.0.1/31"] == {}
    assert set(tables["LOOPBACK_INTERFACE"]) == {"Loopback0", "Loopback0|10.255.0.0/32"}
