"""The fabric as a drawing: Graphviz dot and Mermaid text. (`raddle.topology.views.svg` draws by itself.)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from raddle.topology.model import Fabric
from raddle.units import format_rate

_Edge = tuple[str, str, int, bool]


def to_dot(fabric: Fabric) -> str:
    """Graphviz: upper tiers on top, parallel links as one edge with its count, dead links dashed red."""
    lines = [f"graph {_quote(fabric.name)} {{", "  rankdir=TB;", "  node [shape=box];"]
    for names in rows_of(fabric):
        members = " ".join(f"{_quote(name)};" for name in names)
        lines.append(f"  {{ rank=same; {members} }}")
    for (a, b, speed_bps, is_up), count in edges_of(fabric):
        style = "" if is_up else ", style=dashed, color=red"
        lines.append(f"  {_quote(b)} -- {_quote(a)} [label={_quote(edge_label(count, speed_bps))}{style}];")
    return "\n".join([*lines, "}"])


def to_mermaid(fabric: Fabric) -> str:
    """Mermaid flowchart: parallel links as one edge with its count, dead links dotted."""
    names = [name for row in rows_of(fabric) for name in row]
    ids = {name: f"n{i}" for i, name in enumerate(names)}
    lines = ["graph TB", *(f'  {key}["{name}"]' for name, key in ids.items())]
    for (a, b, speed_bps, is_up), count in edges_of(fabric):
        line = "---" if is_up else "-.-"
        lines.append(f'  {ids[b]} {line}|"{edge_label(count, speed_bps)}"| {ids[a]}')
    return "\n".join(lines)


def rows_of(fabric: Fabric) -> Iterator[list[str]]:
    """Names of the devices of each tier that there is, from the top down."""
    for tier in (fabric.superspines, fabric.spines, fabric.leaves, fabric.hosts):
        if tier:
            yield [device.name for device in tier]


def edges_of(fabric: Fabric) -> Iterator[tuple[_Edge, int]]:
    """(lower device, upper device, speed in bits per second, is up) and how many links are so."""
    counts = Counter((link.a.device, link.b.device, link.speed_bps, link.is_up) for link in fabric.links)
    yield from counts.items()


def edge_label(count: int, speed_bps: int) -> str:
    """`400G`, or `2 x 400G`."""
    return format_rate(speed_bps) if count == 1 else f"{count} x {format_rate(speed_bps)}"


def _quote(text: str) -> str:
    """Names hold letters, digits, '.', '-' and '_': nothing to escape."""
    return f'"{text}"'
