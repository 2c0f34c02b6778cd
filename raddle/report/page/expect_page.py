"""The pages of `raddle expect`: what a collective should come to, and why a measured log is not that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from raddle.report.diagnosis import CAUSES, Diagnosis, LogFound
from raddle.report.expect import Expectations
from raddle.report.page.model import Axis, Figure, Line, Page, bars, lines, shares, table

_BAND = ("worse than 95 % of draws", "worse than 50 % of draws", "worse than 5 % of draws")
"""What stands in `ExpectedRow.collided_gbs`, in order."""


def expect_page(result: Expectations) -> Page:
    """Of closed forms, with the engine's curve where it was simulated."""
    binds = result.loads[0] if result.loads else None
    return Page(
        title=f"What to expect of {result.collective} on {result.fabric}",
        subtitle=f"raddle expect: {result.algorithm}, {result.ranks} ranks on {result.servers} servers, "
        f"{result.routing}",
        verdict=f"{binds.kind} binds: {binds.name}, {binds.busbw_gbs:.2f} GB/s at most" if binds else "",
        facts=(
            ("latency", f"{result.latency_us:.1f} us, {result.chain_messages} messages one after another"),
            *((term.name, f"{term.value} ({term.source})") for term in result.terms),
        ),
        notes=tuple(f"left out: {what}" for what in result.left_out),
        figures=tuple(_figures(result)),
    )


def _figures(result: Expectations) -> Iterator[Figure]:
    rows = result.rows
    curves = [Line("closed form", [(row.size_bytes, row.busbw_gbs) for row in rows])]
    if any(row.simulated_gbs is not None for row in rows):
        curves.append(Line("engine", [(row.size_bytes, row.simulated_gbs) for row in rows]))
    if rows and rows[0].collided_gbs:
        curves += [
            Line(f"collisions {name}", [(row.size_bytes, row.collided_gbs[at]) for row in rows], "reference")
            for at, name in enumerate(_BAND)
        ]
    yield lines(
        "Bus bandwidth over size",
        "What closed forms give; dashed, what hash collisions leave of it.",
        Axis("size", "bytes", is_log=True),
        Axis("bus bandwidth", "GB/s"),
        curves,
    )
    yield bars(
        "What each part admits",
        "The bus bandwidth that the busiest of each kind admits, at the largest size; the least binds.",
        Axis("bus bandwidth", "GB/s"),
        [(f"{load.kind}: {load.name}", load.busbw_gbs) for load in result.loads],
    )
    if len(result.stretch) > 1:
        yield lines(
            "Hash collisions",
            "How many times as long the busiest link needs, over draws of queue pair numbers.",
            Axis("times as long", "x"),
            Axis("share of draws", "ratio"),
            [Line("draws", shares(result.stretch), "steps")],
        )
    yield table(
        "Sizes",
        "Time and bandwidths of each size, and what binds.",
        [
            Axis("size", "bytes"), Axis("algorithm"), Axis("protocol"), Axis("time", "s"),
            Axis("algbw", "GB/s"), Axis("busbw", "GB/s"), Axis("binds"), Axis("simulated", "s"),
            Axis("simulated busbw", "GB/s"),
        ],
        [
            [
                row.size_bytes, row.algorithm, row.protocol, row.time_us / 1e6, row.algbw_gbs, row.busbw_gbs,
                row.binding, None if row.simulated_us is None else row.simulated_us / 1e6, row.simulated_gbs,
            ]
            for row in rows
        ],
    )  # fmt: skip


def diagnosis_page(result: Diagnosis) -> Page:
    """Of measured logs: the causes that fit, the likeliest first."""
    causes = [
        f"{CAUSES[cause.cause]}{', ' * bool(cause.where)}{cause.where}{': ' * bool(cause.what)}{cause.what}"
        for cause in result.causes
    ]
    return Page(
        title=f"What logs say of {result.fabric}",
        subtitle="raddle expect --log: " + ", ".join(log.file for log in result.logs),
        verdict=f"{len(causes)} causes fit, the likeliest first" if len(causes) != 1 else "one cause fits",
        findings=(*causes, *([f"next: {result.next_test}"] if result.next_test else [])),
        notes=tuple(f"{log.file}: {note}" for log in result.logs for note in log.notes),
        figures=(
            *(_measured(log, len(result.logs)) for log in result.logs if len(log.points) > 1),
            bars(
                "Measured of expected",
                "Bus bandwidth of each log at its largest size, over what it should be.",
                Axis("share", "ratio"),
                [(log.file, log.busbw_gbs / log.expected_gbs) for log in result.logs],
            ),
            table(
                "Logs",
                "Each at its largest size.",
                [
                    Axis("log"), Axis("what"), Axis("size", "bytes"), Axis("measured", "GB/s"),
                    Axis("expected", "GB/s"), Axis("time", "s"), Axis("expected time", "s"),
                    Axis("wrong elements"),
                ],
                [
                    [
                        log.file, log.what, log.size_bytes, log.busbw_gbs, log.expected_gbs,
                        log.measured_us / 1e6, log.expected_us / 1e6, log.wrong,
                    ]
                    for log in result.logs
                ],
            ),
            *_evidence(result, causes),
        ),
    )  # fmt: skip


def _measured(log: LogFound, logs: int) -> Figure:
    """A log's curve beside what the fabric should give."""
    worked_out = [each for each in log.points if each.expected_gbs is not None]
    return lines(
        f"{f'{log.file}: ' * (logs > 1)}bus bandwidth over size",
        f"{log.what}. Closed forms are worked out at the sizes that have a mark.",
        Axis("size", "bytes", is_log=True),
        Axis("bus bandwidth", "GB/s"),
        [
            Line("measured", [(each.size_bytes, each.busbw_gbs) for each in log.points]),
            Line("closed form", [(each.size_bytes, each.expected_gbs) for each in worked_out]),
            Line(
                "busiest part alone", [(each.size_bytes, each.bound_gbs) for each in worked_out], "reference"
            ),
        ],
    )


def _evidence(result: Diagnosis, causes: Sequence[str]) -> Iterator[Figure]:
    rows = [
        [text, line] for text, cause in zip(causes, result.causes, strict=True) for line in cause.evidence
    ]
    if rows:
        yield table("Evidence", "Why each cause fits.", [Axis("cause"), Axis("evidence")], rows)
