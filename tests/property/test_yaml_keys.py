"""A YAML key cannot be forgotten.

Every leaf of the fabric file's schema has a row here. Given another value it makes another Fabric; and that
makes another plan, another input of the engine, a refusal by name, or, where the key is for people alone,
another line of what `raddle show` lists.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel

from raddle import _core
from raddle.cli.show import document_of
from raddle.controller.plan import endpoint_addresses, make_plan, to_json
from raddle.errors import InputError
from raddle.lab.planned_states import planned_state
from raddle.lab.workloads.collective import collective_demand, find_job
from raddle.lab.workloads.connections import connect
from raddle.lab.workloads.ranks import Scope, place_ranks
from raddle.sim import Simulation, engine, simulation
from raddle.topology import Fabric, loads
from raddle.topology.views.rows import cable_rows
from raddle.topology.yaml.schema import FabricFile

MODEL = {
    "ports": 16, "port_speed": "400G", "buffer": "64MiB", "tables": {}, "features": ["adaptive-routing"],
}  # fmt: skip
SMALL: dict[str, Any] = {
    "raddle": 1,
    "name": "t",
    "models": {"m": MODEL, "m2": MODEL},
    "fabric": {
        "leaves": {"count": 2, "model": "m"},
        "spines": {"count": 2, "model": "m"},
        "uplinks": {"per_pair": 2},
    },
    "hosts": {"per_leaf": 2, "nics": {"count": 2}, "accelerators": {"count": 2}},
    "roce": {"watchdog": {}},
    "routing": {"policy": "ecmp"},
}
BY_SPEED = SMALL | {"roce": {"ecn": {"speeds": [{"speed": "400G", "kmin": "300KB", "kmax": "900KB"}]}}}
TREE: dict[str, Any] = {
    **SMALL,
    "fabric": {
        "kind": "fat-tree", "pods": 2, "leaves": {"per_pod": 2, "model": "m"},
        "spines": {"per_pod": 2, "model": "m"}, "superspines": {"count": 2, "model": "m"},
    },
    "hosts": {"per_leaf": 1},
}  # fmt: skip
RAIL_TREE: dict[str, Any] = {
    **SMALL,
    "fabric": {
        **TREE["fabric"], "kind": "rail-optimized", "rails": 2, "spines": {"per_pod": 4, "model": "m"},
        "superspines": {"count": 4, "model": "m"},
    },
    "hosts": {"per_leaf": 1, "nics": {"count": 2}},
}  # fmt: skip
PINNED = {**SMALL, "routing": {"policy": "pinned"}}
RAILS = {
    **SMALL,
    "fabric": {**SMALL["fabric"], "kind": "rail-optimized", "leaves": {"count": 4, "model": "m"}},
    "hosts": {"per_leaf": 2, "nics": {"count": 4}},
}
IPV6 = {**SMALL, "addressing": {"families": "dual"}}
LISTED: dict[str, Any] = {
    "raddle": 1,
    "name": "t",
    "models": {"m": MODEL, "m2": MODEL},
    "devices": {
        "leaf0": {"role": "leaf", "model": "m"},
        "leaf1": {"role": "leaf", "model": "m"},
        "spine0": {"role": "spine", "model": "m"},
        "host0": {"role": "host"},
        "host1": {"role": "host"},
    },
    "links": [
        {"ends": ["host0:eth0", "leaf0:Ethernet0"]},
        {"ends": ["host1:eth0", "leaf1:Ethernet0"]},
        {"ends": ["leaf0:Ethernet8", "spine0:Ethernet0"]},
        {"ends": ["leaf1:Ethernet8", "spine0:Ethernet8"]},
        {"ends": ["leaf1:Ethernet16", "spine0:Ethernet16"]},
    ],
}
BROKEN_OUT = {
    **SMALL,
    "fabric": {
        **SMALL["fabric"],
        "leaves": {"count": 2, "model": "m", "breakout": [{"ports": "14-15", "mode": "2x200G"}]},
    },
}
BORDER = {
    **SMALL,
    "external": [
        {
            "name": "wan0",
            "port": "leaf0:Ethernet120",
            "address": "192.0.2.1/31",
            "prefixes": ["198.51.100.0/24"],
        },
    ],
}
ADAPTIVE = {**SMALL, "routing": {"policy": "ecmp", "adaptive": {"mode": "flowlet"}}}
DOWN = {**SMALL, "overrides": {"links": [{"ends": ["leaf0", "spine0"], "number": 0, "state": "down"}]}}
REMOVED = {**SMALL, "overrides": {"remove": [{"ends": ["leaf0", "spine0"], "number": 0}]}}
OTHER_MODEL = {
    **SMALL,
    "overrides": {"switches": [{"name": "leaf0", "model": "m2"}]},
    "models": {"m": MODEL, "m2": {**MODEL, "ports": 32}},
}
TENANTS = {**SMALL, "tenants": [{"name": "a", "hosts": ["host0", "host1"]}]}
SCALE_UP = {
    **SMALL,
    "hosts": {**SMALL["hosts"], "accelerators": {"count": 2, "scale_up": {"bandwidth": "3600G"}}},
}

IN_NETWORK = copy.deepcopy(SCALE_UP)
IN_NETWORK["hosts"]["accelerators"]["scale_up"]["in_network"] = "300GBps"
FOUR = {"count": 4, "scale_up": {"bandwidth": "3600G"}}

NIC_KEYS: dict[str, Any] = {
    "count": 3, "speed": "200G", "ack_interval": 4, "rto": "9ms", "retry_count": 3, "cnp_interval": "20us",
    "pfc_reaction": "1us", "window": "1MiB", "messages": 3, "burst": 4, "qps_per_connection": 4,
    "retransmission": "selective-repeat",
}  # fmt: skip

ROWS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "FabricFile.raddle": (SMALL, "raddle", 2),
    "FabricFile.name": (SMALL, "name", "u"),
    "ModelSpec.hwsku": (SMALL, "models.m.hwsku", "X-1"),
    "ModelSpec.platform": (SMALL, "models.m.platform", "x86_64-x-r0"),
    "ModelSpec.ports": (SMALL, "models.m.ports", 20),
    "ModelSpec.port_speed": (SMALL, "models.m.port_speed", "800G"),
    "ModelSpec.lanes_per_port": (SMALL, "models.m.lanes_per_port", 4),
    "ModelSpec.buffer": (SMALL, "models.m.buffer", "32MiB"),
    "ModelSpec.cell": (SMALL, "models.m.cell", "128B"),
    "ModelSpec.latency": (SMALL, "models.m.latency", "400ns"),
    "ModelSpec.switching": (SMALL, "models.m.switching", "cut-through"),
    "ModelSpec.ecn_marking": (SMALL, "models.m.ecn_marking", "dequeue"),
    "ModelSpec.max_ports": (BROKEN_OUT, "models.m.max_ports", 12),
    "PortGroupsSpec.cages": (BROKEN_OUT, "models.m.port_groups", {"cages": 3, "max_ports": 3}),
    "PortGroupsSpec.max_ports": (BROKEN_OUT, "models.m.port_groups", {"cages": 2, "max_ports": 3}),
    "ModelSpec.breakouts": (BROKEN_OUT, "models.m.breakouts", ["4x100G"]),
    "TablesSpec.group_size": (SMALL, "models.m.tables.group_size", 1),
    "TablesSpec.groups": (SMALL, "models.m.tables.groups", 1),
    "TablesSpec.group_members": (SMALL, "models.m.tables.group_members", 1),
    "TablesSpec.host_routes": (PINNED, "models.m.tables.host_routes", 1),
    "TablesSpec.prefix_routes": (SMALL, "models.m.tables.prefix_routes", 1),
    "TablesSpec.acl_entries": (
        {**PINNED, "models": {"m": {**MODEL, "nos": "p4", "features": ["policy-routing"]}},
         "routing": {"policy": "pinned", "pins": "policy-route"}},
        "models.m.tables.acl_entries", 1,
    ),
    "ModelSpec.pool_size": (SMALL, "models.m.pool_size", "shared"),
    "ModelSpec.features": (ADAPTIVE, "models.m.features", []),
    "ModelSpec.nos": (SMALL, "models.m.nos", "p4"),
    "ModelSpec.cpu_packets": (
        {**SMALL, "models": {"m": {**MODEL, "features": [], "nos": "p4"}, "m2": MODEL}},
        "models.m.cpu_packets",
        100,
    ),
    "ModelSpec.source": (SMALL, "models.m.source", "a data sheet"),
    "FormSpec.kind": (SMALL, "fabric.kind", "rail-optimized"),
    "FormSpec.planes": (SMALL, "fabric.planes", 2),
    "FormSpec.tors": (SMALL, "fabric.tors", 2),
    "FormSpec.rails": (RAILS, "fabric.rails", 2),
    "FormSpec.port_order": (
        {**RAILS, "fabric": {**RAILS["fabric"], "rails": 2}}, "fabric.port_order", "block",
    ),
    "FormSpec.pods": (TREE, "fabric.pods", 3),
    "TierSpec.count": (SMALL, "fabric.spines.count", 3),
    "TierSpec.per_pod": (TREE, "fabric.leaves.per_pod", 3),
    "TierSpec.model": (SMALL, "fabric.spines.model", "m2"),
    "TierSpec.name": (SMALL, "fabric.spines.name", "s{i}"),
    "PortRangeSpec.ports": (BROKEN_OUT, "fabric.leaves.breakout.0.ports", "13-15"),
    "PortRangeSpec.mode": (BROKEN_OUT, "fabric.leaves.breakout.0.mode", "4x100G"),
    "UplinkSpec.per_pair": (SMALL, "fabric.uplinks.per_pair", 3),
    "UplinkSpec.speed": (SMALL, "fabric.uplinks.speed", "200G"),
    "UplinkSpec.cable": (SMALL, "fabric.uplinks.cable", "300m"),
    "UplinkSpec.medium": (SMALL, "fabric.uplinks.medium", "sr"),
    "UplinkSpec.links_per_cable": (SMALL, "fabric.uplinks.links_per_cable", 2),
    "SpineUplinkSpec.links_per_cable": (TREE, "fabric.spine_uplinks.links_per_cable", 2),
    "LinkSpec.links_per_cable": (LISTED, "links.4.links_per_cable", 2),
    "UplinkSpec.mesh": (RAIL_TREE, "fabric.uplinks.mesh", "rail"),
    "SpineUplinkSpec.per_pair": (TREE, "fabric.spine_uplinks.per_pair", 3),
    "SpineUplinkSpec.speed": (TREE, "fabric.spine_uplinks.speed", "200G"),
    "SpineUplinkSpec.cable": (TREE, "fabric.spine_uplinks.cable", "300m"),
    "SpineUplinkSpec.medium": (TREE, "fabric.spine_uplinks.medium", "dr"),
    "SpineUplinkSpec.mesh": (TREE, "fabric.spine_uplinks.mesh", "full"),
    "HostsSpec.count": (SMALL, "hosts.count", 3),
    "HostsSpec.groups": (SMALL, "hosts.groups", 1),
    "HostsSpec.pods": (TREE, "hosts.pods", 1),
    "HostsSpec.per_leaf": (SMALL, "hosts.per_leaf", 3),
    "HostsSpec.name": (SMALL, "hosts.name", "gpu{i}"),
    "AcceleratorSpec.kind": (SMALL, "hosts.accelerators.kind", "npu"),
    "AcceleratorSpec.model": (SMALL, "hosts.accelerators.model", "910b"),
    "AcceleratorSpec.count": (SCALE_UP, "hosts.accelerators.count", 4),
    "ScaleUpSpec.kind": (SCALE_UP, "hosts.accelerators.scale_up.kind", "nvlink"),
    "ScaleUpSpec.bandwidth": (SCALE_UP, "hosts.accelerators.scale_up.bandwidth", "7200G"),
    "ScaleUpSpec.latency": (SCALE_UP, "hosts.accelerators.scale_up.latency", "2us"),
    "ScaleUpSpec.topology": (SCALE_UP, "hosts.accelerators.scale_up.topology", "mesh"),
    "ScaleUpSpec.hosts": (SCALE_UP, "hosts.accelerators.scale_up.hosts", 2),
    "ScaleUpSpec.in_network": (IN_NETWORK, "hosts.accelerators.scale_up.in_network", "475GBps"),
    "AcceleratorSpec.bus": (SMALL, "hosts.accelerators.bus", "48.5GBps"),
    "DeviceSpec.role": (LISTED, "devices.spine0.role", "superspine"),
    "DeviceSpec.model": (LISTED, "devices.leaf0.model", "white-box-12.8t"),
    "DeviceSpec.pod": (LISTED, "devices.leaf0.pod", 1),
    "DeviceSpec.plane": (LISTED, "devices.leaf0.plane", 1),
    "ExternalSpec.name": (BORDER, "external.0.name", "wan1"),
    "ExternalSpec.port": (BORDER, "external.0.port", "leaf1:Ethernet120"),
    "ExternalSpec.address": (BORDER, "external.0.address", "192.0.2.0/31"),
    "ExternalSpec.prefixes": (BORDER, "external.0.prefixes", ["203.0.113.0/24"]),
    "ExternalSpec.as_number": (BORDER, "external.0.as_number", 64512),
    "ExternalSpec.speed": (BORDER, "external.0.speed", "200G"),
    "ExternalSpec.cable": (BORDER, "external.0.cable", "100m"),
    "ExternalSpec.medium": (BORDER, "external.0.medium", "sr"),
    "ExternalSpec.state": (BORDER, "external.0.state", "down"),
    "LinkSpec.ends": (LISTED, "links.0.ends", ["host0:eth0", "leaf0:Ethernet24"]),
    "LinkSpec.speed": (LISTED, "links.4.speed", "200G"),
    "LinkSpec.cable": (LISTED, "links.4.cable", "100m"),
    "LinkSpec.medium": (LISTED, "links.4.medium", "sr"),
    "LinkSpec.state": (LISTED, "links.4.state", "down"),
    "RoceSpec.mtu": (SMALL, "roce.mtu", 1024),
    "RoceSpec.port_mtu": (SMALL, "roce.port_mtu", 9000),
    "ClassSpec.priority": (SMALL, "roce.cnp", {"priority": 5, "dscp": 48}),
    "ClassSpec.dscp": (SMALL, "roce.cnp", {"priority": 6, "dscp": 40}),
    "RoceSpec.pfc": (SMALL, "roce.pfc", False),
    "HeadroomSpec.over_subscribe_ratio": (SMALL, "roce.headroom.over_subscribe_ratio", 2),
    "HeadroomSpec.pool": (SMALL, "roce.headroom.pool", "2MB"),
    "HeadroomSpec.small_packets": (SMALL, "roce.headroom.small_packets", "50%"),
    "HeadroomSpec.mtu": (SMALL, "roce.headroom.mtu", 5000),
    "RoceSpec.pause_quanta": (SMALL, "roce.pause_quanta", 100),
    "RoceSpec.dynamic_th": (SMALL, "roce.dynamic_th", -1),
    "RoceSpec.congestion_control": (SMALL, "roce.congestion_control", "none"),
    "DcqcnSpec.set": (SMALL, "roce.dcqcn.set", "sigcomm2015"),
    "DcqcnSpec.decrease_timer": (SMALL, "roce.dcqcn.decrease_timer", "0us"),
    "DcqcnSpec.g": (SMALL, "roce.dcqcn.g", "1/16"),
    "DcqcnSpec.alpha_timer": (SMALL, "roce.dcqcn.alpha_timer", "55us"),
    "DcqcnSpec.rate_timer": (SMALL, "roce.dcqcn.rate_timer", "55us"),
    "DcqcnSpec.byte_counter": (SMALL, "roce.dcqcn.byte_counter", "10MB"),
    "DcqcnSpec.fast_recovery_steps": (SMALL, "roce.dcqcn.fast_recovery_steps", 5),
    "DcqcnSpec.rate_ai": (SMALL, "roce.dcqcn.rate_ai", "40M"),
    "DcqcnSpec.rate_hai": (SMALL, "roce.dcqcn.rate_hai", "400M"),
    "DcqcnSpec.min_rate": (SMALL, "roce.dcqcn.min_rate", "10M"),
    "DcqcnSpec.clamp_target_rate": (SMALL, "roce.dcqcn.clamp_target_rate", True),
    "EcnSpec.kmin": (SMALL, "roce.ecn.kmin", "400KB"),
    "EcnSpec.kmax": (SMALL, "roce.ecn.kmax", "1600KB"),
    "EcnSpec.pmax": (SMALL, "roce.ecn.pmax", "10%"),
    "SpeedEcnSpec.speed": (BY_SPEED, "roce.ecn.speeds.0.speed", "100G"),
    "SpeedEcnSpec.kmin": (BY_SPEED, "roce.ecn.speeds.0.kmin", "400KB"),
    "SpeedEcnSpec.kmax": (BY_SPEED, "roce.ecn.speeds.0.kmax", "1600KB"),
    "SpeedEcnSpec.pmax": (BY_SPEED, "roce.ecn.speeds.0.pmax", "10%"),
    "WatchdogSpec.detect": (SMALL, "roce.watchdog.detect", "400ms"),
    "WatchdogSpec.restore": (SMALL, "roce.watchdog.restore", "400ms"),
    "WatchdogSpec.action": (SMALL, "roce.watchdog.action", "forward"),
    "PhySpec.fec_latency": (SMALL, "phy.fec_latency", "100ns"),
    "PhySpec.bit_errors": (SMALL, "phy.bit_errors", "1e-9"),
    "PhySpec.autoneg": (SMALL, "phy.autoneg", ["dac"]),
    "RoutingSpec.policy": (SMALL, "routing.policy", "pinned"),
    "RoutingSpec.pins": (PINNED, "routing.pins", "udp-source-port"),
    "RoutingSpec.pin_backups": (PINNED, "routing.pin_backups", True),
    "HashSpec.algorithm": (SMALL, "routing.hash.algorithm", "xor"),
    "HashSpec.seed": (SMALL, "routing.hash.seed", 7),
    "HashSpec.fields": (SMALL, "routing.hash.fields", ["src_ip", "dst_ip"]),
    "HashSpec.offset": (SMALL, "routing.hash.offset", 3),
    "AdaptiveSpec.mode": (ADAPTIVE, "routing.adaptive.mode", "packet"),
    "AdaptiveSpec.idle": (ADAPTIVE, "routing.adaptive.idle", "512us"),
    "AdaptiveSpec.max_flows": (ADAPTIVE, "routing.adaptive.max_flows", 256),
    "AdaptiveSpec.sampling": (ADAPTIVE, "routing.adaptive.sampling", "32us"),
    "LoadSpec.min": (ADAPTIVE, "routing.adaptive.past_load", {"min": 10, "max": 10000}),
    "LoadSpec.max": (ADAPTIVE, "routing.adaptive.past_load", {"max": 9000}),
    "LoadSpec.weight": (ADAPTIVE, "routing.adaptive.past_load", {"max": 10000, "weight": 3}),
    "AsNumbersSpec.superspines": (TREE, "routing.as_numbers.superspines", 4_200_001_000),
    "AsNumbersSpec.spines": (SMALL, "routing.as_numbers.spines", 4_200_002_000),
    "AsNumbersSpec.leaves": (SMALL, "routing.as_numbers.leaves", 4_200_003_000),
    "AddressingSpec.families": (SMALL, "addressing.families", "ipv6"),
    "AddressingSpec.hosts": (SMALL, "addressing.hosts", "10.8.0.0/16"),
    "AddressingSpec.loopbacks": (SMALL, "addressing.loopbacks", "10.254.0.0/20"),
    "AddressingSpec.underlay": (SMALL, "addressing.underlay", "192.168.0.0/16"),
    "Ipv6Spec.hosts": (IPV6, "addressing.ipv6.hosts", "fd00:0:0:11::/64"),
    "Ipv6Spec.loopbacks": (IPV6, "addressing.ipv6.loopbacks", "fd00:0:0:12::/64"),
    "Ipv6Spec.underlay": (IPV6, "addressing.ipv6.underlay", "fd00:0:0:13::/64"),
    "AddressingSpec.links": (SMALL, "addressing.links", "unnumbered"),
    "SwitchOverride.name": (OTHER_MODEL, "overrides.switches.0.name", "leaf1"),
    "SwitchOverride.model": (OTHER_MODEL, "overrides.switches.0.model", "m"),
    "LinkChoice.ends": (REMOVED, "overrides.remove.0.ends", ["leaf1", "spine0"]),
    "LinkChoice.number": (REMOVED, "overrides.remove.0.number", 1),
    "LinkOverride.ends": (DOWN, "overrides.links.0.ends", ["leaf1", "spine0"]),
    "LinkOverride.number": (DOWN, "overrides.links.0.number", 1),
    "LinkOverride.speed": (DOWN, "overrides.links.0.speed", "200G"),
    "LinkOverride.cable": (DOWN, "overrides.links.0.cable", "200m"),
    "LinkOverride.medium": (DOWN, "overrides.links.0.medium", "sr"),
    "LinkOverride.state": (DOWN, "overrides.links.0.state", "up"),
    "OverridesSpec.absent": (SMALL, "overrides.absent", ["leaf1"]),
    "ReserveSpec.leaves": (SMALL, "reserve.leaves", 4),
    "ReserveSpec.spines": (SMALL, "reserve.spines", 4),
    "ReserveSpec.hosts_per_leaf": (SMALL, "reserve.hosts_per_leaf", 4),
    "ReserveSpec.links_per_pair": (SMALL, "reserve.links_per_pair", 4),
    "ReserveSpec.pods": (SMALL, "reserve.pods", 4),
    "ReserveSpec.superspines": (SMALL, "reserve.superspines", 4),
    "OverridesSpec.drain": (SMALL, "overrides.drain", ["spine0"]),
    "TenantSpec.name": (TENANTS, "tenants.0.name", "b"),
    "TenantSpec.hosts": (TENANTS, "tenants.0.hosts", ["host0"]),
    "TenantSpec.accelerators": (TENANTS, "tenants.0.accelerators", "0-0"),
    "TenantSpec.ranks": (TENANTS, "tenants.0.ranks", "strided"),
    **{f"CabledNicSpec.{key}": (SMALL, f"hosts.nics.{key}", value) for key, value in NIC_KEYS.items()},
    "CabledNicSpec.per_accelerator": (
        {**SMALL, "hosts": {"per_leaf": 2, "accelerators": {"count": 2}, "nics": {"per_accelerator": 1}}},
        "hosts.nics.per_accelerator", 2,
    ),
    "CabledNicSpec.accelerators_per_nic": (
        {**SCALE_UP, "hosts": {"per_leaf": 2, "accelerators": FOUR, "nics": {"accelerators_per_nic": 2}}},
        "hosts.nics.accelerators_per_nic", 4,
    ),
    "CabledNicSpec.bus": (SMALL, "hosts.nics.bus", "48.5GBps"),
    "CabledNicSpec.class_weights": (SMALL, "hosts.nics.class_weights", {"3": 4, "4": 1}),
    "CabledNicSpec.ports": (SMALL, "hosts.nics.ports", 2),
    "CabledNicSpec.bond": (
        {
            **SMALL,
            "fabric": {**SMALL["fabric"], "tors": 2, "leaves": {"count": 4}},
            "hosts": {"per_leaf": 2, "nics": {"ports": 2}},
        },
        "hosts.nics.bond", True,
    ),
    "CabledNicSpec.split_data": (
        {**SMALL, "hosts": {"per_leaf": 2, "nics": {"qps_per_connection": 2}}}, "hosts.nics.split_data", True,
    ),
    "CabledNicSpec.reorder": (
        {**SMALL, "hosts": {"per_leaf": 2, "nics": {"retransmission": "selective-repeat"}}},
        "hosts.nics.reorder", 9,
    ),
    "CabledNicSpec.cable": (SMALL, "hosts.nics.cable", "50m"),
    "CabledNicSpec.links_per_cable": (SMALL, "hosts.nics.links_per_cable", 2),
    "CabledNicSpec.medium": (SMALL, "hosts.nics.medium", "dac"),
}  # fmt: skip

FOR_PEOPLE = {
    "AcceleratorSpec.kind", "AcceleratorSpec.model", "ScaleUpSpec.kind",
    "DeviceSpec.pod",
    "UplinkSpec.links_per_cable", "SpineUplinkSpec.links_per_cable", "LinkSpec.links_per_cable",
    "CabledNicSpec.links_per_cable",
    "UplinkSpec.medium", "SpineUplinkSpec.medium", "LinkSpec.medium", "LinkOverride.medium",
    "CabledNicSpec.medium", "ExternalSpec.medium",
}  # fmt: skip
"""Listed by `raddle show`, and nothing is planned or simulated by them. The pod of a device counts only for
the AS numbers of several pods' spines."""

