"""Buffer sizes and bandwidths as nccl-tests defines them.

Source: nccl-tests 2.19, doc/PERFORMANCE.md, and in src/ each collective's GetCollByteCount and GetBw
and the loop over sizes in TimeTest (common.cu). GB is 1e9 bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.errors import InputError
from raddle.units import format_size

DATATYPE = "float"
"""nccl-tests' default datatype."""

ELEMENT_BYTES = 4
"""Size of one float."""

_ALIGN_ELEMENTS = 16 // ELEMENT_BYTES
"""A rank's share of all_gather, reduce_scatter and all_to_all is a multiple of 16 bytes."""


@dataclass(frozen=True, slots=True)
class BufferSize:
    """The first five columns of an nccl-tests row.

    Attributes:
        size_bytes: the larger of a rank's send and receive buffer.
        count: elements; of the whole buffer for all_reduce, else of one rank's share.
        datatype, redop, root: as printed (`float`, `sum` or `none`, -1 for no root).
    """

    size_bytes: int
    count: int
    datatype: str
    redop: str
    root: int


def sweep(min_bytes: int, max_bytes: int, factor: int) -> tuple[int, ...]:
    """Sizes that `-b MIN -e MAX -f FACTOR` runs: MIN, MIN * FACTOR, ... up to MAX, in bytes.

    Raises:
        InputError: MIN below one element or above MAX, or a factor that does not grow.
    """
    if min_bytes < ELEMENT_BYTES:
        raise InputError.of(
            "bad-size", f"the smallest size is {min_bytes} B; one float takes {ELEMENT_BYTES} B"
        )
    if min_bytes > max_bytes:
        raise InputError.of(
            "bad-size",
            f"the smallest size {format_size(min_bytes)} is above the largest {format_size(max_bytes)}",
            "-b is the smallest size, -e the largest",
        )
    if factor < 2 and min_bytes != max_bytes:
        raise InputError.of(
            "bad-factor", f"the factor between sizes is {factor}; it must be 2 or more", "use -f 2"
        )
    sizes = [min_bytes]
    while factor > 1 and sizes[-1] * factor <= max_bytes:
        sizes.append(sizes[-1] * factor)
    return tuple(sizes)


def whole_buffer(redop: str, root: int = -1) -> Callable[[int, int], BufferSize]:
    """The rounding of collectives whose ranks all have the whole buffer: down to whole elements."""

    def buffer(ranks: int, size_bytes: int) -> BufferSize:
        elements = size_bytes // ELEMENT_BYTES
        return BufferSize(elements * ELEMENT_BYTES, elements, DATATYPE, redop, root)

    return buffer


def shared_buffer(redop: str, root: int = -1) -> Callable[[int, int], BufferSize]:
    """The rounding of collectives whose buffer has a share for each rank: shares may come to 0."""

    def buffer(ranks: int, size_bytes: int) -> BufferSize:
        share = size_bytes // ELEMENT_BYTES // ranks // _ALIGN_ELEMENTS * _ALIGN_ELEMENTS
        return BufferSize(share * ranks * ELEMENT_BYTES, share, DATATYPE, redop, root)

    return buffer


def split_elements(size_bytes: int, parts: int) -> NDArray[np.int64]:
    """Sizes in bytes of `parts` chunks of whole elements that differ by one element at most."""
    elements = size_bytes // ELEMENT_BYTES
    sizes = np.full(parts, elements // parts, np.int64)
    sizes[: elements % parts] += 1
    return sizes * ELEMENT_BYTES
