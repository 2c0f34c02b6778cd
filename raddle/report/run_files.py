"""What `raddle simulate` writes: fct.csv, ports.csv, summary.json.

What a run without packets does not have is None: an empty cell, null in JSON.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

from raddle.report.model import (
    FastForward,
    Flowed,
    InputFile,
    LinkFlows,
    LinkUse,
    NotForwarded,
    RepairRow,
    auto_lines,
)
from raddle.report.plots import bars
from raddle.sim.series import Sample
from raddle.units import format_time

SCHEMA_VERSION = 1


class FlowRow(NamedTuple):
    """A flow. None where something did not happen; `slowdown` is FCT over that of an idle fabric, `fct_ps`
    from the start to the arrival of the last byte; `retransmitted`, `timeouts` and `cnps` are those of its
    queue pairs; `reason` says where a flow that is not done lost a packet last."""

    id: str
    src: str
    dst: str
    bytes: int
    status: str
    start_ps: int | None
    finish_ps: int | None
    acked_ps: int | None
    fct_ps: int | None
    slowdown: float | None
    retransmitted: int | None
    timeouts: int | None
    cnps: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class PortRow:
    """A port's queue: what it sent (frames with FCS), marked, held at most and how long it was paused; and
    the most that the priority group of that number held. `drops` are the port's, in its first row."""

    port: str
    priority: int
    tx_bytes: int
    tx_frames: int
    ecn_marks: int | None
    max_queue_bytes: int | None
    max_pg_bytes: int | None
    pauses: int | None
    pause_ps: int | None
    drops: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class WatchdogRow:
    """What a PFC watchdog did: `event` is `storm` or `restored`."""

    time_ps: int
    port: str
    queue: int
    event: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """A simulation of flows. `packets` is (injected, delivered, dropped, in the network);
    `diagnosis` says why flows are not done, where the fabric as a whole is to blame, or what slowed senders;
    `links` are those that carried anything, and `link_flows` what went over them."""

    fabric: str
    routing: str
    congestion_control: str
    seed: int
    time_ps: int
    is_interrupted: bool
    is_stalled: bool
    flows: tuple[FlowRow, ...]
    ports: tuple[PortRow, ...]
    packets: tuple[int, int, int, int] | None
    diagnosis: tuple[str, ...] = ()
    watchdog_events: tuple[WatchdogRow, ...] = ()
    series: tuple[Sample, ...] = ()
    links: tuple[LinkUse, ...] = ()
    link_flows: tuple[LinkFlows, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    fidelity: str = "packet"
    fast_forward: FastForward | None = None
    not_forwarded: NotForwarded | None = None
    flowed: Flowed | None = None
    left_out: tuple[str, ...] = ()
    repairs: tuple[RepairRow, ...] = ()

    @property
    def busiest(self) -> LinkUse | None:
        """The link that was in use for the largest share of the run; None where none was."""
        return max(self.links, key=lambda link: link.utilisation, default=None)

    @property
    def is_done(self) -> bool:
        return all(flow.status == "done" for flow in self.flows)


def flows_csv(result: RunResult) -> str:
    """The rows of fct.csv, in the order of the input."""
    at = FlowRow._fields.index("slowdown")
    rows = ((*flow[:at], _cell(flow.slowdown), *flow[at + 1 :]) for flow in result.flows)
    return _csv(FlowRow._fields, rows)


def ports_csv(result: RunResult) -> str:
    """The rows of ports.csv, by port and queue."""
    names = [name for name in PortRow.__slots__ if name != "drops"]
    reasons = sorted({reason for port in result.ports for reason, _ in port.drops})
    rows = (
        [*(_cell(getattr(port, name)) for name in names), *(dict(port.drops).get(r, 0) for r in reasons)]
        for port in result.ports
    )
    return _csv([*names, *(f"drops_{reason}" for reason in reasons)], rows)


def samples_csv(samples: Iterable[Sample]) -> str:
    """The rows of series.csv, by time, port and priority."""
    names = Sample.__slots__
    return _csv(names, ([_cell(getattr(row, name)) for name in names] for row in samples))


def summary_json(document: Mapping[str, Any]) -> str:
    """One JSON object, keys sorted, ending in a newline; equal runs give equal bytes."""
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"


def run_document(result: RunResult) -> dict[str, Any]:
    """What summary.json holds: the run, flow by flow and port by port apart."""
    drops: Counter[str] = Counter()
    for port in result.ports:
        drops.update(dict(port.drops))
    fct = sorted(flow.fct_ps for flow in result.flows if flow.fct_ps is not None)
    slowdown = sorted(flow.slowdown for flow in result.flows if flow.slowdown is not None)
    names = ("injected", "delivered", "dropped", "in_network")
    has_packets = result.packets is not None
    busiest = result.busiest
    return {
        "schema_version": SCHEMA_VERSION,
        "raddle_version": version("raddle"),
        "inputs": [{"name": each.name, "sha256": each.sha256} for each in result.inputs],
        "fabric": result.fabric,
        "routing": result.routing,
        "congestion_control": result.congestion_control,
        "seed": result.seed,
        "fidelity": result.fidelity,
        "fast_forward": asdict(result.fast_forward) if result.fast_forward else None,
        "not_forwarded": asdict(result.not_forwarded) if result.not_forwarded else None,
        "flowed": asdict(result.flowed) if result.flowed else None,
        "left_out": list(result.left_out),
        "time_ps": result.time_ps,
        "is_interrupted": result.is_interrupted,
        "is_stalled": result.is_stalled,
        "flows": dict(Counter(flow.status for flow in result.flows)),
        "fct_ps": _distribution(fct),
        "slowdown": _distribution(slowdown),
        "pfc_pauses": sum(port.pauses or 0 for port in result.ports) if has_packets else None,
        "pfc_pause_ps": sum(port.pause_ps or 0 for port in result.ports) if has_packets else None,
        "ecn_marks": sum(port.ecn_marks or 0 for port in result.ports) if has_packets else None,
        "drops": dict(drops) if has_packets else None,
        "diagnosis": list(result.diagnosis),
        "watchdog_events": [
            {"time_ps": event.time_ps, "port": event.port, "queue": event.queue, "event": event.event}
            for event in result.watchdog_events
        ],
        "repairs": [asdict(each) for each in result.repairs],
        "packets": dict(zip(names, result.packets, strict=True)) if result.packets else None,
        "busiest_link": (
            {"name": busiest.name, "utilisation": busiest.utilisation, "tx_bytes": busiest.tx_bytes}
            if busiest
            else None
        ),
    }


def run_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """What a reader wants to know first of a run, from its document."""
    if fct := document["fct_ps"]:
        line = f"FCT p50 {format_time(fct['p50'])}, p99 {format_time(fct['p99'])}"
        if slowdown := document["slowdown"]:
            line += f"; slowdown p50 {slowdown['p50']:.2f}, p99 {slowdown['p99']:.2f}"
        yield line
    yield from (f"not simulated: {what}" for what in document["left_out"])
    yield from (f"controller {RepairRow(**each)}" for each in document["repairs"])
    computed, flowed, not_computed = (document[name] for name in ("fast_forward", "flowed", "not_forwarded"))
    yield from auto_lines(
        FastForward(**computed) if computed else None,
        Flowed(**flowed) if flowed else None,
        NotForwarded(**not_computed) if not_computed else None,
    )
    drops = ", ".join(f"{count} {reason}" for reason, count in sorted((document["drops"] or {}).items()))
    marks, pauses = document["ecn_marks"], document["pfc_pauses"]
    if not document["packets"]:
        pass  # nothing of what follows
    elif not (pauses or document["pfc_pause_ps"] or marks or drops):
        yield "no PFC pause, no ECN mark, no drop"
    else:
        paused = format_time(document["pfc_pause_ps"])
        yield f"{pauses} PFC pauses ({paused}), {marks} ECN marks, drops: {drops or 0}"
    if busiest := document["busiest_link"]:
        yield f"busiest link {busiest['name']}, in use {busiest['utilisation']:.1%} of the time"


def fct_plot(result: RunResult, width: int) -> Iterator[str]:
    """Completion times by share of flows, as bars."""
    times = sorted(flow.fct_ps for flow in result.flows if flow.fct_ps is not None)
    if len(times) < 2:
        return iter(())
    shares = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
    rows = [(f"{share:.0%} of flows", times[math.ceil(share * len(times)) - 1]) for share in shares]
    return bars("Done within", rows, lambda value: format_time(round(value)), width)


def _distribution(values: Sequence[float]) -> dict[str, float] | None:
    """Mean, maximum and percentiles by nearest rank of sorted values; None without any."""
    if not values:
        return None
    ranks = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    shares = {name: values[math.ceil(share * len(values)) - 1] for name, share in ranks.items()}
    return {"mean": sum(values) / len(values), "max": values[-1], **shares}


def _cell(value: object) -> object:
    return f"{value:.6f}" if isinstance(value, float) else value


def _csv(header: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
