"""JSON patches (RFC 6902) over CONFIG_DB: what a Set becomes, and what GCU judges and applies.

Paths are JSON pointers (RFC 6901): `/INTERFACE/Ethernet0|10.0.0.0~131`. Applying a patch copies only what it
touches; the old database stays as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from raddle.nos.db.databases import ConfigDb


class PatchError(Exception):
    """A patch that cannot be applied or is refused. The text is what SONiC's tools print of it."""


class PatchOp(NamedTuple):
    """One operation. `path` has its escapes (`~0`, `~1`) resolved; `value` is parsed JSON."""

    op: Literal["add", "remove", "replace"]
    path: tuple[str, ...]
    value: object = None

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer."""
        return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in self.path)


def parse_pointer(pointer: str) -> tuple[str, ...]:
    """`/PORT/Ethernet0` -> its parts; the root is `""`.

    Raises:
        PatchError: a `~` that is not part of `~0` or `~1`.
    """
    parts = pointer.split("/")[1:]
    for part in parts:
        if "~" in part.replace("~0", "").replace("~1", ""):
            raise PatchError(f"Found invalid escape {part[part.index('~') :][:2]}")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def read_patch(text: str) -> list[PatchOp]:
    """The operations of a JSON patch (RFC 6902) with whole or table paths.

    Raises:
        PatchError: it is not one, or has an operation other than add, remove and replace.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PatchError(f"Error: not JSON: {error}") from None
    if not isinstance(document, list):
        raise PatchError("Error: a patch is a JSON list of operations")
    operations = []
    for number, entry in enumerate(document):
        op = entry.get("op") if isinstance(entry, dict) else None
        path = entry.get("path") if isinstance(entry, dict) else None
        if op not in ("add", "remove", "replace") or not isinstance(path, str) or not path.startswith("/"):
            raise PatchError(
                f"Error: operation {number} of the patch is not "
                '{"op": "add|remove|replace", "path": "/TABLE/...", "value": ...}'
            )
        if op != "remove" and "value" not in entry:
            raise PatchError(f"Error: operation {number} of the patch has no value")
        operations.append(PatchOp(op, parse_pointer(path), entry.get("value")))
    return operations


class _Draft:
    """A document under change: containers are copied the first time they are written to."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self.root: dict[str, object] = dict(document)
        # Holding the copies keeps their ids from being used again.
        self._copies: dict[int, object] = {id(self.root): self.root}

    def parent(self, path: tuple[str, ...]) -> dict[str, object] | list[object]:
        """The container that holds the last part of `path`, safe to write to."""
        node: dict[str, object] | list[object] = self.root
        for part in path[:-1]:
            child = self._own(lookup(node, part))
            if isinstance(node, dict):
                node[part] = child
            else:
                node[_index(part, len(node) - 1)] = child
            node = child
        return node

    def _own(self, node: object) -> dict[str, object] | list[object]:
        if id(node) in self._copies and isinstance(node, dict | list):
            return node
        if not isinstance(node, dict | list):
            raise PatchError(f"can't change a part of the value {str(node)[:40]!r}")
        copy = node.copy()
        self._copies[id(copy)] = copy
        return copy


def _index(part: str, last: int) -> int:
    if not (part.isascii() and part.isdigit()) or len(part) > 9 or (part[0] == "0" and part != "0"):
        raise PatchError(f"'{part}' is not a valid sequence index")
    if int(part) > last:
        raise PatchError("can't insert outside of list")
    return int(part)


def lookup(node: object, part: str) -> object:
    """The member `part` of an object or list.

    Raises:
        PatchError: there is none.
    """
    if isinstance(node, dict):
        if part in node:
            return node[part]
        raise PatchError(f"member '{part}' not found in {_shorten(node)}")
    if isinstance(node, list):
        return node[_index(part, len(node) - 1)]
    raise PatchError(f"member '{part}' not found in {_shorten(node)}")


def _shorten(node: object, limit: int = 60) -> str:
    text = str(list(node)) if isinstance(node, dict) else str(node)
    return text if len(text) <= limit else text[:limit] + "..."


def get(document: Mapping[str, object], path: tuple[str, ...]) -> object:
    """What `path` leads to.

    Raises:
        PatchError: nothing.
    """
    node: object = document
    for part in path:
        node = lookup(node, part)
    return node


def exists(document: Mapping[str, object], path: tuple[str, ...]) -> bool:
    """Whether `path` leads to something."""
    try:
        get(document, path)
    except PatchError:
        return False
    return True


def apply_operations(config: Mapping[str, object], operations: list[PatchOp]) -> dict[str, object]:
    """The document after all operations, in order; `config` is not changed.

    Raises:
        PatchError: a path whose parent does not exist, or a removal or replacement of what does not exist.
    """
    draft = _Draft(config)
    for operation in operations:
        if not operation.path:
            raise PatchError("Invalid db table Path []")
        parent, last = draft.parent(operation.path), operation.path[-1]
        if isinstance(parent, list):
            _change_list(parent, last, operation)
        elif operation.op != "add" and last not in parent:
            raise PatchError(f"can't {operation.op} a non-existent object '{last}'")
        elif operation.op == "remove":
            del parent[last]
        else:
            parent[last] = operation.value
    return draft.root


def _change_list(parent: list[object], last: str, operation: PatchOp) -> None:
    if operation.op == "add":
        parent.insert(len(parent) if last == "-" else _index(last, len(parent)), operation.value)
    elif operation.op == "remove":
        del parent[_index(last, len(parent) - 1)]
    else:
        parent[_index(last, len(parent) - 1)] = operation.value


def difference(old: ConfigDb, new: ConfigDb) -> Iterator[PatchOp]:
    """The smallest operations on tables, keys and fields that make `new` of `old`."""
    yield from _difference((), old, new)


def _difference(
    path: tuple[str, ...], old: Mapping[str, object], new: Mapping[str, object]
) -> Iterator[PatchOp]:
    for name in old:
        if name not in new:
            yield PatchOp("remove", (*path, name))
    for name, value in new.items():
        before = old.get(name)
        if before is None:
            yield PatchOp("add", (*path, name), value)
        elif before is value:
            continue
        elif isinstance(before, dict) and isinstance(value, dict):
            yield from _difference((*path, name), before, value)
        elif before != value:
            yield PatchOp("replace", (*path, name), value)
