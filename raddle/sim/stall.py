"""Notices that a run cannot get on, though pauses are renewed and watched for ever."""

from __future__ import annotations

import weakref
from dataclasses import astuple
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raddle.sim.columns import PacketCounts

if TYPE_CHECKING:
    from raddle.sim.simulation import Simulation

_LONGEST_WATCH_PS = 10 * 10**12
"""Twice the longest detection time of a PFC watchdog, 5 s (SONiC's PFC_WD)."""


class StallGuard:
    """Compares what has moved between two looks.

    A timeout may move packets again, and so does the end of a delay; so silence counts from twice the one and
    the longest other on. After that a deadlock that no watchdog breaks is final, and so is any silence that
    outlasts the watchdogs too.
    """

    def __init__(self, simulation: Simulation, last_start_ps: int, longest_delay_ps: int) -> None:
        self._simulation = weakref.proxy(simulation)  # which holds this: a circle would keep the engine
        self._moved_ps = last_start_ps
        self._moved = self._moved_so_far()
        self._timeout_ps = 2 * simulation.fabric.hosts[0].nic_model.rto_ps + longest_delay_ps

    def _moved_so_far(self) -> tuple[PacketCounts, int]:
        return self._simulation.packets, self._simulation.inside_bytes

    def saved(self) -> NDArray[np.int64]:
        """What it knows, for `restore`."""
        return np.array([self._moved_ps, *astuple(self._moved[0]), self._moved[1]], np.int64)

    def restore(self, saved: NDArray[np.int64]) -> None:
        self._moved_ps, *packets, inside = saved.tolist()
        self._moved = PacketCounts(*packets), inside

    def is_stalled(self) -> bool:
        simulation = self._simulation
        if (moved := self._moved_so_far()) != self._moved:
            self._moved = moved
            self._moved_ps = max(self._moved_ps, simulation.now_ps)
            return False
        quiet_ps = simulation.now_ps - self._moved_ps - self._timeout_ps
        if quiet_ps > _LONGEST_WATCH_PS:
            return True
        return quiet_ps > 0 and not simulation.has_watchdogs and bool(simulation.find_deadlock())
