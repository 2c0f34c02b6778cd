"""The page of `raddle plan`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raddle.report.page.fabric_figure import fabric_figure
from raddle.report.page.model import Axis, Figure, Page, bars, table
from raddle.topology.model import Fabric


def plan_page(fabric: Fabric, plan: Mapping[str, Any], summary: Sequence[str]) -> Page:
    """Of a plan's JSON; `summary` are the lines that the command prints below its table."""
    return Page(
        title=f"Plan of {plan['fabric']}",
        subtitle=f"raddle plan: routing {plan['routing']}",
        facts=(
            ("switches", str(len(plan["switches"]))),
            ("endpoints", str(len(plan["endpoints"]))),
            ("routes", str(sum(len(switch["routes"]) for switch in plan["switches"]))),
        ),
        notes=tuple(summary),
        figures=tuple(_figures(fabric, plan)),
    )


def _figures(fabric: Fabric, plan: Mapping[str, Any]) -> Iterator[Figure]:
    pinned = _pinned(plan)
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
                switch["name"], switch["role"], str(switch["asn"]), len(switch["routes"]),
                sum(route["origin"] == "pin" for route in switch["routes"]) + len(switch["policies"]),
                switch["buffers"]["headroom_pool_bytes"], switch["buffers"]["shared_bytes"],
            ]
            for switch in plan["switches"]
        ],
    )  # fmt: skip
    headroom = {
        profile["name"]: profile["headroom_bytes"]
        for switch in plan["switches"]
        for profile in switch["buffers"]["profiles"]
    }
    if headroom:
        yield bars(
            "Headroom of a lossless priority group",
            "By speed and length of the cable: what arrives after a pause was asked for.",
            Axis("headroom", "bytes"),
            sorted(headroom.items(), key=lambda each: each[1]),
        )


def _pinned(plan: Mapping[str, Any]) -> Counter[str]:
    """How many pins send to each port."""
    found = Counter[str]()
    for switch in plan["switches"]:
        hops = [hop for route in switch["routes"] if route["origin"] == "pin" for hop in route["next_hops"]]
        hops += [policy["next_hop"] for policy in switch["policies"]]
        found.update(f"{switch['name']}:{hop['port']}" for hop in hops)
    return found
