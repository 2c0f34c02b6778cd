"""Seats of some of a job's ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.workload import Seats


def seats_at(seats: Seats, ranks: NDArray[np.integer[Any]]) -> Seats:
    """The seats of these ranks, in their order."""
    starts = seats.endpoint_offsets[ranks]
    counts = seats.endpoint_offsets[ranks + 1] - starts
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Seats(
        accelerator=seats.accelerator[ranks],
        endpoint_offsets=offsets,
        endpoints=seats.endpoints[np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)],
        domain=seats.domain[ranks],
    )
