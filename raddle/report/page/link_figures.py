"""What links carried, over the fabric and over time, and who paused whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from raddle.report.model import Collision, LinkFlows, LinkUse
from raddle.report.page.fabric_figure import fabric_figure
from raddle.report.page.model import Axis, Branch, Figure, Line, lines, tree
from raddle.sim.series import Sample
from raddle.topology.model import Fabric

MAX_SAMPLES = 60_000
"""Samples that a page holds; of more, those of the ports with the longest queues and then the most sent."""

_MEASURES = (
    (Axis("utilisation", "ratio"), "utilisation"),
    (Axis("paused", "s"), "pause_ps"),
    (Axis("ECN marks"), "ecn_marks"),
    (Axis("longest queue", "bytes"), "max_queue_bytes"),
    (Axis("flows of one step"), "max_flows"),
)
"""What links can be coloured by, and the field of LinkUse that has it."""

_HINT = "The run was not sampled: --series TIME makes time series of every link."

_CURVES = 8

_SAMPLED = (
    ("sent", "bit/s", "rates", "rate_bps"),
    ("queue", "bytes", "steps", "queue_bytes"),
    ("priority group", "bytes", "steps", "pg_bytes"),
    ("headroom", "bytes", "steps", "headroom_bytes"),
)
"""What is sampled: name, unit, style, field; what a priority group holds has its headroom in it."""


def link_figures(
    fabric: Fabric,
    uses: Sequence[LinkUse],
    flows: Sequence[LinkFlows],
    collisions: Sequence[Collision] = (),
    samples: Sequence[Sample] = (),
) -> Iterator[Figure]:
    """The fabric with its links' time series, the longest queues over time, and the pauses as trees."""
    met = {each.link: len(each.flows) for each in reversed(collisions)}
    kept_measures = [each for each in _MEASURES if any(getattr(use, each[1]) for use in uses)]
    values = {use.name: [_value(use, axis, field) for axis, field in kept_measures] for use in uses}
    figure = fabric_figure(fabric, [axis for axis, _ in kept_measures], values, _of_links(flows, met), _HINT)
    if samples:
        names = _link_of_port(fabric)
        kept = _kept(samples)
        figure = replace(figure, data={**figure.data, "samples": _by_link(kept, names)})
    yield figure
    if samples:
        yield from _queue_figures(samples)
    roots = pause_trees(uses, {host.name for host in fabric.hosts})
    if roots:
        yield tree(
            "Who paused whom",
            "From where congestion stood to the senders that were held, with the time that each stood still. "
            "Found from counters: where a switch was held at several ports itself, the one that was held "
            "longest counts as the cause.",
            Axis("paused", "s"),
            roots,
        )


def _value(use: LinkUse, axis: Axis, field: str) -> float | None:
    value: float | None = getattr(use, field)
    return value / 1e12 if axis.unit == "s" and value is not None else value


def _of_links(flows: Sequence[LinkFlows], met: Mapping[str, int]) -> dict[str, Any] | None:
    """What went over each link: [flows, most that met in one step, [place of a name, bytes] of some]."""
    if not flows:
        return None
    places: dict[str, int] = {}
    links = {
        each.link: [
            each.count,
            met.get(each.link, 0),
            [[places.setdefault(flow.name, len(places)), flow.bytes] for flow in each.flows],
        ]
        for each in flows
    }
    return {"names": list(places), "links": links}


def _link_of_port(fabric: Fabric) -> dict[str, str]:
    return {
        str(here): f"{here} -> {there}"
        for link in fabric.links
        for here, there in ((link.a, link.b), (link.b, link.a))
    }


def _kept(samples: Sequence[Sample]) -> Sequence[Sample]:
    """All samples, or those of so many ports as a page bears."""
    if len(samples) <= MAX_SAMPLES:
        return samples
    most: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    count: dict[str, int] = defaultdict(int)
    for each in samples:
        queue, rate = most[each.port]
        most[each.port] = max(queue, each.max_queue_bytes), max(rate, each.rate_bps)
        count[each.port] += 1
    chosen, left = set(), MAX_SAMPLES
    for port in sorted(most, key=lambda port: most[port], reverse=True):
        left -= count[port]
        if left < 0:
            break
        chosen.add(port)
    return [each for each in samples if each.port in chosen]


def _by_link(samples: Sequence[Sample], names: Mapping[str, str]) -> dict[str, Any]:
    """For each link and each thing that is sampled, its curves by priority."""
    interval_ps = _interval_ps(samples)
    found: dict[str, list[dict[str, list[tuple[int, int]]]]] = {}
    for each in samples:
        link = found.setdefault(names.get(each.port, each.port), [{} for _ in _SAMPLED])
        for (what, _, _, field), curves in zip(_SAMPLED, link, strict=True):
            curves.setdefault(f"{what} {each.priority}", []).append((each.time_ps, getattr(each, field)))
    return {
        "measures": [[what, unit, style] for what, unit, style, _ in _SAMPLED],
        "links": {
            link: [
                [[name, _dense(curve, interval_ps)] for name, curve in curves.items()] for curves in measures
            ]
            for link, measures in found.items()
        },
    }


