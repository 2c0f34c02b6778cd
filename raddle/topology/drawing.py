"""The fabric as a drawing: Graphviz dot and Mermaid text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from raddle.topology.model import Fabric
from raddle.units import format_rate

_Edge = tuple[str, str, int, bool]


def to_dot(fabric: Fabric) -> str:
    """Graphviz: spines on top, parallel links as one edge with its count, dead links dashed red."""
    lines = [f"graph {_quote(fabric.name)} {{", "  rankdir=TB;", "  node [shape=box];"]
    for names in _tiers(fabric):
        members = " ".join(f"{_quote(name)};" for name in names)
        lines.append(f"  {{ rank=same; {members} }}")
    for (a, b, speed_bps, is_up), count in _edges(fabric):
        style = "" if is_up else ", style=dashed, color=red"
        lines.append(f"  {_quote(b)} -- {_quote(a)} [label={_quote(_label(count, speed_bps))}{style}];")
    return "\n".join([*lines, "}"])


def to_mermaid(fabric: Fabric) -> str:
    """Mermaid flowchart: parallel links as one edge with its count, dead links dotted."""
    ids = {name: f"n{i}" for i, name in enumerate(name for names in _tiers(fabric) for name in names)}
    lines = ["graph TB", *(f'  {key}["{name}"]' for name, key in ids.items())]
    for (a, b, speed_bps, is_up), count in _edges(fabric):
        line = "---" if is_up else "-.-"
        lines.append(f'  {ids[b]} {line}|"{_label(count, speed_bps)}"| {ids[a]}')
    return "\n".join(lines)


def _tiers(fabric: Fabric) -> Iterator[list[str]]:
    yield [switch.name for switch in fabric.spines]
    yield [switch.name for switch in fabric.leaves]
    yield [host.name for host in fabric.hosts]


def _edges(fabric: Fabric) -> Iterator[tuple[_Edge, int]]:
    counts = Counter((link.a.device, link.b.device, link.speed_bps, link.is_up) for link in fabric.links)
    yield from counts.items()


def _label(count: int, speed_bps: int) -> str:
    return format_rate(speed_bps) if count == 1 else f"{count} x {format_rate(speed_bps)}"


def _quote(text: str) -> str:
    """Names hold letters, digits, '.', '-' and '_': nothing to escape."""
    return f'"{text}"'
