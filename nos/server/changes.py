"""Changes of a switch's CONFIG_DB, one after the other, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from raddle.nos.server.work import Work
from raddle.nos.switch import Change, SimulatedSwitch

FLAP_S = 0.1
"""Seconds of wall time for which the Generic Config Updater takes a port down; it takes longer on SONiC."""


async def at_once() -> None:
    """There is nothing to wait for."""


class Changes:
    """Makes changes of one switch. `settle` returns when the databases are everywhere what the switch has."""

    def __init__(
        self, switch: SimulatedSwitch, work: Work, settle: Callable[[], Awaitable[None]] = at_once
    ) -> None:
        self._switch = switch
        self._work = work
        self._settle = settle
        self._one_at_a_time = asyncio.Lock()

    async def make(self, peer: str, read: Callable[[], Change | None]) -> None:
        """Make the change that `read` reads, after those that came before; None is no change.

        Ports that the updater takes down for it are down for a while.

        Raises:
            raddle.nos.db.patch.PatchError: the change is refused; the switch is as it was.
            RpcError: the switch has too much to do, or the request cannot be read.
        """
        async with self._one_at_a_time:
            if (change := await self._work.run(peer, read, is_long=True)) is None:
                return
            if lowered := await self._work.run(peer, partial(self._switch.begin, change), is_long=True):
                await asyncio.sleep(FLAP_S)
                await self._work.run(peer, partial(self._switch.make, change, lowered), is_long=True)
            await self._settle()

    async def run(self, peer: str, call: Callable[[], None]) -> None:
        """Run what changes the switch past the updater, after the changes that came before."""
        async with self._one_at_a_time:
            await self._work.run(peer, call, is_long=True)
            await self._settle()