UNSEEN = {
    "ModelSpec.source", "ModelSpec.pg_profiles", "FabricFile.ignore", "FabricFile.record",
    "ModelSpec.buffers_defaults", "ModelSpec.platform_json", "ModelSpec.hwsku_json",
    "NetworkSpec.ignore", "NetworkSpec.record",
    "BaseSpec.switches", "BaseSpec.tables",
    "ManagementSpec.gateway", "ManagedSwitchSpec.address",
    "ManagedSwitchSpec.mac", "ManagedSwitchSpec.serial",
}  # fmt: skip
"""A model's source is told in messages, `pg_profiles` and `buffers_defaults` name files of headroom and pools
(tests/unit/controller/test_vendor_headroom.py), `platform_json` and `hwsku_json` those of the front panel
(tests/unit/topology/test_platform_files.py), `base` and `management` are what switches boot with besides
(tests/unit/controller/test_first_boot.py), `ignore` is for `apply`, `record` names the file of what is
allocated (tests/property/test_growth.py). None of these is seen here."""

REFUSED = {
    "ModelSpec.max_ports": "too-many-ports",
    "PortGroupsSpec.cages": "too-many-ports",
    "PortGroupsSpec.max_ports": "too-many-ports",
    "ModelSpec.breakouts": "bad-breakout",
    "FabricFile.raddle": "unsupported-version",
    "ModelSpec.features": "adaptive-not-supported",
    "TablesSpec.prefix_routes": "table-too-small",
    "TablesSpec.group_members": "table-too-small",
    "TablesSpec.acl_entries": "pins-exceed-table",
    "ReserveSpec.pods": "wrong-form",
    "ReserveSpec.superspines": "wrong-form",
    "DeviceSpec.role": "wrong-tier",
    "DeviceSpec.plane": "wrong-plane",
    "FormSpec.planes": "no-way-between",
}
"""Keys whose other value is refused here, and the code."""

