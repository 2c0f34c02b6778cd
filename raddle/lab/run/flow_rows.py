"""What became of every message and every port of a run."""

from __future__ import annotations

from collections import Counter
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from raddle.lab.run.diagnosis import blocked_status, why_unfinished
from raddle.lab.run.drive import Run
from raddle.lab.workloads.flow_names import flow_names
from raddle.lab.workloads.ranks import seat_names
from raddle.report.run_files import FlowRow, PortRow, WatchdogRow
from raddle.sim import DROP_REASONS, FLOW_STATUS, NEVER, Simulation
from raddle.sim.ideal import ideal_fcts_ps

_SEVERITY = tuple(("done", "waiting", "active", "failed").index(status) for status in FLOW_STATUS)


def flow_rows(run: Run) -> tuple[FlowRow, ...]:
    """One row per message, in the order of the workload."""
    simulation, schedule = run.simulation, run.workload.schedule
    qps, flows, name = simulation.qps(), run.messages(), flow_names(run.fabric, run.workload)
    starts, count = run.stripes.offsets[:-1], range(schedule.flows)
    times = [_known(column) for column in (flows.start_ps, flows.finish_ps, flows.acked_ps)]
    fct = [
        finish - start if start is not None and finish is not None else None
        for start, finish in zip(*times[:2], strict=True)
    ]
    slowdown = [
        taken / ideal if taken is not None and ideal else None
        for taken, ideal in zip(fct, _ideal_ps(run).tolist(), strict=True)
    ]
    counts = [
        np.add.reduceat(column[run.sent.qp], starts).tolist() if simulation.counts_packets else repeat(None)
        for column in (qps.retransmitted, qps.timeouts, qps.cnps)
    ]
    seats = seat_names(run.fabric, run.workload.seats)
    src, dst = ([seats[rank] for rank in ranks.tolist()] for ranks in (schedule.src, schedule.dst))
    called = [blocked_status(simulation) if each == "active" else each for each in FLOW_STATUS]
    status = [called[each] for each in flows.status.tolist()]
    sizes, reasons = schedule.size_bytes.tolist(), map(_reasons(run).get, count)
    columns = (map(name, count), src, dst, sizes, status, *times, fct, slowdown, *counts, reasons)
    return tuple(map(FlowRow, *columns))


def _ideal_ps(run: Run) -> NDArray[np.int64]:
    """Of each message the time on an idle fabric, int64: that of its slowest port, whose parts go one after
    the other."""
    sent, stripes = run.sent, run.stripes
    ends = np.stack([stripes.message, run.queue_pairs.qp_src[sent.qp]])
    _, first, of = np.unique(ends, axis=1, return_index=True, return_inverse=True)
    size = np.bincount(of.ravel(), sent.size_bytes).astype(np.int64)
    port_ps = ideal_fcts_ps(run.simulation, sent.qp[first], size)
    slowest = np.zeros(len(stripes.offsets) - 1, np.int64)
    np.maximum.at(slowest, stripes.message[first], port_ps)
    return slowest


def _reasons(run: Run) -> dict[int, str]:
    """Of each message that is under way or has failed, what kept it."""
    simulation, offsets = run.simulation, run.stripes.offsets
    qps, ports, whole = simulation.qps(), simulation.ports(), run.messages().status
    part_status = simulation.flows().status
    found = {}
    for i in np.flatnonzero(
        np.isin(whole, [FLOW_STATUS.index("active"), FLOW_STATUS.index("failed")])
    ).tolist():
        # The part that has failed, or else one that is under way.
        worst = max(range(*offsets[i : i + 2]), key=lambda part: _SEVERITY[part_status[part]])
        found[i] = why_unfinished(simulation, qps, ports, int(run.sent.qp[worst]))
    return found


def _known(times_ps: NDArray[np.int64]) -> list[int | None]:
    return [None if time_ps == NEVER else time_ps for time_ps in times_ps.tolist()]


def watchdog_rows(simulation: Simulation) -> tuple[WatchdogRow, ...]:
    """What PFC watchdogs did, in order of time."""
    return tuple(
        WatchdogRow(event.time_ps, str(event.port), event.queue, "storm" if event.is_storm else "restored")
        for event in simulation.watchdog_events()
    )


def port_rows(simulation: Simulation) -> tuple[PortRow, ...]:
    """One row per port and queue that sent, was paused, or whose priority group held or dropped something."""
    ports = simulation.ports()
    busy = (ports.tx_frames > 0) | (ports.pauses > 0) | (ports.max_pg_bytes > 0)
    # Drops are counted per port; they stand in the row of its first queue.
    busy[:, 0] |= ports.drops.sum(axis=1) > 0
    rows = []
    for at, queue in np.argwhere(busy).tolist():
        drops = dict(zip(DROP_REASONS, ports.drops[at].tolist(), strict=True)) if queue == 0 else {}
        rows.append(
            PortRow(
                port=str(simulation.port_names[at]),
                priority=queue,
                tx_bytes=int(ports.tx_bytes[at, queue]),
                tx_frames=int(ports.tx_frames[at, queue]),
                ecn_marks=simulation.of_packets(ports.ecn_marks[at, queue]),
                max_queue_bytes=simulation.of_packets(ports.max_queue_bytes[at, queue]),
                max_pg_bytes=simulation.of_packets(ports.max_pg_bytes[at, queue]),
                pauses=simulation.of_packets(ports.pauses[at, queue]),
                pause_ps=simulation.of_packets(ports.pause_ps[at, queue]),
                drops=tuple(sorted((+Counter(drops)).items())),
            )
        )
    return tuple(rows)
