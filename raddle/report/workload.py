"""What `raddle workload` finds, as values, as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from raddle.report.congestion import link_lines, scale_up_lines
from raddle.report.model import (
    FOR_PAGES,
    FastForward,
    LinkFlows,
    LinkUse,
    NotForwarded,
    RepairRow,
    ScaleUpUse,
    UnfinishedFlow,
    as_document,
    auto_lines,
)
from raddle.sim.series import Sample
from raddle.units import format_time

SCHEMA_VERSION = 1

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class ServedRow:
    """What an inference pool comes to.

    Attributes:
        tokens: of each accelerator in a step; all tokens of its prompts, in prefill.
        simulated_layers: times are those of so many layers, times layers / simulated_layers.
        step_ps: time of a step: of a token of each request, or of the prompts.
        tokens_per_s: of each accelerator.
        waits: the share of that time in which a rank does not compute, as messages are not there.
    """

    tokens: int
    layers: int
    simulated_layers: int
    step_ps: int
    tokens_per_s: float
    waits: float


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node; times are None where it has not begun or ended on all of its ranks.

    Attributes:
        what: it does, in words.
        ranks: that take part.
        begin_ps: when the first message was sent, or the first rank began to compute.
        end_ps: when the last message had arrived, or the last rank was through.
        served: the tokens that it makes or reads, where it does and has ended.
    """

    job: str
    name: str
    what: str
    ranks: int
    begin_ps: int | None
    end_ps: int | None
    served: ServedRow | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """What a job did on the links that another one, or itself, sent over.

    Attributes:
        sent_bytes: payload that it sent over these links.
        ecn_marks: there, of its packets; None in fluid fidelity.
        pause_ps: of the time that these links were halted, its part: of what stood in the queues that the
            halted packets waited in.
    """

    job: str
    sent_bytes: int
    ecn_marks: int | None
    pause_ps: int | None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job.

    Attributes:
        start_ps: when it was to begin.
        time_ps: from then until its last message had arrived and its last rank was through; None: never.
        free_ps: the same if messages took no time.
        bubble_ps: of `free_ps`, what a rank computes nothing in, on average: a pipeline's bubble.
        alone_ps: the same without the other jobs, on the same paths; None where it did not run so.
        slowdown: time over time alone; None where one is not known.
        sent_bytes: payload over NICs.
        cnps, retransmitted: congestion notifications that its senders got, and packets that they sent again.
        shares_ps: what a rank's time went to, on average, by label; sums to `time_ps` but for rounding.
            Computing counts where it goes on beside communication, and waiting for data as communication, as
            in a profile. `idle`: none of it.
        ecn_marks: of its packets, everywhere; None where it is the only job, or in fluid fidelity.
        pause_ps: that it causes, everywhere, as in `Cause`.
        causes: job by job, its own too, what is done on the links that this one sends over; empty where it
            is the only job, or where a switch routes adaptively.
    """

    name: str
    ranks: int
    start_ps: int
    time_ps: int | None
    free_ps: int
    bubble_ps: int
    alone_ps: int | None
    slowdown: float | None
    sent_bytes: int
    cnps: int | None
    retransmitted: int | None
    shares_ps: dict[str, int]
    ecn_marks: int | None = None
    pause_ps: int | None = None
    causes: tuple[Cause, ...] = ()

    @property
    def suffered_ps(self) -> int | None:
        """Pauses of the links that it sends over, by any job; None where that is not told."""
        if not self.causes or self.pause_ps is None:
            return None
        return sum(cause.pause_ps or 0 for cause in self.causes)


@dataclass(frozen=True, slots=True)
class SharedLink:
    """A link that several jobs sent over, or that one halted to another.

    Payload by job, what happened there to all, whose packets were marked and who halted it, as in `Cause`.
    """

    name: str
    job_bytes: dict[str, int]
    ecn_marks: int | None
    pause_ps: int | None
    job_marks: dict[str, int] | None
    job_pause_ps: dict[str, int] | None


@dataclass(frozen=True, slots=True)
class WorkloadResult:
    """A run of a workload; links are of the whole run.

    What its fidelity does not have is None, and `left_out` says so. `fast_forward` is what was computed of
    a run by `auto`, `not_forwarded` why nothing was. JSON leaves `link_flows`, what went over links, and
    `series` out.
    """

    fabric: str
    workload: str
    ranks: int
    routing: str
    congestion_control: str
    seed: int
    fidelity: str
    left_out: tuple[str, ...]
    time_ps: int
    jobs: tuple[JobRow, ...]
    nodes: tuple[NodeRow, ...]
    shared_links: tuple[SharedLink, ...]
    links: tuple[LinkUse, ...]
    scale_up: tuple[ScaleUpUse, ...]
    pfc_pauses: int | None
    pfc_pause_ps: int | None
    ecn_marks: int | None
    drops: dict[str, int] | None
    unfinished: tuple[UnfinishedFlow, ...]
    diagnosis: tuple[str, ...]
    is_interrupted: bool
    fast_forward: FastForward | None = None
    not_forwarded: NotForwarded | None = None
    repairs: tuple[RepairRow, ...] = ()
    link_flows: tuple[LinkFlows, ...] = field(default=(), metadata=FOR_PAGES)
    series: tuple[Sample, ...] = field(default=(), metadata=FOR_PAGES)

    @property
    def is_done(self) -> bool:
        return all(job.time_ps is not None for job in self.jobs)


def workload_document(result: WorkloadResult) -> dict[str, Any]:
    """What the JSON holds: the fields of the records, and `schema_version`."""
    return {**as_document(result), "schema_version": SCHEMA_VERSION}


def workload_json(result: WorkloadResult) -> str:
    """One JSON object, keys sorted, ending in a newline; equal runs give equal bytes."""
    return json.dumps(workload_document(result), indent=2, sort_keys=True, allow_nan=False) + "\n"


def workload_text(result: WorkloadResult) -> str:
    """The report, ending in a newline."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(result))


