"""What was benchmarked or measured before, beside a new benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from raddle.report.model import BenchResult


@dataclass(frozen=True, slots=True)
class EarlierCurve:
    """Bus bandwidth over size, as it was: (bytes, GB/s).

    Attributes:
        kind: an earlier result of `raddle bench`, or the log of a tool that measured.
        ranks: 0 where a log does not say.
    """

    name: str
    kind: Literal["baseline", "log"]
    ranks: int
    points: tuple[tuple[int, float], ...]

    @property
    def title(self) -> str:
        """Its name, and how many ranks it has."""
        return f"{self.name} ({self.ranks} ranks)" if self.ranks else self.name


def beside_lines(result: BenchResult, curves: Sequence[EarlierCurve]) -> Iterator[str]:
    """A table for each curve: what it was and what it is now, at the sizes that both have."""
    now = {row.size_bytes: row.busbw_gbs for row in result.rows}
    for curve in curves:
        yield "#"
        yield f"# Beside {curve.title}"
        both = [(size, value) for size, value in curve.points if now.get(size) is not None]
        if not both:
            yield "#   no size in common"
            continue
        yield f"# {'size':>12}  {'then':>10}  {'now':>10}  now of then"
        yield f"# {'(B)':>12}  {'(GB/s)':>10}  {'(GB/s)':>10}"
        for size, value in both:
            busbw = now[size] or 0.0
            share = f"{busbw / value:>11.1%}" if value else f"{'-':>11}"
            yield f"# {size:>12}  {value:>10.2f}  {busbw:>10.2f}  {share}"
