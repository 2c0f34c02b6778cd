"""What a scenario can expect things of: one record for each metric. A new one is its entry in `METRICS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from raddle.lab.expect.curve import point_of
from raddle.lab.run.drive import Run
from raddle.lab.run.link_use import link_names, links_in_use
from raddle.lab.run.rates import Rates, jain
from raddle.lab.scenario.units import COUNT, GBS, NUMBER, RATIO, SHARE, SIZE, TIME, Unit
from raddle.lab.workloads.collective import CollectiveJob
from raddle.sim import FLOW_STATUS
from raddle.sim.ideal import ideal_fcts_ps
from raddle.workload import Schedule

_DONE = FLOW_STATUS.index("done")


@dataclass(eq=False)
class View:
    """Part of a run: a job's messages, or all of them.

    Attributes:
        messages: the run's messages that belong to it.
        start_ps: when it begins.
        job, schedule, size_bytes: None, None and 0 for the whole run.
        line_gbs: payload rate of the job's slowest rank.
        alone_ps: how long the job takes alone and undisturbed; None where nothing asks for it.
        still_ps: int64, by the run's queue pairs, as in `Outcome`.
        rates: what the run's queue pairs had received when; None where nothing asks for it.
    """

    run: Run
    messages: slice
    start_ps: int = 0
    job: CollectiveJob | None = None
    schedule: Schedule | None = None
    size_bytes: int = 0
    line_gbs: float = 0.0
    alone_ps: int | None = None
    still_ps: NDArray[np.int64] | None = None
    rates: Rates | None = None

    @cached_property
    def _is_done(self) -> NDArray[np.bool_]:
        done: NDArray[np.bool_] = self.run.messages().status[self.messages] == _DONE
        return done

    @cached_property
    def fcts_ps(self) -> NDArray[np.int64] | None:
        """From start to last byte of each message; None where one did not end."""
        flows = self.run.messages()
        if not self._is_done.all():
            return None
        return flows.finish_ps[self.messages] - flows.start_ps[self.messages]

    @cached_property
    def done_share(self) -> float:
        """Messages that ended, of all."""
        return float(self._is_done.mean()) if len(self._is_done) else 1.0

    @cached_property
    def time_ps(self) -> int | None:
        """From its begin to its last byte; None where it did not end."""
        if not self._is_done.all():
            return None
        return int(self.run.messages().finish_ps[self.messages].max(initial=self.start_ps)) - self.start_ps

    def bandwidth_gbs(self, kind: int) -> float | None:
        """The job's algbw (0) or busbw (1), as nccl-tests defines them."""
        if self.time_ps is None:
            return None
        assert self.job
        size_bytes = self.job.buffer(self.size_bytes).size_bytes
        return self.job.collective.bandwidth_gbs(self.job.ranks, size_bytes, self.time_ps)[kind]

    def wrong(self) -> float | None:
        """Elements that are not what the collective promises."""
        assert self.job
        assert self.schedule
        flows = self.run.messages()
        started, ended = (
            np.where(self._is_done, times[self.messages], -1) for times in (flows.start_ps, flows.finish_ps)
        )
        wrong = self.job.count_wrong(self.schedule, started, ended)
        return None if wrong is None else float(wrong)

    def jct_ratio(self) -> float | None:
        """Its time against that of running alone."""
        if self.time_ps is None or not self.alone_ps:
            return None
        return self.time_ps / self.alone_ps

    def fct_ps(self, share: float) -> float | None:
        """The time that a share of the messages takes at most."""
        return None if self.fcts_ps is None else _at_most(self.fcts_ps, share)

    def slowdown(self, share: float) -> float | None:
        """Message times against those on an idle fabric, the parts of a message over several queue pairs
        each by itself."""
        run, parts = self.run, self._parts
        flows = run.simulation.flows()
        if not self._is_done.all():
            return None
        taken = flows.finish_ps[parts] - flows.start_ps[parts]
        ideal = ideal_fcts_ps(run.simulation, run.sent.qp[parts], run.sent.size_bytes[parts])
        known = ideal > 0
        return _at_most(taken[known] / ideal[known], share)

    @property
    def _parts(self) -> slice:
        """The messages' parts over queue pairs."""
        offsets = self.run.stripes.offsets
        return slice(int(offsets[self.messages.start]), int(offsets[self.messages.stop]))

    def recovery_ps(self) -> float | None:
        """The longest that one of the queue pairs stood still after something had happened."""
        if self.still_ps is None or not self._is_done.all():
            return None
        return float(self.still_ps[self.run.sent.qp[self._parts]].max(initial=0))

    def jain(self) -> float | None:
        """Jain's index of the messages' throughput."""
        if self.fcts_ps is None or not len(self.fcts_ps):
            return None
        rate = self.run.workload.schedule.size_bytes[self.messages] / np.maximum(self.fcts_ps, 1)
        return float(jain(rate)) if rate.any() else None

    def link_jain(self) -> float | None:
        """Jain's index of what links between switches sent, both ways of each that is not down for good."""
        simulation = self.run.simulation
        switches = simulation.fabric.switch_by_name.keys()
        inner = [
            {link.a, link.b}
            for link in simulation.fabric.links
            if link.is_up and {link.a.device, link.b.device} <= switches
        ]
        ends = {end for link in inner for end in link}
        sent = simulation.ports().tx_bytes.reshape(len(simulation.port_names), -1).sum(axis=1)
        load = np.array([sent[at] for at, port in enumerate(simulation.port_names) if port in ends], float)
        return float(jain(load)) if load.any() else None

    def convergence_ps(self) -> float | None:
        """How long until queue pairs share alike, and do so until the first of them ends."""
        flows, parts = self.run.simulation.flows(), self._parts
        if self.rates is None or not self._is_done.all():
            return None
        owner = self.run.sent.qp[parts]
        own = np.unique(owner)
        ends = np.zeros(int(own.max(initial=0)) + 1, np.int64)
        np.maximum.at(ends, owner, flows.finish_ps[parts])
        until_ps = int(ends[own].min(initial=np.iinfo(np.int64).max))
        found = self.rates.converged_ps(own, int(flows.start_ps[parts].min(initial=0)), until_ps, EVEN)
        return None if found is None else float(found)

    def ideal_ratio(self) -> float | None:
        """Its time against the closed form of `raddle expect`, without hash collisions and other jobs."""
        if self.time_ps is None:
            return None
        assert self.job
        return self.time_ps / (point_of(self.job, self.size_bytes).time_s() * 1e12)

    def _of_queue_pairs(self, column: NDArray[np.uint64]) -> float:
        return float(column[np.unique(self.run.sent.qp[self._parts])].sum())

    def cnps(self) -> float:
        """CNPs that its senders took."""
        return self._of_queue_pairs(self.run.simulation.qps().cnps)

    def sent_again(self) -> float:
        """Packets that its senders sent again."""
        return self._of_queue_pairs(self.run.simulation.qps().retransmitted)

    def drops(self) -> float:
        """Packets that switches dropped."""
        return float(self.run.simulation.ports().drops.sum())

    def pauses(self) -> float:
        """Pause frames that took effect."""
        return float(self.run.simulation.ports().pauses.sum())

    def pause_share(self) -> float:
        """How long the port and priority that was paused longest stood still, of the run."""
        return float(self.run.simulation.ports().pause_ps.max(initial=0)) / max(self.run.simulation.now_ps, 1)

    def marks(self) -> float:
        """Packets marked with CE."""
        return float(self.run.simulation.ports().ecn_marks.sum())

    def max_queue_bytes(self) -> float:
        """The longest that a queue was."""
        return float(self.run.simulation.ports().max_queue_bytes.max(initial=0))

    def max_link_load(self) -> float:
        """What the busiest link sent, of what it could have sent during the run."""
        simulation = self.run.simulation
        links = links_in_use(simulation, None, link_names(simulation), simulation.now_ps)
        return max((link.utilisation for link in links), default=0.0)


