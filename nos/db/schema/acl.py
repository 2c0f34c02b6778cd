"""Schema of access lists and mirroring: ACL_TABLE, ACL_TABLE_TYPE, ACL_RULE, MIRROR_SESSION, POLICER.

Source: sonic-acl, sonic-mirror-session, sonic-policer.
"""

from __future__ import annotations

from collections.abc import Sequence

from raddle.nos.db.databases import ConfigEntry, ConfigTables
from raddle.nos.db.schema.model import EntrySchema, Leaf, TableSchema, number, scalar
from raddle.nos.db.schema.types import (
    any_string,
    boolean,
    enum,
    integer,
    ip_address,
    ipv4_prefix,
    ipv6_prefix,
    mac_address,
    map_name,
    text,
)

_TABLE_TYPES = frozenset({"L2", "L3", "L3V6", "L3V4V6", "MIRROR", "MIRRORV6", "MIRROR_DSCP", "CTRLPLANE"})
_L2 = frozenset({"SRC_MAC", "DST_MAC", "PCP", "DEI"})
_V4 = frozenset({"SRC_IP", "DST_IP", "INNER_SRC_IP"})
_V6 = frozenset({"SRC_IPV6", "DST_IPV6", "INNER_SRC_IPV6"})
_ICMP = (frozenset({"ICMP_TYPE", "ICMP_CODE"}), frozenset({"ICMPV6_TYPE", "ICMPV6_CODE"}))
_TYPES_V4 = frozenset({"", "ANY", "IP", "IPV4", "IPv4ANY", "IPV4ANY", "ARP"})
_TYPES_V6 = frozenset({"", "ANY", "IP", "IPV6", "IPv6ANY", "IPV6ANY"})

_PORT_16 = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_PORT_RANGE = text(pattern=f"{_PORT_16}-{_PORT_16}")
_HEX_AND_MASK = text(pattern="0[xX][0-9a-fA-F]{1,2}/0[xX][0-9a-fA-F]{1,2}")
_MAC = "([0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5})"
_UINT8, _UINT16, _UINT64 = integer("uint8"), integer("uint16"), integer("uint64")


def _control_plane_has_services(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    if scalar(entry, "type") == "CTRLPLANE" and not entry.get("services"):
        return "Must condition \"(not(type = 'CTRLPLANE')) or (boolean(services))\" not satisfied."
    return None


ACL_TABLE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(any_string),),
            fields={
                "policy_desc": Leaf(text(1, 255)),
                "type": Leaf(refs="ACL_TABLE_TYPE", literals=_TABLE_TYPES, mandatory=True),
                "stage": Leaf(text(pattern="ingress|egress|INGRESS|EGRESS")),
                "services": Leaf(is_list=True),
                "ports": Leaf(refs=("PORT", "PORTCHANNEL"), literals=frozenset({""}), is_list=True),
            },
            musts=(_control_plane_has_services,),
        ),
    )
)


def _has_matches(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    for name in ("MATCHES", "BIND_POINTS"):
        if not entry.get(name):
            return f'Too few "{name}" instances.'
    return None


ACL_TABLE_TYPE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(any_string),),
            fields={
                "MATCHES": Leaf(is_list=True),
                "ACTIONS": Leaf(is_list=True),
                "BIND_POINTS": Leaf(enum("PORT", "PORTCHANNEL"), is_list=True),
            },
            musts=(_has_matches,),
        ),
    )
)


