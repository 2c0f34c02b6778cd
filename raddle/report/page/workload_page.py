"""The page of `raddle workload`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from raddle.report.page.link_figures import link_figures
from raddle.report.page.model import Axis, Cell, Figure, Page, Span, blocks, fault_figures, spans, table
from raddle.report.workload import JobRow, WorkloadResult
from raddle.topology.model import Fabric
from raddle.units import format_time

_SPANS = 4_000
"""Nodes that the timeline shows, the longest; the table has all."""


def workload_page(fabric: Fabric, result: WorkloadResult, faults: Sequence[Span] = ()) -> Page:
    """Of jobs that compute and send, and what went wrong meanwhile."""
    stuck = [job for job in result.jobs if job.time_ps is None]
    count = len(result.jobs)
    findings = [f"job {job.name} is not done" for job in stuck]
    findings += [f"{flow.name}: {flow.reason}" for flow in result.unfinished[:10]]
    return Page(
        title=f"{result.workload} on {result.fabric}",
        subtitle=f"raddle workload: {result.ranks} ranks, {result.routing}, {result.congestion_control}",
        state="failed" if stuck else "ok",
        verdict=f"{'interrupted; ' * result.is_interrupted}{count - len(stuck)} of {count} jobs done in "
        f"{format_time(result.time_ps)}",
        findings=(*findings, *result.diagnosis),
        facts=tuple(_facts(result)),
        notes=tuple(f"not simulated: {what}" for what in result.left_out),
        figures=(
            *_job_figures(result),
            *fault_figures(faults),
            *link_figures(fabric, result.links, result.link_flows, samples=result.series),
        ),
    )


def _facts(result: WorkloadResult) -> Iterator[tuple[str, str]]:
    yield "fidelity", result.fidelity
    yield "seed", str(result.seed)
    if result.drops is not None:
        yield "PFC pauses", f"{result.pfc_pauses}, {format_time(result.pfc_pause_ps or 0)} in all"
        yield "ECN marks", str(result.ecn_marks)
        yield "drops", ", ".join(f"{count} {why}" for why, count in result.drops.items()) or "0"


def _job_figures(result: WorkloadResult) -> Iterator[Figure]:
    yield blocks(
        "Applications",
        "A block for each job. Pauses that it causes: its part of what stood in the queues where halted "
        "packets waited. Pauses that it suffers: those of the links that it sends over, by any job, its own "
        "part too. What slow receivers halt is in neither. Both are empty for a job alone.",
        [
            Axis("bytes over NICs", "bytes"), Axis("accelerator hours", "h"), Axis("slowdown", "x"),
            Axis("CNPs"), Axis("packets sent again"), Axis("ECN marks"), Axis("pauses that it causes", "s"),
            Axis("pauses that it suffers", "s"),
        ],
        [
            (
                job.name,
                [
                    job.sent_bytes,
                    None if job.time_ps is None else job.ranks * job.time_ps / 3600e12,
                    job.slowdown, job.cnps, job.retransmitted, job.ecn_marks,
                    None if job.pause_ps is None else job.pause_ps / 1e12,
                    None if job.suffered_ps is None else job.suffered_ps / 1e12,
                ],
            )
            for job in result.jobs
        ],
    )  # fmt: skip
    labels = list(dict.fromkeys(label for job in result.jobs for label in job.shares_ps))
    yield table(
        "What a rank's time went to",
        "On average over the ranks of a job.",
        [
            Axis("job"), Axis("ranks"), Axis("time", "s"), Axis("alone", "s"), Axis("without messages", "s"),
            *(Axis(label, "ratio") for label in labels),
        ],
        [_shares(job, labels) for job in result.jobs],
    )  # fmt: skip
    timed = [node for node in result.nodes if node.begin_ps is not None and node.end_ps is not None]
    longest = sorted(timed, key=lambda node: (node.begin_ps or 0) - (node.end_ps or 0))[:_SPANS]
    if longest:
        left = f" The {_SPANS} longest of {len(timed)}." if len(timed) > _SPANS else ""
        yield spans(
            "Timeline",
            f"When the nodes of each job ran, from the first rank that began to the last that ended.{left}",
            [
                Span(
                    node.job,
                    (node.begin_ps or 0) / 1e12,
                    (node.end_ps or 0) / 1e12,
                    f"{node.name}: {node.what}",
                    _kind(node.what),
                )
                for node in longest
            ],
        )
    yield table(
        "Nodes",
        "What each did, and when.",
        [Axis("job"), Axis("node"), Axis("ranks"), Axis("begins", "s"), Axis("ends", "s"), Axis("what")],
        [
            [
                node.job, node.name, node.ranks,
                None if node.begin_ps is None else node.begin_ps / 1e12,
                None if node.end_ps is None else node.end_ps / 1e12,
                node.what,
            ]
            for node in result.nodes
        ],
    )  # fmt: skip


def _kind(what: str) -> str:
    """The first word of what a node does, which names its kind."""
    return what.split()[0].rstrip(",:") if what else "node"


def _shares(job: JobRow, labels: list[str]) -> list[Cell]:
    seconds = [None if ps is None else ps / 1e12 for ps in (job.time_ps, job.alone_ps, job.free_ps)]
    whole = job.time_ps or 0
    return [
        job.name,
        job.ranks,
        *seconds,
        *(job.shares_ps.get(label, 0) / whole if whole else None for label in labels),
    ]
