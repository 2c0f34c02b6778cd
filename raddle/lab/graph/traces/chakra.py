"""Chakra execution traces, as ASTRA-sim runs them: PREFIX.0.et, PREFIX.1.et, ..., one file for each rank.

Source: mlc-chakra 1.0.0 (mlcommons/chakra), schema/protobuf/et_def.proto (GlobalMetadata, then Nodes; numbers
of fields and kinds) and the attributes that ASTRA-sim reads: comm_type, comm_size, comm_src, comm_dst,
comm_tag, pg_name.
The size of an all-gather is that of a rank's share, of the others that of its whole buffer, as there.
Durations are microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from raddle.errors import InputError
from raddle.lab.graph.traces.operations import CALC, COLLECTIVE, RECV, SEND, Operation, wrong
from raddle.lab.graph.traces.wire import CutOffError, fields, messages, varints

_US = 10**6
_COMP, _SEND, _RECV, _COLL = 4, 5, 6, 7
_KINDS = {_SEND: SEND, _RECV: RECV, _COLL: COLLECTIVE}
_COLLECTIVES = {0: "all_reduce", 2: "all_gather", 6: "all_to_all", 7: "reduce_scatter"}
_OTHERS = {
    1: "reduce", 3: "gather", 4: "scatter", 5: "broadcast", 8: "reduce-scatter of blocks", 9: "barrier"
}  # fmt: skip
_VARINTS = (7, 9, 11, 13, 27)
"""Fields of an attribute whose value is a plain varint; signed ones are not negative here."""


@dataclass(slots=True)
class ChakraTrace:
    """Operations of all files, and what of them is taken otherwise."""

    ranks: int = 0
    operations: list[Operation] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Node:
    number: int = 0
    kind: int = 0
    duration_us: int = 0
    after: list[int] = field(default_factory=list)
    attributes: dict[str, int | str] = field(default_factory=dict)


def read_chakra(prefix: Path, ranks: int) -> ChakraTrace:
    """Read the traces of so many ranks.

    Raises:
        InputError: `no-trace`, a file cannot be read; `bad-trace`, the first thing that is wrong, by byte.
    """
    trace = ChakraTrace(ranks)
    for rank in range(ranks):
        path = prefix.with_name(f"{prefix.name}.{rank}.et")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError.unreadable("no-trace", path, error) from None
        _add(trace, str(path), rank, _nodes(str(path), data))
    return trace


def _nodes(file: str, data: bytes) -> list[_Node]:
    found = []
    try:
        for number, (at, message) in enumerate(messages(data)):
            if number:  # the first one is GlobalMetadata
                try:
                    found.append(_node(message))
                except CutOffError as error:
                    raise CutOffError(at + error.at, str(error)) from None
    except CutOffError as error:
        raise wrong(
            file, 1, f"{error}, at byte {error.at} of {len(data)}", "it is cut off, or no trace"
        ) from None
    if not found:
        raise wrong(file, 1, f"no node in {len(data)} bytes", "it is cut off, or no trace")
    return found


def _node(data: bytes) -> _Node:
    node = _Node()
    for number, value in fields(data):
        if number in (4, 5):
            node.after += varints(value)
        elif number == 10 and isinstance(value, bytes):
            name, held = _attribute(value)
            if held is not None:
                node.attributes[name] = held
        elif isinstance(value, int) and number in (1, 3, 7):
            setattr(node, {1: "number", 3: "kind", 7: "duration_us"}[number], value)
    return node


def _attribute(data: bytes) -> tuple[str, int | str | None]:
    name = ""
    held: int | str | None = None
    for number, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            name = value.decode(errors="replace")
        elif number == 29 and isinstance(value, bytes):
            held = value.decode(errors="replace")
        elif number in _VARINTS and isinstance(value, int):
            held = value
    return name, held


def _add(trace: ChakraTrace, file: str, rank: int, nodes: list[_Node]) -> None:
    place = {node.number: len(trace.operations) + at for at, node in enumerate(nodes)}
    if len(place) < len(nodes):
        raise wrong(file, 1, "two nodes have one number")
    for node in nodes:
        if missing := next((one for one in node.after if one not in place), None):
            raise wrong(
                file, 1, f"node {node.number} waits for node {missing}, which there is not", "it is cut off"
            )
        trace.operations.append(_operation(trace, file, rank, node, [place[one] for one in node.after]))


def _operation(trace: ChakraTrace, file: str, rank: int, node: _Node, after: list[int]) -> Operation:
    kind = _KINDS.get(node.kind, CALC)
    made = Operation(kind, rank, 1, file=file, name=f"node {node.number}", after=after)

    def number(name: str, usual: int | None = None) -> int:
        held = node.attributes.get(name, usual)
        if not isinstance(held, int) or held >= 2**63:
            raise wrong(file, 1, f"node {node.number} has no number '{name}'")
        return held

    if kind == CALC:
        made.time_ps = node.duration_us * _US
        if node.kind != _COMP and node.duration_us:
            _change(trace, "nodes of memory, storage and metadata count as computing")
        return made
    made.size_bytes = number("comm_size")
    if kind == COLLECTIVE:
        what = number("comm_type")
        if what not in _COLLECTIVES:
            other = _OTHERS.get(what, "collective that there is not")
            raise wrong(file, 1, f"node {node.number} is a {other} (comm_type {what}), not simulated")
        made.collective, made.group = _COLLECTIVES[what], str(node.attributes.get("pg_name", ""))
        return made
    made.tag = number("comm_tag", 0)
    made.peer = number("comm_dst" if kind == SEND else "comm_src")
    if made.peer >= trace.ranks or made.peer == rank:
        raise wrong(file, 1, f"node {node.number} is a message of rank {rank} and rank {made.peer}")
    return made


def _change(trace: ChakraTrace, what: str) -> None:
    if what not in trace.changed:
        trace.changed.append(what)
