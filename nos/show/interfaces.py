"""`show interfaces status|counters` and `show pfc counters`.

Source: sonic-utilities scripts/intfutil, utilities_common/netstat.py, scripts/pfcstat.
"""

from __future__ import annotations

from nos.db.databases import Databases
from nos.show.objects import Hash, count, of_port, per_priority, ports, table
from raddle.state import PRIORITIES


def status(databases: Databases) -> str:
    """One line for each port: what it is and whether it is up."""
    rows = []
    for port in ports(databases):
        entry = databases.config["PORT"][port]
        state = databases.appl.get("PORT_TABLE", {}).get(port, {})
        is_routed = port in databases.config.get("INTERFACE", {})
        rows.append(
            (
                port,
                str(entry.get("lanes", "N/A")),
                _speed(str(entry.get("speed", ""))),
                state.get("mtu", "N/A"),
                str(entry.get("fec", "N/A")),
                str(entry.get("alias", "N/A")),
                "routed" if is_routed else "trunk",
                state.get("oper_status", "down"),
                state.get("admin_status", "down"),
                "N/A",
                str(entry.get("pfc_asym", "N/A")),
            )
        )
    headers = (
        "Interface",
        "Lanes",
        "Speed",
        "MTU",
        "FEC",
        "Alias",
        "Vlan",
        "Oper",
        "Admin",
        "Type",
        "Asym PFC",
    )
    return table(headers, rows)


def _speed(mbps: str) -> str:
    if not mbps.isdigit():
        return "N/A"
    return f"{int(mbps) // 1000}G" if int(mbps) >= 1000 else f"{mbps}M"


def counters(databases: Databases) -> str:
    """Packets, errors and drops of each port. A switch without RATES shows N/A for rates."""
    rows = []
    for port in ports(databases):
        entry = of_port(databases, port)
        oper = databases.appl.get("PORT_TABLE", {}).get(port, {}).get("oper_status")
        row = [port, "U" if oper == "up" else "D"]
        for way, far in (("IN", "RX"), ("OUT", "TX")):
            row += [
                _sum(entry, f"SAI_PORT_STAT_IF_{way}_UCAST_PKTS", f"SAI_PORT_STAT_IF_{way}_NON_UCAST_PKTS"),
                "N/A",
                "N/A",
                count(entry, f"SAI_PORT_STAT_IF_{way}_ERRORS"),
                count(entry, f"SAI_PORT_STAT_IF_{way}_DISCARDS"),
                count(entry, f"SAI_PORT_STAT_ETHER_{far}_OVERSIZE_PKTS"),
            ]
        rows.append(row)
    columns = ("OK", "BPS", "UTIL", "ERR", "DRP", "OVR")
    return table(["IFACE", "STATE", *(f"{way}_{name}" for way in ("RX", "TX") for name in columns)], rows)


def _sum(entry: Hash, *names: str) -> str:
    values = [entry.get(name, "") for name in names]
    numbers = [int(value) for value in values if value.isdigit()]
    return f"{sum(numbers):,}" if numbers else "N/A"


def pfc_counters(databases: Databases) -> str:
    """PFC frames of each priority, received and sent."""
    blocks = []
    for way, title in (("RX", "Port Rx"), ("TX", "Port Tx")):
        rows = [
            (
                port,
                [
                    count(of_port(databases, port), f"SAI_PORT_STAT_PFC_{priority}_{way}_PKTS")
                    for priority in range(PRIORITIES)
                ],
            )
            for port in ports(databases)
        ]
        blocks.append(per_priority(title, "PFC", rows))
    return "\n\n".join(blocks)
