"""STATE_DB: what a switch can do and how far it is.

Source: sonic-swss portsorch, intfmgr, switchorch, aclorch.
"""

from __future__ import annotations

from collections.abc import Mapping

from raddle.nos.db.databases import ConfigDb, ConfigEntry, HashDb
from raddle.nos.orch.acl import read_acl
from raddle.nos.orch.lazy import LazyTables
from raddle.nos.orch.ports import DEFAULT_MTU_BYTES

_ETHERNET_SPEEDS_MBPS = frozenset(
    (10_000, 25_000, 40_000, 50_000, 100_000, 200_000, 400_000, 800_000, 1_600_000)
)
_LANE_SPEEDS_MBPS = (10_000, 25_000, 50_000, 100_000, 200_000)
_FECS = "rs,fc,none,auto"


def state_db(config: ConfigDb, ports: Mapping[str, Mapping[str, str]]) -> HashDb:
    """STATE_DB, given APPL_DB's PORT_TABLE."""
    return LazyTables(
        {
            "PORT_TABLE": lambda: _port_table(config, ports),
            "INTERFACE_TABLE": lambda: _interface_table(config),
            "SWITCH_CAPABILITY": lambda: {"switch": _CAPABILITY},
            "ACL_TABLE_TABLE": lambda: {
                table.name: {"status": table.status} for table in read_acl(config) if table.status
            },
            "ACL_RULE_TABLE": lambda: {
                f"{table.name}|{rule.name}": {"status": rule.status}
                for table in read_acl(config)
                for rule in table.rules
                if rule.status
            },
        }
    )


_CAPABILITY = {
    "PORT_TPID_CAPABLE": "false",
    "LAG_TPID_CAPABLE": "false",
    "ORDERED_ECMP_CAPABLE": "true",
    "ECMP_HASH_CAPABLE": "true",
    "LAG_HASH_CAPABLE": "false",
    "HASH|NATIVE_HASH_FIELD_LIST": "IP_PROTOCOL,DST_IP,SRC_IP,L4_DST_PORT,L4_SRC_PORT",
    "ECMP_HASH_ALGORITHM_CAPABLE": "true",
    "ECMP_HASH_ALGORITHM": "CRC,XOR,CRC_32LO,CRC_32HI,CRC_CCITT",
    "PFC_DLR_INIT_CAPABLE": "false",
}


def _port_table(config: ConfigDb, ports: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    table = {}
    entries = config.get("PORT", {})
    of_lanes = {
        lanes: supported_speeds(config, lanes) for lanes in {_lanes(entry) for entry in entries.values()}
    }
    for name, entry in entries.items():
        speeds = of_lanes[_lanes(entry)]
        table[name] = {
            "state": "ok",
            "admin_status": ports[name]["admin_status"],
            "netdev_oper_status": ports[name]["oper_status"],
            "mtu": str(entry.get("mtu", DEFAULT_MTU_BYTES)),
            "speed": str(entry["speed"]),
            "supported_speeds": ",".join(map(str, sorted(speeds | {int(str(entry["speed"]))}))),
            "supported_fecs": _FECS,
        }
    return table


def supported_speeds(config: ConfigDb, lanes: int) -> frozenset[int]:
    """The speeds in Mbit/s that a port of so many lanes can have.

    Assumption: the chip's lanes are no faster than what its fastest port makes of them.
    """
    ports = config.get("PORT", {}).values()
    fastest_mbps = max((int(str(each["speed"])) / _lanes(each) for each in ports), default=0)
    return (
        frozenset(lanes * speed for speed in _LANE_SPEEDS_MBPS if speed <= fastest_mbps)
        & _ETHERNET_SPEEDS_MBPS
    )


def _lanes(entry: ConfigEntry) -> int:
    return str(entry["lanes"]).count(",") + 1


def _interface_table(config: ConfigDb) -> dict[str, dict[str, str]]:
    return {
        key: {"state": "ok"} if "|" in key else {"vrf": str(entry.get("vrf_name", ""))}
        for table in ("INTERFACE", "LOOPBACK_INTERFACE")
        for key, entry in config.get(table, {}).items()
    }
