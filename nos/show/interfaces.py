"""`show interfaces status|counters`, `show pfc counters` and `show lldp table`.

Source: sonic-utilities scripts/intfutil, utilities_common/netstat.py, scripts/pfcstat, scripts/lldpshow.
"""

from __future__ import annotations

from tabulate import tabulate

from raddle.nos.db.databases import Databases
from raddle.nos.show.objects import Hash, count, of_port, per_priority, ports, rates_of, table
from raddle.state import PRIORITIES


def status(databases: Databases) -> str:
    """One line for each port: what it is and whether it is up."""
    rows = []
    modes = _modes(databases)
    for port in ports(databases):
        entry = databases.config["PORT"][port]
        state = databases.appl.get("PORT_TABLE", {}).get(port, {})
        rows.append(
            (
                port,
                str(entry.get("lanes", "N/A")),
                _speed(str(entry.get("speed", ""))),
                state.get("mtu", "N/A"),
                str(entry.get("fec", "N/A")),
                str(entry.get("alias", "N/A")),
                modes.get(port, str(entry.get("mode", "routed"))),
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


def _modes(databases: Databases) -> dict[str, str]:
    """What the column Vlan says of members of a VLAN and of a port channel, as intfutil has it."""
    config = databases.config
    has_mode = {port for port, entry in config.get("PORT", {}).items() if "mode" in entry}
    members = {key.partition("|")[2]: "trunk" for key in config.get("VLAN_MEMBER", {})}
    channels = (key.partition("|") for key in config.get("PORTCHANNEL_MEMBER", {}))
    trunks = {port: mode for port, mode in members.items() if port not in has_mode}
    return trunks | {port: channel for channel, _, port in channels}


def _speed(mbps: str) -> str:
    """As intfutil writes it: `400G`, `2.5G`, `100M`."""
    if not mbps.isdigit():
        return "N/A"
    speed = int(mbps)
    if speed < 1000:
        return f"{speed}M"
    return f"{speed / 1000:.1f}G" if speed % 1000 >= 100 else f"{speed / 1000:.0f}G"


def counters(databases: Databases) -> str:
    """Packets, rates, errors and drops of each port."""
    rows = []
    for port in ports(databases):
        entry, rates = of_port(databases, port), rates_of(databases, port)
        speed_mbps = str(databases.config["PORT"][port].get("speed", ""))
        oper = databases.appl.get("PORT_TABLE", {}).get(port, {}).get("oper_status")
        row = [port, "U" if oper == "up" else "D"]
        for way, far in (("IN", "RX"), ("OUT", "TX")):
            row += [
                _sum(entry, f"SAI_PORT_STAT_IF_{way}_UCAST_PKTS", f"SAI_PORT_STAT_IF_{way}_NON_UCAST_PKTS"),
                *_rate(rates.get(f"{far}_BPS", ""), speed_mbps),
                count(entry, f"SAI_PORT_STAT_IF_{way}_ERRORS"),
                count(entry, f"SAI_PORT_STAT_IF_{way}_DISCARDS"),
                count(entry, f"SAI_PORT_STAT_ETHER_{far}_OVERSIZE_PKTS"),
            ]
        rows.append(row)
    columns = ("OK", "BPS", "UTIL", "ERR", "DRP", "OVR")
    return table(["IFACE", "STATE", *(f"{way}_{name}" for way in ("RX", "TX") for name in columns)], rows)


def _rate(bytes_per_s: str, speed_mbps: str) -> tuple[str, str]:
    """A rate and the share of the port's speed, as netstat.py prints them."""
    if not bytes_per_s:
        return "N/A", "N/A"
    rate = float(bytes_per_s)
    size, unit = (1e6, "MB") if rate > 10e6 else (1e3, "KB") if rate > 10e3 else (1.0, "B")
    shown = f"{rate / size:.2f} {unit}/s"
    share = f"{rate * 8 / (int(speed_mbps) * 1e6) * 100:.2f}%" if speed_mbps.isdigit() else "N/A"
    return shown, share


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


_CAPABILITIES = ((0x20, "B"), (0x08, "R"))  # bridge and router, in the first octet of a hex string


def lldp_table(databases: Databases) -> str:
    """Who is at the other end of each cable, as LLDP hears it."""
    entries = databases.appl.get("LLDP_ENTRY_TABLE", {})
    rows = []
    for port in ports(databases):
        if entry := entries.get(port):
            octet = int(entry.get("lldp_rem_sys_cap_enabled", "00").split()[0], 16)
            rows.append(
                (
                    port,
                    entry.get("lldp_rem_sys_name", ""),
                    entry.get("lldp_rem_port_id", ""),
                    "".join(letter for bit, letter in _CAPABILITIES if octet & bit),
                    entry.get("lldp_rem_port_desc", ""),
                )
            )
    headers = ("LocalPort", "RemoteDevice", "RemotePortID", "Capability", "RemotePortDescr")
    lines = (
        "Capability codes: (R) Router, (B) Bridge, (O) Other",
        tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True),
        "-" * 50,
        f"Total entries displayed:  {len(rows)}",
    )
    return "\n".join(lines)
