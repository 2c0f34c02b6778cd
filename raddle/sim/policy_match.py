"""Which policy of a switch every queue pair's packets match, found once per change and not per packet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from raddle.ecmp_hash import qp_headers
from raddle.state import PolicyState

Ints = NDArray[np.int64]


class PacketHeaders:
    """The headers of every queue pair's data (even rows) and of what comes back (odd rows).

    Args:
        addresses: address of every endpoint.
        src, dst: endpoints of each queue pair.
        seed: of the run; it decides the queue pair numbers.
        source_ports: see `qp_headers`.
    """

    def __init__(
        self,
        addresses: Sequence[int],
        src: NDArray[np.uint32],
        dst: NDArray[np.uint32],
        seed: int,
        source_ports: Ints | None,
    ) -> None:
        self._addresses = addresses
        # Both ports of a bond have one address: the first stands for them.
        self._endpoint = {address: len(addresses) - 1 - i for i, address in enumerate(reversed(addresses))}
        first = np.array([self._endpoint[address] for address in addresses], np.int64)
        self._ends = first[np.column_stack((src, dst))]
        self._seed, self._source_ports = seed, source_ports

    @cached_property
    def _numbers(self) -> tuple[Ints, Ints]:
        """Destination queue pair and UDP source port, by row."""
        ends, ports = qp_headers(len(self._ends), self._seed, self._source_ports)
        return ends[:, ::-1].reshape(-1), ports.reshape(-1)

    @cached_property
    def _by_ends(self) -> tuple[Ints, Ints]:
        """Rows sorted by destination and source, and destination * endpoints + source of each."""
        to = self._ends[:, ::-1].reshape(-1) * len(self._addresses) + self._ends.reshape(-1)
        order = np.argsort(to, kind="stable")
        return order, to[order]

    def match(self, policies: Sequence[PolicyState]) -> Ints:
        """Place of the first policy that each row matches, -1 where none does."""
        found = np.full(2 * len(self._ends), -1, np.int64)
        for place, policy in reversed(tuple(enumerate(policies))):
            found[self._rows(policy)] = place
        return found

    def _rows(self, policy: PolicyState) -> Ints:
        dst = self._endpoint.get(policy.dst)
        src = 0 if policy.src is None else self._endpoint.get(policy.src)
        if dst is None or src is None:
            return np.empty(0, np.int64)
        order, to = self._by_ends
        count = len(self._addresses)
        first = dst * count + src
        start, end = np.searchsorted(to, (first, first + (count if policy.src is None else 1)))
        rows = order[start:end]
        if policy.l4_src_port is not None:
            rows = rows[self._numbers[1][rows] == policy.l4_src_port]
        if policy.bth_qp is not None:
            rows = rows[self._numbers[0][rows] == policy.bth_qp]
        return rows
