"""APPL_DB as a switch's daemons write it: ports, interfaces, routes, neighbours, LLDP, buffers.

Source: sonic-swss cfgmgr (portmgr, intfmgr, buffermgr), fpmsyncd/routesync.cpp, neighsyncd,
doc/swss-schema.md; sonic-dbsyncd lldp_syncd/daemon.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from raddle.nos.db.databases import ConfigDb, HashDb
from raddle.nos.orch.lazy import LazyTables
from raddle.nos.orch.ports import DEFAULT_MTU_BYTES, front_panel_order
from raddle.nos.orch.routes import NextHop, static_routes
from raddle.units import ip_text

Table = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Neighbor:
    """Who is at the other end of a port's cable, as LLDP and ARP tell.

    `chassis` is its MAC address; `port_id` what it calls its port (a SONiC switch says the alias) and
    `port_description` the port's name.
    """

    system: str
    port_id: str
    port_description: str
    chassis: str
    is_switch: bool


Neighbors = Mapping[str, Neighbor]
"""Neighbour by port. A port without light has one here too, and does not hear it."""


def appl_db(
    config: ConfigDb, carrier: frozenset[str], neighbors: Neighbors, switch_table: Mapping[str, str]
) -> HashDb:
    """APPL_DB of a switch whose ports in `carrier` have light."""
    ports = port_table(config, carrier)
    up = frozenset(name for name, fields in ports.items() if fields["oper_status"] == "up")
    return LazyTables(
        {
            "PORT_TABLE": lambda: ports,
            "SWITCH_TABLE": lambda: {"switch": switch_table},
            "INTF_TABLE": lambda: dict(_interfaces(config)),
            "ROUTE_TABLE": lambda: _route_table(config, up),
            "NEXTHOP_GROUP_TABLE": lambda: _group_table(config, up),
            "NEIGH_TABLE": lambda: dict(neighbor_entries(config, up, neighbors)),
            "LLDP_ENTRY_TABLE": lambda: dict(_lldp_entries(config, up, neighbors)),
            **{f"{name}_TABLE": _copied(config, name) for name in _BUFFER_TABLES},
        }
    )


_BUFFER_TABLES = ("BUFFER_POOL", "BUFFER_PROFILE", "BUFFER_PG", "BUFFER_QUEUE")


def port_table(config: ConfigDb, carrier: frozenset[str]) -> dict[str, dict[str, str]]:
    """PORT_TABLE, as portmgrd, portsyncd and portsorch write it."""
    table = {}
    for name, entry in config.get("PORT", {}).items():
        fields = {field: value for field, value in entry.items() if isinstance(value, str)}
        fields.setdefault("admin_status", "down")
        fields.setdefault("mtu", str(DEFAULT_MTU_BYTES))
        is_up = fields["admin_status"] == "up" and name in carrier
        fields["oper_status"] = "up" if is_up else "down"
        table[name] = fields
    return table


def _interfaces(config: ConfigDb) -> Iterator[tuple[str, dict[str, str]]]:
    for table in ("INTERFACE", "LOOPBACK_INTERFACE"):
        for key, entry in config.get(table, {}).items():
            name, bar, prefix = key.partition("|")
            if not bar:
                fields = {field: value for field, value in entry.items() if isinstance(value, str)}
                yield name, fields
                continue
            family = "IPv6" if ":" in prefix else "IPv4"
            yield f"{name}:{prefix}", {"scope": "global", "family": family}


def _copied(config: ConfigDb, table: str) -> Callable[[], Table]:
    """buffermgrd hands these tables on; between the parts of a key it puts a colon."""

    def make() -> Table:
        return {
            key.replace("|", ":"): {name: str(value) for name, value in entry.items()}
            for key, entry in config.get(table, {}).items()
        }

    return make


def installed_routes(config: ConfigDb, up: frozenset[str]) -> dict[str, tuple[NextHop, ...]]:
    """Prefix -> next hops of the routes that zebra sends to the switch: static and connected ones.

    A host route's prefix is an address without a length, as in ROUTE_TABLE.
    """
    live = {name: index for index, name in enumerate(front_panel_order(config)) if name in up}
    # fpmsyncd prints an address with libnl, which leaves the length of a host route out.
    routes = {
        str(prefix).removesuffix("/128" if prefix.is_ipv6 else "/32"): hops
        for prefix, hops in sorted(static_routes(config, live).items())
    }
    for key in config.get("INTERFACE", {}):
        name, bar, prefix = key.partition("|")
        if bar and name in live:
            network = ip_text(ipaddress.ip_interface(prefix).network)
            routes[network] = (NextHop(0, name, live[name]),)
    return routes


def _route_table(config: ConfigDb, up: frozenset[str]) -> Table:
    groups = _group_ids(config, up) if _has_groups(config) else {}
    return {prefix: _route(hops, groups) for prefix, hops in installed_routes(config, up).items()}


def _has_groups(config: ConfigDb) -> bool:
    """Next-hop groups have a table of their own only where DEVICE_METADATA asks for it."""
    return config.get("DEVICE_METADATA", {}).get("localhost", {}).get("nexthop_group") == "enabled"


def _group_ids(config: ConfigDb, up: frozenset[str]) -> dict[tuple[NextHop, ...], str]:
    groups = {hops for hops in installed_routes(config, up).values() if len(hops) > 1}
    return {hops: f"ID{number}" for number, hops in enumerate(sorted(groups), 1)}


def _group_table(config: ConfigDb, up: frozenset[str]) -> Table:
    if not _has_groups(config):
        return {}
    return {name: _hops(hops) for hops, name in _group_ids(config, up).items()}


def _route(hops: tuple[NextHop, ...], groups: Mapping[tuple[NextHop, ...], str]) -> dict[str, str]:
    if all(hop.port is None for hop in hops):
        return {"protocol": "static", "blackhole": "true"}
    if group := groups.get(hops):
        return {"protocol": "static", "nexthop_group": group}
    is_connected = len(hops) == 1 and not hops[0].address
    return {"protocol": "connected" if is_connected else "static", **_hops(hops)}


def _hops(hops: tuple[NextHop, ...]) -> dict[str, str]:
    return {
        "nexthop": ",".join(ip_text(ipaddress.ip_address(hop.address)) for hop in hops),
        "ifname": ",".join(hop.interface for hop in hops),
    }


def neighbor_entries(
    config: ConfigDb, up: frozenset[str], neighbors: Neighbors
) -> Iterator[tuple[str, dict[str, str]]]:
    """NEIGH_TABLE: the far ends of point-to-point subnets and all next hops whose port has a neighbour."""
    seen: set[str] = set()
    for key in config.get("INTERFACE", {}):
        name, bar, prefix = key.partition("|")
        if bar and name in up and name in neighbors:
            own = ipaddress.ip_interface(prefix)
            if own.network.prefixlen == own.max_prefixlen - 1:
                far = next(address for address in own.network if address != own.ip)
                seen.add(f"{name}:{ip_text(far)}")
    for hops in installed_routes(config, up).values():
        seen |= {
            f"{hop.interface}:{ip_text(ipaddress.ip_address(hop.address))}"
            for hop in hops
            if hop.address and hop.interface in neighbors
        }
    for place in sorted(seen):
        port, _, address = place.partition(":")
        family = "IPv6" if ":" in address else "IPv4"
        yield place, {"neigh": neighbors[port].chassis, "family": family}


def _lldp_entries(
    config: ConfigDb, up: frozenset[str], neighbors: Neighbors
) -> Iterator[tuple[str, dict[str, str]]]:
    """LLDP_ENTRY_TABLE: what the neighbours say, where LLDP listens."""
    if not _listens(config.get("LLDP", {}).get("GLOBAL", {})):
        return
    for index, port in enumerate(front_panel_order(config), 1):
        neighbor = neighbors.get(port)
        if neighbor is None or port not in up or not _listens(config.get("LLDP_PORT", {}).get(port, {})):
            continue
        capability = "28 00" if neighbor.is_switch else "00 00"  # bridge and router (IEEE 802.1AB, 8.5.8)
        yield (
            port,
            {
                "lldp_rem_index": str(index),
                "lldp_rem_time_mark": "0",
                "lldp_rem_chassis_id_subtype": "4",  # MAC address
                "lldp_rem_chassis_id": neighbor.chassis,
                "lldp_rem_port_id_subtype": "7" if neighbor.is_switch else "5",  # local, interface name
                "lldp_rem_port_id": neighbor.port_id,
                "lldp_rem_port_desc": neighbor.port_description,
                "lldp_rem_sys_name": neighbor.system,
                "lldp_rem_sys_desc": "SONiC" if neighbor.is_switch else "",
                "lldp_rem_sys_cap_supported": capability,
                "lldp_rem_sys_cap_enabled": capability,
            },
        )


def _listens(entry: Mapping[str, object]) -> bool:
    return entry.get("enabled", "true") == "true" and entry.get("mode", "RECEIVE") == "RECEIVE"
