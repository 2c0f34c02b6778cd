"""Schema of buffers: pools, profiles, what they are bound to, and the parameters of the dynamic model.

Source: sonic-buffer-pool, sonic-buffer-profile, sonic-buffer-pg, sonic-buffer-queue. One rule is stricter
than the models, because this switch has no buffermgrd to fill in the number: a profile has a threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

from raddle.nos.db.databases import ConfigEntry, ConfigTables
from raddle.nos.db.schema.model import EntrySchema, Leaf, TableSchema
from raddle.nos.db.schema.types import any_string, enum, integer, map_name, text

_UINT64 = integer("uint64")


def _percentage_is_of_the_dynamic_model(
    key: Sequence[str], entry: ConfigEntry, config: ConfigTables
) -> str | None:
    if "percentage" not in entry:
        return None
    if "size" in entry:
        return "Percentage should not be configured along with size"
    if config.get("DEVICE_METADATA", {}).get("localhost", {}).get("buffer_model") != "dynamic":
        return "Percentage must be configured in dynamic buffer model"
    return None


BUFFER_POOL = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(any_string),),
            fields={
                "type": Leaf(enum("ingress", "egress", "both"), mandatory=True),
                "mode": Leaf(enum("static", "dynamic"), mandatory=True),
                "size": Leaf(_UINT64),
                "xoff": Leaf(_UINT64),
                "percentage": Leaf(integer("uint8")),
            },
            musts=(_percentage_is_of_the_dynamic_model,),
        ),
    )
)


def _has_threshold(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    if "dynamic_th" in entry or "static_th" in entry:
        return None
    return 'Mandatory node "dynamic_th" or "static_th" instance does not exist.'


BUFFER_PROFILE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(any_string),),
            fields={
                "static_th": Leaf(_UINT64),
                "dynamic_th": Leaf(integer("int32", -8, 7)),
                "size": Leaf(_UINT64, mandatory=True),
                "pool": Leaf(refs="BUFFER_POOL", mandatory=True),
                "xon_offset": Leaf(_UINT64),
                "xon": Leaf(_UINT64),
                "xoff": Leaf(_UINT64),
                "headroom_type": Leaf(enum("static", "dynamic")),
                "packet_discard_action": Leaf(enum("drop", "trim")),
            },
            musts=(_has_threshold,),
        ),
    )
)

BUFFER_PG = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="PORT"), Leaf(text(pattern="[0-7]((-)[0-7])?"))),
            fields={"profile": Leaf(refs="BUFFER_PROFILE", literals=frozenset({"NULL"}))},
        ),
    )
)

BUFFER_QUEUE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="PORT"), Leaf(text(pattern="(1[0-5]|[0-9])((-)(1[0-5]|[0-9]))?"))),
            fields={"profile": Leaf(refs="BUFFER_PROFILE")},
        ),
    )
)

BUFFER_PORT_PROFILE_LIST = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="PORT"),),
            fields={"profile_list": Leaf(refs="BUFFER_PROFILE", is_list=True, is_joined=True)},
        ),
    )
)

LOSSLESS_TRAFFIC_PATTERN = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(map_name),),
            fields={
                "mtu": Leaf(integer("uint16", 1, 9216), mandatory=True),
                "small_packet_percentage": Leaf(integer("uint8", 0, 100), mandatory=True),
            },
        ),
    )
)

DEFAULT_LOSSLESS_BUFFER_PARAMETER = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(map_name),),
            fields={
                "default_dynamic_th": Leaf(integer("int8", -8, 7), mandatory=True),
                "over_subscribe_ratio": Leaf(integer("uint16")),
            },
        ),
    )
)
