"""What NCCL's protocols put on the wire.

Source: NCCL, src/device/prims_ll.h (LL: 4 bytes of data beside 4 of flag) and src/include/device.h
(NCCL_LL128_LINESIZE 128, of which 120 bytes are data).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PROTOCOLS = ("Simple", "LL", "LL128")

_LINES = {"Simple": (1, 1), "LL": (4, 8), "LL128": (120, 128)}
"""Bytes of data in a line, and of the line."""


def wire_bytes(size_bytes: NDArray[np.int64], protocol: str) -> NDArray[np.int64]:
    """What messages of so many bytes take, int64: whole lines."""
    data, line = _LINES[protocol]
    return -(-size_bytes // data) * line
