"""Set: from gNMI deletes, replaces and updates to a JSON patch for GCU.

Source: sonic-gnmi sonic_data_client/mixed_db_client.go (SetConfigDB, SetIncrementalConfig) and
json_client.go. An update is a JSON patch `add`: it *replaces* what is at its path, it does not merge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

import grpc
from finsy.proto.gnmi1 import gnmi_pb2

from raddle.nos.db.databases import ConfigDb
from raddle.nos.db.gcu import apply_patch, replace_config
from raddle.nos.db.patch import PatchError, PatchOp, apply_operations, exists, get, parse_pointer
from raddle.nos.server.go_text import go_text
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
        return partial(replace_config, document=_whole(replaces[0], "Error: {}"))
    if is_root == [True, True] and len(deletes) == len(updates) == 1:
        # A whole configuration by delete and update comes into force with the next reboot.
        switch.stage_config(_whole(updates[0], "Yang validation failed!"))
        return None
    operations = _incremental_patch(
        switch.databases.config, paths, len(deletes), len(replaces), (*replaces, *updates)
    )
    return partial(apply_patch, operations=operations) if operations else None


def _incremental_patch(
    config: ConfigDb,
    paths: Sequence[DbPath],
    delete_count: int,
    replace_count: int,
    values: Sequence[gnmi_pb2.Update],
) -> list[PatchOp]:
    """The patch of a Set: deletes first (of what is there), then replaces, then updates.

    Args:
        config: the database that the patch is for.
        paths: of the deletes, the replaces and the updates, in this order.
        delete_count, replace_count: how many of the paths are deletes and replaces.
        values: the replaces and updates; a replace without a value deletes.

    Raises:
        PatchError: a value that is no JSON or does not fit the depth of its path; a replace of what is not
            there.
    """
    operations: list[PatchOp] = []
    remaining: dict[str, object] = dict(config)
    has_items = any(len(path.elems) == 4 for path in paths)
    for path in paths[:delete_count]:
        pointer = parse_pointer(path.pointer)
        if 1 <= len(pointer) <= 4 and exists(remaining, pointer):
            operations.append(PatchOp("remove", pointer))
            remaining = _without(remaining, pointer)
    for position, (path, update) in enumerate(zip(paths[delete_count:], values, strict=True)):
        pointer = parse_pointer(path.pointer)
        is_replace = position < replace_count
        if not update.HasField("val"):
            if not is_replace:
                raise PatchError(f"Invalid update {path.pointer}")
            if exists(remaining, pointer):
                operations.append(PatchOp("remove", pointer))
            continue
        if not 1 <= len(pointer) <= 4:
            raise PatchError(f"Invalid db table Path {go_text(pointer)}")
        if is_replace:
            _check_there(remaining, pointer)
        elif len(pointer) == 4:
            _check_index(remaining, pointer)
        value = _json_value(update, len(pointer))
        operations.append(PatchOp("replace" if is_replace else "add", pointer, value))
        if has_items:  # the next item's place is counted with this one there
            with suppress(PatchError):
                remaining = apply_operations(remaining, operations[-1:])
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


def _check_there(document: Mapping[str, object], pointer: Sequence[str]) -> None:
    """Raises PatchError: a replace is of what is not there."""
    node: object = document
    for depth, part in enumerate(pointer):
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif depth == 0:
            raise PatchError(f"Invalid database {part} -> {go_text(node)}")
        elif isinstance(node, Mapping):
            raise PatchError(f"Invalid entry {go_text(node)}")
        elif _position(part) not in range(len(node) if isinstance(node, list | tuple) else 0):
            raise PatchError(f"Invalid index {part}")


def _check_index(document: Mapping[str, object], pointer: Sequence[str]) -> None:
    """Raises PatchError: an item cannot be put into a list there."""
    table, key, field, index = pointer
    position = _position(index)
    if position is None:
        raise PatchError(f"Invalid index {index}")
    held = get(document, (table, key, field)) if exists(document, (table, key, field)) else []
    if isinstance(held, str):
        raise PatchError(f"Invalid target field {go_text(get(document, (table, key)))}")
    if position not in range(len(held) + 1 if isinstance(held, list | tuple) else 1):
        raise PatchError(f"Invalid index {position}")


def _position(text: str) -> int | None:
    """A number as Go's strconv.Atoi reads it; None where it is none."""
    return int(text) if re.fullmatch("[+-]?[0-9]{1,18}", text) else None


def _whole(update: gnmi_pb2.Update, refusal: str) -> object:
    """A whole configuration: JSON_IETF and nothing else.

    Args:
        refusal: how what is no JSON is refused; `{}` is why.
    """
    if not update.val.json_ietf_val:
        raise PatchError("Value encoding is not IETF JSON")
    try:
        return load_json(update.val.json_ietf_val)
    except (ValueError, RecursionError) as error:
        raise PatchError(refusal.format(error)) from None


def _json_value(update: gnmi_pb2.Update, depth: int) -> object:
    """The value of an update whose path has so many elems; one of another encoding reads as an empty text."""
    text = update.val.json_ietf_val
    try:
        value = load_json(text)
    except (ValueError, RecursionError):
        raise PatchError(f"Fail to parse {text.decode(errors='replace')}") from None
    if depth < 4 and not isinstance(value, str | list if depth == 3 else dict):
        raise PatchError(f"Invalid {('table', 'entry', 'field')[depth - 1]} {go_text(value)}")
    return value
