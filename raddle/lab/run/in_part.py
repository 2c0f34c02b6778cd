"""Collectives of more flows than fit: some of their steps are run, and what the others take is computed.

The steps are the first ones of a ring, or rounds from everywhere of a pairwise exchange. Ranks go from step
to step at their own pace; from the second half of the steps on, by when those have left that all began at
once, a step takes what it took there in the mean over ranks. A ring cannot be faster in the long run than its
busiest link, which all of its ranks come to wait for: where that needs longer for a step, it is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from raddle.lab.run.drive import Run
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.collective import CollectiveJob
from raddle.report.model import BenchResult, InPart
from raddle.sim import NEVER, Simulation

ERROR = (
    "against a run of all steps, on the cases of docs/models/fluid.md: all-to-alls 19 % early to 11 % late"
    " (on even fabrics 3 % early to 4 % late), rings within 1 %, those whose hops share links under DCQCN"
    " 10 % early to 30 % late"
)
"""The largest errors of the table in docs/models/fluid.md, which `scripts/validate-in-part` measures."""

_GAP_BYTES = 20  # preamble and inter-packet gap, on the wire but not in the counters


def may_run_in_part(settings: RunSettings) -> bool:
    """Whether a run of these settings has no time that counts but its end, and moves no packets."""
    return settings.fidelity == "fluid" and not settings.faults and settings.until_ps == NEVER


def paced(job: CollectiveJob, size_bytes: int, run: Run) -> InPart:
    """What was run of the steps of a job, all of whose flows are done, and what each of the others takes."""
    schedule, finish_ps = run.workload.schedule, run.messages().finish_ps
    steps = int(schedule.step.max()) + 1
    of_steps = round(job.algorithm.flows(job.shape, size_bytes) * steps / schedule.flows)
    end_ps = np.bincount(schedule.step, finish_ps) / np.bincount(schedule.step)
    first, middle, last = steps // 2 - 1, (steps // 2 - 1 + steps - 1) // 2, steps - 1
    pace_ps = (end_ps[last] - end_ps[first]) / (last - first)
    parts_ps = (
        (end_ps[middle] - end_ps[first]) / (middle - first),
        (end_ps[last] - end_ps[middle]) / (last - middle),
    )
    busy_ps = _busiest_ps(run.simulation) / steps
    return InPart(
        steps=steps,
        of_steps=of_steps,
        step_ps=round(max(pace_ps, busy_ps)),
        differs=abs(parts_ps[1] - parts_ps[0]) / pace_ps,
        is_busy=bool(busy_ps > pace_ps),
    )


def steps_left_out(job: CollectiveJob) -> Iterator[str]:
    """That steps are, where some stand for all, and the error of that."""
    if job.steps:
        yield f"all but {job.steps} steps, which stand for all, and wrong elements; {ERROR}"


def of_all_steps(result: BenchResult, run: Run) -> BenchResult:
    """The result with what links carry in all steps, where it has what they carried in some."""
    row = result.rows[-1]
    if row.in_part is None or row.time_ps is None:
        return result
    times = row.in_part.of_steps / row.in_part.steps
    longer = times * run.simulation.now_ps / row.time_ps
    links = (
        replace(link, tx_bytes=round(link.tx_bytes * times), utilisation=min(link.utilisation * longer, 1.0))
        for link in result.links
    )
    ports = (
        replace(
            port, sent_bytes=round(port.sent_bytes * times), utilisation=min(port.utilisation * longer, 1.0)
        )
        for port in result.scale_up
    )
    return replace(result, links=tuple(links), scale_up=tuple(ports), link_flows=())


def _busiest_ps(simulation: Simulation) -> float:
    """How long the busiest link, or port of a scale-up domain, was busy."""
    ports = simulation.ports()
    wire_bytes = ports.tx_bytes.sum(axis=1) + _GAP_BYTES * ports.tx_frames.sum(axis=1).astype(np.int64)
    ends = [(link.a, link.speed_bps) for link in simulation.fabric.links]
    ends += [(link.b, link.speed_bps) for link in simulation.fabric.links]
    at = [simulation.port_index[port] for port, _ in ends]
    busy_ps = wire_bytes[at] * 8e12 / np.array([speed_bps for _, speed_bps in ends], np.float64)
    inside = simulation.scale_up_ports()
    most_ps = float(busy_ps.max(initial=0))
    if inside is None:
        return most_ps
    sent_bytes = np.maximum(inside.egress_bytes, inside.ingress_bytes)
    return max(most_ps, float((sent_bytes * 8e12 / inside.bps).max(initial=0)))
