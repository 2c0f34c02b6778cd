"""From ARS tables to adaptive next-hop groups, as SONiC's arsorch selects them."""

from __future__ import annotations

from typing import Any

import pytest

from raddle.nos.db.databases import ConfigDb, HashDb
from raddle.nos.orch import derive
from raddle.nos.switch import BootConfig, SimulatedSwitch
from raddle.state import ArsLoad, ArsObject, RouteState, SwitchState

UP: HashDb = {"PORT_TABLE": {f"Ethernet{8 * n}": {"oper_status": "up"} for n in range(4)}}
GROUP, HOST = 0x0A000100, 0x0A000107  # 10.0.1.0/24 over Ethernet8 and Ethernet16, and one host over Ethernet8

OBJECTS: dict[str, Any] = {
    "packets": {"assign_mode": "per_packet_quality", "max_flows": "64"},
    "quiet": {"assign_mode": "per_flowlet_quality", "flowlet_idle_time": "16", "primary_path_threshold": "3"},
}


def derived(config: dict[str, Any], mode: str | None, **tables: dict[str, Any]) -> SwitchState:
    profile: dict[str, str | list[str]] = {"default_ars_object": "quiet", "past_load_max_value": "10000"}
    if mode:
        profile["ars_nhg_path_selector_mode"] = mode
    ars: ConfigDb = {"ARS_PROFILE": {"profile": profile}, "ARS_OBJECT": OBJECTS}
    return derive({**config, **ars, **tables}, UP)


def route_to(state: SwitchState, prefix: int) -> RouteState:
    return next(route for route in state.routes if route.prefix == prefix)


def both(name: str = "") -> dict[str, Any]:
    entry = {"ars_obj_name": name} if name else {}
    return {"Ethernet8": dict(entry), "Ethernet16": {"scaling_factor": "20", **entry}}


def test_profile_and_objects_are_read_with_the_defaults_of_the_draft(four_ports: dict[str, Any]) -> None:
    ars = derived(four_ports, "interface", ARS_INTERFACE=both()).ars
    assert ars
    assert (ars.sampling_interval_ps, ars.past, ars.future, ars.current) == (
        16_000_000, ArsLoad(0, 10000, 16), ArsLoad(0, 0, 16), ArsLoad(0, 0, 0),
    )  # fmt: skip
    assert ars.objects == (
        ArsObject("packets", True, 256_000_000, 64, 16, 0),
        ArsObject("quiet", False, 16_000_000, 512, 3, 0),
    )
    # A factor of 20 is a port of 200G; without one a port's speed counts.
    assert ars.nominal_bps == (400 * 10**9, 400 * 10**9, 200 * 10**9, 400 * 10**9)


def test_limits_of_the_fields_are_more_than_a_switch_has(four_ports: dict[str, Any]) -> None:
    most = str(2**32 - 1)
    objects = {"most": {"max_flows": most}, "none": {"max_flows": "0"}}
    interfaces = {"Ethernet8": {"scaling_factor": most}}
    ars = derived(four_ports, "global", ARS_OBJECT=objects, ARS_INTERFACE=interfaces).ars
    assert ars
    assert [each.max_flows for each in ars.objects] == [65536, 512]
    assert max(ars.nominal_bps) < 2**63


def test_global_mode_makes_every_group_of_two_adaptive_and_no_single_next_hop(
    four_ports: dict[str, Any],
) -> None:
    state = derived(four_ports, "global")
    assert (route_to(state, GROUP).ars, route_to(state, HOST).ars) == (1, None)


@pytest.mark.parametrize(
    ("interfaces", "ars"),
    [
        (both(), 1),
        (both("packets"), 0),
        ({"Ethernet8": {}}, None),
        ({"Ethernet8": {"ars_obj_name": "packets"}, "Ethernet16": {"ars_obj_name": "quiet"}}, None),
    ],
    ids=["default object", "their object", "one is missing", "two objects"],
)
def test_interface_mode_wants_all_interfaces_of_a_group_with_one_object(
    four_ports: dict[str, Any], interfaces: dict[str, Any], ars: int | None
) -> None:
    assert route_to(derived(four_ports, None, ARS_INTERFACE=interfaces), GROUP).ars == ars


def test_nexthop_mode_wants_all_next_hops_too_and_knows_alternative_paths(four_ports: dict[str, Any]) -> None:
    hops: dict[str, dict[str, str]] = {"default|172.16.0.1": {}}
    few = derived(four_ports, "nexthop", ARS_INTERFACE=both(), ARS_NEXTHOP=hops)
    assert route_to(few, GROUP).ars is None
    hops["default|172.16.0.3"] = {"role": "alternative_path"}
    all_of_them = derived(four_ports, "nexthop", ARS_INTERFACE=both(), ARS_NEXTHOP=hops)
    route = route_to(all_of_them, GROUP)
    assert (route.ars, route.ports, route.alternatives) == (1, (1, 2), (2,))


def test_without_a_profile_or_with_its_family_off_groups_hash(four_ports: dict[str, Any]) -> None:
    without = derive({**four_ports, "ARS_OBJECT": OBJECTS, "ARS_INTERFACE": both("quiet")}, UP)
    assert (without.ars, route_to(without, GROUP).ars) == (None, None)
    profile = {"profile": {"default_ars_object": "quiet", "ipv4_enable": "false"}}
    off = derived(four_ports, None, ARS_PROFILE=profile, ARS_INTERFACE=both())
    assert route_to(off, GROUP).ars is None


def test_asic_db_has_the_objects_and_which_groups_have_them(four_ports: dict[str, Any]) -> None:
    tables = {
        "ARS_PROFILE": {"profile": {"ars_nhg_path_selector_mode": "nexthop", "future_load_max_value": "900"}},
        "ARS_OBJECT": OBJECTS,
        "ARS_INTERFACE": both("packets"),
        "ARS_NEXTHOP": {
            "default|172.16.0.1": {"ars_obj_name": "packets"},
            "default|172.16.0.3": {"ars_obj_name": "packets", "role": "alternative_path"},
        },
    }
    boot = BootConfig({**four_ports, **tables}, {}, features=("adaptive-routing",))
    asic = SimulatedSwitch("leaf0", boot, frozenset(four_ports["PORT"])).databases.asic["ASIC_STATE"]

    def of(kind: str) -> dict[str, dict[str, str]]:
        start = f"SAI_OBJECT_TYPE_{kind}:"
        return {key.removeprefix(start): dict(at) for key, at in asic.items() if key.startswith(start)}

    ((profile, settings),) = of("ARS_PROFILE").items()
    (switch,) = of("SWITCH").values()
    assert switch["SAI_SWITCH_ATTR_ARS_PROFILE"] == profile
    assert settings["SAI_ARS_PROFILE_ATTR_LOAD_FUTURE_MAX_VAL"] == "900"
    assert settings["SAI_ARS_PROFILE_ATTR_PORT_LOAD_PAST"] == "false"  # it has no limits
    modes = {oid: at["SAI_ARS_ATTR_MODE"] for oid, at in of("ARS").items()}
    ((_, group),) = of("NEXT_HOP_GROUP").items()
    assert modes[group["SAI_NEXT_HOP_GROUP_ATTR_ARS_OBJECT_ID"]] == "SAI_ARS_MODE_PER_PACKET_QUALITY"
    alternate = "SAI_NEXT_HOP_GROUP_MEMBER_ATTR_ARS_ALTERNATE_PATH"
    assert [at.get(alternate) for at in of("NEXT_HOP_GROUP_MEMBER").values()] == [None, "true"]
