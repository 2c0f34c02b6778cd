"""A four-port switch, booted and served, for the tests of the NOS."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2_grpc

from raddle.nos.farm import SwitchFarm
from raddle.nos.switch import BootConfig, SimulatedSwitch

_TCS = {str(number): str(number) for number in range(8)}

FOUR_PORTS: dict[str, Any] = {
    "DEVICE_METADATA": {
        "localhost": {"hostname": "leaf0", "hwsku": "White-Box", "mac": "02:00:00:00:00:01"},
    },
    "PORT": {
        f"Ethernet{8 * number}": {
            "lanes": ",".join(str(8 * number + lane) for lane in range(1, 9)),
            "alias": f"etp{number + 1}",
            "index": str(number + 1),
            "speed": "400000",
            "mtu": "9100",
            "fec": "rs",
            "admin_status": "up",
        }
        for number in range(4)
    },
    "CABLE_LENGTH": {"AZURE": {"Ethernet0": "3m", "Ethernet8": "30m"}},
    "DEVICE_NEIGHBOR": {"Ethernet0": {"name": "host0", "local_port": "Ethernet0", "port": "eth0"}},
    "INTERFACE": {
        "Ethernet0": {},
        "Ethernet0|10.0.0.0/31": {},
        "Ethernet8": {},
        "Ethernet8|172.16.0.0/31": {},
        "Ethernet16": {},
        "Ethernet16|172.16.0.2/31": {},
    },
    "LOOPBACK_INTERFACE": {"Loopback0": {}, "Loopback0|10.255.0.1/32": {}},
    "STATIC_ROUTE": {
        "default|10.0.1.0/24": {"nexthop": "172.16.0.3,172.16.0.1", "ifname": "Ethernet16,Ethernet8"},
        "default|10.0.1.7/32": {"nexthop": "172.16.0.1", "ifname": "Ethernet8"},
    },
    "DSCP_TO_TC_MAP": {"AZURE": {"26": "3", "48": "6"}},
    "TC_TO_QUEUE_MAP": {"AZURE": dict(_TCS)},
    "TC_TO_PRIORITY_GROUP_MAP": {"AZURE": {"0": "0", "3": "3"}},
    "MAP_PFC_PRIORITY_TO_QUEUE": {"AZURE": dict(_TCS)},
    "PORT_QOS_MAP": {
        "global": {"dscp_to_tc_map": "AZURE"},
        "Ethernet0": {
            "tc_to_queue_map": "AZURE",
            "tc_to_pg_map": "AZURE",
            "pfc_to_queue_map": "AZURE",
            "pfc_enable": "3,4",
        },
    },
    "SCHEDULER": {
        "strict": {"type": "STRICT"},
        "dwrr": {"type": "DWRR", "weight": "15"},
        "bare": {},
    },
    "WRED_PROFILE": {
        "LOSSLESS": {
            "ecn": "ecn_all",
            "wred_green_enable": "true",
            "green_min_threshold": "800000",
            "green_max_threshold": "3200000",
            "green_drop_probability": "20",
        }
    },
    "QUEUE": {
        "Ethernet0|3-4": {"scheduler": "dwrr", "wred_profile": "LOSSLESS"},
        "Ethernet0|6": {"scheduler": "strict"},
        "Ethernet0|0": {"scheduler": "bare"},
    },
    "BUFFER_POOL": {
        "ingress_lossless_pool": {
            "type": "ingress",
            "mode": "dynamic",
            "size": "60000000",
            "xoff": "5000000",
        },
        "egress_lossless_pool": {"type": "egress", "mode": "static", "size": "65000000"},
    },
    "BUFFER_PROFILE": {
        "pg_lossless": {
            "pool": "ingress_lossless_pool",
            "size": "9144",
            "xon": "0",
            "xon_offset": "9144",
            "xoff": "424434",
            "dynamic_th": "-1",
        },
        "egress_lossless": {"pool": "egress_lossless_pool", "size": "0", "static_th": "65000000"},
    },
    "BUFFER_PG": {"Ethernet0|3-4": {"profile": "pg_lossless"}, "Ethernet0|0": {"profile": "NULL"}},
    "BUFFER_QUEUE": {"Ethernet0|0-4": {"profile": "egress_lossless"}},
    "PFC_WD": {
        "GLOBAL": {"POLL_INTERVAL": "200"},
        "Ethernet0": {"action": "drop", "detection_time": "200", "restoration_time": "200"},
    },
    "SWITCH_HASH": {"GLOBAL": {"ecmp_hash": ["SRC_IP", "DST_IP", "L4_SRC_PORT"]}},
    "GNMI": {"gnmi": {"user_auth": "none", "port": "8080"}},
    "GNMI_CLIENT_CERT": {"controller": {"role": ["gnmi_readwrite"]}},
    "FLEX_COUNTER_TABLE": {"PORT": {"FLEX_COUNTER_STATUS": "enable", "POLL_INTERVAL": "1000"}},
}

SEED = {"SWITCH_TABLE:switch": {"ecmp_hash_seed": "10"}}


@pytest.fixture
def four_ports() -> dict[str, Any]:
    """A config_db.json document that a test may change."""
    return copy.deepcopy(FOUR_PORTS)


@pytest.fixture
def boot(four_ports: dict[str, Any]) -> BootConfig:
    return BootConfig(four_ports, SEED)


@pytest.fixture
def switch(boot: BootConfig) -> SimulatedSwitch:
    """The four-port switch with light on every port."""
    return SimulatedSwitch("leaf0", boot, frozenset(boot.config_db["PORT"]))  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[SimulatedSwitch, gnmi_pb2_grpc.gNMIStub]]:
    """A switch that serves gNMI on a free port, and a stub to it."""
    boot = BootConfig(copy.deepcopy(FOUR_PORTS), SEED)
    carriers = {"leaf0": frozenset(FOUR_PORTS["PORT"])}
    with (
        SwitchFarm({"leaf0": boot}, carriers) as farm,
        grpc.insecure_channel(farm.addresses["leaf0"]) as channel,
    ):
        yield farm.switches["leaf0"], gnmi_pb2_grpc.gNMIStub(channel)


@pytest.fixture(scope="session")
def sonic_reference() -> Path:
    """Facts about SONiC that lie beside a checkout; tests that need them skip elsewhere."""
    folder = Path(__file__).parents[4] / "shared" / "sonic"
    if not folder.is_dir():
        pytest.skip("no ../shared/sonic beside this checkout")
    return folder
