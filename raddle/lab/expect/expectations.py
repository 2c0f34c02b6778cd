"""What to measure: a collective's bounds on a fabric, its time by size, and what collisions make of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from raddle.controller.plan.make import make_plan
from raddle.lab.bench_request import BenchRequest
from raddle.lab.expect.collisions import Stretch, states_of, stretch_of
from raddle.lab.expect.curve import Point, point_of
from raddle.lab.expect.forms import form_of
from raddle.lab.run.watch import QUIET, Watch
from raddle.lab.workloads.collective import CollectiveJob, find_job
from raddle.report.expect import COLLISIONS, PINS, Expectations, ExpectedRow, PartLoad, Term
from raddle.report.model import BenchResult
from raddle.sim.nic import nic_columns
from raddle.topology.model import Fabric
from raddle.units import format_rate

DRAWS = 20
"""Draws of queue pair numbers, unless more are asked for."""

MOST_ENDPOINTS = 2048
"""Of a fabric whose switches' tables are worked out for that unasked; larger ones take minutes."""

_QUANTILES = (0.95, 0.5, 0.05)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked: as `BenchRequest`, with so many draws of the hash."""

    request: BenchRequest
    draws: int = DRAWS


def usual_draws(fabric: Fabric) -> int:
    """How many draws are made unasked."""
    return DRAWS if len(fabric.endpoints) <= MOST_ENDPOINTS else 0


def expect(ask: Ask, job: CollectiveJob) -> tuple[Expectations, tuple[Point, ...]]:
    """The bounds and the curve of a job.

    Raises:
        InputError: it has too many messages, or two ranks have no way between them.
    """
    points = tuple(point_of(job, size) for size in ask.request.sizes_bytes)
    stretches = _stretches(job, points, ask)
    is_pinned = ask.request.routing == "pinned"
    last, servers = points[-1], job.shape.servers
    drawn = stretches[-1]
    result = Expectations(
        fabric=job.fabric.name,
        collective=job.collective.name,
        algorithm=job.algorithm.name,
        routing=ask.request.routing,
        placement=job.scope.order,
        ranks=job.ranks,
        servers=len(servers),
        per_server=max(len(each) for each in servers),
        loads=tuple(_loads(job, last)),
        chain_messages=last.chain.messages,
        latency_us=last.chain.latency_s * 1e6,
        stretch=drawn.draws if drawn else (),
        terms=tuple(_terms(job, last)),
        rows=tuple(_row(job, *each, is_pinned) for each in zip(points, stretches, strict=True)),
        left_out=tuple(_left_out(job, drawn, ask.draws)),
    )
    return result, points


def job_of(ask: Ask, fabric: Fabric) -> CollectiveJob:
    """The one job of a request on a fabric.

    Raises:
        InputError: those of `find_job`.
    """
    request = ask.request
    (scope,) = request.scopes
    return find_job(
        fabric,
        request.collective,
        request.algorithm,
        scope,
        request.terms,
        request.sizes_bytes,
        is_sent=False,
        in_part=True,
    )


def beside(result: Expectations, ask: Ask, job: CollectiveJob, watch: Watch = QUIET) -> Expectations:
    """The same with the engine's times of each size."""
    from raddle.lab.bench import run_bench  # with switches and their servers

    found: BenchResult = run_bench(job.fabric, ask.request, watch=watch)
    rows = []
    for row, ran in zip(result.rows, found.rows, strict=False):
        time_us = None if ran.time_ps is None else ran.time_ps / 1e6
        rows.append(replace(row, simulated_us=time_us, simulated_gbs=ran.busbw_gbs))
    return replace(result, rows=tuple(rows))


