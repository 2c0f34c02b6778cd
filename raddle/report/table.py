"""The benchmark as text: nccl-tests' table, or hccl_test's, then what the fabric did.

Every line that is not a row of the table starts with '#', so that what reads nccl-tests' output reads
this (hccl_test's column names have none). Source: nccl-tests 2.19, src/util.cu, writeBenchmarkLinePreamble,
writeBenchmarkLineBody, writeResultHeader and writeResultFooter. Both halves of a row are of one run: in place
or not, the same bytes cross the network.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Literal

from raddle.report import hccl_test
from raddle.report.congestion import (
    collision_lines,
    congestion_lines,
    forward_lines,
    link_lines,
    repair_lines,
    scale_up_lines,
    unfinished_lines,
)
from raddle.report.model import CARRIERS, BenchResult, PinSummary, SizeRow
from raddle.report.plots import bars
from raddle.units import format_size

_BUFFER, _HALF = "# {:>10}  {:>12}  {:>8}  {:>6}  {:>6}", "  {:>7}  {:>6}  {:>6}  {:>6}"
_NAMES, _UNITS = ("time", "algbw", "busbw", "#wrong"), ("(us)", "(GB/s)", "(GB/s)", "")
_COLUMN_NAMES = (
    _BUFFER.format("", "", "", "", "") + f"{'out-of-place':>23}{'in-place':>31}",
    _BUFFER.format("size", "count", "type", "redop", "root") + 2 * _HALF.format(*_NAMES),
    _BUFFER.format("(B)", "(elements)", "", "", "") + 2 * _HALF.format(*_UNITS),
)


NCCL_COLUMNS = 117
"""Columns of nccl-tests' table."""
_SHORT = "{:>12}  {:<18} {:>10}  {:>8}  {:>8}  {:>6}"
_SHORT_NAMES = (
    "# " + _SHORT.format("size", "algorithm", "time", "algbw", "busbw", "#wrong")[2:],
    "# " + _SHORT.format("(B)", "", "(us)", "(GB/s)", "(GB/s)", "")[2:],
)

Style = Literal["nccl", "hccl", "short"]
"""Whose rows: nccl-tests', hccl_test's, or what matters of them in 80 columns."""


def to_table(result: BenchResult, style: Style = "nccl", width: int = 100) -> str:
    """The whole report, up to `width` columns beside the table where names are not longer, and a newline."""
    rows = "".join(table_row(row, style) for row in result.rows)
    return table_head(result, style, width) + rows + table_foot(result, width)


def table_head(result: BenchResult, style: Style = "nccl", width: int = 100) -> str:
    """What stands above the rows, and is known before the first of them."""
    names = {"nccl": _COLUMN_NAMES, "hccl": hccl_test.COLUMN_NAMES, "short": _SHORT_NAMES}
    return _text(_head(result, width), names[style])


def busbw_plot(result: BenchResult, width: int) -> Iterator[str]:
    """Bus bandwidth over size as bars, beside the line rate."""
    rate = result.line_rate_gbs
    return bars(
        f"Bus bandwidth of {result.tenant or result.collective} in GB/s; | is line rate, {rate:.2f}",
        [(format_size(row.size_bytes), row.busbw_gbs) for row in result.rows],
        lambda value: f"{value:.2f}",
        width,
        rate,
    )


def table_foot(result: BenchResult, width: int = 100) -> str:
    """What stands below the rows."""
    return _text(
        _foot(result),
        congestion_lines(result.rows),
        forward_lines(result.rows),
        repair_lines(result.rows),
        link_lines(result.links, width=width),
        scale_up_lines(result.scale_up),
        collision_lines(
            result.collisions,
            result.is_adaptive,
            width,
            steps=result.rows[-1].in_part.steps if result.rows and result.rows[-1].in_part else 0,
        ),
        unfinished_lines(result.rows),
    )