PLAN_ALONE = {"ReserveSpec.spines"}
"""Room for spines is kept in the numbers of links, which are the plan's; the fabric stays the same."""

SAME_AS_OF_FORMS = "NicSpec."
"""NICs of a listed host have the keys of a form's NICs, read by the same code."""


def leaves(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """`Class.field` of every key whose value is no mapping."""
    if model in seen:
        return
    seen.add(model)
    for name, info in model.model_fields.items():
        inner = list(dict.fromkeys(models(info.annotation)))
        if not inner:
            yield f"{model.__name__}.{name}"
        for each in inner:
            yield from leaves(each, seen)


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def changed(base: dict[str, Any], path: str, value: Any) -> str:
    document = copy.deepcopy(base)
    node: Any = document
    *above, last = path.split(".")
    for key in above:
        node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
    node[last] = value
    return json.dumps(document)


class Recorder:
    """Stands for the engine, and keeps what it is given."""

    def __init__(self, log: list[str], **columns: Any) -> None:
        self._log = log
        self._keep("", (), columns)

    def _keep(self, name: str, values: tuple[Any, ...], columns: dict[str, Any]) -> None:
        self._log.append(
            f"{name} {[plain(each) for each in values]} { {k: plain(v) for k, v in columns.items()} }"
        )

    def __getattr__(self, name: str) -> Any:
        return lambda *values, **columns: self._keep(name, values, columns)


class NicRecorder(SimpleNamespace):
    """Stands for the engine's NIC parameters."""

    def __init__(self) -> None:
        super().__init__(header_bytes=0, ack_bytes=0, cnp_bytes=0)

    def set_rate_control(self, name: str, parameters: dict[str, Any]) -> None:
        self.rate_control = name, parameters

    def set_loss_recovery(self, name: str) -> None:
        self.loss_recovery = name


ENGINE_ROWS = (_core.BufferPool, _core.BufferProfile, _core.QosMap, _core.Watchdog, _core.WredProfile)


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, ENGINE_ROWS):
        return {name: getattr(value, name) for name in dir(value) if not name.startswith("_")}
    return value.tolist() if isinstance(value, np.ndarray) else value