def _stretches(job: CollectiveJob, points: Sequence[Point], ask: Ask) -> list[Stretch | None]:
    """Of each size; those of one algorithm share their draws."""
    if not ask.draws:
        return [None] * len(points)
    is_pinned = ask.request.routing == "pinned"
    plan = make_plan(job.fabric, ask.request.routing, job.demand() if is_pinned else None)
    states = states_of(job.fabric, plan)
    first = ask.request.settings.seed
    seeds = range(first, first + (1 if is_pinned else ask.draws))
    known: dict[tuple[str, str, bool], Stretch | None] = {}
    found = []
    for point in reversed(points):
        key = point.messages.algorithm, point.messages.protocol, point.messages.slices > 1
        if key not in known:
            known[key] = stretch_of(job, point, states, plan, seeds)
        found.append(known[key])
    return found[::-1]


def _row(job: CollectiveJob, point: Point, drawn: Stretch | None, is_pinned: bool) -> ExpectedRow:
    size_bytes = point.messages.size_bytes

    pinned = drawn.draws[-1] if drawn and is_pinned else 1.0
    least = drawn.at(min(_QUANTILES)) if drawn else 1.0

    def bandwidths(stretch: float) -> tuple[float, float]:
        time_ps = round(point.time_s(stretch=stretch) * 1e12)
        return job.collective.bandwidth_gbs(job.ranks, size_bytes, time_ps)

    algbw, busbw = bandwidths(pinned)
    return ExpectedRow(
        size_bytes=size_bytes,
        algorithm=point.messages.algorithm,
        protocol=point.messages.protocol,
        time_us=point.time_s(stretch=pinned) * 1e6,
        algbw_gbs=algbw,
        busbw_gbs=busbw,
        binding=point.binding(least, PINS if is_pinned else COLLISIONS),
        collided_gbs=tuple(bandwidths(drawn.at(share))[1] for share in _QUANTILES)
        if drawn and not is_pinned
        else (),
    )


def _loads(job: CollectiveJob, point: Point) -> Iterator[PartLoad]:
    size_bytes, ranks = point.messages.size_bytes, job.ranks
    ports = max(1, int((job.seats.endpoint_offsets[1:] - job.seats.endpoint_offsets[:-1]).max()))
    for bound in point.bounds:
        form = ""
        if bound.kind == "nic" and point.messages.protocol in ("", "Simple"):
            form = form_of(job.collective.name, point.messages.algorithm, job.shape, bound.share * ports)
        _, busbw = job.collective.bandwidth_gbs(ranks, size_bytes, max(round(bound.time_s * 1e12), 1))
        yield PartLoad(bound.kind, bound.name, bound.share, form, bound.bps / 8e9, busbw)


def _terms(job: CollectiveJob, point: Point) -> Iterator[Term]:
    nic, fabric = nic_columns(job.fabric), job.fabric
    around = nic.header_bytes + nic.gap_bytes
    speed = min(fabric.links[each.link].speed_bps for each in fabric.endpoints)
    gbs = speed / 8e9 * nic.mtu_bytes / (nic.mtu_bytes + around)
    yield Term(
        "payload of a NIC port",
        f"{format_rate(speed)} x {nic.mtu_bytes} / {nic.mtu_bytes + around} = {gbs:.2f} GB/s",
        "Ethernet, IP, UDP, BTH, ICRC, FCS, preamble, gap",
    )
    share = (nic.ack_bytes + nic.gap_bytes) / nic.ack_interval
    yield Term(
        "acknowledgements",
        f"{share:.0f} B for each packet of the other direction",
        "InfiniBand architecture, 9.7.5; nics: ack_interval",
    )
    if point.messages.latency.network_ps:
        library_us = point.messages.latency.network_ps / 1e6
        told = f"{library_us:.2f} us of the library between servers, and the network's"
        yield Term("latency of a message", told, "NCCL, src/graph/tuning.cc; cables, FEC, pipelines, frames")
    else:
        yield Term("latency of a message", "the network's alone", "cables, FEC, pipelines, frames")


def _left_out(job: CollectiveJob, drawn: Stretch | None, draws: int) -> Iterator[str]:
    yield "what congestion control gives up where flows share a link (--simulate has it)"
    if not draws:
        yield "where flows meet on links between switches (--draws N has it)"
    elif drawn is None:
        yield "collisions: switches choose paths by load or by policy routes"
    if job.fabric.tenants and job.scope.tenant is None:
        yield "what other tenants send"