def _at_most(values: NDArray[np.int64] | NDArray[np.float64], share: float) -> float | None:
    """The smallest value that a share of all does not exceed."""
    return float(np.quantile(values, share, method="inverted_cdf")) if len(values) else None


@dataclass(frozen=True, slots=True)
class Metric:
    """Something that is measured.

    Attributes:
        of: a collective, any job, the run as a whole, or any of these.
        is_worst_high: the worst of several values is the highest.
        measure: its value; None where what did not end has none.
        is_of_packets: messages that flow do not have it.
        without: what is said where a run has no value of it.
    """

    name: str
    of: Literal["collective", "job", "run", "any"]
    unit: Unit
    is_worst_high: bool
    says: str
    measure: Callable[[View], float | None]
    is_of_packets: bool = False
    without: str = "did not end"

    def __reduce__(self) -> tuple[Any, ...]:
        return metric_named, (self.name,)


def metric_named(name: str) -> Metric:
    """The metric of that name."""
    return METRICS[name]


def _shares(
    name: str,
    unit: Unit,
    says: str,
    measure: Callable[[View, float], float | None],
    without: str = "did not end",
) -> tuple[Metric, ...]:
    def at(share: float) -> Callable[[View], float | None]:
        return lambda view: measure(view, share)

    words = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return tuple(
        Metric(f"{name} {word}", "any", unit, True, f"{says}, {word}", at(share), without=without)
        for word, share in words.items()
    )


