"""OpenConfig interfaces, read only, as SONiC's translation of its databases gives them.

Source: sonic-mgmt-common translib/transformer/xfmr_interface.go; openconfig-interfaces, openconfig-if-ip.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from finsy.proto.gnmi1 import gnmi_pb2

from raddle.nos.db.databases import Databases
from raddle.nos.orch.ports import front_panel_order
from raddle.nos.server.paths import RpcError

_MODULE = "openconfig-interfaces"
_COUNTERS = {
    "in-octets": "IF_IN_OCTETS",
    "in-unicast-pkts": "IF_IN_UCAST_PKTS",
    "in-multicast-pkts": "IF_IN_MULTICAST_PKTS",
    "in-broadcast-pkts": "IF_IN_BROADCAST_PKTS",
    "in-discards": "IF_IN_DISCARDS",
    "in-errors": "IF_IN_ERRORS",
    "out-octets": "IF_OUT_OCTETS",
    "out-unicast-pkts": "IF_OUT_UCAST_PKTS",
    "out-multicast-pkts": "IF_OUT_MULTICAST_PKTS",
    "out-broadcast-pkts": "IF_OUT_BROADCAST_PKTS",
    "out-discards": "IF_OUT_DISCARDS",
    "out-errors": "IF_OUT_ERRORS",
}


def read_openconfig(databases: Databases, elems: Sequence[gnmi_pb2.PathElem]) -> dict[str, object]:
    """What is at a path such as `interfaces/interface[name=Ethernet0]/state`.

    Returns:
        The node under its qualified name: `{"openconfig-interfaces:state": {...}}`.

    Raises:
        RpcError: NOT_FOUND for a path or an interface that is not there, UNIMPLEMENTED for a
            wildcard.
    """
    node: object = {
        "interfaces": {
            "interface": [_interface(databases, name) for name in front_panel_order(databases.config)]
        }
    }
    last = "interfaces"
    for elem in elems:
        last = elem.name.rpartition(":")[2]
        if "*" in elem.key.values():
            # A client such as finsy that is told so does without; NOT_FOUND would end it.
            raise RpcError(grpc.StatusCode.UNIMPLEMENTED, f"a wildcard for '{last}'; give one by its name")
        node = _child(node, last, dict(elem.key))
        if node is None:
            path = "/".join(each.name for each in elems)
            raise RpcError(grpc.StatusCode.NOT_FOUND, f"Resource not found: {path}")
    return {f"{_MODULE}:{last}": [node] if isinstance(node, _Entry) else node}


def _child(node: object, name: str, keys: dict[str, str]) -> object | None:
    """A member by its name, with or without its module; of a list the entries that have the keys."""
    if not isinstance(node, dict):
        return None
    child = next((value for member, value in node.items() if member.rpartition(":")[2] == name), None)
    if not keys:
        return child
    if not isinstance(child, list):
        return None
    found = [entry for entry in child if all(str(entry.get(key)) == value for key, value in keys.items())]
    return _Entry(found[0]) if len(found) == 1 else None


class _Entry(dict[str, object]):
    """One entry of a list, which is shown as a list of one."""


def _interface(databases: Databases, name: str) -> dict[str, object]:
    entry = databases.config["PORT"][name]
    state = databases.appl.get("PORT_TABLE", {}).get(name, {})
    config = {
        "name": name,
        "enabled": state.get("admin_status") == "up",
        "mtu": int(state.get("mtu", "9100")),
    }
    if isinstance(text := entry.get("description"), str):
        config["description"] = text
    return {
        "name": name,
        "config": config,
        "state": {
            **config,
            "admin-status": state.get("admin_status", "down").upper(),
            "oper-status": state.get("oper_status", "down").upper(),
            "counters": _counters(databases, name),
        },
        "subinterfaces": {"subinterface": [_subinterface(databases, name)]},
    }


def _counters(databases: Databases, name: str) -> dict[str, str]:
    oid = databases.counters.get("COUNTERS_PORT_NAME_MAP", {}).get("", {}).get(name, "")
    counted = databases.counters.get("COUNTERS", {}).get(oid, {})
    return {leaf: counted.get(f"SAI_PORT_STAT_{stat}", "0") for leaf, stat in _COUNTERS.items()}


def _subinterface(databases: Databases, name: str) -> dict[str, object]:
    addresses = []
    for key in databases.config.get("INTERFACE", {}):
        port, _, prefix = key.partition("|")
        ip, _, length = prefix.partition("/")
        if port == name and prefix and ":" not in ip:
            value = {"ip": ip, "prefix-length": int(length)}
            addresses.append({"ip": ip, "config": value, "state": value})
    if not addresses:
        return {"index": 0}
    return {"index": 0, "openconfig-if-ip:ipv4": {"addresses": {"address": addresses}}}
