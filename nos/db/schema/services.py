"""Schema of services around the forwarding plane: a switch holds these tables, nothing here simulates them.

Source: sonic-system-aaa, sonic-system-tacacs, sonic-ntp, sonic-syslog, sonic-lldp, sonic-crm,
sonic-kubernetes_master, sonic-mgmt_port, sonic-mgmt_interface, sonic-device_neighbor_metadata.
"""

from __future__ import annotations

from collections.abc import Sequence

from raddle.nos.db.databases import ConfigEntry, ConfigTables
from raddle.nos.db.schema.management import management_vrf_exists
from raddle.nos.db.schema.model import EntrySchema, Leaf, TableSchema, number, scalar
from raddle.nos.db.schema.types import (
    admin_status,
    any_string,
    boolean,
    either,
    enum,
    host,
    integer,
    ip_address,
    ip_prefix,
    ipv4_address,
    ipv4_prefix,
    ipv6_address,
    ipv6_prefix,
    lax_boolean,
    text,
)

_PORT_NUMBER = integer("uint16")
_MODE = enum("enabled", "disabled")
_YES_NO = enum("yes", "no")
_MGMT_VRF = text(pattern="mgmt|default")


def _has_passkey(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    passkey = config.get("TACPLUS", {}).get("global", {}).get("passkey")
    if key[0] == "authentication" and "tacacs+" in scalar(entry, "login") and not passkey:
        return "Must condition not satisfied: login by tacacs+ needs TACPLUS|global passkey"
    return None


_METHOD = r"(ldap|tacacs\+|local|radius|default)"

AAA = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(enum("authentication", "authorization", "accounting")),),
            fields={
                "login": Leaf(text(pattern=f"({_METHOD},)*{_METHOD}")),
                **{name: Leaf(lax_boolean) for name in ("failthrough", "fallback", "debug", "trace")},
            },
            musts=(_has_passkey,),
        ),
    )
)

_TACACS = {
    "auth_type": Leaf(enum("pap", "chap", "mschap", "login")),
    "timeout": Leaf(integer("uint16", 1, 60)),
    "key_encrypt": Leaf(boolean),
    "passkey": Leaf(text(1, 256, "[^ #,]*")),
}

TACPLUS_SERVER = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(host),),
            fields={
                **_TACACS,
                "priority": Leaf(integer("uint8", 1, 64)),
                "tcp_port": Leaf(_PORT_NUMBER),
                "vrf": Leaf(_MGMT_VRF),
            },
        ),
    ),
    max_entries=8,
)

_VLAN_NAME = text(pattern="Vlan([0-9]{1,3}|[1-3][0-9]{3}|[4][0][0-8][0-9]|[4][0][9][0-4])")

TACPLUS = TableSchema(
    singletons={
        "global": EntrySchema(
            fields={
                **_TACACS,
                "src_intf": Leaf(
                    _VLAN_NAME, refs=("PORT", "PORTCHANNEL", "LOOPBACK_INTERFACE", "MGMT_PORT"), is_union=True
                ),
            }
        )
    }
)

NTP_SERVER = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(host),),
            fields={
                "association_type": Leaf(enum("server", "pool")),
                "iburst": Leaf(enum("on", "off")),
                "key": Leaf(refs="NTP_KEY"),
                "resolve_as": Leaf(host),
                "admin_state": Leaf(_MODE),
                "trusted": Leaf(_YES_NO),
                "version": Leaf(integer("uint8", 3, 4)),
            },
        ),
    ),
    max_entries=10,
)

NTP_KEY = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(integer("uint16", 1)),),
            fields={
                "trusted": Leaf(_YES_NO),
                "value": Leaf(text(1, 64)),
                "type": Leaf(enum("md5", "sha1", "sha256", "sha384", "sha512")),
            },
        ),
    )
)


def _source_is_of_one_family(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    source = scalar(entry, "source")
    for mark in ".:":
        if mark in source and mark in key[0]:
            return None
    return "Must condition not satisfied: source and server are of one family" if source else None


SYSLOG_SERVER = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(host),),
            fields={
                "source": Leaf(ip_address),
                "port": Leaf(_PORT_NUMBER),
                "vrf": Leaf(refs="VRF", literals=frozenset({"default", "mgmt"})),
                "filter": Leaf(enum("include", "exclude")),
                "filter_regex": Leaf(text(pattern="[^\n\r]+")),
                "protocol": Leaf(enum("tcp", "udp")),
                "severity": Leaf(enum("none", "debug", "info", "notice", "warn", "error", "crit")),
            },
            musts=(_source_is_of_one_family, management_vrf_exists),
        ),
    )
)

