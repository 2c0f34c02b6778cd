"""What a trace says, rank by rank, before it is a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.lab.graph.kinds.send import pairs_of
from raddle.lab.graph.model import COMPUTE, Part, Step

CALC, SEND, RECV = "calc", "send", "recv"


@dataclass(slots=True)
class Operation:
    """One operation of a rank.

    Attributes:
        time_ps: of computing; stream: what it keeps busy.
        peer, size_bytes, tag: of a message.
        after: operations of the same rank, by number, that end before it begins.
        line: where it stands.
    """

    kind: str
    rank: int
    line: int
    time_ps: int = 0
    stream: str = COMPUTE
    peer: int = 0
    size_bytes: int = 0
    tag: int = 0
    after: list[int] = field(default_factory=list)


def wrong(file: str, line: int, message: str, hint: str = "", text: str = "") -> InputError:
    """What is wrong with a trace, to be raised."""
    return InputError([Diagnostic("bad-trace", message, SourceSpan(file, max(line, 1), 1, text=text), hint)])


def steps_of(file: str, operations: Sequence[Operation]) -> tuple[Step, ...]:
    """The operations as steps: one for each that computes, and for each message one of both its ends.

    Messages meet by peer and tag, in the order of the file. What waits for a receipt waits for all that the
    receipt is after, as a message does not wait for its receiver.

    Raises:
        InputError: `bad-trace`: a message has no other end, or operations wait for one another.
    """
    other = _matched(file, operations)
    # A message is the step of its sending end.
    step_of = [other[at] if each.kind == RECV else at for at, each in enumerate(operations)]
    before = [
        [] if each.kind == RECV else _before(operations, step_of, at) for at, each in enumerate(operations)
    ]
    number: dict[int, int] = {}
    made: list[Step] = []
    for at in _in_order(file, operations, before):
        number[at] = len(made)
        made.append(_step(operations[at], at, tuple(sorted({number[one] for one in before[at]}))))
    return tuple(made)


def _before(operations: Sequence[Operation], step_of: Sequence[int], at: int) -> list[int]:
    """The steps that an operation waits for, those behind receipts among them."""
    found: list[int] = []
    seen: set[int] = set()
    todo = list(operations[at].after)
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        found.append(step_of[one])
        if operations[one].kind == RECV:
            todo += operations[one].after
    return found


def _matched(file: str, operations: Sequence[Operation]) -> dict[int, int]:
    """Of each end of a message the other end."""
    sent: dict[tuple[int, int, int], list[int]] = {}
    for at, each in enumerate(operations):
        if each.kind == SEND:
            sent.setdefault((each.rank, each.peer, each.tag), []).append(at)
    found: dict[int, int] = {}
    for queue in sent.values():
        queue.reverse()
    for at, each in enumerate(operations):
        if each.kind != RECV:
            continue
        queue = sent.get((each.peer, each.rank, each.tag), [])
        if not queue:
            where = f"rank {each.peer} sends rank {each.rank} no message of tag {each.tag} for this"
            raise wrong(file, each.line, where)
        start = queue.pop()
        if operations[start].size_bytes != each.size_bytes:
            sizes = f"{operations[start].size_bytes} B are sent (line {operations[start].line})"
            raise wrong(file, each.line, f"{each.size_bytes} B are received where {sizes}")
        found[at], found[start] = start, at
    for queue in sent.values():
        if queue:
            left = operations[queue[-1]]
            raise wrong(file, left.line, f"rank {left.peer} does not receive this message of tag {left.tag}")
    return found


def _in_order(file: str, operations: Sequence[Operation], before: Sequence[Sequence[int]]) -> list[int]:
    """The operations that are steps, each behind those that it waits for; else in the order of the file."""
    steps = [at for at, each in enumerate(operations) if each.kind != RECV]
    left = {at: len(set(before[at])) for at in steps}
    follows: dict[int, list[int]] = {}
    for at in steps:
        for one in set(before[at]):
            follows.setdefault(one, []).append(at)
    ready = [at for at in steps if not left[at]]
    order: list[int] = []
    for at in ready:  # grows meanwhile
        order.append(at)
        for later in follows.get(at, ()):
            left[later] -= 1
            if not left[later]:
                ready.append(later)
    if len(order) < len(steps):
        stuck = min(at for at in steps if left[at])
        raise wrong(
            file, operations[stuck].line, "operations wait for one another, so that this never begins"
        )
    return order


def _step(each: Operation, at: int, after: tuple[int, ...]) -> Step:
    if each.kind == CALC:
        part = Part(np.array([each.rank]), time_ps=np.array([each.time_ps]))
        return Step((part,), each.stream, COMPUTE, after)
    ends = np.array([each.rank]), np.array([each.peer])
    return Step((pairs_of(*ends, each.size_bytes, SEND),), f"message {at}", SEND, after)
