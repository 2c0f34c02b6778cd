"""What the fabric did during a benchmark, as lines of text: links, collisions, pauses, drops."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from raddle.report.model import Collision, LinkUse, ScaleUpUse, SizeRow, auto_lines
from raddle.units import format_time

_WIDTH = 100
_SHOWN = 10
_FLOWS_SHOWN = 6
_PORTS_SHOWN = 3


def congestion_lines(rows: Sequence[SizeRow]) -> Iterator[str]:
    """PFC, ECN and drops of each size; one line if there was nothing of it."""
    rows = [row for row in rows if row.drops is not None]  # others had no packets
    if not rows:
        return
    yield "#"
    if not any(row.pfc_pauses or row.pfc_pause_ps or row.ecn_marks or row.drops for row in rows):
        yield "# No PFC pause, no ECN mark, no drop."
        return
    yield "# Congestion"
    yield f"# {'size':>10}  {'PFC pauses':>10}  {'paused':>10}  {'ECN marks':>10}  drops"
    for row in rows:
        drops = ", ".join(f"{count} {reason}" for reason, count in row.drops or ()) or "0"
        yield (
            f"# {row.size_bytes:>10}  {row.pfc_pauses:>10}  {format_time(row.pfc_pause_ps or 0):>10}"
            f"  {row.ecn_marks:>10}  {drops}"
        )
    slowed = {line for row in rows if not row.unfinished for line in row.diagnosis}
    for line in sorted(slowed):
        yield from textwrap.wrap(line, _WIDTH, initial_indent="# ", subsequent_indent="#   ")


def forward_lines(rows: Sequence[SizeRow]) -> Iterator[str]:
    """What of each size was computed, or why it was tried in vain."""
    told = [
        (row.size_bytes, what)
        for row in rows
        for what in (
            *([str(row.in_part)] if row.in_part else ()),
            *auto_lines(row.fast_forward, row.flowed, row.not_forwarded),
        )
    ]
    if told:
        yield "#"
    yield from (f"# {size_bytes:>10}: {what}" for size_bytes, what in told)


def repair_lines(rows: Sequence[SizeRow]) -> Iterator[str]:
    """What the controller did about dead links in the run of each size; nothing where there was none."""
    told = [(row.size_bytes, repair) for row in rows for repair in row.repairs]
    if told:
        yield "#"
    yield from (f"# {size_bytes:>10}: controller, {repair}" for size_bytes, repair in told)


def link_lines(links: Sequence[LinkUse], *, of_sizes: bool = True, width: int = _WIDTH) -> Iterator[str]:
    """The links that were busiest, of those that carried anything; in the last run of one for each size.

    Where `width` is too little, what was sent and the flows are left out.
    """
    when = " at the last size" if of_sizes else ""
    used = [link for link in links if link.tx_bytes]
    used.sort(key=lambda link: (-link.utilisation, -link.tx_bytes))
    yield "#"
    if not used:
        yield f"# No link of the network carried anything{when}."
        return
    yield f"# Busiest links of {len(used)} in use{when and f',{when}'}"
    shown = used[:_SHOWN]
    rows = [("link", "use", "sent", "flows" if of_sizes else "", "queue", "ECN marks", "paused")]
    rows += [
        (
            link.name,
            f"{link.utilisation:.1%}",
            _bytes(link.tx_bytes),
            str(link.max_flows) if of_sizes else "",
            _or_dash(link.max_queue_bytes, _bytes),
            _or_dash(link.ecn_marks, str),
            _or_dash(link.pause_ps, format_time),
        )
        for link in shown
    ]
    name = max(len(row[0]) for row in rows)
    widths = dict(zip(range(1, 7), (6, 8, 5, 8, 9, 8), strict=True))
    if 2 + name + sum(2 + each for each in widths.values()) > width:
        del widths[2], widths[3]
    for row in rows:
        yield f"# {row[0]:<{name}}" + "".join(f"  {row[at]:>{each}}" for at, each in widths.items())
    yield from _more(len(used) - len(shown), "link")


def scale_up_lines(ports: Sequence[ScaleUpUse], *, of_sizes: bool = True) -> Iterator[str]:
    """The scale-up ports that were busiest; nothing where none carried anything."""
    if not ports:
        return
    yield "#"
    yield f"# Busiest scale-up ports of {len(ports)} in use, each way{', at the last size' * of_sizes}"
    shown = ports[:_PORTS_SHOWN]
    width = max(len(port.name) for port in shown)
    yield f"# {'port':<{width}}  {'use':>6}  {'sent':>8}"
    for port in shown:
        yield f"# {port.name:<{width}}  {port.utilisation:>6.1%}  {_bytes(port.sent_bytes):>8}"
    yield from _more(len(ports) - len(shown), "port")


def collision_lines(
    collisions: Sequence[Collision], is_adaptive: bool, width: int = _WIDTH, *, steps: int = 0
) -> Iterator[str]:
    """Which flows shared which link; steps in which the same flows met there are put together.

    Args:
        steps: those that were run and stand for all; 0: all were.
    """
    of_steps = f" of the {steps} that were run" if steps else ""
    at: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for collision in collisions:
        at[collision.link, collision.flows].append(collision.step)
    yield "#"
    if is_adaptive:
        yield "# Switches choose the ways of flows by load: no link is one flow's own."
        return
    if not at:
        yield f"# No link carried two flows of one step{of_steps}."
        return
    most = max(len(flows) for _, flows in at)
    links = len({link for link, _ in at})
    where = f"{links} link{'s' * (links > 1)}"
    yield f"# Collisions on {where}, at most {most} flows of one step{of_steps} on a link"
    order = sorted(at, key=lambda key: (-len(key[1]), -len(at[key]), key))
    for link, flows in order[:_SHOWN]:
        yield f"# {link}: {len(flows)} flows, {_steps(at[link, flows])}"
        names = list(flows[:_FLOWS_SHOWN])
        if len(flows) > _FLOWS_SHOWN:
            names.append(f"and {len(flows) - _FLOWS_SHOWN} more")
        # A name stays on one line: its spaces are hidden from the wrapping.
        hidden = "; ".join(name.replace(" ", "\0") for name in names)
        lines = textwrap.wrap(
            hidden,
            width,
            initial_indent="#     ",
            subsequent_indent="#     ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from (line.replace("\0", " ") for line in lines)
    yield from _more(len(order) - _SHOWN, "collision")


def unfinished_lines(rows: Sequence[SizeRow]) -> Iterator[str]:
    """Flows that did not finish, and why; steps of the same ranks for the same reason are put together."""
    for row in rows:
        if not row.unfinished:
            continue
        steps: dict[tuple[str, str], list[int]] = {}
        for flow in row.unfinished:
            steps.setdefault((flow.name, flow.reason), []).append(flow.step)
        yield "#"
        yield f"# {len(row.unfinished)} flows of size {row.size_bytes} did not finish"
        for (name, reason), of in list(steps.items())[:_SHOWN]:
            yield f"#   {name}, {_steps(of)}: {reason}"
        yield from _more(sum(map(len, list(steps.values())[_SHOWN:])), "flow")
        yield from (f"#   {line}" for line in row.diagnosis)


def _or_dash(count: int | None, text: Callable[[int], str]) -> str:
    return "-" if count is None else text(count)


def _more(count: int, noun: str) -> Iterator[str]:
    if count > 0:
        yield f"#   and {count} more {noun}{'s' * (count > 1)}"


def _steps(steps: Sequence[int]) -> str:
    """`step 3`, or `steps 0-29`, or `steps 0-3, 8`, cut after four ranges."""
    ordered = sorted(steps)
    ranges: list[list[int]] = []
    for step in ordered:
        if ranges and step == ranges[-1][1] + 1:
            ranges[-1][1] = step
        else:
            ranges.append([step, step])
    texts = [f"{first}-{last}" if last > first else str(first) for first, last in ranges[:4]]
    if len(ranges) > 4:
        texts.append("...")
    return f"step{'s' * (len(ordered) > 1)} {', '.join(texts)}"


def _bytes(count: int) -> str:
    """Rounded, to compare links by; the exact number is in the JSON report."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
