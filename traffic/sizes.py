"""Buffer sizes and bandwidths as nccl-tests defines them.

Source: nccl-tests 2.19, doc/PERFORMANCE.md, and in src/ each collective's GetCollByteCount and GetBw
and the loop over sizes in TimeTest (common.cu). GB is 1e9 bytes.
"""

from __future__ import annotations

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

_TRANSFERS = {"all_reduce": 2, "all_gather": 1, "reduce_scatter": 1, "all_to_all": 1}
"""How often each of the n - 1 other ranks' elements crosses the wire: busbw = algbw * this * (n-1)/n."""

_REDUCING = ("all_reduce", "reduce_scatter")


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


def buffer_size(collective: str, ranks: int, size_bytes: int) -> BufferSize:
    """What nccl-tests makes of a requested size: shares are rounded down, and may come to 0.

    Args:
        collective: `all_reduce`, `all_gather`, `reduce_scatter` or `all_to_all`.
    """
    elements = size_bytes // ELEMENT_BYTES
    redop = "sum" if collective in _REDUCING else "none"
    if collective == "all_reduce":
        return BufferSize(elements * ELEMENT_BYTES, elements, DATATYPE, redop, -1)
    share = elements // ranks // _ALIGN_ELEMENTS * _ALIGN_ELEMENTS
    return BufferSize(share * ranks * ELEMENT_BYTES, share, DATATYPE, redop, -1)


def split_elements(size_bytes: int, parts: int) -> NDArray[np.int64]:
    """Sizes in bytes of `parts` chunks of whole elements that differ by one element at most."""
    elements = size_bytes // ELEMENT_BYTES
    sizes = np.full(parts, elements // parts, np.int64)
    sizes[: elements % parts] += 1
    return sizes * ELEMENT_BYTES


def bus_factor(collective: str, ranks: int) -> float:
    """busbw / algbw: 2(n-1)/n for all_reduce, (n-1)/n for the others."""
    return _TRANSFERS[collective] * (ranks - 1) / ranks


def bandwidth_gbs(collective: str, ranks: int, size_bytes: int, time_ps: int) -> tuple[float, float]:
    """(algbw, busbw) in GB/s of a run of `time_ps` > 0 with buffers of `size_bytes` (the size column)."""
    algbw_gbs = size_bytes * 1000 / time_ps
    return algbw_gbs, algbw_gbs * bus_factor(collective, ranks)
