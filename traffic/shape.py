"""What an algorithm knows of its ranks: who shares a server, whose NIC is which, how messages are cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from raddle.workload import NOWHERE, Schedule

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a library cuts messages.

    Source of the defaults: NCCL, src/init.cc (4 MiB buffers of NCCL_STEPS = 8 steps for protocol Simple) and
    src/include/device.h (ALLREDUCE_SLICESTEPS and its like: a ring's slice is 2 of the 8 steps; trees send
    single steps). In-switch reduction works in chunks of 128 KiB (nvlsChunkSize, src/transport/nvls.cc), and
    so do sends over the network (NCCL_P2P_NET_CHUNKSIZE).

    Attributes:
        ring_slice_bytes, tree_slice_bytes, switch_slice_bytes: the largest part of a message that a rank
            passes on; 0: messages stay whole.
        least_slice_bytes: a ring's message that is no larger stays whole.
        block_slice_bytes: the largest part of an all-to-all's block that a rank passes on.
    """

    ring_slice_bytes: int = 1 << 20
    tree_slice_bytes: int = 1 << 19
    switch_slice_bytes: int = 1 << 17
    least_slice_bytes: int = 1 << 15
    block_slice_bytes: int = 1 << 17


WHOLE_MESSAGES = Protocol(0, 0, 0, 0, 0)
"""Nothing is cut."""


@dataclass(frozen=True, eq=False)
class Shape:
    """R ranks and what connects them.

    Attributes:
        domain: int32[R], scale-up domain of each rank; NOWHERE outside of any.
        rail: int32[R], number of the rank's NIC in its host; ranks with equal numbers share a rail.
        channels: how many parts the data has that go their own ways; each uses another rail where it can.
        protocol: how messages are cut.
        has_in_network: whether the switches of a domain sum and copy.
        host: int32[R], the host of each rank; None: a domain is one.
    """

    domain: NDArray[np.int32]
    rail: NDArray[np.int32]
    channels: int = 1
    protocol: Protocol = Protocol()
    has_in_network: bool = False
    host: NDArray[np.int32] | None = None

    @classmethod
    def flat(cls, ranks: int) -> Shape:
        """Ranks without domains that send whole messages on one channel."""
        nowhere = np.full(ranks, NOWHERE, np.int32)
        return cls(nowhere, np.zeros(ranks, np.int32), 1, WHOLE_MESSAGES)

    @classmethod
    def of_servers(cls, servers: int, accelerators: int, *, has_in_network: bool = False) -> Shape:
        """Equal servers, host by host, with a NIC and a channel for each accelerator."""
        domain = np.repeat(np.arange(servers, dtype=np.int32), accelerators)
        rail = np.tile(np.arange(accelerators, dtype=np.int32), servers)
        return cls(domain, rail, accelerators, has_in_network=has_in_network)

    @property
    def ranks(self) -> int:
        return len(self.domain)

    def is_inside(self, schedule: Schedule) -> NDArray[np.bool_]:
        """Of each flow, whether it stays in a domain."""
        domain = self.domain[schedule.src]
        inside: NDArray[np.bool_] = (domain == self.domain[schedule.dst]) & (domain != NOWHERE)
        return inside

    @cached_property
    def servers(self) -> tuple[Ints, ...]:
        """The ranks of each server (a domain, or a rank outside of any), by rank; by their first rank."""
        lone = self.domain == NOWHERE
        key = np.where(lone, self.ranks + np.arange(self.ranks), self.domain)
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        return tuple(sorted(np.split(order, starts[1:]), key=lambda ranks: int(ranks[0])))