def _interval_ps(samples: Sequence[Sample]) -> int:
    """Between two samples."""
    times = sorted({each.time_ps for each in samples})
    return min((after - before for before, after in pairwise(times)), default=times[0] if times else 1)


def _dense(points: Sequence[tuple[int, int]], interval_ps: int) -> list[tuple[float, float | None]]:
    """(s, value) with the noughts of samples that were left out, as nothing was there: those around a gap."""
    found: list[tuple[int, int]] = []
    for time_ps, value in points:
        before = found[-1][0] if found else 0
        if time_ps - before > interval_ps:
            found += [(before + interval_ps, 0)] * bool(found) + [(time_ps - interval_ps, 0)]
        found.append((time_ps, value))
    found.append((found[-1][0] + interval_ps, 0))
    return [(time_ps / 1e12, value) for time_ps, value in found]


def _queue_figures(samples: Sequence[Sample]) -> Iterator[Figure]:
    yield from _held_most(
        samples,
        "queue_bytes",
        lambda sample: sample.max_queue_bytes,
        "Longest queues over time",
        "The queues that were longest, at each sample, by port and queue.",
    )
    yield from _held_most(
        samples,
        "pg_bytes",
        lambda sample: sample.max_pg_bytes,
        "Fullest priority groups over time",
        "What the fullest priority groups held of the shared pool and of headroom, by port and group.",
    )
    yield from _held_most(
        samples,
        "headroom_bytes",
        lambda sample: sample.max_headroom_bytes,
        "Headroom over time",
        "What priority groups held of their headroom, above their threshold: what was under way when they "
        "sent a pause. By port and group, those that held most.",
    )


def _held_most(
    samples: Sequence[Sample], field: str, most: Callable[[Sample], int], title: str, about: str
) -> Iterator[Figure]:
    peaks: dict[tuple[str, int], int] = {}
    for each in samples:
        place = each.port, each.priority
        peaks[place] = max(peaks.get(place, 0), most(each))
    chosen = [place for place in sorted(peaks, key=lambda at: -peaks[at])[:_CURVES] if peaks[place]]
    curves: dict[tuple[str, int], list[tuple[int, int]]] = {place: [] for place in chosen}
    for each in samples:
        if (each.port, each.priority) in curves:
            curves[each.port, each.priority].append((each.time_ps, getattr(each, field)))
    if curves:
        interval_ps = _interval_ps(samples)
        drawn = [
            Line(f"{port}, {priority}", _dense(points, interval_ps), "steps")
            for (port, priority), points in curves.items()
        ]
        yield lines(title, about, Axis("time", "s"), Axis("held", "bytes"), drawn)


def pause_trees(uses: Sequence[LinkUse], hosts: Collection[str]) -> list[Branch]:
    """The directions of links that were paused, each below what held it, the longest first.

    A direction A -> B that stood still was held by B. Where B is a switch that was held itself, at a port
    towards C, that is the cause (the longest, where there are several); else congestion stood at B: a root.
    """
    paused = {use.name: use.pause_ps / 1e12 for use in uses if use.pause_ps}
    ends = {name: _devices(name) for name in paused}
    leaving: dict[str, list[str]] = defaultdict(list)
    for name, (sender, _) in ends.items():
        if sender not in hosts:
            leaving[sender].append(name)
    held_by: dict[str, str | None] = {
        name: max(leaving[receiver], key=lambda other: (paused[other], other), default=None)
        for name, (_, receiver) in ends.items()
    }
    below: dict[str, list[str]] = defaultdict(list)
    roots: dict[str, list[str]] = defaultdict(list)
    for name, cause in held_by.items():
        if cause is None or _is_ring(name, held_by):
            roots[ends[name][1]].append(name)
        else:
            below[cause].append(name)

    def branches(names: Sequence[str]) -> tuple[Branch, ...]:
        longest_first = sorted(names, key=lambda name: (-paused[name], name))
        return tuple(Branch(name, paused[name], branches(below[name])) for name in longest_first)

    trees = [
        Branch(device, sum(paused[name] for name in names), branches(names))
        for device, names in roots.items()
    ]
    return sorted(trees, key=lambda each: -each.value)


def _is_ring(name: str, held_by: Mapping[str, str | None]) -> bool:
    """Whether what held it leads back to itself, as in a deadlock."""
    at = held_by[name]
    for _ in held_by:
        if at is None:
            return False
        if at == name:
            return True
        at = held_by[at]
    return False


def _devices(link: str) -> tuple[str, str]:
    sender, _, receiver = link.partition(" -> ")
    return sender.rpartition(":")[0], receiver.rpartition(":")[0]
