"""What a trace says, rank by rank, before it is a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.lab.graph.kinds.send import pairs_of
from raddle.lab.graph.model import COMPUTE, Part, Step
from raddle.topology.yaml.parsers import LONGEST_PS

CALC, SEND, RECV, COLLECTIVE = "calc", "send", "recv", "collective"

_MOST_BYTES = 1 << 50
"""Of a message, the engine's limit."""


@dataclass(slots=True)
class Operation:
    """One operation of a rank.

    Attributes:
        time_ps: of computing; stream: what it keeps busy.
        peer, size_bytes, tag: of a message.
        collective, group: its name, and which of several groups of ranks runs it; `size_bytes` is its own.
        after: operations of the same rank, by number, that end before it begins.
        line, file, name: where it stands, and what it is called there.
    """

    kind: str
    rank: int
    line: int
    time_ps: int = 0
    stream: str = COMPUTE
    peer: int = 0
    size_bytes: int = 0
    tag: int = 0
    collective: str = ""
    group: str = ""
    after: list[int] = field(default_factory=list)
    file: str = ""
    name: str = ""


def wrong(file: str, line: int, message: str, hint: str = "", text: str = "") -> InputError:
    """What is wrong with a trace, to be raised."""
    return InputError([Diagnostic("bad-trace", message, SourceSpan(file, max(line, 1), 1, text=text), hint)])


Joined = Callable[[Operation, tuple[int, ...]], Step]
"""A collective of some ranks as a step."""


def steps_of(operations: Sequence[Operation], joined: Joined | None = None) -> tuple[Step, ...]:
    """The operations as steps: one for each that computes, for each message and for each collective one of
    all its ends.

    Messages meet by peer and tag, collectives by group, in the order of the files. What waits for a receipt
    waits for all that the receipt is after, as a message does not wait for its receiver.

    Raises:
        InputError: `bad-trace`: a message has no other end, ranks run other collectives, operations wait for
            one another, or something is too large.
    """
    for each in operations:
        if each.time_ps > LONGEST_PS or each.size_bytes > _MOST_BYTES:
            raise wrong_at(each, "a time is 2000000s at most, and a message 1 PiB")
    other, members = _matched(operations), _met(operations)
    # A message is the step of its sending end, a collective that of its first rank.
    step_of = [other[at] if each.kind == RECV else at for at, each in enumerate(operations)]
    for first, ends in members.items():
        for at in ends:
            step_of[at] = first
    before: list[list[int]] = [[] for _ in operations]
    for at, each in enumerate(operations):
        if each.kind != RECV:
            before[step_of[at]] += _before(operations, step_of, at)
    number: dict[int, int] = {}
    made: list[Step] = []
    for at in _in_order(operations, before, [at for at, one in enumerate(step_of) if at == one]):
        number[at] = len(made)
        made.append(_step(operations[at], at, tuple(sorted({number[one] for one in before[at]}))))
        if at in members:
            assert joined is not None
            ranks = tuple(operations[one].rank for one in members[at])
            made[-1] = replace(joined(operations[at], ranks), after=made[-1].after)
    return tuple(made)


def _met(operations: Sequence[Operation]) -> dict[int, list[int]]:
    """Of each collective its operations, by the first of them."""
    by_rank: dict[str, dict[int, list[int]]] = {}
    for at, each in enumerate(operations):
        if each.kind == COLLECTIVE:
            by_rank.setdefault(each.group, {}).setdefault(each.rank, []).append(at)
    found: dict[int, list[int]] = {}
    for ranks in by_rank.values():
        longest = max(ranks.values(), key=len)
        for turn, first in enumerate(longest):
            for own in ranks.values():
                if turn >= len(own):
                    raise wrong_at(
                        operations[first], f"rank {operations[own[0]].rank} does not take part in this"
                    )
            ends = [own[turn] for own in ranks.values()]
            lead = operations[ends[0]]
            for at in ends:
                one = operations[at]
                if (one.collective, one.size_bytes) != (lead.collective, lead.size_bytes):
                    what = (
                        f"{one.collective} of {one.size_bytes} B where rank {lead.rank} has {lead.collective}"
                    )
                    raise wrong_at(one, f"{what} of {lead.size_bytes} B")
            found[ends[0]] = ends
    return found


def wrong_at(each: Operation, message: str) -> InputError:
    """What is wrong with an operation, to be raised."""
    return wrong(each.file, each.line, f"{each.name}: {message}" if each.name else message)


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


def _matched(operations: Sequence[Operation]) -> dict[int, int]:
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
            raise wrong_at(each, where)
        start = queue.pop()
        if operations[start].size_bytes != each.size_bytes:
            sizes = f"{operations[start].size_bytes} B are sent (line {operations[start].line})"
            raise wrong_at(each, f"{each.size_bytes} B are received where {sizes}")
        found[at], found[start] = start, at
    for queue in sent.values():
        if queue:
            left = operations[queue[-1]]
            raise wrong_at(left, f"rank {left.peer} does not receive this message of tag {left.tag}")
    return found


def _in_order(
    operations: Sequence[Operation], before: Sequence[Sequence[int]], steps: Sequence[int]
) -> list[int]:
    """The operations that are steps, each behind those that it waits for; else in the order of the file."""
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
        raise wrong_at(operations[stuck], "operations wait for one another, so that this never begins")
    return order


def _step(each: Operation, at: int, after: tuple[int, ...]) -> Step:
    if each.kind == COLLECTIVE:
        return Step((), each.group, each.collective, after)
    if each.kind == CALC:
        part = Part(np.array([each.rank]), time_ps=np.array([each.time_ps]))
        return Step((part,), each.stream, COMPUTE, after)
    ends = np.array([each.rank]), np.array([each.peer])
    return Step((pairs_of(*ends, each.size_bytes, SEND),), f"message {at}", SEND, after)