def engine_input(fabric: Fabric, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything that a simulation of the fabric's plan gives to the engine."""
    log: list[str] = []
    stand_in = SimpleNamespace(**vars(_core))
    stand_in.Simulation = lambda **columns: Recorder(log, **columns)
    stand_in.NicConfig = NicRecorder
    monkeypatch.setattr(engine, "_core", stand_in)
    monkeypatch.setattr(simulation, "StallGuard", lambda *run: None)
    plan = make_plan(fabric, "ecmp")
    states = {switch.name: planned_state(fabric, plan, switch.name) for switch in plan.switches}
    job = find_job(fabric, "all_reduce", "ring")
    if job.shape.has_in_network:
        job = find_job(fabric, "all_reduce", "nvls_tree")
    sent, _ = connect(fabric, job.seats, job.workload(1 << 20).schedule)
    addresses = [int(address) for address in endpoint_addresses(fabric)]
    Simulation(fabric, addresses, states, sent, 1)
    tenants = [(each.name, place_ranks(fabric, Scope(tenant=each.name)).tolist()) for each in fabric.tenants]
    return [*log, f"tenants {tenants}"]


def consequences(fabric: Fabric, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    policy = fabric.routing.policy
    demand = collective_demand(fabric, "all_reduce", "ring") if policy == "pinned" else None
    planned = to_json(make_plan(fabric, policy, demand))
    return planned, engine_input(fabric, monkeypatch)


def test_every_key_has_a_row() -> None:
    known = {leaf for leaf in leaves(FabricFile, set()) if not leaf.startswith(SAME_AS_OF_FORMS)}
    assert known == set(ROWS) | UNSEEN


@pytest.mark.parametrize("leaf", ROWS)
def test_another_value_makes_another_fabric_and_something_of_it(
    leaf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, path, value = ROWS[leaf]
    fabric, text = loads(json.dumps(base)), changed(base, path, value)
    if leaf in REFUSED:
        with pytest.raises(InputError) as refused:
            consequences(loads(text), monkeypatch)
        assert REFUSED[leaf] in [each.code for each in refused.value.diagnostics]
        return
    other = loads(text)
    assert other != fabric or leaf in PLAN_ALONE
    if leaf in FOR_PEOPLE:
        assert listed(other) != listed(fabric)
    elif leaf not in UNSEEN:
        acts = consequences(other, monkeypatch) != consequences(fabric, monkeypatch)
        assert acts, f"{path} acts on nothing"


def listed(fabric: Fabric) -> list[Any]:
    """What `raddle show` prints."""
    return [document_of(fabric), list(cable_rows(fabric))]
