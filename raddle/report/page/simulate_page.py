"""The page of `raddle simulate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from raddle.report.page.link_figures import link_figures
from raddle.report.page.model import Axis, Figure, Line, Page, Span, fault_figures, lines, shares, table
from raddle.report.run_files import RunResult, run_document, run_lines
from raddle.topology.model import Fabric
from raddle.units import format_time

_ROWS = 5_000
"""Flows that the page lists: those that are not done, then the slowest. fct.csv has all."""


def simulate_page(fabric: Fabric, result: RunResult, faults: Sequence[Span] = ()) -> Page:
    """Of a run of flows and what went wrong during it."""
    stuck = [flow for flow in result.flows if flow.status != "done"]
    count = len(result.flows)
    document = run_document(result)
    findings = [f"flow {flow.id} is {flow.status}: {flow.reason or 'waits'}" for flow in stuck[:10]]
    findings += [f"and {len(stuck) - 10} more"] * (len(stuck) > 10) + list(result.diagnosis)
    return Page(
        title=f"Flows on {result.fabric}",
        subtitle=f"raddle simulate: routing {result.routing}, {result.congestion_control}",
        state="failed" if stuck else "ok",
        verdict=f"{'interrupted; ' * result.is_interrupted}{count - len(stuck)} of {count} flows done in "
        f"{format_time(result.time_ps)}",
        findings=tuple(findings),
        facts=(
            ("seed", str(result.seed)),
            ("fidelity", result.fidelity),
            ("simulated time", format_time(result.time_ps)),
        ),
        notes=tuple(run_lines(document)),
        figures=(
            *_flow_figures(result),
            *fault_figures(faults),
            *link_figures(fabric, result.links, result.link_flows, samples=result.series),
        ),
    )


def _flow_figures(result: RunResult) -> Iterator[Figure]:
    done = [flow for flow in result.flows if flow.fct_ps is not None]
    if done:
        times = sorted((flow.fct_ps or 0) / 1e12 for flow in done)
        yield lines(
            "Flow completion times",
            "The share of flows that were done after so much time, of those that were done at all.",
            Axis("completion time", "s", is_log=times[0] > 0),
            Axis("share of flows", "ratio"),
            [Line("flows", shares(times), "steps")],
        )
    slow = sorted(flow.slowdown for flow in done if flow.slowdown is not None)
    if slow:
        yield lines(
            "Slowdown",
            "Completion time over that of the same flow on an idle fabric, by share of flows.",
            Axis("slowdown", "x"),
            Axis("share of flows", "ratio"),
            [Line("flows", shares(slow), "steps")],
        )
    order = sorted(result.flows, key=lambda flow: (flow.status == "done", -(flow.fct_ps or 0)))
    left = f" The {_ROWS} slowest of {len(order)}; fct.csv has all." if len(order) > _ROWS else ""
    yield table(
        "Flows",
        f"Those that are not done first, then the slowest.{left}",
        [
            Axis("flow"), Axis("from"), Axis("to"), Axis("size", "bytes"), Axis("status"), Axis("start", "s"),
            Axis("completion time", "s"), Axis("slowdown"), Axis("sent again"), Axis("CNPs"), Axis("reason"),
        ],
        [
            [
                flow.id, flow.src, flow.dst, flow.bytes, flow.status,
                None if flow.start_ps is None else flow.start_ps / 1e12,
                None if flow.fct_ps is None else flow.fct_ps / 1e12,
                flow.slowdown, flow.retransmitted, flow.cnps, flow.reason,
            ]
            for flow in order[:_ROWS]
        ],
    )  # fmt: skip
