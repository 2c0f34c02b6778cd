"""What upstream SONiC lacks is there on switches whose model declares it, and refused on all others."""

from __future__ import annotations

from typing import Any

import pytest

from raddle.nos.db.patch import PatchError, PatchOp
from raddle.nos.switch import BootConfig, SimulatedSwitch

OVER_QP = PatchOp("replace", ("SWITCH_HASH", "GLOBAL", "ecmp_hash"), ["SRC_IP", "DST_IP", "RDMA_BTH_DEST_QP"])
FLOWLETS = {"assign_mode": "per_flowlet_quality", "flowlet_idle_time": "64"}
ARS = [
    PatchOp(
        "add",
        ("ARS_OBJECT",),
        {"flowlets": {"assign_mode": "per_flowlet_quality", "flowlet_idle_time": "64"}},
    ),
    PatchOp("add", ("ARS_INTERFACE",), {"Ethernet8": {"ars_obj_name": "flowlets"}}),
]


def switch_with(config: dict[str, Any], *features: str) -> SimulatedSwitch:
    return SimulatedSwitch("leaf0", BootConfig(config, {}, features=features), frozenset())


def test_a_switch_that_can_hashes_over_the_queue_pair(four_ports: dict[str, Any]) -> None:
    switch = switch_with(four_ports, "hash-on-qp")
    switch.apply_patch([OVER_QP])
    assert switch.state().hash_fields == ("src_ip", "dst_ip", "bth_qp")


def test_any_other_refuses_it_as_sonic_refuses_an_unknown_field(four_ports: dict[str, Any]) -> None:
    for features in ((), ("adaptive-routing",)):
        with pytest.raises(PatchError) as caught:
            switch_with(four_ports, *features).apply_patch([OVER_QP])
        head, reason = str(caught.value).splitlines()
        assert head == "Error: Given patch will produce invalid config. Error: Data Loading Failed"
        assert 'Invalid enumeration value "RDMA_BTH_DEST_QP"' in reason


def test_adaptive_routing_tables_are_checked_where_they_are_known(four_ports: dict[str, Any]) -> None:
    switch = switch_with(four_ports, "adaptive-routing")
    switch.apply_patch(ARS)
    assert switch.databases.config["ARS_INTERFACE"] == {"Ethernet8": {"ars_obj_name": "flowlets"}}
    with pytest.raises(PatchError, match=r"out of the allowed range 2\.\.2047"):
        switch.apply_patch([PatchOp("replace", ("ARS_OBJECT", "flowlets", "flowlet_idle_time"), "1")])


def test_adaptive_routing_tables_have_no_model_elsewhere(four_ports: dict[str, Any]) -> None:
    with pytest.raises(PatchError, match=r"changes to tables without YANG models\. Tables: ARS_OBJECT, ARS_"):
        switch_with(four_ports, "hash-on-qp").apply_patch(ARS)
