"""A workload as Chakra execution traces, one file for each rank; chakra.py has the form and its source."""

from __future__ import annotations

from collections.abc import Iterator

from raddle.lab.graph.assemble import Assembled
from raddle.lab.graph.traces.operations import RECV, SEND, Operation
from raddle.lab.graph.traces.wire import field, framed, packed
from raddle.lab.graph.traces.written import lost_as_operations, operations_of

_US = 10**6
_COMP, _SEND, _RECV = 4, 5, 6
_VERSION = "0.0.4"
_INT32, _INT64, _BOOL = 7, 9, 27


def chakra_files(laid_out: Assembled, prefix: str) -> dict[str, bytes]:
    """PREFIX.0.et, PREFIX.1.et, ...: computing in whole microseconds, and all that is sent as messages."""
    nodes: list[list[bytes]] = [[framed(field(1, _VERSION))] for _ in range(laid_out.workload.schedule.ranks)]
    for number, each in enumerate(operations_of(laid_out)):
        nodes[each.rank].append(framed(_node(number, each)))
    return {f"{prefix}.{rank}.et": b"".join(of_rank) for rank, of_rank in enumerate(nodes)}


def lost_in_chakra(laid_out: Assembled) -> Iterator[str]:
    """What a workload has and such traces do not."""
    yield "which messages are of one collective"
    yield from lost_as_operations(laid_out, _US, "microsecond")


def _node(number: int, each: Operation) -> bytes:
    kind = {SEND: _SEND, RECV: _RECV}.get(each.kind, _COMP)
    parts = [field(1, number), field(2, each.name), field(3, kind), packed(5, each.after)]
    parts.append(_attribute("is_cpu_op", _BOOL, 0))
    if kind == _COMP:
        parts.insert(4, field(7, round(each.time_ps / _US)))
        return b"".join(parts)
    ends = (each.rank, each.peer) if kind == _SEND else (each.peer, each.rank)
    parts.append(_attribute("comm_size", _INT64, each.size_bytes))
    parts += [_attribute(name, _INT32, end) for name, end in zip(("comm_src", "comm_dst"), ends, strict=True)]
    parts.append(_attribute("comm_tag", _INT32, each.tag))
    return b"".join(parts)


def _attribute(name: str, kind: int, value: int) -> bytes:
    return field(10, field(1, name) + field(kind, value))
