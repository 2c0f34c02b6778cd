"""Tables that upstream SONiC lacks, for switches whose model declares the feature behind them.

Source of the ARS tables: module sonic-ars of the draft that goes with SONiC's adaptive routing design (SONiC
PR 1958, sonic-buildimage PR 22264). The hash over a queue pair is orchagent's (sonic-swss
orchagent/switch/switch_helper.cpp); module sonic-hash, by which gNMI judges, ends at the IPv6 flow label.
"""

from __future__ import annotations

from collections.abc import Mapping

from raddle.nos.db.schema.model import EntrySchema, Leaf, TableSchema
from raddle.nos.db.schema.routing import switch_hash
from raddle.nos.db.schema.types import any_string, boolean, enum, integer, ip_address

QUEUE_PAIR_FIELD = "RDMA_BTH_DEST_QP"
"""Value of SWITCH_HASH|GLOBAL `ecmp_hash`: the destination queue pair in a packet's base transport header."""

_UINT32 = Leaf(integer("uint32"))

_ARS: Mapping[str, TableSchema] = {
    "ARS_PROFILE": TableSchema(
        entries=(
            EntrySchema(
                key=(Leaf(any_string),),
                fields={
                    "algorithm": Leaf(enum("ewma")),
                    "ars_nhg_path_selector_mode": Leaf(enum("global", "interface", "nexthop")),
                    "ars_lag_path_selector_mode": Leaf(enum("global", "interface")),
                    "default_ars_object": Leaf(refs="ARS_OBJECT"),
                    "max_flows": _UINT32,
                    "sampling_interval": _UINT32,
                    **{f"{when}_load_weight": _UINT32 for when in ("past", "future")},
                    **{
                        f"{when}_load_{end}_value": _UINT32
                        for when in ("past", "future", "current")
                        for end in ("min", "max")
                    },
                    "ipv4_enable": Leaf(boolean),
                    "ipv6_enable": Leaf(boolean),
                },
            ),
        ),
        max_entries=1,
    ),
    "ARS_OBJECT": TableSchema(
        entries=(
            EntrySchema(
                key=(Leaf(any_string),),
                fields={
                    "assign_mode": Leaf(enum("per_flowlet_quality", "per_packet_quality")),
                    "flowlet_idle_time": Leaf(integer("uint16", 2, 2047)),
                    "max_flows": _UINT32,
                    "primary_path_threshold": _UINT32,
                    "alternative_path_cost": _UINT32,
                },
            ),
        )
    ),
    "ARS_INTERFACE": TableSchema(
        entries=(
            EntrySchema(
                key=(Leaf(refs="PORT"),),
                fields={"scaling_factor": _UINT32, "ars_obj_name": Leaf(refs="ARS_OBJECT")},
            ),
        )
    ),
    "ARS_NEXTHOP": TableSchema(
        entries=(
            EntrySchema(
                key=(Leaf(any_string), Leaf(ip_address)),
                fields={
                    "ars_obj_name": Leaf(refs="ARS_OBJECT"),
                    "role": Leaf(enum("primary_path", "alternative_path")),
                },
            ),
        )
    ),
}

EXTENSIONS: Mapping[str, Mapping[str, TableSchema]] = {
    "hash-on-qp": {"SWITCH_HASH": switch_hash(QUEUE_PAIR_FIELD)},
    "adaptive-routing": _ARS,
}
"""By feature of a switch model the tables that come with it, or take the place of SONiC's."""