def _lines(result: WorkloadResult) -> Iterator[str]:
    yield f"# {result.workload} on {result.fabric}, {result.ranks} ranks"
    yield f"# routing {result.routing}, congestion control {result.congestion_control}, seed {result.seed}"
    for what in result.left_out:
        yield f"# not simulated: {what}"
    if result.is_interrupted:
        yield f"# interrupted at {format_time(result.time_ps)}"
    for job in result.jobs:
        yield from _job_lines(job)
    yield from _node_lines(result.nodes)
    if result.drops is not None:
        yield _congestion_line(result, result.drops)
    yield from (f"# {line}" for line in auto_lines(result.fast_forward, None, result.not_forwarded))
    yield from (f"# controller {each}" for each in result.repairs)
    yield from _cause_lines(result.jobs)
    yield from _shared_lines(result.shared_links)
    yield from link_lines(result.links, of_sizes=False)
    yield from scale_up_lines(result.scale_up, of_sizes=False)
    for flow in result.unfinished:
        yield f"# unfinished: {flow.name}: {flow.reason}"
    for line in result.diagnosis:
        yield from textwrap.wrap(
            line,
            100,
            initial_indent="# ",
            subsequent_indent="#   ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _congestion_line(result: WorkloadResult, dropped: Mapping[str, int]) -> str:
    drops = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
    if not (result.pfc_pauses or result.ecn_marks or drops):
        return "# no PFC pause, no ECN mark, no drop"
    paused = format_time(result.pfc_pause_ps or 0)
    return f"# {result.pfc_pauses} PFC pauses ({paused}), {result.ecn_marks} ECN marks, drops: {drops or 0}"


def _job_lines(job: JobRow) -> Iterator[str]:
    begin = f" from {format_time(job.start_ps)} on" if job.start_ps else ""
    if job.time_ps is None:
        yield f"# job {job.name}, {job.ranks} ranks{begin}: not done"
        return
    free = (
        f"{format_time(job.free_ps)} if messages took no time ({format_time(job.bubble_ps)} of it a bubble)"
    )
    yield f"# job {job.name}, {job.ranks} ranks{begin}: {format_time(job.time_ps)}; {free}"
    whole = max(job.time_ps, 1)
    parts = [f"{label} {share_ps / whole:.1%}" for label, share_ps in job.shares_ps.items()]
    yield f"#   a rank's time: {', '.join(parts)}"
    if job.slowdown is not None and job.alone_ps is not None:
        alone = f"{format_time(job.alone_ps)} alone on the same paths, so {job.slowdown:.2f} times as long"
        counts = f"; {job.cnps} CNPs, {job.retransmitted} packets sent again" if job.cnps is not None else ""
        yield f"#   {alone}{counts}"


def _cause_lines(jobs: tuple[JobRow, ...]) -> Iterator[str]:
    """Who does what on whose links."""
    rows = [(job.name, cause) for job in jobs for cause in job.causes]
    if not rows:
        return
    yield "#"
    yield "# On the links that a job sends over: payload, ECN marks and pauses by the job that causes them"
    width = max(len(job.name) for job in jobs)
    for name, cause in rows:
        marks = "-" if cause.ecn_marks is None else cause.ecn_marks
        paused = "-" if cause.pause_ps is None else format_time(cause.pause_ps)
        sent = f"{cause.sent_bytes / 1e6:,.1f} MB"
        yield f"# {name:<{width}}  by {cause.job:<{width}}  {sent:>14}  {marks:>9}  {paused:>8}"


def _shared_lines(links: tuple[SharedLink, ...]) -> Iterator[str]:
    if not links:
        return
    yield "#"
    yield "# Links where jobs meet: paused, ECN marks; shares by job of bytes; of marks; of pauses"
    width = max(len(link.name) for link in links[:_SHOWN])
    for link in links[:_SHOWN]:
        shares = [_job_shares(each) for each in (link.job_bytes, link.job_marks, link.job_pause_ps)]
        paused = "-" if link.pause_ps is None else format_time(link.pause_ps)
        marks = "-" if link.ecn_marks is None else link.ecn_marks
        yield f"# {link.name:<{width}}  {paused:>8}  {marks:>8}  {'; '.join(shares)}"
    if len(links) > _SHOWN:
        yield f"# and {len(links) - _SHOWN} more"


def _job_shares(of_job: Mapping[str, int] | None) -> str:
    whole = sum((of_job or {}).values())
    return ", ".join(f"{name} {each / whole:.0%}" for name, each in (of_job or {}).items()) if whole else "-"


def _node_lines(nodes: tuple[NodeRow, ...]) -> Iterator[str]:
    widths = max([len(node.job) for node in nodes] + [3]), max([len(node.name) for node in nodes] + [4])
    line = f"{{}} {{:<{widths[0]}}}  {{:<{widths[1]}}}  {{:>6}}  {{:>12}}  {{:>12}}  {{}}"
    yield line.format("#", "job", "node", "ranks", "begins (us)", "time (us)", "what")
    for node in nodes:
        begin = "-" if node.begin_ps is None else f"{node.begin_ps / 1e6:.3f}"
        took = (
            "-"
            if node.end_ps is None or node.begin_ps is None
            else f"{(node.end_ps - node.begin_ps) / 1e6:.3f}"
        )
        yield line.format(" ", node.job, node.name, node.ranks, begin, took, node.what)
    for node in nodes:
        if node.served is not None:
            yield _served_line(node.name, node.served)


def _served_line(name: str, row: ServedRow) -> str:
    layers = f"{row.simulated_layers} of its {row.layers} layers"
    of = f", {layers} simulated" if row.simulated_layers < row.layers else ""
    took = f"{row.tokens} tokens of each accelerator in {format_time(row.step_ps)}"
    rate = f"{row.tokens_per_s:,.0f} tokens/s of each{of}"
    return f"# {name}: {took}, {rate}; {row.waits:.1%} of it waits for messages"
