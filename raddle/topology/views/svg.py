"""The fabric as SVG: tiers as rows, a box per device or bunch of devices, what is wrong over its bundle.

The drawing is as wide as a page, so that its texts can be read there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from raddle.topology.model import Fabric, Link
from raddle.topology.views.capacity import OUTSIDE, TIER_NAMES, link_tiers
from raddle.topology.views.drawing import edge_label
from raddle.units import format_rate

WIDTH = 960
"""Of the drawing, in pixels of 1/96 inch: a page in landscape, or a window."""

MAX_BOXES = 16
"""Most boxes in a row; a tier of more devices is drawn in bunches."""

MAX_LABELS = 24
"""Most bundles that have what is wrong with them written at them; with more, the legend has the sums."""

_MARGIN = 20
_TITLE_HEIGHT = 56
_LEGEND_HEIGHT = 46
_ROW_GAP = 130
_LINE_HEIGHT = 13
_CHAR_WIDTH = 6.3
_GAP = 6
_COLOURS = {"superspine": "#d9d2e9", "spine": "#cfe2f3", "leaf": "#d9ead3", "host": "#f3f3f3"}
_STATES = {
    "down": ("#cc0000", "6 4"),
    "drained": ("#1155cc", "2 3"),
    "slow": ("#e69138", ""),
}
"""What a link can be besides well: colour and dashes."""
_WELL = "#9a9a9a"


@dataclass(frozen=True, slots=True)
class _Box:
    """Devices that are drawn as one; its middle at x, its upper edge at y."""

    lines: tuple[str, ...]
    role: str
    x: float
    y: float
    width: float

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE_HEIGHT + 10

    @property
    def name(self) -> str:
        return " ".join(self.lines)


@dataclass(frozen=True, slots=True)
class _Bundle:
    """The links of one tier between two boxes: how many of each state (empty: well) and speed."""

    low: _Box
    high: _Box
    links: Counter[tuple[str, int]]

    @property
    def title(self) -> str:
        parts = [
            edge_label(count, speed_bps) + (f" {state}" if state else "")
            for (state, speed_bps), count in sorted(self.links.items())
        ]
        return f"{self.low.name} - {self.high.name}: {', '.join(parts)}"

    @property
    def wrong(self) -> Counter[str]:
        found = Counter[str]()
        for (state, _), count in self.links.items():
            if state:
                found[state] += count
        return found


def to_svg(fabric: Fabric) -> str:
    """The drawing as an SVG document, the same for the same fabric."""
    boxes, height = _place(fabric)
    states = states_of(fabric)
    bundles = _bundles(fabric, boxes, states)
    total = height + _LEGEND_HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total:.0f}" '
        f'width="{WIDTH}" height="{total:.0f}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{total:.0f}" fill="white"/>',
        f'<text x="{_MARGIN}" y="24" font-size="16" font-weight="bold">{fabric.name}</text>',
        f'<text x="{_MARGIN}" y="44" font-size="12" fill="#444">{_summary(fabric)}</text>',
        '<g id="links">',
        *(line for bundle in bundles for line in _bundle_lines(bundle)),
        "</g>",
        *(line for box in dict.fromkeys(boxes.values()) for line in _box_lines(box)),
        *_labels(bundles),
        *_tier_notes(fabric, boxes),
        *_legend(states, total - _LEGEND_HEIGHT + 22),
        "</svg>",
    ]
    return "\n".join(lines)


def states_of(fabric: Fabric) -> list[str]:
    """Of each link: `down`, `drained`, `slow` (below the usual speed of its tier), or an empty text."""
    tiers = link_tiers(fabric)
    speeds = [Counter[int]() for _ in TIER_NAMES]
    for link in fabric.links:
        speeds[tiers[link.index]][link.speed_bps] += 1
    usual = [max(each, key=lambda bps: (each[bps], bps)) if each else 0 for each in speeds]
    return [_state(link, usual[tiers[link.index]]) for link in fabric.links]


def _state(link: Link, usual_bps: int) -> str:
    if not link.is_up:
        return "down"
    if link.is_drained:
        return "drained"
    return "slow" if link.speed_bps < usual_bps else ""


def _summary(fabric: Fabric) -> str:
    speeds = ", ".join(format_rate(bps) for bps in sorted({link.speed_bps for link in fabric.links}))
    return (
        f"{len(fabric.hosts)} hosts, {len(fabric.endpoints)} endpoints, {len(fabric.switches)} switches, "
        f"{len(fabric.links)} links at {speeds}"
    )


def _place(fabric: Fabric) -> tuple[dict[str, _Box], float]:
    """The box of each device, and the height that all rows take."""
    boxes: dict[str, _Box] = {}
    y = float(_TITLE_HEIGHT)
    rows = (
        ("superspine", fabric.superspines),
        ("spine", fabric.spines),
        ("leaf", fabric.leaves),
        ("host", fabric.hosts),
    )
    for role, devices in rows:
        if not devices:
            continue
        names = [device.name for device in devices]
        bunches, lines = _bunches(names)
        slot = (WIDTH - 2 * _MARGIN) / len(bunches)
        for place, (members, texts) in enumerate(zip(bunches, lines, strict=True)):
            box = _Box(texts, role, _MARGIN + slot * (place + 0.5), y, min(slot - _GAP, _text_width(texts)))
            boxes |= dict.fromkeys(members, box)
        y += max(box.height for box in boxes.values() if box.role == role) + _ROW_GAP
    return boxes, y - _ROW_GAP + _MARGIN


def _bunches(names: Sequence[str]) -> tuple[list[Sequence[str]], list[tuple[str, ...]]]:
    """The devices of each box of a tier and its text: as few to a box as its width lets be read."""
    size = -(-len(names) // MAX_BOXES)
    if size > 1:  # a power of two keeps pods and planes, which come in them, together
        size = 1 << (size - 1).bit_length()
    while True:
        bunches = [names[start : start + size] for start in range(0, len(names), size)]
        lines = [_label(members) for members in bunches]
        if len(bunches) == 1 or sum(_text_width(each) + _GAP for each in lines) <= WIDTH - 2 * _MARGIN:
            return bunches, lines
        size *= 2


def _label(members: Sequence[str]) -> tuple[str, ...]:
    return (members[0],) if len(members) == 1 else (members[0], f"… {members[-1]}", f"({len(members)})")


def _text_width(lines: Sequence[str]) -> float:
    return max(map(len, lines)) * _CHAR_WIDTH + 10


def _bundles(fabric: Fabric, boxes: dict[str, _Box], states: Sequence[str]) -> list[_Bundle]:
    links: dict[tuple[_Box, _Box], Counter[tuple[str, int]]] = {}
    for link, state in zip(fabric.links, states, strict=True):
        pair = boxes[link.a.device], boxes[link.b.device]
        links.setdefault(pair, Counter())[state, link.speed_bps] += 1
    return [_Bundle(low, high, counts) for (low, high), counts in links.items()]


def _ends(bundle: _Bundle, shift: float = 0.0) -> tuple[float, float, float, float]:
    return bundle.low.x + shift, bundle.low.y, bundle.high.x + shift, bundle.high.y + bundle.high.height


def _bundle_lines(bundle: _Bundle) -> Iterator[str]:
    """A line for what is well, thicker for more links, and one over it for each thing that is wrong."""
    well = sum(count for (state, _), count in bundle.links.items() if not state)
    yield f"<g><title>{bundle.title}</title>"
    if well:
        yield _line(_ends(bundle), _WELL, min(2.5, 0.7 + 0.2 * (well - 1)), "")
    for place, state in enumerate(bundle.wrong):
        colour, dashes = _STATES[state]
        yield _line(_ends(bundle, 3.0 * place), colour, 2.0, dashes)
    yield "</g>"


def _line(ends: tuple[float, float, float, float], colour: str, width: float, dashes: str) -> str:
    x1, y1, x2, y2 = ends
    style = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width:.2f}"{style}/>'
    )


def _box_lines(box: _Box) -> Iterator[str]:
    yield (
        f'<rect x="{box.x - box.width / 2:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.0f}" rx="3" fill="{_COLOURS[box.role]}" stroke="#555"/>'
    )
    for place, text in enumerate(box.lines, 1):
        y = box.y + place * _LINE_HEIGHT + 1
        yield f'<text x="{box.x:.1f}" y="{y:.1f}" text-anchor="middle">{text}</text>'


def _labels(bundles: Sequence[_Bundle]) -> Iterator[str]:
    """What is wrong, written at its bundle: `1 of 4 down`."""
    wrong = [bundle for bundle in bundles if bundle.wrong]
    if len(wrong) > MAX_LABELS:
        return
    taken: list[tuple[float, float, float]] = []
    for bundle in wrong:
        for state, count in bundle.wrong.items():
            total = sum(bundle.links.values())
            text = f"{count} of {total} {state}" if total > 1 else state
            if state == "slow":
                text += f", {'/'.join(_slow_speeds(bundle))}"
            x, y = _free_place(bundle, len(text) * _CHAR_WIDTH, taken)
            yield from _text_on_white(x, y, text, _STATES[state][0])


def _slow_speeds(bundle: _Bundle) -> list[str]:
    return [format_rate(bps) for state, bps in sorted(bundle.links) if state == "slow"]


def _free_place(
    bundle: _Bundle, width: float, taken: list[tuple[float, float, float]]
) -> tuple[float, float]:
    """The middle of a text of this width on the bundle's line, where no other text is if there is a place."""
    x1, y1, x2, y2 = _ends(bundle)
    places = [
        (
            min(max(x1 + (x2 - x1) * part, _MARGIN + width / 2), WIDTH - _MARGIN - width / 2),
            y1 + (y2 - y1) * part,
        )
        for part in (0.5, 0.35, 0.65, 0.2, 0.8, 0.43, 0.57, 0.27, 0.73)
    ]
    free = (
        place
        for place in places
        if all(
            abs(place[0] - x) > (width + other) / 2 or abs(place[1] - y) > _LINE_HEIGHT + 2
            for x, y, other in taken
        )
    )
    x, y = next(free, places[0])
    taken.append((x, y, width))
    return x, y


