"""Schema of routing: INTERFACE, LOOPBACK_INTERFACE, STATIC_ROUTE, SWITCH_HASH.

Source: sonic-interface, sonic-loopback-interface, sonic-static-route, sonic-hash.
"""

from __future__ import annotations

from collections.abc import Sequence

from raddle.nos.db.databases import ConfigEntry, ConfigTables
from raddle.nos.db.schema.model import EntrySchema, Leaf, TableSchema, scalar
from raddle.nos.db.schema.types import admin_status, enum, integer, ip_prefix, mac_address, text

_ENABLE = enum("enable", "disable")


def _family_matches(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    family = scalar(entry, "family")
    if family and family != ("IPv6" if ":" in key[1] else "IPv4"):
        return f'Must condition not satisfied, family "{family}" does not fit the prefix "{key[1]}"'
    return None


def _interface_exists(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    if key[0] in config["INTERFACE"]:
        return None
    return "Must condition not satisfied, Try adding PORT: {}, Example: 'Ethernet0': {}"


_PREFIX_FIELDS = {"scope": Leaf(enum("global", "local")), "family": Leaf(enum("IPv4", "IPv6"))}

INTERFACE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="PORT"),),
            fields={
                "vrf_name": Leaf(refs="VRF"),
                "vnet_name": Leaf(refs="VNET"),
                "nat_zone": Leaf(integer("uint8", 0, 3)),
                "mpls": Leaf(_ENABLE),
                "ipv6_use_link_local_only": Leaf(_ENABLE),
                "mac_addr": Leaf(mac_address),
                "loopback_action": Leaf(text(pattern="drop|forward")),
            },
        ),
        EntrySchema(
            key=(Leaf(refs="PORT"), Leaf(ip_prefix)),
            fields=_PREFIX_FIELDS,
            musts=(_interface_exists, _family_matches),
        ),
    )
)

LOOPBACK_INTERFACE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(text(1, 15)),),
            fields={
                "vrf_name": Leaf(refs="VRF"),
                "nat_zone": Leaf(integer("uint8", 0, 3)),
                "admin_status": Leaf(admin_status),
            },
        ),
        EntrySchema(
            key=(Leaf(refs="LOOPBACK_INTERFACE"), Leaf(ip_prefix)),
            fields=_PREFIX_FIELDS,
            musts=(_family_matches,),
        ),
    )
)

_BOOLEANS = text(pattern="((true|false),)*(true|false)")
_OCTET = "(25[0-5]|2[0-4][0-9]|[0-1]?[0-9][0-9]?)"
_VRF = "((Vrf[a-zA-Z0-9_-]+)|(default)|(mgmt))"
_TEMPLATE_FIELDS = {
    "nexthop": Leaf(),
    "ifname": Leaf(),
    "advertise": Leaf(_BOOLEANS),
    "bfd": Leaf(_BOOLEANS),
}

_PATH_FIELDS = {
    "distance": Leaf(text(pattern=f"({_OCTET},)*{_OCTET}")),
    "nexthop-vrf": Leaf(text(pattern=f"(({_VRF},)*{_VRF})?")),
    "blackhole": Leaf(_BOOLEANS),
}

STATIC_ROUTE = TableSchema(
    entries=(
        EntrySchema(key=(Leaf(ip_prefix),), fields=_TEMPLATE_FIELDS),
        EntrySchema(
            key=(Leaf(text(pattern="default|mgmt|Vrf[a-zA-Z0-9_-]+")), Leaf(ip_prefix)),
            # The model has no `bfd` in this list.
            fields={name: leaf for name, leaf in _TEMPLATE_FIELDS.items() if name != "bfd"} | _PATH_FIELDS,
        ),
    )
)

_HASH_FIELDS = (
    *("IN_PORT", "DST_MAC", "SRC_MAC", "ETHERTYPE", "VLAN_ID", "IP_PROTOCOL", "DST_IP", "SRC_IP"),
    *("L4_DST_PORT", "L4_SRC_PORT", "INNER_DST_MAC", "INNER_SRC_MAC", "INNER_ETHERTYPE"),
    *("INNER_IP_PROTOCOL", "INNER_DST_IP", "INNER_SRC_IP", "INNER_L4_DST_PORT", "INNER_L4_SRC_PORT"),
    "IPV6_FLOW_LABEL",
)
_HASH_ALGORITHM = enum("CRC", "XOR", "RANDOM", "CRC_32LO", "CRC_32HI", "CRC_CCITT", "CRC_XOR")


def switch_hash(*more_fields: str) -> TableSchema:
    """SWITCH_HASH of a switch that can hash over `more_fields` besides SONiC's."""
    field = enum(*_HASH_FIELDS, *more_fields)
    return TableSchema(
        singletons={
            "GLOBAL": EntrySchema(
                fields={
                    "ecmp_hash": Leaf(field, is_list=True),
                    "lag_hash": Leaf(field, is_list=True),
                    "ecmp_hash_algorithm": Leaf(_HASH_ALGORITHM),
                    "lag_hash_algorithm": Leaf(_HASH_ALGORITHM),
                }
            )
        }
    )


SWITCH_HASH = switch_hash()
