"""What entities of kinds that this switch has none of are refused with.

A request that no switch could take is refused as by any of them; UNIMPLEMENTED says that another could.

Source: P4Runtime specification 1.4, sections 9.4 to 9.9.
"""

from __future__ import annotations

from collections.abc import Sequence

from finsy.proto import p4r, rpc_code

from raddle.nos.p4rt.check import UpdateError, find_table, invalid
from raddle.nos.p4rt.pipeline import Pipeline

_MODIFIED_ONLY = frozenset({"meter_entry", "direct_meter_entry", "register_entry", "value_set_entry"})
_INDEXED = frozenset({"meter_entry", "register_entry"})
_NUMBERED = {
    "multicast_group_entry": "multicast_group_id",
    "clone_session_entry": "session_id",
}


def refusal_of_write(pipeline: Pipeline, update: p4r.Update) -> UpdateError:
    """What an update of such an entity is refused with.

    Raises:
        UpdateError: INVALID_ARGUMENT or OUT_OF_RANGE, no switch could carry it out.
    """
    entity = update.entity
    kind = entity.WhichOneof("entity")
    assert kind
    if kind in _MODIFIED_ONLY and update.type != p4r.Update.MODIFY:
        invalid(f"a {kind} can only be modified")
    if kind == "packet_replication_engine_entry":
        part = entity.packet_replication_engine_entry.WhichOneof("type")
        if part is None:
            invalid(f"the {kind} is neither a multicast group nor a clone session")
        if not getattr(getattr(entity.packet_replication_engine_entry, part), _NUMBERED[part]):
            invalid(f"{_NUMBERED[part]} 0 stands for all, and is not written")
    return refusal_of(pipeline, entity)


def refusal_of(pipeline: Pipeline, entity: p4r.Entity) -> UpdateError:
    """What a read that names such an entity is refused with.

    Raises:
        UpdateError: INVALID_ARGUMENT for an id that the P4Info does not have, OUT_OF_RANGE for an index.
    """
    kind = entity.WhichOneof("entity")
    assert kind
    if kind in pipeline.unsupported:
        id = getattr(getattr(entity, kind), kind.replace("_entry", "_id"))
        if id not in pipeline.unsupported[kind]:
            invalid(f"{kind} 0x{id:08x} is not in the P4Info of {pipeline.name}")
        asked = getattr(entity, kind)
        if kind in _INDEXED and asked.HasField("index"):
            cells(kind, asked.index.index, pipeline.unsupported[kind][id])
    elif kind == "direct_meter_entry":
        table = find_table(pipeline, entity.direct_meter_entry.table_entry.table_id)
        if not table.meter:
            invalid(f"{table.name} has no direct meter")
    elif kind == "extern_entry":
        invalid(
            f"extern type 0x{entity.extern_entry.extern_type_id:08x} is not in the P4Info of {pipeline.name}"
        )
    return UpdateError(rpc_code.UNIMPLEMENTED, f"this switch has no {kind}")


def cells(name: str, index: int, size: int) -> Sequence[int]:
    """The cell of an array that an index means.

    Raises:
        UpdateError: INVALID_ARGUMENT below 0, OUT_OF_RANGE above the last.
    """
    if index < 0:
        invalid(f"{name}: index {index} is below 0")
    if index >= size:
        raise UpdateError(rpc_code.OUT_OF_RANGE, f"{name}: index {index} is not in 0..{size - 1}")
    return [index]
