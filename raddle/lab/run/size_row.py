"""What a run of a collective came to: a row of the table, and what kept flows from their end."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from raddle.lab.run.diagnosis import diagnose, why_unfinished
from raddle.lab.run.drive import Run
from raddle.lab.workloads.collective import CollectiveJob
from raddle.report.model import SizeRow, UnfinishedFlow
from raddle.sim import DROP_REASONS, FLOW_STATUS, NEVER

_DONE, _WAITING = FLOW_STATUS.index("done"), FLOW_STATUS.index("waiting")


def size_row(job: CollectiveJob, size_bytes: int, run: Run) -> SizeRow:
    """The row of one size; `run` has come to its end."""
    ranks, schedule = len(job.ranks), run.workload.schedule
    flows, ports = run.messages(), run.simulation.ports()
    time_ps = int(flows.finish_ps.max()) if (flows.status == _DONE).all() else None
    buffer = job.buffer(size_bytes)
    algbw, busbw = (
        (None, None) if time_ps is None else job.collective.bandwidth_gbs(ranks, buffer.size_bytes, time_ps)
    )
    wrong = job.count_wrong(schedule, _known(flows.start_ps), _known(flows.finish_ps))
    drops = Counter(dict(zip(DROP_REASONS, ports.drops.sum(axis=0).tolist(), strict=True)))
    return SizeRow(
        size_bytes=buffer.size_bytes,
        count=buffer.count,
        datatype=buffer.datatype,
        redop=buffer.redop,
        root=buffer.root,
        time_ps=time_ps,
        algbw_gbs=algbw,
        busbw_gbs=busbw,
        wrong=wrong,
        in_place_wrong=wrong if job.collective.checks_in_place else None,
        pfc_pauses=int(ports.pauses.sum()),
        pfc_pause_ps=int(ports.pause_ps.sum()),
        ecn_marks=int(ports.ecn_marks.sum()),
        drops=tuple(sorted((+drops).items())),
        unfinished=_unfinished(run),
        diagnosis=diagnose(run.simulation),
    )


def _unfinished(run: Run) -> tuple[UnfinishedFlow, ...]:
    """Flows that did not end: those that failed, with the reason, then those that waited for them."""
    simulation, sent = run.simulation, run.sent
    status = simulation.flows().status
    if (status == _DONE).all():
        return ()
    name, qps, ports = run.sent_name(), simulation.qps(), simulation.ports()
    is_waiting = status == _WAITING
    under_way = np.flatnonzero((status != _DONE) & ~is_waiting).tolist()
    reasons = [(flow, why_unfinished(simulation, qps, ports, int(sent.qp[flow]))) for flow in under_way]
    reasons += [(flow, "not started: waits for others") for flow in np.flatnonzero(is_waiting).tolist()]
    return tuple(UnfinishedFlow(name(flow), int(sent.step[flow]), why) for flow, why in reasons)


def _known(times_ps: NDArray[np.int64]) -> NDArray[np.int64]:
    """The engine's NEVER as -1."""
    return np.where(times_ps == NEVER, -1, times_ps)
