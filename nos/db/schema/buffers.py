"""Schema of buffers: BUFFER_POOL, BUFFER_PROFILE, BUFFER_PG, BUFFER_QUEUE.

Source: sonic-buffer-pool, sonic-buffer-profile, sonic-buffer-pg, sonic-buffer-queue. Two rules are stricter
than the models, because this switch has no buffermgrd to fill in the numbers: a pool has a size, and a
profile has a threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

from nos.db.databases import ConfigDb, ConfigEntry
from nos.db.schema.model import EntrySchema, Leaf, TableSchema
from nos.db.schema.types import any_string, enum, integer, text

_UINT64 = integer("uint64")

BUFFER_POOL = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(any_string),),
            fields={
                "type": Leaf(enum("ingress", "egress", "both"), mandatory=True),
                "mode": Leaf(enum("static", "dynamic"), mandatory=True),
                "size": Leaf(_UINT64, mandatory=True),
                "xoff": Leaf(_UINT64),
            },
        ),
    )
)


def _has_threshold(key: Sequence[str], entry: ConfigEntry, config: ConfigDb) -> str | None:
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
