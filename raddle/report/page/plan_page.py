"""The page of `raddle plan`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from raddle.report.page.fabric_figure import fabric_figure
from raddle.report.page.model import Axis, Figure, Page, bars, table
from raddle.topology.model import Fabric


@dataclass(frozen=True, slots=True)
class PlannedSwitch:
    """What the page shows of a switch; `headroom` is that of each lossless profile, by name."""

    name: str
    role: str
    asn: int
    routes: int
    pins: int
    headroom_pool_bytes: int
    shared_bytes: int
    headroom: Mapping[str, int]


def plan_page(
    fabric: Fabric,
    routing: str,
    switches: Sequence[PlannedSwitch],
    pinned: Mapping[str, int],
    summary: Sequence[str],
) -> Page:
    """Of a plan; `pinned` are pins that send to each port, `summary` the lines below the command's table."""
    return Page(
        title=f"Plan of {fabric.name}",
        subtitle=f"raddle plan: routing {routing}",
        facts=(
            ("switches", f"{len(switches):,}"),
            ("endpoints", f"{len(fabric.endpoints):,}"),
            ("routes", f"{sum(switch.routes for switch in switches):,}"),
        ),
        notes=tuple(summary),
        figures=tuple(_figures(fabric, switches, pinned)),
    )


def _figures(
    fabric: Fabric, switches: Sequence[PlannedSwitch], pinned: Mapping[str, int]
) -> Iterator[Figure]:
    far = {str(a): str(b) for link in fabric.links for a, b in ((link.a, link.b), (link.b, link.a))}
    values = {f"{port} -> {far[port]}": [count] for port, count in pinned.items() if port in far}
    measures = [Axis("pins that lead there")] if values else []
    yield fabric_figure(fabric, measures, values)
    yield table(
        "Switches",
        "What each holds, and how its buffer is divided.",
        [
            Axis("switch"), Axis("role"), Axis("AS number"), Axis("routes"), Axis("pins"),
            Axis("headroom pool", "bytes"), Axis("shared", "bytes"),
        ],
        [
            [
                each.name, each.role, str(each.asn), each.routes, each.pins,
                each.headroom_pool_bytes, each.shared_bytes,
            ]
            for each in switches
        ],
    )  # fmt: skip
    headroom = {name: room for each in switches for name, room in each.headroom.items()}
    if headroom:
        yield bars(
            "Headroom of a lossless priority group",
            "By speed and length of the cable: what arrives after a pause was asked for.",
            Axis("headroom", "bytes"),
            sorted(headroom.items(), key=lambda each: each[1]),
        )
