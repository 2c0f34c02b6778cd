"""How even the rates of queue pairs are as time goes by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.sim import Simulation

_LEAST_PS = 10**7
_MOST_LOOKS = 2048
_WINDOWS = 100


class Rates:
    """Looks at what every queue pair has received, every 10 us and later half as often.

    Attributes:
        times_ps: of the looks, from 0 on.
        received: packets by then, a row of queue pairs for each look.
    """

    def __init__(self, simulation: Simulation, queue_pairs: int) -> None:
        self._simulation = simulation
        self._every_ps = _LEAST_PS
        self.next_ps = _LEAST_PS
        self.times_ps = [0]
        self.received = [np.zeros(queue_pairs, np.uint64)]

    def take(self) -> None:
        """Look at the present instant."""
        self.times_ps.append(self._simulation.now_ps)
        self.received.append(self._simulation.received_packets().copy())
        if len(self.times_ps) > _MOST_LOOKS:
            self.times_ps, self.received = self.times_ps[::2], self.received[::2]
            self._every_ps *= 2
        self.next_ps = self._simulation.now_ps + self._every_ps

    def converged_ps(
        self, queue_pairs: NDArray[np.int32], from_ps: int, until_ps: int, least: float
    ) -> int | None:
        """How long until Jain's index of these queue pairs' rates is at least so high, and stays there.

        Rates are those of windows of a hundredth of the time from `from_ps` until `until_ps`, or of the time
        between two looks where that is longer.

        Returns:
            From `from_ps` to the end of the last window below; 0 where none is; None where it is the last.
        """
        times = np.array(self.times_ps)
        inside = np.flatnonzero((times >= from_ps) & (times <= until_ps))
        if len(inside) < 2:
            return None
        stride = max(1, len(inside) // _WINDOWS)
        looks = inside[::stride]
        counts = np.stack([self.received[look][queue_pairs] for look in looks]).astype(np.float64)
        index = jain(np.diff(counts, axis=0))
        below = np.flatnonzero(index < least)
        if not len(below):
            return 0
        last = int(below[-1])
        return None if last == len(index) - 1 else int(times[looks[last + 1]]) - from_ps


def jain(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Jain's index along the last axis, (sum x)^2 / (n sum x^2); 1 where all are 0.

    Source: Jain, Chiu, Hawe, DEC-TR-301, 1984.
    """
    squares = (rates**2).sum(axis=-1) * rates.shape[-1]
    sums = rates.sum(axis=-1) ** 2
    index: NDArray[np.float64] = np.divide(sums, squares, out=np.ones_like(sums), where=squares > 0)
    return index
