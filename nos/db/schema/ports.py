"""Schema of ports and devices: DEVICE_METADATA, PORT, CABLE_LENGTH, DEVICE_NEIGHBOR, FLEX_COUNTER_TABLE.

Source: sonic-device_metadata, sonic-port, sonic-cable-length, sonic-device_neighbor, sonic-flex_counter.
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
    ipv4_address,
    lax_boolean,
    mac_address,
    map_name,
    text,
)

_DEVICE_TYPES = (
    "ToRRouter|LeafRouter|SpineChassisFrontendRouter|ChassisBackendRouter|ASIC|MgmtToRRouter|MgmtLeafRouter|"
    "MgmtSpineRouter|MgmtAccessRouter|LowerMgmtAggregator|UpperMgmtAggregator|SpineRouter|"
    "BackEndSpineRouter|UpperSpineRouter|FabricSpineRouter|LowerSpineRouter|BackEndToRRouter|"
    "BackEndLeafRouter|EPMS|MgmtTsToR|BmcMgmtToRRouter|MiniTs|LeafTs|SpineTs|CoreTs|ConsoleServer|"
    "TerminalServer|SonicHost|SmartSwitchDPU|FilterLeaf|NetworkBmc|MseeRouter|not-provisioned|"
    "LowerRegionalHub|FabricRegionalHub|UpperRegionalHub"
)
_ENABLED = enum("enabled", "disabled")
_ENABLE = enum("enable", "disable")
_STRING = Leaf()


def _fib_pending_needs_sync(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    if scalar(entry, "suppress-fib-pending") != "enabled" or scalar(entry, "synchronous_mode") != "disable":
        return None
    return "ASIC synchronous mode must be enabled in order to enable suppress FIB pending feature"


DEVICE_METADATA = TableSchema(
    singletons={
        "localhost": EntrySchema(
            fields={
                "hwsku": Leaf(text(1, 255)),
                "asic_id": Leaf(text(1, 16)),
                "default_bgp_status": Leaf(admin_status),
                "docker_routing_config_mode": Leaf(text(pattern="separated|unified|split|split-unified")),
                "hostname": Leaf(text(1, 63)),
                "platform": Leaf(text(1, 255)),
                "mac": Leaf(mac_address),
                "default_pfcwd_status": Leaf(_ENABLE),
                "bgp_asn": Leaf(integer("uint32")),
                "deployment_id": Leaf(integer("uint32")),
                "type": Leaf(text(1, 255, _DEVICE_TYPES)),
                "buffer_model": Leaf(text(pattern="dynamic|traditional")),
                "frr_mgmt_framework_config": Leaf(boolean),
                "synchronous_mode": Leaf(_ENABLE),
                "yang_config_validation": Leaf(_ENABLE),
                "cloudtype": _STRING,
                "region": _STRING,
                "sub_role": _STRING,
                "downstream_subrole": _STRING,
                "resource_type": _STRING,
                "mgmt_type": _STRING,
                "cluster": _STRING,
                "subtype": Leaf(text(pattern="DualToR|SmartSwitch|Supervisor|UpstreamLC|DownstreamLC")),
                "peer_switch": Leaf(text(1, 63)),
                "storage_device": Leaf(boolean),
                "asic_name": _STRING,
                "switch_id": Leaf(integer("uint16")),
                "switch_type": Leaf(text(pattern="chassis-packet|fabric|npu|voq|dpu|dummy-sup")),
                "max_cores": Leaf(integer("uint8")),
                "dhcp_server": Leaf(_ENABLED),
                "bgp_adv_lo_prefix_as_128": Leaf(boolean),
                "suppress-fib-pending": Leaf(_ENABLED),
                "rack_mgmt_map": Leaf(text(0, 128)),
                "timezone": Leaf(text(1, 255)),
                "create_only_config_db_buffers": Leaf(boolean),
                "supporting_bulk_counter_groups": Leaf(is_list=True),
                "bgp_router_id": Leaf(ipv4_address),
                "nexthop_group": Leaf(_ENABLED),
                "ring_thread_enabled": Leaf(boolean),
                "zebra_nexthop": Leaf(_ENABLED),
                "chassis_hostname": Leaf(text(1, 63)),
                "slice_type": _STRING,
                "location_type": _STRING,
                "t2_group_asns": Leaf(integer("uint32"), is_list=True),
                "anchor_route_source": Leaf(is_list=True),
                "orch_northbond_dash_zmq_enabled": Leaf(boolean),
                "syslog_with_osversion": Leaf(boolean),
                "syslog_counter": Leaf(boolean),
                "has_sonic_dhcpv4_relay": Leaf(lax_boolean),
                "use_template_render_for_restore": Leaf(boolean),
                "dpu_auto_recovery": Leaf(_ENABLE),
            },
            musts=(_fib_pending_needs_sync,),
        )
    }
)

_INTERFACE_TYPES = (
    *("CR", "CR2", "CR4", "CR8", "SR", "SR2", "SR4", "SR8", "LR", "LR4", "LR8", "KR", "KR2", "KR4", "KR8"),
    *("CAUI", "CAUI4", "GMII", "SFI", "XLAUI", "XAUI", "XFI", "XGMII", "none"),
)
_ON_OFF = text(pattern="on|off")


def _all_stands_alone(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    for name in ("adv_speeds", "adv_interface_types"):
        value = entry.get(name)
        if isinstance(value, list) and "all" in value and len(value) > 1:
            return f"{name}: 'all' cannot be combined with other values"
    return None


def _lanes_are_its_own(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    lanes = scalar(entry, "lanes").split(",")
    twice = {lane for lane in lanes if lanes.count(lane) > 1}
    if twice:
        return f"'{min(twice)}' lane is used multiple times in PORT: {{'{key[0]}'}}"
    return None


PORT = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(text(1, 128)),),
            fields={
                "core_id": Leaf(text(1, 16)),
                "core_port_id": Leaf(text(1, 16)),
                "num_voq": Leaf(text(1, 16)),
                "alias": Leaf(text(1, 128)),
                "lanes": Leaf(text(1, 128, "[0-9]{1,5}(,[0-9]{1,5})*"), mandatory=True),
                "mode": Leaf(text(pattern="routed|access|trunk")),
                "description": Leaf(text(0, 255)),
                "speed": Leaf(integer("uint32", 1, 1600000), mandatory=True),
                "dhcp_rate_limit": Leaf(integer("uint32")),
                "link_training": Leaf(_ON_OFF),
                "autoneg": Leaf(_ON_OFF),
                "adv_speeds": Leaf(
                    either(enum("all"), integer("uint32", 1, 1600000)), is_list=True, is_joined=True
                ),
                "interface_type": Leaf(enum(*_INTERFACE_TYPES)),
                "adv_interface_types": Leaf(enum(*_INTERFACE_TYPES, "all"), is_list=True, is_joined=True),
                "mtu": Leaf(integer("uint16", 68, 9216)),
                "subport": Leaf(integer("uint8", 0, 8)),
                "index": Leaf(integer("uint16")),
                "asic_port_name": _STRING,
                "role": Leaf(text(pattern="Ext|Int|Inb|Rec|Dpc")),
                "admin_status": Leaf(admin_status),
                "fec": Leaf(text(pattern="rs|fc|none|auto")),
                "dom_polling": Leaf(_ENABLED),
                "pfc_asym": Leaf(_ON_OFF),
                "tpid": Leaf(text(pattern="0x8100|0x9100|0x9200|0x88a8|0x88A8")),
                "mux_cable": Leaf(boolean),
                "tx_power": Leaf(text(pattern=r"-?[0-9]+(\.[0-9]+)?")),
                "laser_freq": Leaf(integer("int32")),
                "fast_linkup": Leaf(boolean),
                "macsec": Leaf(refs="MACSEC_PROFILE"),
            },
            musts=(_all_stands_alone, _lanes_are_its_own),
        ),
    )
)

CABLE_LENGTH = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(map_name),),
            pairs=(Leaf(any_string, refs="PORT"), Leaf(text(pattern="[0-9]+m"))),
        ),
    )
)

DEVICE_NEIGHBOR = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(text(1, 255)),),
            fields={
                "name": Leaf(text(1, 255)),
                "mgmt_addr": Leaf(ip_address),
                "local_port": Leaf(refs="PORT"),
                "port": Leaf(text(1, 255)),
                "type": Leaf(text(1, 255)),
            },
        ),
    )
)

_COUNTER_GROUPS = (
    *("BUFFER_POOL_WATERMARK", "DEBUG_COUNTER", "ENI", "DASH_METER", "HA_SET", "ICMP_SESSION"),
    *("PFCWD", "PG_DROP", "PG_WATERMARK", "PORT", "PORT_RATES", "PORT_BUFFER_DROP"),
    *("PORT_PHY_ATTR", "QUEUE", "QUEUE_WATERMARK", "RIF", "RIF_RATES", "ACL"),
    *("FLOW_CNT_TRAP", "FLOW_CNT_ROUTE", "TUNNEL", "WRED_ECN_QUEUE", "WRED_ECN_PORT", "SRV6"),
    *("SWITCH",),
)
_WITHOUT_POLL = frozenset({"PFCWD", "DEBUG_COUNTER", "PORT_RATES", "RIF_RATES"})
_WITH_BULK = frozenset({"PORT", "QUEUE", "PG_DROP", "PG_WATERMARK", "QUEUE_WATERMARK", "PORT_BUFFER_DROP"})


def _counter_group(name: str) -> EntrySchema:
    fields = {
        "FLEX_COUNTER_STATUS": Leaf(_ENABLE),
        "FLEX_COUNTER_DELAY_STATUS": Leaf(text(pattern="false|true|False|True")),
    }
    if name not in _WITHOUT_POLL:
        low, high = (1000, 30000) if name == "ICMP_SESSION" else (100, 2**32 - 1)
        fields["POLL_INTERVAL"] = Leaf(integer("uint32", low, high))
    if name in _WITH_BULK:
        fields["BULK_CHUNK_SIZE"] = Leaf(integer("uint32", 1, 2**32 - 1))
        fields["BULK_CHUNK_SIZE_PER_PREFIX"] = _STRING
    return EntrySchema(fields=fields)


FLEX_COUNTER_TABLE = TableSchema(singletons={name: _counter_group(name) for name in _COUNTER_GROUPS})
