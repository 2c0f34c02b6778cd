"""Schema of VLANs and link aggregation, which this switch holds and does not forward by.

Source: sonic-vlan, sonic-portchannel, sonic-vrf.
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
    ipv6_address,
    lax_boolean,
    mac_address,
    text,
)

_ENABLE = enum("enable", "disable")
_ROUTED = {
    "vrf_name": Leaf(refs="VRF"),
    "nat_zone": Leaf(integer("uint8", 0, 3)),
    "mpls": Leaf(_ENABLE),
    "ipv6_use_link_local_only": Leaf(_ENABLE),
    "mac_addr": Leaf(mac_address),
    "loopback_action": Leaf(text(pattern="drop|forward")),
}
"""Fields that every routed interface has."""

VRF = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(text(1, 15, "Vrf[a-zA-Z0-9_-]+")),),
            fields={"fallback": Leaf(boolean), "vni": Leaf(integer("uint32", 0, 16777215))},
        ),
    )
)


def _id_is_in_the_name(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    if "vlanid" in entry and key[0] != f"Vlan{entry['vlanid']}":
        return "Must condition \"substring-after(../name, 'Vlan') = current()\" not satisfied."
    return None


_SHARED_LINK = {
    "description": Leaf(text(1, 255)),
    "mtu": Leaf(integer("uint16", 1, 9216)),
}

VLAN = TableSchema(
    entries=(
        EntrySchema(
            key=(
                Leaf(
                    text(
                        pattern="Vlan(409[0-5]|40[0-8][0-9]|[1-3][0-9]{3}|[1-9][0-9]{2}|[1-9][0-9]|[2-9])",
                    )
                ),
            ),
            fields={
                **_SHARED_LINK,
                "vlanid": Leaf(integer("uint16", 2, 4094)),
                "alias": Leaf(),
                "dhcp_servers": Leaf(ip_address, is_list=True),
                "dhcpv6_servers": Leaf(ipv6_address, is_list=True),
                "admin_status": Leaf(admin_status),
                "mac": Leaf(mac_address),
            },
            musts=(_id_is_in_the_name,),
        ),
    )
)


def _family_matches(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    family = scalar(entry, "family")
    if family and family != ("IPv6" if ":" in key[1] else "IPv4"):
        return f'Must condition not satisfied, family "{family}" does not fit the prefix "{key[1]}"'
    return None


def _vlan_interface_exists(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    return (
        None if key[0] in config["VLAN_INTERFACE"] else f"Must condition not satisfied, {key[0]} is missing"
    )


def _has_an_anycast_mac(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    if scalar(entry, "static_anycast_gateway") in ("", "false"):
        return None
    if config.get("SAG", {}).get("GLOBAL", {}).get("gateway_mac"):
        return None
    return "Must condition not satisfied: SAG|GLOBAL has no gateway_mac"


VLAN_INTERFACE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="VLAN"),),
            fields={
                **_ROUTED,
                "vnet_name": Leaf(refs="VNET"),
                "grat_arp": Leaf(text(pattern="enabled|disabled")),
                "proxy_arp": Leaf(text(pattern="enabled|disabled")),
                "static_anycast_gateway": Leaf(lax_boolean),
            },
            musts=(_has_an_anycast_mac,),
        ),
        EntrySchema(
            key=(Leaf(refs="VLAN"), Leaf(ip_prefix)),
            fields={
                "scope": Leaf(enum("global", "local")),
                "family": Leaf(enum("IPv4", "IPv6")),
                "secondary": Leaf(boolean),
            },
            musts=(_vlan_interface_exists, _family_matches),
        ),
    )
)


def _port_is_free(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    port = key[1]
    if port in config.get("INTERFACE", {}):
        return f"Must condition not satisfied: {port} is a routed interface"
    if any(other.partition("|")[2] == port for other in config.get("PORTCHANNEL_MEMBER", {})):
        return f"Must condition not satisfied: {port} is a member of a port channel"
    if any(session.get("dst_port") == port for session in config.get("MIRROR_SESSION", {}).values()):
        return f"Must condition not satisfied: {port} is the destination of a mirror session"
    untagged = [
        other
        for other, fields in config["VLAN_MEMBER"].items()
        if other.partition("|")[2] == port and fields.get("tagging_mode") == "untagged"
    ]
    return "Must condition not satisfied: one untagged VLAN for a port" if len(untagged) > 1 else None


VLAN_MEMBER = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="VLAN"), Leaf(refs=("PORT", "PORTCHANNEL"))),
            fields={"tagging_mode": Leaf(enum("tagged", "untagged", "priority_tagged"), mandatory=True)},
            musts=(_port_is_free,),
        ),
    )
)

PORTCHANNEL = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(text(pattern="PortChannel[0-9]{1,4}")),),
            fields={
                **_SHARED_LINK,
                "min_links": Leaf(integer("uint16", 1, 1024)),
                "mode": Leaf(text(pattern="routed|access|trunk")),
                "admin_status": Leaf(admin_status, mandatory=True),
                "lacp_key": Leaf(either(text(pattern="auto"), integer("uint16", 1))),
                "tpid": Leaf(text(pattern="0x8100|0x9100|0x9200|0x88a8|0x88A8")),
                "fallback": Leaf(lax_boolean),
                "fast_rate": Leaf(lax_boolean),
                "system_mac": Leaf(mac_address),
            },
        ),
    )
)

PORTCHANNEL_MEMBER = TableSchema(entries=(EntrySchema(key=(Leaf(refs="PORTCHANNEL"), Leaf(refs="PORT"))),))

PORTCHANNEL_INTERFACE = TableSchema(
    entries=(
        EntrySchema(key=(Leaf(refs="PORTCHANNEL"),), fields=_ROUTED),
        EntrySchema(key=(Leaf(refs="PORTCHANNEL"), Leaf(ip_prefix))),
    )
)

NEIGH = TableSchema(
    entries=(
        EntrySchema(
            key=(
                Leaf(text(pattern="Vlan[0-9]+"), refs=("PORTCHANNEL", "PORT"), is_union=True),
                Leaf(ip_address),
            ),
            fields={"neigh": Leaf(mac_address), "family": Leaf(text(pattern="IPv4|IPV4|IPv6|IPV6"))},
        ),
    )
)

FG_NHG = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(any_string),),
            fields={
                "bucket_size": Leaf(integer("uint16"), mandatory=True),
                "match_mode": Leaf(enum("route-based", "nexthop-based", "prefix-based"), mandatory=True),
                "max_next_hops": Leaf(integer("uint16", 1, 128)),
            },
            musts=(
                lambda key, entry, config: (
                    None
                    if ("max_next_hops" in entry) == (entry.get("match_mode") == "prefix-based")
                    else "max_next_hops goes with match_mode prefix-based"
                ),
            ),
        ),
    )
)

FG_NHG_PREFIX = TableSchema(
    entries=(EntrySchema(key=(Leaf(ip_prefix),), fields={"FG_NHG": Leaf(refs="FG_NHG", mandatory=True)}),)
)

FG_NHG_MEMBER = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(ip_address),),
            fields={
                "FG_NHG": Leaf(refs="FG_NHG", mandatory=True),
                "bank": Leaf(integer("uint16"), mandatory=True),
                "link": Leaf(refs=("PORT", "PORTCHANNEL")),
            },
        ),
    )
)