def _fits_its_table(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    kind = scalar(config.get("ACL_TABLE", {}).get(key[0], {}), "type")
    if kind == "CTRLPLANE" and not entry.get("PACKET_ACTION"):
        return "Must condition not satisfied: a rule of a CTRLPLANE table has a PACKET_ACTION"
    if kind != "L2" and _L2 & entry.keys():
        return (
            f"When condition not satisfied: {', '.join(sorted(_L2 & entry.keys()))} is for tables of type L2"
        )
    matches = config.get("ACL_TABLE_TYPE", {}).get(kind, {}).get("MATCHES", [])
    if "TCP_FLAGS" in entry and "TCP_FLAGS" not in matches:
        return "Must condition not satisfied: the table's type does not match TCP_FLAGS"
    return None


def _has_one_family(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    """The choices of the model: addresses of one family, one kind of ICMP, a port or a range."""
    choices = [
        (_L2 - {"PCP", "DEI"}, _V4, _V6),
        (frozenset({"L4_SRC_PORT"}), frozenset({"L4_SRC_PORT_RANGE"})),
        (frozenset({"L4_DST_PORT"}), frozenset({"L4_DST_PORT_RANGE"})),
        _ICMP,
    ]
    for cases in choices:
        used = [sorted(case & entry.keys())[0] for case in cases if case & entry.keys()]
        if len(used) > 1:
            return f'Data for both cases "{used[0]}" and "{used[1]}" exist.'
    ip_type = scalar(entry, "IP_TYPE")
    for names, types in ((_V4 | _ICMP[0], _TYPES_V4), (_V6 | _ICMP[1], _TYPES_V6)):
        if names & entry.keys() and ip_type not in types:
            return f"When condition not satisfied: {sorted(names & entry.keys())[0]} with IP_TYPE {ip_type}"
    return None


ACL_RULE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="ACL_TABLE"), Leaf(text(1, 255))),
            fields={
                "PACKET_ACTION": Leaf(
                    enum("DROP", "ACCEPT", "FORWARD", "REDIRECT", "DO_NOT_NAT", "DISABLE_TRIM")
                ),
                "MIRROR_INGRESS_ACTION": Leaf(refs="MIRROR_SESSION"),
                "MIRROR_EGRESS_ACTION": Leaf(refs="MIRROR_SESSION"),
                "INNER_SRC_MAC_REWRITE_ACTION": Leaf(mac_address),
                "IP_TYPE": Leaf(
                    enum(
                        *("ANY", "IP", "NON_IP", "IPV4", "IPV6", "IPv4ANY", "IPV4ANY", "NON_IP4"),
                        *("IPv6ANY", "IPV6ANY", "NON_IPv6", "ARP"),
                    )
                ),
                "PRIORITY": Leaf(integer("uint32", 0, 999999), mandatory=True),
                **{name: Leaf(text(pattern=f"{_MAC}(/{_MAC})?")) for name in ("SRC_MAC", "DST_MAC")},
                **{name: Leaf(ipv4_prefix) for name in _V4},
                **{name: Leaf(ipv6_prefix) for name in _V6},
                "IN_PORTS": Leaf(),
                "OUT_PORTS": Leaf(),
                "L4_SRC_PORT": Leaf(_UINT16),
                "L4_DST_PORT": Leaf(_UINT16),
                "L4_SRC_PORT_RANGE": Leaf(_PORT_RANGE),
                "L4_DST_PORT_RANGE": Leaf(_PORT_RANGE),
                "ETHER_TYPE": Leaf(
                    text(
                        pattern="0x0[6-9a-fA-F][0-9a-fA-F]{2}|0x[1-9a-fA-F][0-9a-fA-F]{3}|153[6-9]|15[4-9][0-9]|"
                        "1[6-9][0-9][0-9]|[2-9][0-9]{3}|[1-5][0-9]{4}|6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|"
                        "6[0-4][0-9]{3}"
                    )
                ),
                "IP_PROTOCOL": Leaf(integer("uint8", 1, 143)),
                "TCP_FLAGS": Leaf(text(pattern="0[xX][0-9a-fA-F]{1,2}(/0[xX][0-9a-fA-F]{1,2})?")),
                "DSCP": Leaf(_UINT8),
                "TC": Leaf(_UINT8),
                **{name: Leaf(_UINT8) for case in _ICMP for name in case},
                "INNER_ETHER_TYPE": Leaf(text(pattern="0x88CC|0x8100|0x8915|0x0806|0x0800|0x86DD|0x8847")),
                "INNER_IP_PROTOCOL": Leaf(integer("uint8", 1, 143)),
                "INNER_L4_SRC_PORT": Leaf(_UINT16),
                "INNER_L4_DST_PORT": Leaf(_UINT16),
                "VLAN_ID": Leaf(integer("uint16", 1, 4094)),
                "TUNNEL_VNI": Leaf(integer("uint32", 1, 16777215)),
                "PCP": Leaf(text(pattern="[0-7]|[0-7]/[0-7]")),
                "DEI": Leaf(integer("uint8", 0, 1)),
                "BTH_OPCODE": Leaf(_HEX_AND_MASK),
                "AETH_SYNDROME": Leaf(_HEX_AND_MASK),
                "TUNNEL_TERM": Leaf(boolean),
            },
            musts=(_fits_its_table, _has_one_family),
        ),
    )
)

