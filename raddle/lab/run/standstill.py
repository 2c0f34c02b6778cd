"""For how long messages stand still after something has happened."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from raddle.sim import FLOW_STATUS, NEVER, Simulation

_ACTIVE = FLOW_STATUS.index("active")
_LEAST_PS = 10**6
_RESOLUTION = 100


class Standstill:
    """Looks at every queue pair after each hundredth of the time since the last instant given, at least 1 us.

    A queue pair stands still while a message of it is under way and no packet arrives in order. What is kept
    is the longest time of each, which is too short by up to the time between two looks at either end.

    Attributes:
        longest_ps: int64, by queue pair.
    """

    def __init__(self, simulation: Simulation, instants_ps: Iterable[int], qp: NDArray[np.int32]) -> None:
        self._instants_ps = sorted(set(instants_ps))
        self._simulation = simulation
        self._qp = qp
        self._from_ps = self.next_ps = self._instants_ps.pop(0) if self._instants_ps else NEVER
        count = int(qp.max(initial=-1)) + 1
        self._since_ps = np.full(count, self._from_ps, np.int64)
        self._received = np.zeros(count, np.uint64)
        self.longest_ps = np.zeros(count, np.int64)

    def take(self) -> None:
        """Look at the present instant."""
        now_ps = self._simulation.now_ps
        received = self._simulation.received_packets()
        is_active = np.zeros(len(received), np.bool_)
        is_active[self._qp[self._simulation.flows().status == _ACTIVE]] = True
        stands = is_active & (received == self._received)
        self._since_ps[~stands] = now_ps
        np.maximum(self.longest_ps, now_ps - self._since_ps, out=self.longest_ps)
        self._received = received
        self._look_again(now_ps)

    def _look_again(self, now_ps: int) -> None:
        if self._instants_ps and self._instants_ps[0] <= now_ps:
            self._from_ps = self._instants_ps.pop(0)
        after_ps = now_ps + max((now_ps - self._from_ps) // _RESOLUTION, _LEAST_PS)
        self.next_ps = min(after_ps, self._instants_ps[0]) if self._instants_ps else after_ps
