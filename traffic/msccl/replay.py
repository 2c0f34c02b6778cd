"""Runs a program at the times of its messages, on buffers that remember whose data they hold.

Contents are sums of random numbers, one for each chunk of each rank's input: see raddle.traffic.interpreter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.splitmix import splitmix64
from raddle.traffic.msccl.order import Message
from raddle.traffic.msccl.program import RECEIVES, REDUCES, SENDS, WRITES, Program, Slot, Step

_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a collective's data is, among n ranks with k chunks for each (`chunks / n`).

    Attributes:
        inputs: how many chunks of input a rank has; promise: output chunk -> (rank, chunk) of the inputs that
            it must hold the sum of.
        alias: in place, the one buffer that a slot of another is in.
    """

    inputs: Callable[[int, int], int]
    promise: Callable[[int, int, int], dict[int, list[tuple[int, int]]]]
    alias: Callable[[int, int, Slot], Slot]


def _all(ranks: int, chunk: int) -> list[tuple[int, int]]:
    return [(rank, chunk) for rank in range(ranks)]


FRAMES = {
    "all_reduce": _Frame(
        inputs=lambda ranks, chunks: chunks,
        promise=lambda rank, ranks, chunks: {chunk: _all(ranks, chunk) for chunk in range(chunks)},
        alias=lambda rank, share, slot: ("i", slot[1]) if slot[0] == "o" else slot,
    ),
    "all_gather": _Frame(
        inputs=lambda ranks, chunks: chunks // ranks,
        promise=lambda rank, ranks, chunks: {
            chunk: [divmod(chunk, chunks // ranks)] for chunk in range(chunks)
        },
        alias=lambda rank, share, slot: ("o", rank * share + slot[1]) if slot[0] == "i" else slot,
    ),
    "reduce_scatter": _Frame(
        inputs=lambda ranks, chunks: chunks,
        promise=lambda rank, ranks, chunks: {
            chunk: _all(ranks, rank * (chunks // ranks) + chunk) for chunk in range(chunks // ranks)
        },
        alias=lambda rank, share, slot: ("i", rank * share + slot[1]) if slot[0] == "o" else slot,
    ),
    "all_to_all": _Frame(
        inputs=lambda ranks, chunks: chunks,
        promise=lambda rank, ranks, chunks: {
            chunk: [(chunk // (chunks // ranks), rank * (chunks // ranks) + chunk % (chunks // ranks))]
            for chunk in range(chunks)
        },
        alias=lambda rank, share, slot: ("i", slot[1]) if slot[0] == "o" else slot,
    ),
}
"""The collectives that files may be of."""


class _Replay:
    def __init__(self, program: Program, collective: str, sent: Sequence[Message]) -> None:
        self.program, self.frame, self.sent = program, FRAMES[collective], sent
        self.share = max(1, program.chunks // program.ranks)
        self.pieces = 1 + max(each.piece for each in sent)
        words = splitmix64(1)
        inputs = self.frame.inputs(program.ranks, program.chunks)
        self.data = [[next(words) for _ in range(inputs)] for _ in range(program.ranks)]
        self.held: list[dict[tuple[Slot, int], int]] = [{} for _ in range(program.ranks)]
        for rank, own in enumerate(self.data):
            for chunk, word in enumerate(own):
                for piece in range(self.pieces):
                    self.held[rank][self.slot(rank, ("i", chunk)), piece] = word
        self.done = [[0] * len(blocks) for blocks in program.blocks]
        self.incoming = {(each.dst, *each.received_by): number for number, each in enumerate(sent)}
        self.carried: dict[int, list[int]] = {}
        self.arrived: dict[int, list[int]] = {}
        self.passed_on: dict[tuple[int, int, int], list[int]] = {}
        self.started: set[tuple[int, int, int]] = set()

    def slot(self, rank: int, slot: Slot) -> Slot:
        return self.frame.alias(rank, self.share, slot) if self.program.is_in_place else slot

    def read(self, rank: int, slot: Slot, count: int, piece: int) -> list[int]:
        held = self.held[rank]
        return [held.get((self.slot(rank, (slot[0], slot[1] + k)), piece), 0) for k in range(count)]

    def start(self, number: int) -> None:
        """A message takes its data from where it stands, or from what its step has just received."""
        message = self.sent[number]
        key = message.src, *message.sent_by
        step = message.step
        if step.type == "s":
            self.carried[number] = self.read(message.src, step.src, step.count, message.piece)
        else:
            self.carried[number] = self.passed_on.pop(key, [0] * step.count)
        self.started.add(key)
        self.go_on(message.src)

    def finish(self, number: int) -> None:
        self.arrived[number] = self.carried.pop(number)
        self.go_on(self.sent[number].dst)

    def go_on(self, rank: int) -> None:
        """Every thread block of a rank does what it can."""
        blocks = range(len(self.done[rank]))
        while any(self._advance(rank, number) for number in blocks):
            pass

    def _advance(self, rank: int, number: int) -> bool:
        steps, place = self.program.blocks[rank][number].steps, self.done[rank][number]
        if place >= len(steps) * self.pieces:
            return False
        step, piece = steps[place % len(steps)], place // len(steps)
        key = rank, number, place
        if key not in self.passed_on and key not in self.started and not self._do(step, key, piece):
            return False
        if step.type in SENDS:
            if key not in self.started:
                return False
            self.started.remove(key)
        self.done[rank][number] += 1
        return True

    def _do(self, step: Step, key: tuple[int, int, int], piece: int) -> bool:
        """What a step does beside sending; False where it must wait."""
        rank = key[0]
        if step.after:
            block, place = step.after
            if self.done[rank][block] <= piece * len(self.program.blocks[rank][block].steps) + place:
                return False
        if step.type in ("s", "nop"):
            return True
        if step.type in RECEIVES:
            if self.incoming[key] not in self.arrived:
                return False
            data = self.arrived.pop(self.incoming[key])
            mine = step.src
        else:
            data = self.read(rank, step.src, step.count, piece)
            mine = step.dst
        if step.type in REDUCES:
            own = self.read(rank, mine, step.count, piece)
            data = [(a + b) & _MASK for a, b in zip(data, own, strict=True)]
        if step.type in WRITES:
            for k, value in enumerate(data):
                self.held[rank][self.slot(rank, (step.dst[0], step.dst[1] + k)), piece] = value
        if step.type in SENDS:
            self.passed_on[key] = data
        return True

    def wrong(self) -> Counter[int]:
        """How many chunks of each piece are not what they must be, over all ranks."""
        found: Counter[int] = Counter()
        for rank in range(self.program.ranks):
            promise = self.frame.promise(rank, self.program.ranks, self.program.chunks)
            for chunk, parts in promise.items():
                right = sum(self.data[other][each] for other, each in parts) & _MASK
                slot = self.slot(rank, ("o", chunk))
                for piece in range(self.pieces):
                    found[piece] += self.held[rank].get((slot, piece), 0) != right
        return found


def count_wrong(
    program: Program,
    collective: str,
    sent: Sequence[Message],
    start_ps: NDArray[np.int64],
    finish_ps: NDArray[np.int64],
) -> Counter[int]:
    """Wrong chunks of each piece, where messages started and finished at these times (-1: never).

    Steps that only copy or add take no time. At one instant messages finish before others start.
    """
    replay = _Replay(program, collective, sent)
    for rank in range(program.ranks):
        replay.go_on(rank)
    finished, started = np.flatnonzero(finish_ps >= 0), np.flatnonzero(start_ps >= 0)
    times = np.concatenate([finish_ps[finished], start_ps[started]])
    events = np.concatenate([2 * finished, 2 * started + 1])[np.argsort(times, kind="stable")]
    for event in events.tolist():
        if event & 1:
            replay.start(event >> 1)
        else:
            replay.finish(event >> 1)
    return replay.wrong()
