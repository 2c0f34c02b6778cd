"""What bounds a collective's bus bandwidth."""

from __future__ import annotations

from collections.abc import Iterator

from raddle.lab.expect.expectations import Ask, expect, job_of
from raddle.lab.explain.lines import Lines
from raddle.report.expect import COLLISIONS, Expectations, ExpectedRow
from raddle.report.explain import Explained, Given
from raddle.topology.model import Fabric
from raddle.units import format_rate, format_size, parse_rate_bps


def explain_busbw(fabric: Fabric, ask: Ask) -> Explained:
    """The closed form of one size, the resources that bound it, and the lines that say their speeds.

    Raises:
        InputError: those of `find_job`.
    """
    job = job_of(ask, fabric)
    found, _ = expect(ask, job)
    (row,) = found.rows
    factor = row.busbw_gbs / row.algbw_gbs if row.algbw_gbs else 0.0
    steps = [(each.name, each.value) for each in found.terms]
    for load in found.loads:
        form = f"{load.form} = " if load.form else ""
        told = (
            f"{form}{load.share:.4g} of the buffer over {load.line_gbs:.2f} GB/s: {load.busbw_gbs:.2f} GB/s"
        )
        steps.append((f"{load.kind} {load.name}", told))
    steps += _met(found)
    alone = " without collisions" if row.binding == COLLISIONS else ""
    steps += [
        ("latency", f"{found.latency_us:.1f} us, of {found.chain_messages} messages in a chain"),
        ("time", f"{row.time_us:.1f} us{alone}; what binds: {row.binding}"),
        ("bus factor", f"busbw / algbw = {factor:.4g}"),
    ]
    lines = Lines(fabric)
    links = {link.speed_bps: link for link in reversed(fabric.links) if _is_host_link(fabric, link.index)}
    inputs = [
        lines.of_link("NIC port", format_rate(speed), link, "speed", parse_rate_bps)
        for speed, link in sorted(links.items())
    ]
    inner = {link.speed_bps: link for link in fabric.links if not _is_host_link(fabric, link.index)}
    inputs += [
        lines.of_link("link between switches", format_rate(speed), link, "speed", parse_rate_bps)
        for speed, link in sorted(inner.items())
    ]
    inputs += [
        lines.given("path MTU", f"{fabric.roce.mtu_bytes}", ("roce", "mtu")),
        Given("size", format_size(row.size_bytes), "--size"),
        Given("ranks", f"{found.ranks} on {found.servers} servers", "hosts"),
    ]
    return Explained(
        f"busbw of {found.collective} {row.algorithm} of {format_size(row.size_bytes)}, {found.routing}",
        _value(row), "size / time x bus factor; time of the busiest resource, and latency",
        tuple(steps), tuple(inputs),
        ("bus factor: nccl-tests, doc/PERFORMANCE.md", *dict.fromkeys(each.source for each in found.terms)),
        found.left_out,
    )  # fmt: skip


def _value(row: ExpectedRow) -> str:
    value = f"{row.busbw_gbs:.2f} GB/s"
    if row.binding != COLLISIONS:
        return value
    worst, _, best = row.collided_gbs
    return f"{value} without collisions, {worst:.2f} to {best:.2f} with those of 95 to 5 % of draws"


def _met(found: Expectations) -> Iterator[tuple[str, str]]:
    """What the busiest link needs of flows that share it."""
    busiest = found.loads[0]
    if found.stretch and found.routing == "pinned":
        times = found.stretch[-1]
        told = f"needs {times:.2f} times as long as {busiest.name}: {busiest.busbw_gbs / times:.2f} GB/s"
        yield "busiest link of the pins", told
    elif found.stretch and found.rows[-1].collided_gbs:
        shown = ", ".join(f"{value:.2f}" for value in found.rows[-1].collided_gbs)
        told = (
            f"over {len(found.stretch)} draws {found.stretch[0]:.2f} to {found.stretch[-1]:.2f} times as long"
        )
        yield "hash collisions", f"{told}; {shown} GB/s are left in 95, 50 and 5 % of them"


def _is_host_link(fabric: Fabric, index: int) -> bool:
    link = fabric.links[index]
    return not {link.a.device, link.b.device} <= fabric.switch_by_name.keys()
