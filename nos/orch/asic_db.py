"""ASIC_DB: the SAI objects that the orchs have made, with the object ids that COUNTERS_DB names.

Source: the SAI headers (saiport.h, saiqueue.h, sairoute.h, ...) for attributes; sonic-sairedis for the keys
`ASIC_STATE:SAI_OBJECT_TYPE_PORT:oid:0x1000000000002`. Everything follows from what the switch forwards with.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping

from raddle.nos.db.databases import ConfigDb, HashDb
from raddle.nos.orch.acl_asic import acl_groups, acl_objects
from raddle.nos.orch.appl_db import Neighbors, installed_routes, neighbor_entries
from raddle.nos.orch.ars import ArsSelector
from raddle.nos.orch.asic_ars import ARS_PROFILE_OID, ars_objects, ars_oid
from raddle.nos.orch.counters import SWITCH_OID, CounterLayout, router_interfaces
from raddle.nos.orch.derive import derive
from raddle.nos.orch.lazy import LazyTables
from raddle.nos.orch.routes import AdaptiveChoice, ChoiceOf, NextHop
from raddle.state import PortState, SwitchState
from raddle.units import ip_text

_ROUTER_OID = "oid:0x3000000000022"
_NULL = "oid:0x0"
_ETHERNET_BYTES = 22  # SAI counts the Ethernet header, a VLAN tag and the FCS in a port's MTU.
_TYPES = {
    "scheduler": 0x16000000000000,
    "wred": 0x13000000000000,
    "map": 0x14000000000000,
    "profile": 0x19000000000000,
    "hop": 0x4000000000000,
    "group": 0x5000000000000,
    "member": 0x2D000000000000,
}
"""Object ids carry their type in the upper bytes (sai_metadata)."""

Objects = Iterator[tuple[str, Mapping[str, str]]]


def asic_db(
    config: ConfigDb, appl: HashDb, up: frozenset[str], neighbors: Neighbors, layout: CounterLayout
) -> HashDb:
    """ASIC_DB, made when it is read."""
    return LazyTables(
        {"ASIC_STATE": lambda: dict(_objects(config, derive(config, appl), up, neighbors, layout))}
    )


def _oid(kind: str, number: int) -> str:
    return f"oid:{_TYPES[kind] + number + 1:#x}"


def _objects(
    config: ConfigDb, state: SwitchState, up: frozenset[str], neighbors: Neighbors, layout: CounterLayout
) -> Objects:
    yield (
        f"SAI_OBJECT_TYPE_SWITCH:{SWITCH_OID}",
        {
            "SAI_SWITCH_ATTR_INIT_SWITCH": "true",
            "SAI_SWITCH_ATTR_ECMP_DEFAULT_HASH_SEED": str(state.hash_seed),
            "SAI_SWITCH_ATTR_ECMP_DEFAULT_HASH_OFFSET": str(state.hash_offset),
            **({"SAI_SWITCH_ATTR_ARS_PROFILE": ARS_PROFILE_OID} if state.ars else {}),
        },
    )
    if state.ars:
        yield from ars_objects(state.ars)
    yield f"SAI_OBJECT_TYPE_VIRTUAL_ROUTER:{_ROUTER_OID}", {"NULL": "NULL"}
    yield from _buffers(state, layout)
    yield from _ports(config, state, up, layout)
    yield from _routing(config, up, neighbors, layout)
    yield from acl_objects(config, layout)


def _buffers(state: SwitchState, layout: CounterLayout) -> Objects:
    pools = layout.maps.get("COUNTERS_BUFFER_POOL_NAME_MAP", {}).get("", {})
    for pool in state.buffer_pools:
        kind = "INGRESS" if pool.is_ingress else "EGRESS"
        yield (
            f"SAI_OBJECT_TYPE_BUFFER_POOL:{pools[pool.name]}",
            {
                "SAI_BUFFER_POOL_ATTR_TYPE": f"SAI_BUFFER_POOL_TYPE_{kind}",
                "SAI_BUFFER_POOL_ATTR_SIZE": str(pool.size_bytes),
                "SAI_BUFFER_POOL_ATTR_XOFF_SIZE": str(pool.xoff_bytes),
            },
        )
    for number, profile in enumerate(state.buffer_profiles):
        name = "SAI_BUFFER_PROFILE_ATTR_"
        is_dynamic = profile.dynamic_th is not None
        threshold = profile.dynamic_th if is_dynamic else profile.static_th_bytes
        mode = "DYNAMIC" if is_dynamic else "STATIC"
        yield (
            f"SAI_OBJECT_TYPE_BUFFER_PROFILE:{_oid('profile', number)}",
            {
                f"{name}POOL_ID": pools[state.buffer_pools[profile.pool].name],
                f"{name}RESERVED_BUFFER_SIZE": str(profile.reserved_bytes),
                f"{name}THRESHOLD_MODE": f"SAI_BUFFER_PROFILE_THRESHOLD_MODE_{mode}",
                f"{name}SHARED_{mode}_TH": str(threshold),
                f"{name}XON_TH": str(profile.xon_bytes),
                f"{name}XON_OFFSET_TH": str(profile.xon_offset_bytes),
                f"{name}XOFF_TH": str(profile.xoff_bytes),
            },
        )
    for number, wred in enumerate(state.wred_profiles):
        mode = "ALL" if wred.marks_ecn else "NONE"
        yield (
            f"SAI_OBJECT_TYPE_WRED:{_oid('wred', number)}",
            {
                "SAI_WRED_ATTR_ECN_MARK_MODE": f"SAI_ECN_MARK_MODE_{mode}",
                "SAI_WRED_ATTR_GREEN_ENABLE": str(wred.drops).lower(),
                "SAI_WRED_ATTR_GREEN_MIN_THRESHOLD": str(wred.min_bytes),
                "SAI_WRED_ATTR_GREEN_MAX_THRESHOLD": str(wred.max_bytes),
                "SAI_WRED_ATTR_GREEN_DROP_PROBABILITY": str(round(wred.probability * 100)),
            },
        )


_MAPS = (
    ("DSCP_TO_TC", "dscp", "tc"),
    ("TC_TO_QUEUE", "tc", "qidx"),
    ("TC_TO_PRIORITY_GROUP", "tc", "pg"),
    ("PFC_PRIORITY_TO_QUEUE", "prio", "qidx"),
)


def _ports(config: ConfigDb, state: SwitchState, up: frozenset[str], layout: CounterLayout) -> Objects:
    maps: dict[tuple[str, tuple[int, ...]], str] = {}
    weights = sorted({queue.weight for port in state.ports for queue in port.queues})
    for number, weight in enumerate(weights):
        kind = "DWRR" if weight else "STRICT"
        yield (
            f"SAI_OBJECT_TYPE_SCHEDULER:{_oid('scheduler', number)}",
            {
                "SAI_SCHEDULER_ATTR_SCHEDULING_TYPE": f"SAI_SCHEDULING_TYPE_{kind}",
                "SAI_SCHEDULER_ATTR_SCHEDULING_WEIGHT": str(weight or 1),
            },
        )
    oids = layout.maps.get("COUNTERS_PORT_NAME_MAP", {}).get("", {})
    groups = acl_groups(config)
    for port in state.ports:
        attributes = {}
        tables = (port.dscp_to_tc, port.tc_to_queue, port.tc_to_pg, port.pfc_to_queue)
        for (kind, key, value), table in zip(_MAPS, tables, strict=True):
            if (kind, table) not in maps:
                maps[kind, table] = _oid("map", len(maps))
                pairs = [{"key": {key: at}, "value": {value: to}} for at, to in enumerate(table)]
                yield (
                    f"SAI_OBJECT_TYPE_QOS_MAP:{maps[kind, table]}",
                    {
                        "SAI_QOS_MAP_ATTR_TYPE": f"SAI_QOS_MAP_TYPE_{kind}",
                        "SAI_QOS_MAP_ATTR_MAP_TO_VALUE_LIST": json.dumps(
                            {"count": len(pairs), "list": pairs}
                        ),
                    },
                )
            attributes[f"SAI_PORT_ATTR_QOS_{kind}_MAP"] = maps[kind, table]
        lanes = str(config["PORT"][port.name]["lanes"])
        yield (
            f"SAI_OBJECT_TYPE_PORT:{oids[port.name]}",
            {
                "SAI_PORT_ATTR_HW_LANE_LIST": f"{lanes.count(',') + 1}:{lanes}",
                "SAI_PORT_ATTR_SPEED": str(port.speed_bps // 10**6),
                "SAI_PORT_ATTR_ADMIN_STATE": str(port.is_admin_up).lower(),
                "SAI_PORT_ATTR_OPER_STATUS": f"SAI_PORT_OPER_STATUS_{'UP' if port.name in up else 'DOWN'}",
                "SAI_PORT_ATTR_MTU": str(port.mtu_bytes + _ETHERNET_BYTES),
                "SAI_PORT_ATTR_PRIORITY_FLOW_CONTROL": str(port.pfc_enable),
                **attributes,
                **{
                    f"SAI_PORT_ATTR_{'EGRESS' if is_egress else 'INGRESS'}_ACL": group
                    for (name, is_egress), group in groups.items()
                    if name == port.name
                },
            },
        )
        yield from _queues_and_groups(port, weights, oids[port.name], layout)


def _queues_and_groups(port: PortState, weights: list[int], port_oid: str, layout: CounterLayout) -> Objects:
    queues = layout.maps["COUNTERS_QUEUE_NAME_MAP"][""]
    groups = layout.maps["COUNTERS_PG_NAME_MAP"][""]
    for index, queue in enumerate(port.queues):
        yield (
            f"SAI_OBJECT_TYPE_QUEUE:{queues[f'{port.name}:{index}']}",
            {
                "SAI_QUEUE_ATTR_TYPE": "SAI_QUEUE_TYPE_UNICAST",
                "SAI_QUEUE_ATTR_PORT": port_oid,
                "SAI_QUEUE_ATTR_INDEX": str(index),
                "SAI_QUEUE_ATTR_SCHEDULER_PROFILE_ID": _oid("scheduler", weights.index(queue.weight)),
                "SAI_QUEUE_ATTR_WRED_PROFILE_ID": _NULL if queue.wred is None else _oid("wred", queue.wred),
                "SAI_QUEUE_ATTR_BUFFER_PROFILE_ID": (
                    _NULL if queue.buffer is None else _oid("profile", queue.buffer)
                ),
            },
        )
    for index, profile in enumerate(port.pgs):
        yield (
            f"SAI_OBJECT_TYPE_INGRESS_PRIORITY_GROUP:{groups[f'{port.name}:{index}']}",
            {
                "SAI_INGRESS_PRIORITY_GROUP_ATTR_PORT": port_oid,
                "SAI_INGRESS_PRIORITY_GROUP_ATTR_INDEX": str(index),
                "SAI_INGRESS_PRIORITY_GROUP_ATTR_BUFFER_PROFILE": (
                    _NULL if profile is None else _oid("profile", profile)
                ),
            },
        )


def _routing(config: ConfigDb, up: frozenset[str], neighbors: Neighbors, layout: CounterLayout) -> Objects:
    ports = layout.maps.get("COUNTERS_PORT_NAME_MAP", {}).get("", {})
    interfaces = router_interfaces(config)
    for name, oid in interfaces.items():
        yield (
            f"SAI_OBJECT_TYPE_ROUTER_INTERFACE:{oid}",
            {
                "SAI_ROUTER_INTERFACE_ATTR_TYPE": "SAI_ROUTER_INTERFACE_TYPE_PORT",
                "SAI_ROUTER_INTERFACE_ATTR_PORT_ID": ports[name],
                "SAI_ROUTER_INTERFACE_ATTR_VIRTUAL_ROUTER_ID": _ROUTER_OID,
            },
        )
    for place, fields in neighbor_entries(config, up, neighbors):
        name, _, address = place.partition(":")
        entry = {"ip": address, "rif": interfaces[name], "switch_id": SWITCH_OID}
        yield (
            f"SAI_OBJECT_TYPE_NEIGHBOR_ENTRY:{json.dumps(entry, separators=(',', ':'))}",
            {"SAI_NEIGHBOR_ENTRY_ATTR_DST_MAC_ADDRESS": fields["neigh"].upper()},
        )
    routes = installed_routes(config, up)
    hops = {
        hop: _oid("hop", number)
        for number, hop in enumerate(sorted({hop for each in routes.values() for hop in each if hop.address}))
    }
    for hop, oid in hops.items():
        yield (
            f"SAI_OBJECT_TYPE_NEXT_HOP:{oid}",
            {
                "SAI_NEXT_HOP_ATTR_TYPE": "SAI_NEXT_HOP_TYPE_IP",
                "SAI_NEXT_HOP_ATTR_IP": ip_text(ipaddress.ip_address(hop.address)),
                "SAI_NEXT_HOP_ATTR_ROUTER_INTERFACE_ID": interfaces[hop.interface],
            },
        )
    yield from _routes(routes, hops, interfaces, ArsSelector(config).choice_of)


def _routes(
    routes: Mapping[str, tuple[NextHop, ...]],
    hops: Mapping[NextHop, str],
    interfaces: Mapping[str, str],
    choice_of: ChoiceOf,
) -> Objects:
    groups: dict[tuple[tuple[NextHop, ...], AdaptiveChoice], str] = {}
    members = 0
    for prefix, hops_there in routes.items():
        # A blackhole among live next hops has no member of the group.
        route = tuple(hop for hop in hops_there if hop.port is not None)
        entry = {
            "dest": ip_text(ipaddress.ip_network(prefix)),
            "switch_id": SWITCH_OID,
            "vr": _ROUTER_OID,
        }
        if not route:
            fields = {"SAI_ROUTE_ENTRY_ATTR_PACKET_ACTION": "SAI_PACKET_ACTION_DROP"}
        elif len(route) == 1:
            target = hops[route[0]] if route[0].address else interfaces[route[0].interface]
            fields = {"SAI_ROUTE_ENTRY_ATTR_NEXT_HOP_ID": target}
        else:
            group = route, choice_of(route, ":" in prefix)
            if group not in groups:
                groups[group] = _oid("group", len(groups))
                yield f"SAI_OBJECT_TYPE_NEXT_HOP_GROUP:{groups[group]}", _group(group[1])
                for hop in route:
                    yield (
                        f"SAI_OBJECT_TYPE_NEXT_HOP_GROUP_MEMBER:{_oid('member', members)}",
                        {
                            "SAI_NEXT_HOP_GROUP_MEMBER_ATTR_NEXT_HOP_GROUP_ID": groups[group],
                            "SAI_NEXT_HOP_GROUP_MEMBER_ATTR_NEXT_HOP_ID": (
                                hops[hop] if hop.address else interfaces[hop.interface]
                            ),
                            **(_ALTERNATE if hop.port in group[1].alternatives else {}),
                        },
                    )
                    members += 1
            fields = {"SAI_ROUTE_ENTRY_ATTR_NEXT_HOP_ID": groups[group]}
        yield f"SAI_OBJECT_TYPE_ROUTE_ENTRY:{json.dumps(entry, separators=(',', ':'))}", fields


_ALTERNATE = {"SAI_NEXT_HOP_GROUP_MEMBER_ATTR_ARS_ALTERNATE_PATH": "true"}


def _group(choice: AdaptiveChoice) -> dict[str, str]:
    fields = {"SAI_NEXT_HOP_GROUP_ATTR_TYPE": "SAI_NEXT_HOP_GROUP_TYPE_DYNAMIC_UNORDERED_ECMP"}
    if choice.ars is not None:
        fields["SAI_NEXT_HOP_GROUP_ATTR_ARS_OBJECT_ID"] = ars_oid(choice.ars)
    return fields
