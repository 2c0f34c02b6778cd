"""What an MSCCL file says: the steps of each thread block of each accelerator.

Source: microsoft/msccl-tools, msccl/language/ir.py (ir_to_xml), and microsoft/msccl, src/include/msccl.h.
"""

from __future__ import annotations

from dataclasses import dataclass

from raddle.errors import SourceSpan

SENDS = frozenset({"s", "rcs", "rrs", "rrcs"})
"""Types of step that send to the thread block's `send` peer."""

RECEIVES = frozenset({"r", "rcs", "rrs", "rrc", "rrcs"})
"""Types of step that receive from its `recv` peer."""

REDUCES = frozenset({"rrs", "rrc", "rrcs", "re"})
"""Types of step that add to what they receive or copy."""

WRITES = frozenset({"r", "rcs", "rrc", "rrcs", "cpy", "re"})
"""Types of step that leave something in `dst`."""

TYPES = SENDS | RECEIVES | {"cpy", "re", "nop"}

Slot = tuple[str, int]
"""A buffer (`i`nput, `o`utput, `s`cratch) and the number of a chunk in it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `count` chunks from `src` on become, or are added to, those from `dst` on.

    `after` is the (thread block, step) of the same accelerator that comes first.
    """

    type: str
    src: Slot
    dst: Slot
    count: int
    after: tuple[int, int] | None
    span: SourceSpan


@dataclass(frozen=True, slots=True)
class Block:
    """A thread block: its steps run one after the other; peers are -1 where it has none."""

    send: int
    recv: int
    channel: int
    steps: tuple[Step, ...]
    span: SourceSpan


@dataclass(frozen=True, slots=True)
class Program:
    """A file: `blocks[rank]` are the thread blocks of each rank; `chunks` is how many a whole buffer has."""

    name: str
    collective: str
    is_in_place: bool
    protocol: str
    chunks: int
    blocks: tuple[tuple[Block, ...], ...]
    span: SourceSpan

    @property
    def ranks(self) -> int:
        return len(self.blocks)
