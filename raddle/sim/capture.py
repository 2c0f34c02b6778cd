"""Traced frames of a simulation, written out as they come, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from raddle.sim import pcapng
from raddle.sim.simulation import Simulation
from raddle.topology.model import PortRef
from raddle.workload import Schedule


class Capture:
    """Records what chosen ports send, and what their peers send to them, as pcapng."""

    def __init__(
        self,
        simulation: Simulation,
        schedule: Schedule,
        seed: int,
        ports: Sequence[PortRef],
        write: Callable[[bytes], object],
    ) -> None:
        self._simulation, self._write = simulation, write
        self._schedule, self._seed = schedule, seed
        self._pairs: dict[int, pcapng.QueuePair] = {}
        self._interface: dict[int, int] = {}
        self._peer: dict[int, int] = {}
        for port in ports:
            link = simulation.fabric.link_by_port[port]
            ends = [simulation.port_index[end] for end in (link.a, link.b)]
            for here, there in (ends, ends[::-1]):
                self._peer[here] = there
                self._interface.setdefault(here, len(self._interface))
                simulation.set_traced(here)
        write(pcapng.header([str(simulation.port_names[port]) for port in self._interface]))

    def drain(self) -> None:
        """Write what has been sent since the last call."""
        columns = self._simulation.take_trace()
        for qp in np.unique(columns.qp[columns.kind != pcapng.PFC]).tolist():
            if qp not in self._pairs:
                self._pairs[qp] = self._queue_pair(qp)
        for block in pcapng.frames(columns, self._interface, self._peer, self._pairs):
            self._write(block)

    def _queue_pair(self, qp: int) -> pcapng.QueuePair:
        flows = np.flatnonzero(self._schedule.qp == qp)
        mtu = self._simulation.fabric.roce.mtu_bytes
        packets = np.maximum(-(-self._schedule.size_bytes[flows] // mtu), 1)
        addresses, ports = self._simulation.qp_addresses(qp), self._simulation.qp_source_ports(qp)
        return pcapng.queue_pair(qp, self._seed, addresses, ports, packets.tolist())
