"""Set: from gNMI deletes, replaces and updates to a JSON patch for GCU.

Source: sonic-gnmi sonic_data_client/mixed_db_client.go (SetConfigDB, SetIncrementalConfig) and
json_client.go. An update is a JSON patch `add`: it *replaces* what is at its path, it does not merge.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

import grpc
from finsy.proto.gnmi1 import gnmi_pb2

from raddle.nos.db.databases import ConfigDb
from raddle.nos.db.gcu import apply_patch, replace_config
from raddle.nos.db.patch import PatchError, PatchOp, apply_operations, exists, get, parse_pointer
from raddle.nos.server.json_text import load_json
from raddle.nos.server.paths import DbPath, RpcError, parse_paths
from raddle.nos.switch import Change, SimulatedSwitch


def read_change(switch: SimulatedSwitch, request: gnmi_pb2.SetRequest) -> Change | None:
    """What a SetRequest changes in CONFIG_DB; None if nothing before the next reboot.

    Raises:
        RpcError: NOT_FOUND for a bad path, UNKNOWN for a database that is not to be written.
        PatchError: a value that cannot be.
    """
    deletes, replaces, updates = list(request.delete), list(request.replace), list(request.update)
    changes = [*deletes, *(update.path for update in replaces), *(update.path for update in updates)]
    paths = parse_paths(request.prefix, changes)
    if paths[0].database != "CONFIG_DB":
        text = f"Set RPC does not support {paths[0].database}"
        raise RpcError(grpc.StatusCode.UNKNOWN, text)
    is_root = [not path.elems for path in paths]
    if is_root == [True] and replaces:
        return partial(replace_config, document=_json_value(replaces[0]))
    if is_root == [True, True] and len(deletes) == len(updates) == 1:
        # A whole configuration by delete and update comes into force with the next reboot.
        switch.stage_config(_json_value(updates[0]))
        return None
    values = [_json_value(update) for update in (*replaces, *updates)]
    operations = build_patch(switch.databases.config, paths, len(deletes), len(replaces), values)
    return partial(apply_patch, operations=operations) if operations else None


def build_patch(
    config: ConfigDb, paths: Sequence[DbPath], delete_count: int, replace_count: int, values: Sequence[object]
) -> list[PatchOp]:
    """The patch of a Set: deletes first (of what is there), then replaces, then updates.

    Args:
        config: the database that the patch is for.
        paths: of the deletes, the replaces and the updates, in this order.
        delete_count, replace_count: how many of the paths are deletes and replaces.
        values: parsed JSON of the replaces and updates; None for a replace without a value, which deletes.

    Raises:
        PatchError: a value that does not fit the depth of its path.
    """
    operations: list[PatchOp] = []
    remaining: dict[str, object] = dict(config)
    for path in paths[:delete_count]:
        pointer = parse_pointer(path.pointer)
        if 1 <= len(pointer) <= 4 and exists(remaining, pointer):
            operations.append(PatchOp("remove", pointer))
            remaining = _without(remaining, pointer)
    for position, (path, value) in enumerate(zip(paths[delete_count:], values, strict=True)):
        pointer = parse_pointer(path.pointer)
        is_replace = position < replace_count
        if value is None:
            if not is_replace:
                raise PatchError(f"Invalid update {path.pointer}")
            if exists(remaining, pointer):
                operations.append(PatchOp("remove", pointer))
            continue
        _check_shape(pointer, value)
        operations.append(PatchOp("replace" if is_replace else "add", pointer, value))
    return operations


def _without(document: dict[str, object], pointer: tuple[str, ...]) -> dict[str, object]:
    """The document less what `pointer` names and the keys and tables that this leaves empty.

    sonic-gnmi tracks deletes so: a later delete of an emptied table finds nothing and is skipped.
    """
    document = apply_operations(document, [PatchOp("remove", pointer)])
    for depth in range(len(pointer) - 1, 0, -1):
        if not get(document, pointer[:depth]):
            document = apply_operations(document, [PatchOp("remove", pointer[:depth])])
    return document


def _check_shape(pointer: tuple[str, ...], value: object) -> None:
    depth = len(pointer)
    if depth in (1, 2, 3) and not isinstance(value, str | list if depth == 3 else dict):
        what = ("table", "entry", "field")[depth - 1]
        raise PatchError(f"Invalid {what} {json.dumps(value)[:80]}")
    if not 1 <= len(pointer) <= 4:
        raise PatchError(f"Invalid db table Path [{' '.join(pointer)}]")


def _json_value(update: gnmi_pb2.Update) -> object:
    """The value of an update: JSON_IETF and nothing else; None where it has no value."""
    if not update.HasField("val"):
        return None
    if not update.val.json_ietf_val:
        raise PatchError("Value encoding is not IETF JSON")
    try:
        value = load_json(update.val.json_ietf_val)
    except (ValueError, RecursionError) as error:
        raise PatchError(f"JSON unmarshalling error: {error}") from None
    if value is None:
        raise PatchError("Fail to parse null")
    return value
