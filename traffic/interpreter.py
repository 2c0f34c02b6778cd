"""Replays a simulated schedule on buffers that remember whose data they hold.

This is where `#wrong` comes from: the replay knows only when flows started and finished, so a flow that
is missing, late or started before the data it forwards was there leaves wrong elements behind.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives.record import Collective
from raddle.traffic.sizes import FLOAT
from raddle.workload import COPY, Schedule

# A chunk's content is a bit set in an int: bit r says that rank r's contribution is in it, bit `ranks`
# that some contribution was added twice. Ints are immutable, so that a snapshot is a reference.
# Buffers are dicts from rank * chunks + chunk to content; what is not there is empty (0).


def count_wrong(
    schedule: Schedule,
    collective: Collective,
    start_ps: NDArray[np.int64],
    finish_ps: NDArray[np.int64],
    element_bytes: int = FLOAT.bytes,
) -> int:
    """Elements that are not what the collective promises, summed over ranks, as nccl-tests' #wrong.

    A flow carries what its sender holds at its start, and changes the receiver's buffer at its finish.
    At one instant flows finish before others start.

    Args:
        start_ps: when each flow's first byte may be read from the sender's buffer; -1: never.
        finish_ps: when each flow's last byte is at the receiver, after its start; -1: never.
    """
    held = dict(collective.held(schedule.ranks, len(schedule.chunk_bytes)))
    _replay(schedule, held, start_ps, finish_ps)
    elements = (schedule.chunk_bytes // element_bytes).tolist()
    chunks = len(elements)
    promised = collective.promised(schedule.ranks, chunks)
    return sum(elements[cell % chunks] for cell, content in promised if held.get(cell, 0) != content)


def _replay(
    schedule: Schedule, held: dict[int, int], start_ps: NDArray[np.int64], finish_ps: NDArray[np.int64]
) -> None:
    """Apply all flows to the buffers `held`, in the order of time."""
    chunks = len(schedule.chunk_bytes)
    src_cell = (schedule.src.astype(np.int64) * chunks + schedule.chunk).tolist()
    dst_cell = (schedule.dst.astype(np.int64) * chunks + schedule.chunk).tolist()
    chunk_count = schedule.chunk_count.tolist()
    copies = (schedule.op == COPY).tolist()
    doubled = 1 << schedule.ranks
    in_flight: dict[int, list[int]] = {}
    for event in _events(start_ps, finish_ps):
        flow = event >> 1
        if event & 1:
            cells = range(src_cell[flow], src_cell[flow] + chunk_count[flow])
            in_flight[flow] = [held.get(cell, 0) for cell in cells]
            continue
        for cell, content in enumerate(in_flight.pop(flow), dst_cell[flow]):
            if copies[flow]:
                held[cell] = content
            else:
                mine = held.get(cell, 0)
                held[cell] = mine | content | (doubled if mine & content else 0)


def _events(start_ps: NDArray[np.int64], finish_ps: NDArray[np.int64]) -> list[int]:
    """Starts (2 * flow + 1) and finishes (2 * flow), by time, then finishes first, then by flow."""
    assert np.all((finish_ps < 0) | ((start_ps >= 0) & (finish_ps > start_ps)))
    flows = np.arange(len(start_ps))
    started, finished = start_ps >= 0, finish_ps >= 0
    times = np.concatenate([finish_ps[finished], start_ps[started]])
    events = np.concatenate([2 * flows[finished], 2 * flows[started] + 1])
    order: list[int] = events[np.lexsort((events >> 1, events & 1, times))].tolist()
    return order
