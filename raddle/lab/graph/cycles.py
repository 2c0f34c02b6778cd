"""Nodes that wait for one another, so that none of them can begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raddle.lab.graph.model import Job


@dataclass(frozen=True, slots=True)
class Link:
    """A node of a cycle; it comes before the next one as that waits for it, or as both are on a stream."""

    name: str
    stream: str = ""

    @property
    def said(self) -> str:
        return f"{self.name} (stream {self.stream})" if self.stream else self.name


def find_cycle(job: Job, members: Mapping[str, set[int]]) -> tuple[Link, ...]:
    """Nodes each of which has to end before the next one begins, and the last before the first; none: ().

    One that `after` alone makes is told first, as no stream can undo it.

    Args:
        members: the ranks of each node.
    """
    return _circle(job, {node.name: dict.fromkeys(node.after, "") for node in job.nodes}) or _circle(
        job, _before(job, members)
    )


def _circle(job: Job, before: Mapping[str, Mapping[str, str]]) -> tuple[Link, ...]:
    open_ = {name: set(found) for name, found in before.items()}
    while free := [name for name, found in open_.items() if not found]:
        for name in free:
            del open_[name]
        for found in open_.values():
            found.difference_update(free)
    if not open_:
        return ()
    # Every node that is left waits for another that is.
    way = [next(iter(open_))]
    while (previous := min(open_[way[-1]], key=list(open_).index)) not in way:
        way.append(previous)
    circle = way[way.index(previous) :][::-1]
    names = [node.name for node in job.nodes]
    turn = circle.index(min(circle, key=names.index))
    circle = circle[turn:] + circle[:turn]
    nexts = circle[1:] + circle[:1]
    return tuple(Link(name, before[after][name]) for name, after in zip(circle, nexts, strict=True))


def _before(job: Job, members: Mapping[str, set[int]]) -> dict[str, dict[str, str]]:
    """Of each node those that come before it, with the stream that says so, or nothing where `after` does."""
    found: dict[str, dict[str, str]] = {}
    on_stream: dict[str, list[str]] = {}
    for node in job.nodes:
        mine: dict[str, str] = {}
        for stream in dict.fromkeys(step.stream for step in node.steps):
            earlier = on_stream.setdefault(stream, [])
            mine |= {name: stream for name in earlier if members[name] & members[node.name]}
            earlier.append(node.name)
        found[node.name] = mine | dict.fromkeys(node.after, "")
    return found