JCT_RATIO = "jct_ratio"
LINK_JAIN = "link_jain"
CONVERGENCE = "convergence"
EVEN = 0.95
"""Jain's index from which on rates count as even."""
NO_PATH = "did not end, or has no path of its own"
RECOVERY = "recovery"

METRICS: dict[str, Metric] = {
    each.name: each
    for each in (
        Metric("busbw", "collective", GBS, False, "bus bandwidth", lambda view: view.bandwidth_gbs(1)),
        Metric("algbw", "collective", GBS, False, "algorithm bandwidth", lambda view: view.bandwidth_gbs(0)),
        Metric("wrong", "collective", COUNT, True, "elements that are not what is promised", View.wrong),
        Metric(JCT_RATIO, "job", RATIO, True, "time against alone and undisturbed", View.jct_ratio),
        Metric("ideal_ratio", "collective", RATIO, True, "time against the closed form", View.ideal_ratio),
        Metric("time", "any", TIME, True, "from its start to its last byte", lambda view: view.time_ps),
        Metric("done", "any", SHARE, False, "messages that ended, of all", lambda view: view.done_share),
        *_shares("fct", TIME, "message completion time", View.fct_ps),
        *_shares("slowdown", RATIO, "message time against an idle fabric", View.slowdown, NO_PATH),
        Metric("jain", "any", NUMBER, False, "Jain's index of the messages' throughput", View.jain),
        Metric(LINK_JAIN, "run", NUMBER, False, "Jain's index of links between switches", View.link_jain,
               without="nothing went over links between switches"),
        Metric(CONVERGENCE, "any", TIME, True, "until queue pairs share alike", View.convergence_ps, True,
               without=f"Jain's index was below {EVEN} at the end"),
        Metric("cnps", "any", COUNT, True, "CNPs that senders took", View.cnps, True),
        Metric("sent_again", "any", COUNT, True, "packets sent again", View.sent_again, True),
        Metric(RECOVERY, "any", TIME, True, "longest standstill of a message", View.recovery_ps, True),
        Metric("drops", "run", COUNT, True, "packets dropped", View.drops, True),
        Metric("pfc_pauses", "run", COUNT, True, "pause frames that took effect", View.pauses, True),
        Metric("pfc_pause_ratio", "run", SHARE, True, "longest pause of a port", View.pause_share, True),
        Metric("ecn_marks", "run", COUNT, True, "packets marked", View.marks, True),
        Metric("max_queue", "run", SIZE, True, "the longest queue", View.max_queue_bytes, True),
        Metric("max_link_load", "run", SHARE, True, "sent over the busiest link", View.max_link_load),
    )
}  # fmt: skip