_ERSPAN_ONLY = ("src_ip", "dst_ip", "gre_type", "dscp", "ttl", "sample_rate", "truncate_size")


def _session_fits_its_type(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    kind = scalar(entry, "type") or "ERSPAN"
    for name in ("dst_port",) if kind == "ERSPAN" else _ERSPAN_ONLY:
        if name in entry:
            return f"When condition not satisfied: {name} in a session of type {kind}"
    source, target = scalar(entry, "src_ip"), scalar(entry, "dst_ip")
    if (source or target) and (":" in source) != (":" in target):
        return "Must condition not satisfied: src_ip and dst_ip are of one family"
    return None


MIRROR_SESSION = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(map_name),),
            fields={
                "type": Leaf(enum("ERSPAN", "SPAN")),
                "src_ip": Leaf(ip_address),
                "dst_ip": Leaf(ip_address),
                "gre_type": Leaf(
                    text(
                        1,
                        6,
                        "0[xX][0-9a-fA-F]*|([0-9]|[1-5]?[0-9]{2,4}|6[1-4][0-9]{3}|65[1-4][0-9]{2}|"
                        "655[1-2][0-9]|6553[0-5])",
                    )
                ),
                "dscp": Leaf(integer("uint8", 0, 63)),
                "ttl": Leaf(_UINT8),
                "queue": Leaf(_UINT8),
                "dst_port": Leaf(refs="PORT", literals=frozenset({"CPU"})),
                "src_port": Leaf(text(1, 2048)),
                "direction": Leaf(enum("RX", "TX", "BOTH")),
                "policer": Leaf(refs="POLICER"),
                "sample_rate": Leaf(integer("uint32", 2)),
                "truncate_size": Leaf(integer("uint32", 64, 9216)),
            },
            musts=(_session_fits_its_type,),
        ),
    )
)


def _rates_are_ordered(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    mode = scalar(entry, "mode")
    if "pir" in entry and mode != "tr_tcm":
        return "When condition \"current()/../mode = 'tr_tcm'\" not satisfied (pir)."
    if mode not in ("sr_tcm", "tr_tcm") and {"pbs", "yellow_packet_action"} & entry.keys():
        return f"When condition not satisfied: pbs and yellow_packet_action are not for mode {mode}"
    cir = number(entry, "cir")
    for name in ("cbs", "pir"):
        value = number(entry, name)
        if value is not None and (not cir or value < cir):
            return f"Must condition not satisfied: {name} is at least cir, and cir is above 0"
    burst, peak = number(entry, "cbs"), number(entry, "pbs")
    if burst is not None and peak is not None and peak < burst:
        return "Must condition not satisfied: pbs is at least cbs"
    return None


_POLICER_ACTION = Leaf(enum("drop", "forward", "copy", "copy_cancel", "trap", "log", "deny", "transit"))

POLICER = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(any_string),),
            fields={
                "meter_type": Leaf(enum("packets", "bytes"), mandatory=True),
                "mode": Leaf(enum("sr_tcm", "tr_tcm", "storm"), mandatory=True),
                "color": Leaf(enum("aware", "blind")),
                **{name: Leaf(_UINT64) for name in ("cir", "cbs", "pir", "pbs")},
                **{f"{colour}_packet_action": _POLICER_ACTION for colour in ("green", "yellow", "red")},
            },
            musts=(_rates_are_ordered,),
        ),
    )
)
