"""The fabric by tier, with what its links carried and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raddle.report.page.model import Axis, Figure
from raddle.topology.model import Fabric
from raddle.topology.views.svg import states_of

MAX_LINKS = 20_000
"""Links that a page holds one by one; of a larger fabric it holds those that carried most, and all that are
not well, and of links that carried alike some of every device."""

_ROLES = ("superspine", "spine", "leaf", "host")


def fabric_figure(
    fabric: Fabric,
    measures: Sequence[Axis] = (),
    values: Mapping[str, Sequence[float | None]] | None = None,
    flows: Mapping[str, Any] | None = None,
    hint: str = "",
    max_links: int = MAX_LINKS,
) -> Figure:
    """The fabric and, for each direction of a link, what was measured there.

    `values` are by the name of a direction, `leaf0:Ethernet32 -> spine1:Ethernet0`, and so are the `links` of
    `flows`: [flows, most that met in one step, [place in `names`, bytes] of some]; None: not known. A link
    is drawn from [end, end, port, port, speed in bit/s, state, values there, values back], its ends as places
    in the list of devices. `hint` says how to get time series.
    """
    devices = _by_tier(fabric)
    place = {name: at for at, (name, _, _) in enumerate(devices)}
    found = values or {}
    rows: list[list[Any]] = [
        [
            place[link.a.device],
            place[link.b.device],
            link.a.port,
            link.b.port,
            link.speed_bps,
            state,
            found.get(f"{link.a} -> {link.b}", ()),
            found.get(f"{link.b} -> {link.a}", ()),
        ]
        for link, state in zip(fabric.links, states_of(fabric), strict=True)
    ]
    left_out = max(0, len(rows) - max_links)
    about = "Click a box for its devices, a line for its links. Dead, drained and slow links lie on top."
    if left_out:
        turns = _turns(rows)
        order = [
            (not row[5], -max(_first(row[6]), _first(row[7])), turn)
            for row, turn in zip(rows, turns, strict=True)
        ]
        rows = [rows[at] for at in sorted(range(len(rows)), key=order.__getitem__)[:max_links]]
        about += f" {left_out} links are left out of this page: those that are well and carried least."
    return Figure(
        "fabric",
        f"Fabric {fabric.name}",
        about,
        {
            "devices": devices,
            "measures": [{"name": each.name, "unit": each.unit} for each in measures],
            "links": rows,
            "flows": flows,
            "series": hint,
        },
    )


def _turns(rows: Sequence[Sequence[Any]]) -> list[int]:
    """Of links that carried as much, which come first: one of each lower device, to another of the upper ones
    than its neighbour's, then a second one of each, so that a page shows what every device is linked to."""
    links_of: dict[int, list[int]] = {}
    for at, row in enumerate(rows):
        links_of.setdefault(row[0], []).append(at)
    turns = [0] * len(rows)
    for device, links in links_of.items():
        for nth, at in enumerate(links):
            turns[at] = (nth - device) % len(links)
    return turns


def _by_tier(fabric: Fabric) -> list[list[Any]]:
    """[name, tier, group] of every device, tiers from the top; a group is a plane and pod, or a tenant."""
    owners = {index: tenant.name for tenant in fabric.tenants for index, _ in tenant.accelerators}
    rows: list[list[Any]] = []
    for role, switches in zip(_ROLES, (fabric.superspines, fabric.spines, fabric.leaves), strict=False):
        ordered = sorted(switches, key=lambda switch: (switch.plane, switch.pod, switch.index))
        rows += [[switch.name, role, _group(fabric, switch.plane, switch.pod)] for switch in ordered]
    rows += [[host.name, "host", owners.get(host.index, "")] for host in fabric.hosts]
    return rows


def _group(fabric: Fabric, plane: int, pod: int) -> str:
    pods = 1 + max((switch.pod for switch in fabric.switches), default=0)
    parts = [f"plane {plane}"] * (fabric.planes > 1) + [f"pod {pod}"] * (pods > 1)
    return ", ".join(parts)


def _first(values: Sequence[float | None]) -> float:
    return values[0] or 0.0 if values else 0.0
