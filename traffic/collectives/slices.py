"""How many parts a message is cut into, so that a rank passes on what it has while the rest still comes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.sizes import FLOAT

STEPS = 8
"""Slices that NCCL's receivers have room for (NCCL_STEPS, src/include/device.h)."""

FILLING = 200
"""Filling a chain of hops takes at most 1/200 of the time that the chain then works for."""


def slices(message_bytes: int, slice_bytes: int, hops: int, messages: int = 1) -> int:
    """The number of parts of a message.

    They are as small as the library makes them, unless that is more than matters: a run of `messages`
    messages of m parts each over `hops` hops takes as long as messages * m parts and at most hops more, so
    that m = FILLING * hops / messages parts come within 0.5 % of ever finer ones.

    Args:
        slice_bytes: the library's; 0 leaves messages whole.
        hops: how many links a byte passes one after the other.
        messages: how many messages a link carries in a row.
    """
    if not slice_bytes:
        return 1
    return max(1, min(-(-message_bytes // slice_bytes), -(-FILLING * hops // messages)))


def buffered(part_bytes: int, slice_bytes: int) -> int:
    """How many parts a receiver has room for; 0: any number, of messages that the library leaves whole.

    As many bytes as STEPS of the library's slices, and two parts at least: one comes while the other goes.
    """
    if not slice_bytes:
        return 0
    return max(2, -(-STEPS * slice_bytes // max(1, part_bytes)))


def split_each(sizes: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Each size cut into `parts` of whole elements that differ by one at most, in a row."""
    whole, rest = np.divmod(sizes // FLOAT.bytes, parts)
    return ((whole[:, None] + (np.arange(parts) < rest[:, None])) * FLOAT.bytes).reshape(-1)