def _text_on_white(x: float, y: float, text: str, colour: str) -> Iterator[str]:
    width = len(text) * _CHAR_WIDTH + 4
    yield (
        f'<rect x="{x - width / 2:.1f}" y="{y - 8:.1f}" width="{width:.1f}" height="14" fill="white" '
        'fill-opacity="0.9"/>'
    )
    yield f'<text x="{x:.1f}" y="{y + 3:.1f}" text-anchor="middle" fill="{colour}">{text}</text>'


def _tier_notes(fabric: Fabric, boxes: dict[str, _Box]) -> Iterator[str]:
    """Between two rows: how many links there are of which speed."""
    rows = sorted({box.y for box in boxes.values()}, reverse=True)
    counts = [Counter[int]() for _ in TIER_NAMES]
    for link, tier in zip(fabric.links, link_tiers(fabric), strict=True):
        counts[tier][link.speed_bps] += 1
    for name, speeds, (low_y, _) in zip(TIER_NAMES, counts, pairwise(rows), strict=False):
        text = _tier_note(name, speeds)
        if name == TIER_NAMES[0] and counts[OUTSIDE]:
            text += "; " + _tier_note(TIER_NAMES[OUTSIDE], counts[OUTSIDE])
        width = len(text) * _CHAR_WIDTH
        yield from _text_on_white(_MARGIN + width / 2, low_y - 12, text, "#444")


def _tier_note(name: str, speeds: Counter[int]) -> str:
    return f"{name}: " + ", ".join(edge_label(count, bps) for bps, count in sorted(speeds.items()))


def _legend(states: Sequence[str], y: float) -> Iterator[str]:
    """What the lines mean, and how many links are so."""
    counts = Counter(states)
    yield '<g id="legend" font-size="12">'
    x = float(_MARGIN)
    for state, (colour, dashes) in {"": (_WELL, ""), **_STATES}.items():
        if state and not counts[state]:
            continue
        text = f"{counts[state]} {state or 'up'}"
        yield _line((x, y, x + 32, y), colour, 2.0, dashes)
        yield f'<text x="{x + 38:.1f}" y="{y + 4:.1f}">{text}</text>'
        x += 38 + len(text) * 7 + 22
    yield f'<text x="{x:.1f}" y="{y + 4:.1f}" fill="#444">thicker: more links between the two boxes</text>'
    yield "</g>"
