"""Schema of the BGP tables of bgpcfgd, which this switch holds; it forwards by static routes alone.

Source: sonic-bgp-neighbor, sonic-bgp-monitor, sonic-bgp-peerrange, sonic-bgp-sentinel,
sonic-bgp-allowed-prefix.
"""

from __future__ import annotations

from collections.abc import Sequence

from raddle.nos.db.databases import ConfigEntry, ConfigTables
from raddle.nos.db.schema.model import EntrySchema, Leaf, TableSchema, scalar
from raddle.nos.db.schema.types import (
    admin_status,
    any_string,
    boolean,
    either,
    enum,
    integer,
    ip_address,
    ip_prefix,
    ipv4_prefix,
    ipv6_prefix,
    text,
)

_PEER = {
    "asn": Leaf(integer("uint32")),
    "holdtime": Leaf(integer("uint16")),
    "keepalive": Leaf(integer("uint16")),
    "local_addr": Leaf(ip_address),
    "name": Leaf(any_string),
    "nhopself": Leaf(integer("uint8", 0, 1)),
    "rrclient": Leaf(integer("uint8", 0, 1)),
    "admin_status": Leaf(admin_status),
}


def _has_an_as(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    return 'Must condition ". >= 1" not satisfied (asn).' if scalar(entry, "asn") == "0" else None


_VLAN = text(pattern="Vlan([0-9]{1,3}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-4])")
_FRR_FLAGS = (
    *("ebgp_multihop", "passive_mode", "capability_ext_nexthop", "disable_ebgp_connected_route_check"),
    *("enforce_first_as", "solo_peer", "bfd", "bfd_check_ctrl_plane_failure", "capability_dynamic"),
    *("dont_negotiate_capability", "enforce_multihop", "override_capability", "strict_capability_match"),
    *("local_as_no_prepend", "local_as_replace_as"),
)


def _peer_group_exists(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    name = scalar(entry, "peer_group_name")
    if not name or f"{key[0]}|{name}" in config.get("BGP_PEER_GROUP", {}):
        return None
    return f'Invalid leafref value "{name}" - no target instance in BGP_PEER_GROUP with the same value.'


_FRR_PEER = {
    **{name: Leaf(boolean) for name in _FRR_FLAGS},
    "local_asn": Leaf(integer("uint32", 1)),
    "name": Leaf(any_string),
    "asn": Leaf(integer("uint32", 1)),
    "peer_type": Leaf(enum("internal", "external")),
    "ebgp_multihop_ttl": Leaf(integer("uint8", 1)),
    "auth_password": Leaf(any_string),
    "keepalive": Leaf(integer("uint16")),
    "holdtime": Leaf(integer("uint16")),
    "conn_retry": Leaf(integer("uint16", 1)),
    "min_adv_interval": Leaf(integer("uint16", 0, 600)),
    "local_addr": Leaf(
        either(ip_address, _VLAN), refs=("PORT", "PORTCHANNEL", "LOOPBACK_INTERFACE"), is_union=True
    ),
    "ttl_security_hops": Leaf(integer("uint8", 1, 254)),
    "peer_port": Leaf(integer("uint16")),
    "shutdown_message": Leaf(text(1, 127)),
    "admin_status": Leaf(admin_status),
    "peer_group_name": Leaf(any_string),
}

BGP_NEIGHBOR = TableSchema(
    entries=(
        EntrySchema(key=(Leaf(ip_address),), fields=_PEER, musts=(_has_an_as,)),
        # Looser than the model: the default VRF is there without an entry in BGP_GLOBALS.
        EntrySchema(
            key=(
                Leaf(refs=("BGP_GLOBALS", "VNET"), literals=frozenset({"default"})),
                Leaf(either(ip_address, _VLAN), refs=("PORT", "PORTCHANNEL"), is_union=True),
            ),
            fields=_FRR_PEER,
            musts=(_peer_group_exists,),
        ),
    )
)


def _is_named_monitor(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    if entry.get("name", "BGPMonitor") != "BGPMonitor":
        return "Must condition \"current() = 'BGPMonitor'\" not satisfied (name)."
    return None


BGP_MONITORS = TableSchema(
    entries=(EntrySchema(key=(Leaf(ip_address),), fields=_PEER, musts=(_is_named_monitor,)),)
)


def _name_is_the_key(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    return None if entry.get("name", key[-1]) == key[-1] else "Must condition not satisfied: name is the key"


_RANGE = {
    "name": Leaf(any_string),
    "src_address": Leaf(ip_address),
    "ip_range": Leaf(ip_prefix, is_list=True),
}

BGP_PEER_RANGE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(any_string),),
            fields={**_RANGE, "peer_asn": Leaf(integer("uint32", 1))},
            musts=(_name_is_the_key,),
        ),
        EntrySchema(
            key=(Leaf(refs=("VRF", "VNET")), Leaf(any_string)),
            fields={**_RANGE, "peer_asn": Leaf(integer("uint32", 1))},
            musts=(_name_is_the_key,),
        ),
    )
)

BGP_SENTINELS = TableSchema(
    entries=(EntrySchema(key=(Leaf(any_string),), fields=_RANGE, musts=(_name_is_the_key,)),)
)

_COMPARED = " (le|ge) [0-9]{1,3}"


def _allowed(value: str) -> str | None:
    """A prefix, or one and all that are longer or shorter: `10.0.0.0/8 le 24`."""
    prefix, space, rest = value.partition(" ")
    check = ipv6_prefix if ":" in prefix else ipv4_prefix
    return check(prefix) or (text(pattern=_COMPARED)(space + rest) if space else None)


_ALLOWED = {
    "default_action": Leaf(enum("permit", "deny")),
    "prefixes_v4": Leaf(_allowed, is_list=True, is_joined=True),
    "prefixes_v6": Leaf(_allowed, is_list=True, is_joined=True),
}
_DEPLOYMENT = (Leaf(text(pattern="DEPLOYMENT_ID")), Leaf(integer("uint32")))
_NEIGHBOR = (Leaf(text(pattern="NEIGHBOR_TYPE")), Leaf(any_string))
_COMMUNITY = Leaf(any_string)

BGP_ALLOWED_PREFIXES = TableSchema(
    entries=(
        EntrySchema(key=_DEPLOYMENT, fields=_ALLOWED),
        EntrySchema(key=(*_DEPLOYMENT, _COMMUNITY), fields=_ALLOWED),
        EntrySchema(key=(*_DEPLOYMENT, *_NEIGHBOR), fields=_ALLOWED),
        EntrySchema(key=(*_DEPLOYMENT, *_NEIGHBOR, _COMMUNITY), fields=_ALLOWED),
    )
)
