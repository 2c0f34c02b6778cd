"""The page, and what is sent to it each second."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from functools import cache
from importlib.resources import files
from typing import Any

from raddle.report.page.fabric_figure import fabric_figure
from raddle.report.page.html import to_html
from raddle.report.page.model import Axis, Figure, Page, blocks, heat, spans, table
from raddle.serve.view import LiveView, SwitchView
from raddle.traffic.registry import COLLECTIVES

_SHOWN_EVENTS = 100


def live_page(view: LiveView, sample_s: float) -> str:
    """The page as HTML; assets/live.js fills it from `/events`."""
    fabric = view.fabric
    page = Page(
        title=f"{fabric.name} now",
        subtitle=f"raddle serve: counters over gNMI every {sample_s:g} s",
        figures=(*_figures(view),),
        facts=(
            ("switches", str(len(fabric.switches))),
            ("links", str(len(fabric.links))),
            ("tenants", ", ".join(each.name for each in fabric.tenants) or "none"),
        ),
        notes=(
            "Rates are by the clock that a switch counts by: simulated time while its traffic is simulated.",
            "Of what hosts send only the utilisation is known, by what their switch receives.",
        ),
    )
    return to_html(page, _asset("live.js"))


def _figures(view: LiveView) -> list[Figure]:
    drawn = fabric_figure(view.fabric, view.measures)
    samples = {"measures": [[each.name, each.unit] for each in view.measures], "links": {}}
    return [
        replace(drawn, data={**drawn.data, "samples": samples, "flows": None}),
        heat(
            "Ports",
            "A row for each switch, a cell for each cabled port, in order; grey is unknown, red has no link.",
            view.measures,
            view.ports,
        ),
        *_tenants(view),
        table(
            "Switches",
            "How each stands to what is planned.",
            [Axis(name) for name in ("switch", "state", "differences", "no link at", "counters", "says")],
            [],
        ),
        spans(
            "Rounds",
            "Updates, repairs and mends of the controller since this page was opened, from when each began.",
            [],
        ),
        table("Updates", "Rounds of updates and repairs, the newest first.", _EVENT, []),
        table("Events", f"The last {_SHOWN_EVENTS} things that happened, the newest first.", _EVENT, []),
        table(
            "Benches",
            "Simulations of this fabric, started here; a page for each when it has ended.",
            [Axis("number"), Axis("collective"), Axis("state"), Axis("says")],
            [],
        ),
        table(
            "Rows of the latest bench",
            "As they come.",
            [Axis("size", "bytes"), Axis("time", "s"), Axis("busbw", "GB/s")],
            [],
        ),
    ]  # fmt: skip


def _tenants(view: LiveView) -> list[Figure]:
    """A block for each tenant of the fabric."""
    names = [each.name for each in view.fabric.tenants]
    measures = [
        Axis("sent", "bit/s"), Axis("received", "bit/s"), Axis("ECN marks", "1/s"), Axis("PFC frames", "1/s"),
    ]  # fmt: skip
    about = "What the hosts of each send and receive, and what their switches do at the ports towards them."
    rows = [(name, [None] * len(measures)) for name in names]
    return [blocks("Tenants", about, measures, rows)] if names else []


_EVENT = [Axis("time (UTC)"), Axis("kind"), Axis("switch"), Axis("what")]


def snapshot(view: LiveView) -> str:
    """The view as JSON."""
    with view.lock:
        document = {
            "time_s": time.time(),
            "controller": view.controller,
            "switches": {name: _switch(view, each) for name, each in view.switches.items()},
            "events": [asdict(each) for each in list(view.events)[: -_SHOWN_EVENTS - 1 : -1]],
            "jobs": view.jobs,
            "collectives": [each.name for each in COLLECTIVES],
            "dead_links": view.dead_links(),
        }
        return json.dumps(document, separators=(",", ":"), allow_nan=False)


def _switch(view: LiveView, each: SwitchView) -> dict[str, Any]:
    ports = view.ports[each.name]
    return {
        "state": each.state,
        "text": each.text,
        "differences": each.differences,
        "problem": each.problem,
        "clock_s": each.clock_s,
        "is_simulated": each.is_simulated,
        "down": sorted(each.down),
        "values": [each.values.get(port, ()) for port in ports] if each.values else [],
        "received": [each.received.get(port) for port in ports] if each.received else [],
    }


@cache
def _asset(name: str) -> str:
    return (files("raddle.serve") / "assets" / name).read_text("utf-8")
