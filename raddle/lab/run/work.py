"""A workload over queue pairs, with what the engine is to know of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.model import Plan
from raddle.lab.run.settings import RunSettings, train_frames
from raddle.lab.workloads.connections import connect
from raddle.lab.workloads.source_ports import source_ports
from raddle.sim import Simulation
from raddle.state import SwitchState
from raddle.topology.model import Fabric, LosslessClass
from raddle.workload import NOWHERE, Sent, Workload, first_flows

Engine = TypeVar("Engine", bound=Simulation)

_Ints = NDArray[np.int64]
_Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A workload on switches, of which any engine can be made.

    Attributes:
        ports: UDP source ports of the queue pairs; None: those that follow from their numbers.
    """

    fabric: Fabric
    states: Mapping[str, SwitchState]
    workload: Workload
    settings: RunSettings
    ports: _Ints | None
    sent: Sent
    stripes: traffic.Striped

    @classmethod
    def of(
        cls,
        fabric: Fabric,
        states: Mapping[str, SwitchState],
        workload: Workload,
        settings: RunSettings,
        plan: Plan | None,
        ports: _Ints | None,
    ) -> Work:
        """The workload over connections; where `ports` are None, the plan gives some, if it does."""
        schedule = traffic.repeated(workload.schedule, workload.repeat)
        sent, stripes = connect(fabric, workload.seats, schedule)
        if ports is None and plan:
            ports = source_ports(fabric, plan, sent)
        return cls(fabric, states, workload, settings, ports, sent, stripes)

    @property
    def start_ps(self) -> _Ints | None:
        """int64, the earliest start of each flow; None: 0. A straggler's that wait for nothing are late."""
        work = self.workload
        stragglers = [fault for fault in self.settings.faults if fault.what == "straggler"]
        if work.start_ps is None and not stragglers:
            return None
        start_ps = np.zeros(work.repeat * work.schedule.flows, np.int64)
        start_ps[: work.schedule.flows] = work.starts_ps
        is_first = np.diff(self.sent.schedule.dep_offsets) == 0
        start_ps = self.stripes.spread(start_ps)
        planned_ps = start_ps.copy()
        for fault in stragglers:
            during = (fault.from_ps <= planned_ps) & (planned_ps < fault.until_ps) & is_first
            start_ps += np.where(during & self._is_from(fault.port.device), int(fault.value), 0)
        return start_ps

    @property
    def delay_ps(self) -> _Ints | None:
        """int64, the delay of each flow; None: 0."""
        delay_ps = self.workload.delay_ps
        return None if delay_ps is None else self.stripes.spread(np.tile(delay_ps, self.workload.repeat))

    def delays_with(self, late_ps: Mapping[str, int]) -> _Ints:
        """int64, the delay of each flow where hosts are so much later than they would be."""
        delay_ps = self.delay_ps
        delay_ps = np.zeros(self.sent.schedule.flows, np.int64) if delay_ps is None else delay_ps.copy()
        for host, late in late_ps.items():
            delay_ps += np.where(self._is_from(host), late, 0)
        return delay_ps

    def _is_from(self, host: str) -> NDArray[np.bool_]:
        """Of each flow, whether it is a message that a rank on this host sends."""
        first, schedule = self.workload.seats.first_endpoint, self.sent.schedule
        hosts = np.array(
            [self.fabric.hosts[endpoint.host].name == host for endpoint in self.fabric.endpoints]
        )
        is_there = np.where(first == NOWHERE, False, hosts[first])
        there: NDArray[np.bool_] = is_there[schedule.src] & (schedule.src != schedule.dst)
        return there

    def simulation(self, kind: Callable[..., Engine], flows: int | None = None) -> Engine:
        """An engine before its first event, with so many of the first flows, or all."""
        start_ps, delay_ps = self.start_ps, self.delay_ps
        dscp, priority = self._classes()
        engine = kind(
            self.fabric,
            endpoint_addresses(self.fabric),
            self.states,
            self.sent if flows is None else first_flows(self.sent, flows),
            self.settings.seed,
            start_ps=None if start_ps is None else start_ps[:flows],
            source_ports=self.ports,
            dscp=dscp,
            priority=priority,
            delay_ps=None if delay_ps is None else delay_ps[:flows],
            threads=self.settings.threads,
            train=train_frames(self.settings.fidelity),
        )
        if self.workload.owner is not None and engine.counts_packets:
            engine.set_owners(self._of_qps(self.workload.owner), int(self.workload.owner.max(initial=0)) + 1)
        return engine

    def _of_qps(self, of_flow: NDArray[Any]) -> _Ints:
        """int64, what all flows of each queue pair have alike."""
        found = np.zeros(len(self.sent.qp_src), np.int64)
        found[self.sent.schedule.qp] = np.tile(of_flow, self.workload.repeat)[self.stripes.message]
        return found

    def _classes(self) -> tuple[_Bytes | None, _Bytes | None]:
        """DSCP and priority of each queue pair; None where all are of the first lossless class."""
        work, lossless = self.workload, self.fabric.roce.lossless
        if work.is_lossy is None or not work.is_lossy.any():
            return None, None
        first = lossless[0] if lossless else LosslessClass(0, 0)
        is_lossy = self._of_qps(work.is_lossy) > 0
        dscp, priority = (
            np.where(is_lossy, 0, value).astype(np.uint8) for value in (first.dscp, first.priority)
        )
        return dscp, priority
