"""The page of `raddle bench`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from raddle.report.earlier import EarlierCurve
from raddle.report.model import BenchResult
from raddle.report.page.link_figures import link_figures
from raddle.report.page.model import Axis, Figure, Line, Page, Span, blocks, fault_figures, lines, table
from raddle.sim.series import Sample
from raddle.topology.model import Fabric
from raddle.units import format_size, format_time


def bench_page(
    fabric: Fabric,
    results: Sequence[BenchResult],
    samples: Sequence[Sample] = (),
    faults: Sequence[Span] = (),
    earlier: Sequence[EarlierCurve] = (),
) -> Page:
    """Of the jobs that ran at the same time. Links and `samples` are of the last size, `faults` of each;
    `earlier` is drawn beside."""
    first = results[0]
    wrong = [
        f"{_job(result)}{format_size(row.size_bytes)}: {what}"
        for result in results
        for row in result.rows
        for what in _wrong(result, row.size_bytes)
    ]
    sizes = len(first.rows)
    bad = {row.size_bytes for result in results for row in result.rows if row.time_ps is None or row.wrong}
    done = f"{_counted(sizes, 'size')} ended, and every element was what the collective promises"
    if bad:
        verdict = f"{len(bad)} of {_counted(sizes, 'size')} {'is' if len(bad) == 1 else 'are'} not right"
    else:
        verdict = done if sizes else "no size ended"
    if first.is_interrupted:
        verdict = f"interrupted before all sizes had run; {verdict}"
    return Page(
        title=f"{first.collective} on {first.fabric}",
        subtitle=f"raddle bench: {first.algorithm}, {first.ranks} ranks, routing {first.routing}",
        state="failed" if bad else "ok" if sizes and not first.is_interrupted else "",
        verdict=verdict,
        findings=tuple(wrong),
        facts=tuple(_facts(results)),
        notes=(*first.notes, *(f"not simulated: {what}" for what in first.left_out)),
        figures=(
            *_figures(results, earlier),
            *fault_figures(faults),
            *link_figures(fabric, first.links, first.link_flows, first.collisions, samples),
        ),
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _job(result: BenchResult) -> str:
    return f"{result.tenant}, " if result.tenant else ""


def _wrong(result: BenchResult, size_bytes: int) -> Iterator[str]:
    row = next(row for row in result.rows if row.size_bytes == size_bytes)
    if row.time_ps is None:
        reason = row.unfinished[0].reason if row.unfinished else ""
        yield f"{len(row.unfinished)} flows did not finish{': ' if reason else ''}{reason}"
        yield from row.diagnosis
    if row.wrong:
        yield f"{row.wrong} wrong elements"


def _facts(results: Sequence[BenchResult]) -> Iterator[tuple[str, str]]:
    first = results[0]
    for result in results:
        yield (
            f"average bus bandwidth{' of ' * bool(result.tenant)}{result.tenant}",
            (f"{result.average_busbw_gbs:.2f} GB/s"),
        )
    yield "line rate of a rank", f"{first.line_rate_gbs:.2f} GB/s"
    yield "fidelity", first.fidelity
    yield "placement", f"{first.placement}, seed {first.seed}"
    if first.pins:
        yield "most flows on a link", f"{first.pins.max_data_load:g}, at best {first.pins.data_bound:g}"
    last = first.rows[-1] if first.rows else None
    if last and last.drops is not None:
        yield "PFC pauses, last size", f"{last.pfc_pauses}, {format_time(last.pfc_pause_ps or 0)} in all"
        yield "ECN marks, last size", str(last.ecn_marks)
        yield "drops, last size", ", ".join(f"{count} {why}" for why, count in last.drops) or "0"


def _figures(results: Sequence[BenchResult], earlier: Sequence[EarlierCurve]) -> Iterator[Figure]:
    curves = [
        Line(
            result.tenant or result.collective,
            [(row.size_bytes, row.busbw_gbs) for row in result.rows],
        )
        for result in results
    ]
    sizes = [row.size_bytes for row in results[0].rows]
    if sizes:
        rate = results[0].line_rate_gbs
        curves += [Line(f"{each.kind}: {each.title}", each.points, _STYLES[each.kind]) for each in earlier]
        sizes += [size for each in earlier for size, _ in each.points]
        bound = Line("line rate of a rank's ports", [(min(sizes), rate), (max(sizes), rate)], "reference")
        yield lines(
            "Bus bandwidth over size",
            "As nccl-tests counts it. Inside of a server data may take other ways than a rank's network "
            "ports, so a curve can lie above their line rate.",
            Axis("size", "bytes", is_log=True),
            Axis("bus bandwidth", "GB/s"),
            [*curves, bound],
        )
    yield table(
        "Sizes",
        "What nccl-tests prints, and what the network did meanwhile.",
        [
            *([Axis("job")] if len(results) > 1 else []),
            Axis("size", "bytes"), Axis("algorithm"), Axis("time", "s"), Axis("algbw", "GB/s"),
            Axis("busbw", "GB/s"), Axis("wrong"), Axis("PFC pauses"), Axis("paused", "s"), Axis("ECN marks"),
            Axis("drops"),
        ],
        [
            [
                *([result.tenant] if len(results) > 1 else []),
                row.size_bytes, row.algorithm, _seconds(row.time_ps), row.algbw_gbs, row.busbw_gbs, row.wrong,
                row.pfc_pauses, _seconds(row.pfc_pause_ps), row.ecn_marks,
                None if row.drops is None else sum(count for _, count in row.drops),
            ]
            for result in results
            for row in result.rows
        ],
    )  # fmt: skip
    if len(results) > 1:
        yield blocks(
            "Jobs",
            "A block for each job that ran at the same time.",
            [Axis("average bus bandwidth", "GB/s"), Axis("accelerator hours", "h"), Axis("ranks")],
            [(result.tenant, [result.average_busbw_gbs, _hours(result), result.ranks]) for result in results],
        )


_STYLES: dict[str, Literal["reference", "measured"]] = {"baseline": "reference", "log": "measured"}


def _hours(result: BenchResult) -> float:
    return result.ranks * sum(row.time_ps or 0 for row in result.rows) / 3600e12


def _seconds(time_ps: int | None) -> float | None:
    return None if time_ps is None else time_ps / 1e12
