"""What a run of a collective came to: a row of the table, and what kept flows from their end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from raddle.lab.run.diagnosis import diagnose, why_unfinished
from raddle.lab.run.drive import Run
from raddle.lab.run.fidelity import computed
from raddle.lab.run.in_part import paced
from raddle.lab.workloads.collective import CollectiveJob
from raddle.report.model import SizeRow, UnfinishedFlow
from raddle.sim import DROP_REASONS, FLOW_STATUS, NEVER
from raddle.workload import Schedule

_DONE, _WAITING = FLOW_STATUS.index("done"), FLOW_STATUS.index("waiting")


def size_rows(jobs: Sequence[CollectiveJob], size_bytes: int, run: Run) -> tuple[SizeRow, ...]:
    """The rows of one size, one for each of the jobs that ran together; `run` has come to its end."""
    if len(jobs) == 1:
        return (_size_row(jobs[0], run.workload.schedule, size_bytes, run, 0),)
    rows, first = [], 0
    for job in jobs:
        schedule = job.workload(size_bytes).schedule
        rows.append(_size_row(job, schedule, size_bytes, run, first))
        first += schedule.flows
    return tuple(rows)


def _size_row(job: CollectiveJob, schedule: Schedule, size_bytes: int, run: Run, first: int) -> SizeRow:
    """The row of one job, that sends this schedule; its messages are those of the run from `first` on."""
    ranks, own = job.ranks, slice(first, first + schedule.flows)
    flows, ports = run.messages(), run.simulation.ports()
    start_ps, finish_ps = flows.start_ps[own], flows.finish_ps[own]
    time_ps = int(finish_ps.max()) if (flows.status[own] == _DONE).all() else None
    in_part = paced(job, size_bytes, run) if job.steps and time_ps is not None else None
    if in_part and time_ps is not None:
        time_ps += in_part.step_ps * (in_part.of_steps - in_part.steps)
    buffer, (algorithm, protocol) = job.buffer(size_bytes), job.chosen(size_bytes)
    algbw, busbw = (
        (None, None) if time_ps is None else job.collective.bandwidth_gbs(ranks, buffer.size_bytes, time_ps)
    )
    wrong = None if job.steps else job.count_wrong(schedule, _known(start_ps), _known(finish_ps))
    drops = Counter(dict(zip(DROP_REASONS, ports.drops.sum(axis=0).tolist(), strict=True)))
    return SizeRow(
        size_bytes=buffer.size_bytes,
        count=buffer.count,
        datatype=buffer.datatype,
        redop=buffer.redop,
        root=buffer.root,
        algorithm=algorithm,
        protocol=protocol,
        time_ps=time_ps,
        algbw_gbs=algbw,
        busbw_gbs=busbw,
        wrong=wrong,
        in_place_wrong=wrong if job.collective.checks_in_place else None,
        pfc_pauses=run.simulation.of_packets(ports.pauses.sum()),
        pfc_pause_ps=run.simulation.of_packets(ports.pause_ps.sum()),
        ecn_marks=run.simulation.of_packets(ports.ecn_marks.sum()),
        drops=tuple(sorted((+drops).items())) if run.simulation.counts_packets else None,
        unfinished=unfinished_flows(run, own),
        diagnosis=diagnose(run.simulation),
        fast_forward=computed(run.simulation),
        not_forwarded=run.not_forwarded,
        flowed=run.flowed,
        in_part=in_part,
    )


def unfinished_flows(run: Run, messages: slice) -> tuple[UnfinishedFlow, ...]:
    """Parts of these messages that did not end: what that failed, with the reason, then those that waited."""
    simulation, sent = run.simulation, run.sent
    status = simulation.flows().status.copy()
    status[: run.stripes.offsets[messages.start]] = _DONE
    status[run.stripes.offsets[messages.stop] :] = _DONE
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