def _text(*parts: Iterable[str]) -> str:
    return "".join(f"{line.rstrip()}\n" for part in parts for line in part)


def _head(result: BenchResult, width: int) -> Iterator[str]:
    tenant = f" of tenant {result.tenant}" if result.tenant else ""
    yield f"# {result.collective} {result.algorithm} on {result.fabric}, {result.ranks} ranks{tenant}"
    adaptive = " with adaptive groups" if result.is_adaptive else ""
    yield (
        f"# routing {result.routing}{adaptive}, placement {result.placement}, seed {result.seed},"
        f" line rate {result.line_rate_gbs:.2f} GB/s"
    )
    if result.pins:
        yield from textwrap.wrap(_pins(result.pins), width, initial_indent="# ", subsequent_indent="#   ")
    for what in (*result.notes, *(f"not simulated: {each}" for each in result.left_out)):
        yield from textwrap.wrap(what, width, initial_indent="# ", subsequent_indent="#   ")
    yield "#"


def _pins(pins: PinSummary) -> str:
    return (
        f"pinned {pins.flows} flows with {pins.pins} {CARRIERS[pins.carrier]} ({pins.method}); most"
        f" on a link between switches: data of {pins.max_data_load:g} (bound {pins.data_bound:g}),"
        f" acknowledgements of {pins.max_ack_load:g} (bound {pins.ack_bound:g})"
    )


def table_row(row: SizeRow, style: Style = "nccl") -> str:
    """The line of one size."""
    if style == "hccl":
        return hccl_test.size_line(row)
    if style == "short":
        time_us = None if row.time_ps is None else row.time_ps / 1e6
        name, wrong = (
            f"{row.algorithm} {row.protocol}".strip(),
            "N/A" if row.wrong is None else f"{row.wrong:g}",
        )
        numbers = _number(time_us, 10), _number(row.algbw_gbs, 8), _number(row.busbw_gbs, 8)
        return f"{_SHORT.format(row.size_bytes, name, *numbers, wrong)}\n"
    return (
        f"{row.size_bytes:>12}  {row.count:>12}  {row.datatype:>8}  {row.redop:>6}  {row.root:>6}"
        f"{_half(row, row.wrong)}{_half(row, row.in_place_wrong)}\n"
    )


def _half(row: SizeRow, wrong: int | None) -> str:
    time_us = None if row.time_ps is None else row.time_ps / 1e6
    numbers = f"  {_number(time_us, 7)}  {_number(row.algbw_gbs, 6)}  {_number(row.busbw_gbs, 6)}"
    # nccl-tests prints this "N/A" one column short.
    return f"{numbers}  {float(wrong):>6g}" if wrong is not None else f"{numbers}    N/A"


def _number(value: float | None, width: int) -> str:
    """As many decimals as fit the column, two at most (nccl-tests' getFloatStr)."""
    if value is None:
        return "N/A".rjust(width)
    for decimals in (2, 1, 0):
        text = f"{value:{width}.{decimals}f}"
        if len(text) <= width:
            return text
    return f"{value:{width}.{1 if width >= 7 else 0}e}"


def _foot(result: BenchResult) -> Iterator[str]:
    if result.is_interrupted:
        done = len(result.rows)
        yield f"# interrupted: {done} size{'s' * (done != 1)} done, which is what follows"
    bad = sum((row.wrong or 0) > 0 for row in result.rows)
    is_counted = all(row.wrong is not None for row in result.rows)
    found = f"{bad} {'FAILED' if bad else 'OK'}" if is_counted or bad else "not counted"
    yield f"# {'Out of bounds values':<20} : {found}"
    if any(row.in_part for row in result.rows):
        yield "# #wrong is N/A where some steps stand for all"
    elif not is_counted:
        yield "# #wrong is N/A where a replay of all that flows carry would take more than 2 GiB"
    yield f"# {'Avg bus bandwidth':<20} : {result.average_busbw_gbs:g}"
