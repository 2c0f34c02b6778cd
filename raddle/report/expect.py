"""What to measure on a fabric, as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from raddle.report.plots import bars
from raddle.units import format_size

SCHEMA_VERSION = 1

PINS, COLLISIONS = "pins", "collisions"
"""What binds where flows that share a link take longer than the busiest resource."""


@dataclass(frozen=True, slots=True)
class PartLoad:
    """The busiest resource of a kind.

    Attributes:
        kind: nic, bus, scale-up, uplinks or pod uplinks.
        share: of the buffer that it carries; form: its closed form, empty where there is none.
        line_gbs: what it carries at most, with what is around payload.
        busbw_gbs: the bus bandwidth that it admits.
    """

    kind: str
    name: str
    share: float
    form: str
    line_gbs: float
    busbw_gbs: float


@dataclass(frozen=True, slots=True)
class ExpectedRow:
    """One size.

    Attributes:
        binding: latency; the kind of resource that takes longest; pins or collisions, where their busiest
            link takes longer, with collisions in all but 5 % of the draws.
        collided_gbs: busbw under ECMP: of the draw that is worse than 95, 50 and 5 % of all; empty without.
        simulated_gbs, simulated_us: the engine's; None where it was not asked for or did not finish.
    """

    size_bytes: int
    algorithm: str
    protocol: str
    time_us: float
    algbw_gbs: float
    busbw_gbs: float
    binding: str
    collided_gbs: tuple[float, ...]
    simulated_us: float | None = None
    simulated_gbs: float | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A number that others follow from: what it is, its value in words, and where it is from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a collective should come to.

    Attributes:
        loads: of the largest size, the slowest first.
        chain_messages, latency_us: the longest chain of messages that wait for one another, largest size.
        stretch: sorted draws of how many times as long colliding flows take; empty where nothing is hashed.
        left_out: what the numbers do not have.
    """

    fabric: str
    collective: str
    algorithm: str
    routing: str
    placement: str
    ranks: int
    servers: int
    per_server: int
    loads: tuple[PartLoad, ...]
    chain_messages: int
    latency_us: float
    stretch: tuple[float, ...]
    terms: tuple[Term, ...]
    rows: tuple[ExpectedRow, ...]
    left_out: tuple[str, ...] = ()


def expectations_text(result: Expectations) -> str:
    """The whole report."""
    return "\n".join([*_head(result), *_rows(result)]) + "\n"


def _head(result: Expectations) -> Iterator[str]:
    where = f"{result.ranks} ranks on {result.servers} servers of {result.per_server}"
    yield f"# {result.collective} {result.algorithm} on {result.fabric}: {where}, {result.routing}"
    yield "# the busiest of each kind, what it carries of the buffer, and the busbw that it admits (GB/s)"
    binds = _binds(result)
    for number, each in enumerate(result.loads):
        share = f"{each.form} = {each.share:.4g}" if each.form else f"{each.share:.4g}"
        told = "  <- binds" if number == 0 and not binds else ""
        line = f"#   {each.kind:<12}{each.name:<24} {share:<26} {each.line_gbs:>8.2f}"
        yield f"{line} {each.busbw_gbs:>9.2f}{told}"
    chain = f"{result.chain_messages} messages that wait for one another"
    yield f"# latency: {result.latency_us:.1f} us, of {chain}"
    for term in result.terms:
        yield f"# {term.name}: {term.value} ({term.source})"
    if result.stretch:
        yield from _stretch_lines(result)
    for what in result.left_out:
        yield f"# left out: {what}"


def _stretch_lines(result: Expectations) -> Iterator[str]:
    draws = result.stretch
    if result.routing == "pinned":
        told = f"the busiest link needs {draws[-1]:.2f} times as long as the busiest NIC"
        yield f"# pins: {told}{_binds(result)}"
        return
    low, middle, high = (_quantile(draws, share) for share in (0.05, 0.5, 0.95))
    yield (
        f"# hash collisions: over {len(draws)} draws the busiest link needs {low:.2f} to {high:.2f} times as"
        f" long (5 to 95 %), {middle:.2f} in the median, {sum(draws) / len(draws):.2f} in the mean"
        f"{_binds(result)}"
    )


def _binds(result: Expectations) -> str:
    """A mark where pins or collisions bind the largest size."""
    return "  <- binds" if result.rows[-1].binding in (PINS, COLLISIONS) else ""


def _quantile(values: tuple[float, ...], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


def _rows(result: Expectations) -> Iterator[str]:
    collided = any(row.collided_gbs for row in result.rows)
    simulated = any(row.simulated_us is not None for row in result.rows)
    head = f"# {'size':>12} {'algorithm':>16} {'time':>10} {'algbw':>8} {'busbw':>8}  {'bound by':<12}"
    units = f"# {'(B)':>12} {'':>16} {'(us)':>10} {'(GB/s)':>8} {'(GB/s)':>8}  {'':<12}"
    if collided:
        head += f"{'busbw of 95, 50, 5 % of draws':>32}"
        units += f"{'(GB/s)':>32}"
    if simulated:
        head += f" {'simulated':>10} {'off by':>7}"
        units += f" {'(GB/s)':>10} {'':>7}"
    yield head.rstrip()
    yield units.rstrip()
    for row in result.rows:
        name = f"{row.algorithm} {row.protocol}".strip()
        line = (
            f"{row.size_bytes:>14} {name:>16} {row.time_us:>10.1f} {row.algbw_gbs:>8.2f}"
            f" {row.busbw_gbs:>8.2f}  {row.binding:<12}"
        )
        if collided:
            line += " ".join(f"{value:.2f}" for value in row.collided_gbs).rjust(32)
        if simulated:
            line += _beside(row)
        yield line.rstrip()


def _beside(row: ExpectedRow) -> str:
    if row.simulated_gbs is None or row.simulated_us is None:
        return f" {'did not end':>10}"
    return f" {row.simulated_gbs:>10.2f} {row.time_us / row.simulated_us - 1:>+7.1%}"


def expectations_plot(result: Expectations, width: int) -> Iterator[str]:
    """Bus bandwidth over size as bars, beside what the busiest part admits."""
    binds = result.loads[0] if result.loads else None
    return bars(
        f"Bus bandwidth in GB/s{f'; | is what {binds.kind} admits, {binds.busbw_gbs:.2f}' if binds else ''}",
        [(format_size(row.size_bytes), row.busbw_gbs) for row in result.rows],
        lambda value: f"{value:.2f}",
        width,
        binds.busbw_gbs if binds else None,
    )


def expectations_document(result: Expectations) -> str:
    """The result as JSON, ending in a newline."""
    document = {"schema_version": SCHEMA_VERSION, **asdict(result)}
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"
