"""Which step waits for which message: a program's steps in an order in which they can run."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.traffic.msccl.program import RECEIVES, REDUCES, SENDS, Block, Program, Step

Connection = tuple[int, int, int]
"""The rank that sends, the one that receives, and the channel."""


@dataclass(slots=True)
class Message:
    """A send.

    Attributes:
        src, dst: ranks; connection: a number for each (src, dst, channel).
        sent_by: (thread block, place) of the step at the sender; places count on over pieces.
        received_by: the same at the receiver.
        step: what stands at the sender; adds: whether the receiver adds it to something.
        piece: which part of each of its chunks it moves.
        after: numbers of the messages that the sender must have received (or sent, where another thread block
            waits for that).
        round: at the earliest, where each message takes one and a connection moves one at a time.
    """

    src: int
    dst: int
    connection: int
    sent_by: tuple[int, int]
    step: Step
    piece: int
    after: list[int] = field(default_factory=list)
    round: int = 0
    received_by: tuple[int, int] = (-1, -1)
    adds: bool = False


class _Rank:
    """How far a rank is.

    `done[b]` steps of thread block b are over; b can rely on `known[b]` steps of each block, of which it knew
    `told[b]` when it last sent. `at` keeps what was known after a step that others wait for, `events` the
    messages that a step received, or sent where others wait for it.
    """

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self.blocks = blocks
        self.done = [0] * len(blocks)
        self.known = [[0] * len(blocks) for _ in blocks]
        self.told = [[0] * len(blocks) for _ in blocks]
        self.waited_for = {step.after for block in blocks for step in block.steps if step.after}
        self.at: dict[tuple[int, int], list[int]] = {}
        self.events: list[dict[int, list[int]]] = [{} for _ in blocks]

    def next(self, number: int, pieces: int) -> tuple[Step, int] | None:
        """The next step of a thread block, and its piece."""
        steps, done = self.blocks[number].steps, self.done[number]
        return (steps[done % len(steps)], done // len(steps)) if done < len(steps) * pieces else None

    def place(self, after: tuple[int, int], piece: int) -> tuple[int, int]:
        """The (thread block, place) that a step of this piece waits for."""
        return after[0], piece * len(self.blocks[after[0]].steps) + after[1]


class _Run:
    """Runs all steps as early as they can, with messages that arrive at once."""

    def __init__(self, program: Program, pieces: int) -> None:
        self.pieces = pieces
        self.ranks = [_Rank(blocks) for blocks in program.blocks]
        self.readers = _connections(program)
        self.number = {key: place for place, key in enumerate(self.readers)}
        self.messages: list[Message] = []
        self.arrived: dict[Connection, deque[int]] = defaultdict(deque)
        self.last_round: dict[int, int] = {}

    def run(self) -> None:
        ready = deque(
            (rank, number) for rank, own in enumerate(self.ranks) for number in range(len(own.done))
        )
        while ready:
            rank, number = ready.popleft()
            while self._can(rank, number):
                ready.extend(self._do(rank, number))
        for rank, own in enumerate(self.ranks):
            for number in range(len(own.done)):
                if stuck := own.next(number, self.pieces):
                    raise wrong(f"gpu {rank} never comes to this step of tb {number}", stuck[0].span)

    def _can(self, rank: int, number: int) -> bool:
        own = self.ranks[rank]
        found = own.next(number, self.pieces)
        if found is None:
            return False
        step, piece = found
        if step.after:
            block, place = own.place(step.after, piece)
            if own.done[block] <= place:
                return False
        at = own.blocks[number]
        return step.type not in RECEIVES or bool(self.arrived[at.recv, rank, at.channel])

    def _do(self, rank: int, number: int) -> Iterator[tuple[int, int]]:
        """Do one step; yields the thread blocks that may go on with it."""
        own, block = self.ranks[rank], self.ranks[rank].blocks[number]
        found = own.next(number, self.pieces)
        assert found
        step, piece = found
        place, known = own.done[number], own.known[number]
        if step.after:
            others = own.at[own.place(step.after, piece)]
            known[:] = [max(pair) for pair in zip(known, others, strict=True)]
        if step.type in RECEIVES:
            message = self.arrived[block.recv, rank, block.channel].popleft()
            own.events[number].setdefault(place, []).append(message)
            self._receive(self.messages[message], step, (number, place))
        known[number] = own.done[number] = place + 1
        waits = (number, place % len(block.steps)) in own.waited_for
        if step.type in SENDS:
            yield self._send(rank, number, step, piece)
            if waits:
                own.events[number].setdefault(place, []).append(len(self.messages) - 1)
        if waits:
            own.at[number, place] = list(known)
            yield from ((rank, other) for other in range(len(own.done)) if other != number)

    def _receive(self, message: Message, step: Step, by: tuple[int, int]) -> None:
        if message.step.count != step.count:
            raise wrong(
                f"{step.count} chunks are received where gpu {message.src} sends {message.step.count}",
                step.span,
            )
        message.received_by, message.adds = by, step.type in REDUCES

    def _send(self, rank: int, number: int, step: Step, piece: int) -> tuple[int, int]:
        own, block = self.ranks[rank], self.ranks[rank].blocks[number]
        key = rank, block.send, block.channel
        place = own.done[number] - 1
        message = Message(rank, block.send, self.number[key], (number, place), step, piece)
        known, told = own.known[number], own.told[number]
        for other, events in enumerate(own.events):
            for seen in range(told[other], known[other]):
                message.after += events.get(seen, ())
        told[:] = known
        rounds = [self.messages[each].round for each in message.after]
        message.round = 1 + max([self.last_round.get(message.connection, -1), *rounds])
        self.last_round[message.connection] = message.round
        self.arrived[key].append(len(self.messages))
        self.messages.append(message)
        return block.send, self.readers[key]


def messages(program: Program, pieces: int) -> list[Message]:
    """All messages of a program that runs `pieces` times, each after those that it waits for.

    Raises:
        InputError: `bad-schedule`, sends and receives do not match, or steps wait for each other.
    """
    run = _Run(program, pieces)
    run.run()
    return run.messages


def wrong(message: str, span: SourceSpan) -> InputError:
    """What is wrong with a schedule, and where."""
    return InputError([Diagnostic("bad-schedule", message, span)])


def _connections(program: Program) -> dict[Connection, int]:
    """The thread block that receives from each connection."""
    senders = _ends(program, SENDS, "sends to", lambda rank, block: (rank, block.send, block.channel))
    readers = _ends(program, RECEIVES, "receives from", lambda rank, block: (block.recv, rank, block.channel))
    for key in senders | readers:
        src, dst, channel = key
        sent = _count(program, src, senders.get(key), SENDS)
        received = _count(program, dst, readers.get(key), RECEIVES)
        if sent != received:
            rank, number = (src, senders[key]) if key in senders else (dst, readers[key])
            raise wrong(
                f"gpu {src} sends {sent} times to gpu {dst} on channel {channel}, which receives {received}"
                " times",
                program.blocks[rank][number].span,
            )
    return readers


def _ends(
    program: Program, types: frozenset[str], word: str, connection: Callable[[int, Block], Connection]
) -> dict[Connection, int]:
    """The one thread block at this end of each connection."""
    found: dict[Connection, int] = {}
    for rank, own in enumerate(program.blocks):
        for number, block in enumerate(own):
            if not any(step.type in types for step in block.steps):
                continue
            key = connection(rank, block)
            if key in found:
                peer = key[0] if key[1] == rank else key[1]
                raise wrong(f"tb {found[key]} too {word} gpu {peer} on channel {block.channel}", block.span)
            found[key] = number
    return found


def _count(program: Program, rank: int, number: int | None, types: frozenset[str]) -> int:
    if number is None:
        return 0
    return sum(step.type in types for step in program.blocks[rank][number].steps)