_LLDP = {"enabled": Leaf(boolean), "mode": Leaf(enum("RECEIVE", "TRANSMIT"))}

LLDP = TableSchema(
    singletons={
        "GLOBAL": EntrySchema(
            fields={
                **_LLDP,
                "hello_time": Leaf(integer("uint8", 5, 254)),
                "multiplier": Leaf(integer("uint8", 1, 10)),
                "system_name": Leaf(),
                "system_description": Leaf(),
                "supp_mgmt_address_tlv": Leaf(boolean),
                "supp_system_capabilities_tlv": Leaf(boolean),
            }
        )
    }
)

LLDP_PORT = TableSchema(entries=(EntrySchema(key=(Leaf(refs="PORT"),), fields=_LLDP),))

_RESOURCES = (
    *("ipv4_route", "ipv6_route", "ipv4_nexthop", "ipv6_nexthop", "ipv4_neighbor", "ipv6_neighbor"),
    *("nexthop_group", "nexthop_group_member", "acl_table", "acl_group", "acl_entry", "acl_counter"),
    *("fdb_entry", "ipmc_entry", "snat_entry", "dnat_entry", "mpls_inseg", "mpls_nexthop"),
    *("srv6_my_sid_entry", "srv6_nexthop"),
)


def _thresholds_are_ordered(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    for name in _RESOURCES:
        low, high = number(entry, f"{name}_low_threshold"), number(entry, f"{name}_high_threshold")
        if high is not None and (low is None or high <= low):
            return f"Must condition not satisfied: {name}_high_threshold is above {name}_low_threshold"
        if scalar(entry, f"{name}_threshold_type").lower() == "percentage" and not (
            low is not None and high is not None and low < 100 and high < 100
        ):
            return f"Must condition not satisfied: percentages of {name} are below 100"
    return None


CRM = TableSchema(
    singletons={
        "Config": EntrySchema(
            fields={
                "polling_interval": Leaf(integer("uint16")),
                **{
                    f"{name}_threshold_type": Leaf(text(pattern="percentage|used|free|PERCENTAGE|USED|FREE"))
                    for name in _RESOURCES
                },
                **{
                    f"{name}_{end}_threshold": Leaf(integer("uint16"))
                    for name in _RESOURCES
                    for end in ("low", "high")
                },
            },
            musts=(_thresholds_are_ordered,),
        )
    }
)

KUBERNETES_MASTER = TableSchema(
    singletons={
        "SERVER": EntrySchema(
            fields={
                "ip": Leaf(host),
                "port": Leaf(_PORT_NUMBER),
                "disable": Leaf(lax_boolean),
                "insecure": Leaf(lax_boolean),
            }
        )
    }
)

MGMT_PORT = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(text(pattern="eth([1-3][0-9]{3}|[1-9][0-9]{2}|[1-9][0-9]|[0-9])")),),
            fields={
                "speed": Leaf(enum("10", "100", "1000")),
                "autoneg": Leaf(text(pattern="on|off")),
                "alias": Leaf(),
                "description": Leaf(),
                "mtu": Leaf(integer("uint16", 1500, 9216)),
                "admin_status": Leaf(admin_status),
            },
        ),
    )
)


def _gateway_is_of_one_family(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    gateway = scalar(entry, "gwaddr")
    if gateway and (":" in gateway) == (":" in key[1]):
        return None
    return "Must condition not satisfied: gwaddr is there and of the prefix's family"


MGMT_INTERFACE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="MGMT_PORT"), Leaf(ip_prefix)),
            fields={
                "gwaddr": Leaf(ip_address),
                "forced_mgmt_routes": Leaf(either(ip_prefix, ip_address), is_list=True),
            },
            musts=(_gateway_is_of_one_family,),
        ),
    )
)

DEVICE_NEIGHBOR_METADATA = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(text(1, 255)),),
            fields={
                "hwsku": Leaf(text(1, 255)),
                "deployment_id": Leaf(integer("uint32")),
                **{name: Leaf(either(ipv4_prefix, ipv4_address)) for name in ("lo_addr", "mgmt_addr")},
                **{name: Leaf(either(ipv6_prefix, ipv6_address)) for name in ("lo_addr_v6", "mgmt_addr_v6")},
                **{name: Leaf(any_string) for name in ("cluster", "type", "slice_type", "resource_type")},
            },
        ),
    )
)
