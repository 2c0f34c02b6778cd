"""A program as an algorithm of a collective."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives.record import Algorithm, Collective, Pairs
from raddle.traffic.msccl.order import Message, messages, wrong
from raddle.traffic.msccl.program import Program
from raddle.traffic.msccl.read import read_msccl
from raddle.traffic.msccl.replay import FRAMES, count_wrong
from raddle.traffic.protocol import wire_bytes
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import FLOAT, BufferSize, Elements, split_elements
from raddle.workload import COPY, REDUCE, Schedule

PIECE_BYTES = 2 << 20
"""A program runs once for each piece of so many bytes of its chunks: MSCCL_CHUNKSTEPS, 4 steps of 512 KiB."""

MAX_MESSAGES = 400_000
"""Pieces are larger where they would be more messages than this."""

_ALIGNMENT_BYTES = 16


def from_file(collective: Collective, path: Path) -> Algorithm:
    """What a file says how to run the collective.

    Raises:
        InputError: `bad-schedule`, `no-schedule`: see `read_msccl`; or it is of another collective.
    """
    program = read_msccl(path)
    name = program.collective.replace("_", "")
    if collective.name not in FRAMES or name not in (collective.name.replace("_", ""), *collective.aliases):
        raise wrong(f"this is a schedule of '{program.collective}', not of {collective.name}", program.span)
    if collective.name != "all_reduce" and program.chunks % program.ranks:
        raise wrong(
            f"{program.chunks} chunks are not the same number for each of {program.ranks} ranks", program.span
        )
    imported = _Imported(program, collective, str(path))
    return Algorithm(
        name=str(path),
        schedule=imported.schedule,
        flows=lambda shape, size_bytes: len(imported.once) * imported.pieces(size_bytes),
        pairs=lambda shape: imported.pairs(),
        refuses=lambda shape: "" if shape.ranks == program.ranks else f"the file is of {program.ranks} ranks",
        buffer=imported.buffer,
        judge=imported.judge,
    )


class _Imported:
    def __init__(self, program: Program, collective: Collective, file: str) -> None:
        self.program, self.collective, self.file = program, collective, file
        self._sent: tuple[int, list[Message]] = (1, self.once)

    @cached_property
    def once(self) -> list[Message]:
        """The messages of one piece."""
        return messages(self.program, 1)

    def sent(self, pieces: int) -> list[Message]:
        if self._sent[0] != pieces:
            self._sent = pieces, messages(self.program, pieces)
        return self._sent[1]

    def buffer(self, ranks: int, size_bytes: int, elements: Elements = FLOAT) -> BufferSize:
        """The collective's, down to chunks of whole elements."""
        row = self.collective.buffer(ranks, size_bytes, elements)
        unit = self.program.chunks * _ALIGNMENT_BYTES
        size_bytes = row.size_bytes // unit * unit
        count = row.count * size_bytes // row.size_bytes if row.size_bytes else 0
        return BufferSize(size_bytes, count, row.datatype, row.redop, row.root)

    def pieces(self, size_bytes: int) -> int:
        chunk_bytes = size_bytes // self.program.chunks
        return max(1, min(-(-chunk_bytes // PIECE_BYTES), MAX_MESSAGES // max(1, len(self.once))))

    def pairs(self) -> Iterator[Pairs]:
        """Those of each round of one piece."""
        rounds = np.array([each.round for each in self.once])
        src, dst = (np.array([getattr(each, end) for each in self.once]) for end in ("src", "dst"))
        return ((src[rounds == each], dst[rounds == each]) for each in np.unique(rounds))

    def schedule(self, shape: Shape, size_bytes: int) -> Schedule:
        """Piece by piece; chunk `piece * width + n` is that piece of the chunk n of the sender's buffer."""
        size_bytes = self.buffer(shape.ranks, size_bytes).size_bytes
        sent = self.sent(self.pieces(size_bytes))
        piece_bytes = split_elements(size_bytes // self.program.chunks, self.pieces(size_bytes))
        width = max(each.step.count + _place(each) for each in sent)
        piece = np.array([each.piece for each in sent])
        count = np.array([each.step.count for each in sent], np.int32)
        after = [len(each.after) for each in sent]
        return Schedule(
            name=f"{self.collective.name} {self.file}",
            ranks=shape.ranks,
            src=np.array([each.src for each in sent], np.int32),
            dst=np.array([each.dst for each in sent], np.int32),
            size_bytes=wire_bytes(piece_bytes[piece] * count, self.program.protocol),
            step=np.array([each.round for each in sent], np.int32),
            qp=np.array([each.connection for each in sent], np.int32),
            dep_offsets=np.concatenate([[0], np.cumsum(after)]).astype(np.int64),
            dep_ids=np.array([other for each in sent for other in each.after], np.int32),
            chunk=(piece * width + np.array([_place(each) for each in sent])).astype(np.int32),
            chunk_count=count,
            op=np.array([REDUCE if each.adds else COPY for each in sent], np.int8),
            fan=np.zeros(len(sent), np.int32),
            chunk_bytes=np.repeat(piece_bytes, width),
        )

    def judge(
        self,
        schedule: Schedule,
        start_ps: NDArray[np.int64],
        finish_ps: NDArray[np.int64],
        element_bytes: int,
    ) -> int:
        """Wrong elements, found by running the file's steps at the times of its messages."""
        width = max(each.step.count + _place(each) for each in self.once)
        piece_bytes = schedule.chunk_bytes[::width]
        sent = self.sent(len(piece_bytes))
        wrong_pieces = count_wrong(self.program, self.collective.name, sent, start_ps, finish_ps)
        return sum(int(piece_bytes[piece]) * count // element_bytes for piece, count in wrong_pieces.items())


def _place(message: Message) -> int:
    """The sender's chunk; where it passes on what comes, the one that it keeps."""
    return (
        max(message.step.src[1], message.step.dst[1], 0) if message.step.src[1] < 0 else message.step.src[1]
    )
