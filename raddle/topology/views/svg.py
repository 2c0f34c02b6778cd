"""The fabric as SVG: tiers as rows, a box per device, or a box per bunch of devices where there are many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from raddle.topology.model import Fabric
from raddle.topology.views.drawing import edge_label
from raddle.units import format_rate

MAX_BOXES = 16
"""Most boxes in a row; a tier of more devices is drawn in bunches."""

_BOX_HEIGHT = 34
_ROW_GAP = 110
_MARGIN = 24
_TITLE_HEIGHT = 44
_CHAR_WIDTH = 7.2
_COLOURS = {"superspine": "#d9d2e9", "spine": "#cfe2f3", "leaf": "#d9ead3", "host": "#f3f3f3"}


@dataclass(frozen=True, slots=True)
class _Box:
    """Devices that are drawn as one, at x in pixels."""

    label: str
    role: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class _Row:
    y: float
    boxes: tuple[_Box, ...]


def to_svg(fabric: Fabric) -> str:
    """The drawing as an SVG document, the same for the same fabric."""
    bunches = [_bunches(names, role) for role, names in _tiers(fabric)]
    roles = [role for role, _ in _tiers(fabric)]
    width = max(_row_width(labels) for labels, _ in bunches)
    gap = max(_ROW_GAP, width / 9)
    rows = [
        _Row(_TITLE_HEIGHT + i * (_BOX_HEIGHT + gap), _boxes(labels, role, width))
        for i, (role, (labels, _)) in enumerate(zip(roles, bunches, strict=True))
    ]
    where = {
        name: (rows[i].y, rows[i].boxes[bunch])
        for i, (_, members) in enumerate(bunches)
        for name, bunch in members.items()
    }
    height = rows[-1].y + _BOX_HEIGHT + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
        f'<text x="{_MARGIN}" y="26" font-size="16" font-weight="bold">{fabric.name}</text>',
        *_edges(fabric, where),
        *(line for row in rows for box in row.boxes for line in _box(box, row.y)),
        "</svg>",
    ]
    return "\n".join(lines)


def _tiers(fabric: Fabric) -> Iterator[tuple[str, list[str]]]:
    for role, tier in (
        ("superspine", fabric.superspines),
        ("spine", fabric.spines),
        ("leaf", fabric.leaves),
        ("host", fabric.hosts),
    ):
        if tier:
            yield role, [device.name for device in tier]


def _bunches(names: Sequence[str], role: str) -> tuple[list[str], dict[str, int]]:
    """Labels of the boxes of a tier, and the box of each device."""
    size = -(-len(names) // MAX_BOXES)
    if size > 1:  # a power of two keeps pods and planes, which come in them, together
        size = 1 << (size - 1).bit_length()
    labels = []
    for start in range(0, len(names), size):
        members = names[start : start + size]
        labels.append(members[0] if len(members) == 1 else f"{members[0]} … {members[-1]} ({len(members)})")
    return labels, {name: i // size for i, name in enumerate(names)}


def _label_width(label: str) -> float:
    return len(label) * _CHAR_WIDTH + 16


def _row_width(labels: Sequence[str]) -> float:
    return sum(_label_width(label) + 12 for label in labels) + 2 * _MARGIN


def _boxes(labels: Sequence[str], role: str, width: float) -> tuple[_Box, ...]:
    """Boxes spread evenly over the width."""
    slot = (width - 2 * _MARGIN) / len(labels)
    boxes = []
    for i, label in enumerate(labels):
        box_width = _label_width(label)
        boxes.append(_Box(label, role, _MARGIN + slot * (i + 0.5) - box_width / 2, box_width))
    return tuple(boxes)


def _box(box: _Box, y: float) -> Iterator[str]:
    colour = _COLOURS[box.role]
    yield (
        f'<rect x="{box.x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{_BOX_HEIGHT}" rx="4" '
        f'fill="{colour}" stroke="#555"/>'
    )
    middle = box.x + box.width / 2
    yield f'<text x="{middle:.1f}" y="{y + 21:.1f}" text-anchor="middle">{box.label}</text>'


def _edges(fabric: Fabric, where: dict[str, tuple[float, _Box]]) -> Iterator[str]:
    """One line per pair of boxes, speed and state, thicker for more links; hovering tells how many."""
    counts: Counter[tuple[tuple[float, _Box], tuple[float, _Box], int, bool]] = Counter()
    for link in fabric.links:
        counts[where[link.a.device], where[link.b.device], link.speed_bps, link.is_up] += 1
    for ((low_y, low), (high_y, high), speed_bps, is_up), count in counts.items():
        x1, x2 = low.x + low.width / 2, high.x + high.width / 2
        thickness = min(2.5, 0.8 + 0.25 * (count - 1))
        style = "" if is_up else ' stroke-dasharray="6 4"'
        colour = "#8a8a8a" if is_up else "#cc0000"
        state = "" if is_up else ", down"
        yield (
            f'<line x1="{x1:.1f}" y1="{low_y:.1f}" x2="{x2:.1f}" y2="{high_y + _BOX_HEIGHT:.1f}" '
            f'stroke="{colour}" stroke-width="{thickness:.2f}"{style}>'
            f"<title>{low.label} - {high.label}: {edge_label(count, speed_bps)}{state}</title></line>"
        )
    yield from _legend(fabric)


def _legend(fabric: Fabric) -> Iterator[str]:
    speeds = ", ".join(format_rate(bps) for bps in sorted({link.speed_bps for link in fabric.links}))
    down = sum(not link.is_up for link in fabric.links)
    note = f"{len(fabric.endpoints)} endpoints, {len(fabric.links)} links at {speeds}"
    if down:
        note += f", {down} down (dashed)"
    start = _MARGIN + len(fabric.name) * 11 + 16
    yield f'<text x="{start}" y="26" fill="#555">{note}</text>'
