"""Buffer sizes and bandwidths as nccl-tests defines them.

Source: nccl-tests 2.19, doc/PERFORMANCE.md, and in src/ each collective's GetCollByteCount and GetBw
and the loop over sizes in TimeTest (common.cu). GB is 1e9 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from raddle.errors import InputError
from raddle.units import format_size

DATATYPES = {
    "int8": 1, "uint8": 1, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
    "half": 2, "float": 4, "double": 8, "bfloat16": 2, "f8e4m3": 1, "f8e5m2": 1,
}  # fmt: skip
"""Bytes of an element of each datatype, by nccl-tests' names."""

REDOPS = ("sum", "prod", "max", "min", "avg", "mulsum")
"""Reductions, by nccl-tests' names. They take the same bytes to the same places."""

_SHARE_ALIGNMENT_BYTES = 16
"""A rank's share of all_gather, reduce_scatter, all_to_all, gather and scatter is a multiple of this."""


@dataclass(frozen=True, slots=True)
class Elements:
    """What buffers hold: a datatype, and the reduction of collectives that reduce."""

    datatype: str = "float"
    redop: str = "sum"

    @property
    def bytes(self) -> int:
        """Of one element."""
        return DATATYPES[self.datatype]


MAX_SIZES = 10_000
"""Of one sweep; more are a mistake in the step."""

FLOAT = Elements()
"""nccl-tests' defaults."""


@dataclass(frozen=True, slots=True)
class BufferSize:
    """The first five columns of an nccl-tests row.

    Attributes:
        size_bytes: the larger of a rank's send and receive buffer.
        count: elements; of the whole buffer for all_reduce, else of one rank's share.
        datatype, redop, root: as printed (`none`: nothing is reduced; -1: no root).
    """

    size_bytes: int
    count: int
    datatype: str
    redop: str
    root: int


def sweep(
    min_bytes: int,
    max_bytes: int,
    factor: int,
    step_bytes: int | None = None,
    element_bytes: int = FLOAT.bytes,
) -> tuple[int, ...]:
    """Sizes that `-b MIN -e MAX -f FACTOR` or `-b MIN -e MAX -i STEP` runs, in bytes.

    They are MIN, then FACTOR times or STEP more than the one before, up to MAX.

    Raises:
        InputError: MIN below one element or above MAX, a factor or a step that does not grow, or a step that
            makes more than MAX_SIZES sizes.
    """
    if min_bytes < element_bytes:
        raise InputError.of(
            "bad-size", f"the smallest size is {min_bytes} B; one element takes {element_bytes} B"
        )
    if min_bytes > max_bytes:
        raise InputError.of(
            "bad-size",
            f"the smallest size {format_size(min_bytes)} is above the largest {format_size(max_bytes)}",
            "-b is the smallest size, -e the largest",
        )
    if step_bytes is not None:
        return _stepped(min_bytes, max_bytes, step_bytes)
    if factor < 2 and min_bytes != max_bytes:
        raise InputError.of(
            "bad-factor",
            f"the factor between sizes is {factor}; it must be 2 or more",
            "use -f 2, or -i for a fixed step",
        )
    sizes = [min_bytes]
    while factor > 1 and sizes[-1] * factor <= max_bytes:
        sizes.append(sizes[-1] * factor)
    return tuple(sizes)


def _stepped(min_bytes: int, max_bytes: int, step_bytes: int) -> tuple[int, ...]:
    sizes = range(min_bytes, max_bytes + 1, max(step_bytes, 1))
    if step_bytes < 1 or len(sizes) > MAX_SIZES:
        what = "is not above 0" if step_bytes < 1 else f"makes {len(sizes)} sizes, at most {MAX_SIZES}"
        raise InputError.of("bad-step", f"the step of {step_bytes} B between sizes {what}", "use -i 1M")
    return tuple(sizes)


class Buffer(Protocol):
    """What nccl-tests makes of a requested size in bytes among so many ranks."""

    def __call__(self, ranks: int, size_bytes: int, elements: Elements = FLOAT) -> BufferSize: ...


def whole_buffer(redop: str, root: int = -1) -> Buffer:
    """The rounding of collectives whose ranks all have the whole buffer: down to whole elements.

    Args:
        redop: `none` where nothing is reduced and none is printed, else that of the elements is.
    """

    def buffer(ranks: int, size_bytes: int, elements: Elements = FLOAT) -> BufferSize:
        count = size_bytes // elements.bytes
        return _sized(count * elements.bytes, count, elements, redop, root)

    return buffer


def shared_buffer(redop: str, root: int = -1) -> Buffer:
    """The rounding of collectives whose buffer has a share for each rank: shares may come to 0."""

    def buffer(ranks: int, size_bytes: int, elements: Elements = FLOAT) -> BufferSize:
        aligned = _SHARE_ALIGNMENT_BYTES // elements.bytes
        share = size_bytes // elements.bytes // ranks // aligned * aligned
        return _sized(share * ranks * elements.bytes, share, elements, redop, root)

    return buffer


def _sized(size_bytes: int, count: int, elements: Elements, redop: str, root: int) -> BufferSize:
    printed = redop if redop == "none" else elements.redop
    return BufferSize(size_bytes, count, elements.datatype, printed, root)


def split_elements(size_bytes: int, parts: int, element_bytes: int = FLOAT.bytes) -> NDArray[np.int64]:
    """Sizes in bytes of `parts` chunks of whole elements that differ by one element at most."""
    elements = size_bytes // element_bytes
    sizes = np.full(parts, elements // parts, np.int64)
    sizes[: elements % parts] += 1
    return sizes * element_bytes
