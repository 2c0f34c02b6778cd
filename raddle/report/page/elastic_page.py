"""The page of `raddle elastic`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from raddle.report.elastic import ElasticResult, PeriodRow, clock
from raddle.report.page.model import Axis, Figure, Line, Page, Span, lines, spans, table


def elastic_page(result: ElasticResult) -> Page:
    """Of a day: who serves and who trains when, and what changing hands takes."""
    missing = [each for each in result.periods if each.missing_per_s]
    return Page(
        title=f"{result.name} on {result.fabric}",
        subtitle=f"raddle elastic: {result.pool} accelerators, {result.storage} NICs of storage, routing "
        f"{result.routing}",
        state="failed" if missing else "ok",
        verdict="the load finds no room at times" if missing else "the load always finds room",
        findings=tuple(
            f"no capacity for {each.missing_per_s:,.0f} tokens/s from {clock(each.begin_min * 60)} on"
            for each in missing
        ),
        facts=(
            ("an instance", f"{result.instance} accelerators"),
            ("alone", f"{result.tokens_per_s:,.0f} tokens/s of each accelerator"),
            ("served in the day", f"{sum(each.served_tokens for each in result.periods) / 1e6:,.1f} Mtokens"),
            ("trained in the day", f"{sum(each.steps for each in result.periods):,.0f} steps"),
            ("fidelity", result.fidelity),
        ),
        notes=(
            *(f"not simulated: {what}" for what in result.left_out),
            *(line for row in result.by_auto for line in row.lines()),
        ),
        figures=tuple(_figures(result)),
    )


def _figures(result: ElasticResult) -> Iterator[Figure]:
    rows = result.periods
    yield lines(
        "Load over the day",
        "The highest load of each period, and what those that serve it come to.",
        Axis("hour of the day", "h"),
        Axis("tokens/s"),
        [
            _line("load", rows, [each.load_per_s for each in rows]),
            _line("capacity", rows, [each.serving * each.tokens_per_s for each in rows], "reference"),
        ],
    )
    yield lines(
        "Accelerators over the day",
        "What they do, in each period.",
        Axis("hour of the day", "h"),
        Axis("accelerators"),
        [
            _line("serving", rows, [each.serving for each in rows]),
            _line("training", rows, [each.training for each in rows]),
            _line("idle", rows, [each.idle for each in rows]),
        ],
    )
    for change in result.changes:
        begin_s, parts = 0.0, []
        for stage in change.stages:
            end_s = begin_s + stage.time_ps / 1e12
            kind = "training stands still" if stage.pauses else "training goes on"
            parts.append(Span(stage.name, begin_s, end_s, f"{stage.name}: {stage.what}", kind))
            begin_s = end_s
        if parts:
            yield spans(
                f"{clock(change.begin_s, True)}: {change.accelerators} accelerators to {change.to}",
                f"From its beginning on. It costs {change.lost_steps:,.0f} steps of training, or "
                f"{change.lost_tokens / 1e6:,.1f} Mtokens that they could have served.",
                parts,
            )
    yield table(
        "Periods",
        "Steps leave out what changing hands takes.",
        [
            Axis("from"), Axis("to"), Axis("load", "tokens/s"), Axis("serving"), Axis("training"),
            Axis("idle"), Axis("served", "tokens"), Axis("no capacity for", "tokens/s"), Axis("step", "s"),
            Axis("steps"),
        ],
        [
            [
                clock(each.begin_min * 60), clock(each.end_min * 60), each.load_per_s, each.serving,
                each.training, each.idle, each.served_tokens, each.missing_per_s,
                None if each.step_ps is None else each.step_ps / 1e12, round(each.steps),
            ]
            for each in rows
        ],
    )  # fmt: skip


def _line(name: str, rows: Sequence[PeriodRow], values: Sequence[float], style: str = "steps") -> Line:
    """A value of each period, from its beginning to its end."""
    points = [
        point
        for each, value in zip(rows, values, strict=True)
        for point in ((each.begin_min / 60, value), (each.end_min / 60, value))
    ]
    return Line(name, points, "reference" if style == "reference" else "steps")
