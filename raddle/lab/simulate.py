"""Flows of a file on switches that the controller has programmed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.make import make_plan
from raddle.inventory import Inventory
from raddle.lab.bench import Progress
from raddle.lab.run.diagnosis import blocked_status, diagnose, why_unfinished
from raddle.lab.run.effort import long_run
from raddle.lab.run.timeline import NO_INSTRUMENTS, Instruments, Timeline
from raddle.lab.switches.programmed import over_p4runtime, program, read_switches, switch_farm
from raddle.lab.workloads.connections import of_messages, striped
from raddle.lab.workloads.flow_file import FlowTable
from raddle.lab.workloads.pin_file import Pin, with_pins
from raddle.lab.workloads.source_ports import source_ports
from raddle.report.run_files import FlowRow, PortRow, RunResult, WatchdogRow
from raddle.sim import DROP_REASONS, FLOW_STATUS, NEVER, Simulation
from raddle.sim.capture import Capture
from raddle.sim.ideal import ideal_fct_ps
from raddle.topology.model import Fabric
from raddle.workload import Schedule

_SEVERITY = tuple(("done", "waiting", "active", "failed").index(status) for status in FLOW_STATUS)


def simulate_flows(
    fabric: Fabric,
    table: FlowTable,
    routing: Literal["ecmp", "pinned"],
    congestion_control: Literal["dcqcn", "none"],
    seed: int,
    progress: Progress = lambda what, share: None,
    pins: Sequence[Pin] = (),
    instruments: Instruments = NO_INSTRUMENTS,
    threads: int = 1,
    notice: Callable[[str], None] = lambda line: None,
    p4info: Path | None = None,
) -> RunResult:
    """Plan, program the fabric's own switches over gNMI, read their state back, and simulate the flows on it.

    With `pinned`, all flows count as running at the same time. `pins` give flows their paths
    instead. An interrupt ends the run and keeps what there is; the result then has `is_interrupted`.
    A run that cannot get on ends, and its result says why. `notice` is told where it will take long. `p4info`
    is of switches that run SONiC PINS.

    Raises:
        InputError: the fabric's buffers do not fit its cables, or `pin-conflict`.
        UnreachableError: a switch did not take the plan.
    """
    fabric = dataclasses.replace(
        fabric, roce=dataclasses.replace(fabric.roce, congestion_control=congestion_control)
    )
    placement = np.arange(len(fabric.endpoints), dtype=np.int32)
    plan = with_pins(make_plan(fabric, routing, traffic.demand(table.schedule, placement)), table, pins)
    with switch_farm(fabric, plan) as farm:
        switches = Inventory(fabric.name, dict(farm.addresses), p4info=p4info)
        progress(f"programming {len(switches.addresses)} switches over gNMI", 0.0)
        program(plan, switches)
        reported = read_switches(switches, over_p4runtime(fabric))
    states = {name: switch.state() for name, switch in reported.items()}
    addresses = endpoint_addresses(fabric)
    stripes = striped(fabric, table.schedule)
    sent = stripes.schedule
    ports = source_ports(fabric, plan, sent, placement)
    start_ps = stripes.spread(table.start_ps)
    simulation = Simulation(
        fabric, addresses, states, sent, placement, seed, start_ps, ports, threads=threads
    )
    timeline = Timeline(simulation, instruments, lambda name, dark: reported[name].state(dark))
    drain = _tracer(simulation, sent, seed, instruments)
    is_interrupted = False
    try:
        if line := long_run(simulation, sent):
            notice(line)
        timeline.run(lambda share: progress(f"{simulation.now_ps / 1e9:.3f} ms simulated", share), drain)
    except KeyboardInterrupt:
        is_interrupted = True
    drain()
    return RunResult(
        fabric=fabric.name,
        routing=plan.routing,
        congestion_control=congestion_control,
        seed=seed,
        time_ps=simulation.now_ps,
        is_interrupted=is_interrupted,
        is_stalled=simulation.is_stalled,
        flows=_flow_rows(simulation, table, stripes),
        ports=_port_rows(simulation),
        packets=dataclasses.astuple(simulation.packets),
        diagnosis=diagnose(simulation),
        watchdog_events=_watchdog_rows(simulation),
        series=tuple(timeline.series.samples()) if timeline.series else (),
    )


def _tracer(
    simulation: Simulation, schedule: Schedule, seed: int, instruments: Instruments
) -> Callable[[], None]:
    """Writes what traced ports have sent; does nothing where none is traced."""
    if not instruments.traced:
        return lambda: None
    return Capture(simulation, schedule, seed, instruments.traced, instruments.capture).drain


def _watchdog_rows(simulation: Simulation) -> tuple[WatchdogRow, ...]:
    return tuple(
        WatchdogRow(event.time_ps, str(event.port), event.queue, "storm" if event.is_storm else "restored")
        for event in simulation.watchdog_events()
    )


def _flow_rows(simulation: Simulation, table: FlowTable, stripes: traffic.Striped) -> tuple[FlowRow, ...]:
    fabric, schedule = simulation.fabric, table.schedule
    flows, qps, ports = of_messages(stripes, simulation.flows()), simulation.qps(), simulation.ports()
    part_status = simulation.flows().status.reshape(-1, stripes.parts)
    part_qp = stripes.schedule.qp.reshape(-1, stripes.parts)
    blocked = blocked_status(simulation)
    rows = []
    for i, name in enumerate(table.ids):
        of = part_qp[i]
        start, finish, acked = (
            _known(column, i) for column in (flows.start_ps, flows.finish_ps, flows.acked_ps)
        )
        ideal = ideal_fct_ps(simulation, int(of[0]), int(schedule.size_bytes[i]))
        fct = finish - start if start is not None and finish is not None else None
        status, reason = FLOW_STATUS[flows.status[i]], None
        if status in ("active", "failed"):
            # The part that has failed, or else one that is under way.
            worst = max(range(stripes.parts), key=lambda part: _SEVERITY[part_status[i, part]])
            reason = why_unfinished(simulation, qps, ports, int(of[worst]))
        if status == "active":
            status = blocked
        rows.append(
            FlowRow(
                id=name,
                src=fabric.endpoints[schedule.src[i]].name,
                dst=fabric.endpoints[schedule.dst[i]].name,
                bytes=int(schedule.size_bytes[i]),
                status=status,
                start_ps=start,
                finish_ps=finish,
                acked_ps=acked,
                fct_ps=fct,
                slowdown=fct / ideal if fct is not None and ideal else None,
                retransmitted=int(qps.retransmitted[of].sum()),
                timeouts=int(qps.timeouts[of].sum()),
                cnps=int(qps.cnps[of].sum()),
                reason=reason,
            )
        )
    return tuple(rows)


def _known(times_ps: NDArray[np.int64], index: int) -> int | None:
    return None if times_ps[index] == NEVER else int(times_ps[index])


def _port_rows(simulation: Simulation) -> tuple[PortRow, ...]:
    """One row per port and queue that sent, was paused, or whose priority group held or dropped something."""
    ports = simulation.ports()
    busy = (ports.tx_frames > 0) | (ports.pauses > 0) | (ports.max_pg_bytes > 0)
    # Drops are counted per port; they stand in the row of its first queue.
    busy[:, 0] |= ports.drops.sum(axis=1) > 0
    rows = []
    for at, queue in np.argwhere(busy).tolist():
        drops = dict(zip(DROP_REASONS, ports.drops[at].tolist(), strict=True)) if queue == 0 else {}
        rows.append(
            PortRow(
                port=str(simulation.port_names[at]),
                priority=queue,
                tx_bytes=int(ports.tx_bytes[at, queue]),
                tx_frames=int(ports.tx_frames[at, queue]),
                ecn_marks=int(ports.ecn_marks[at, queue]),
                max_queue_bytes=int(ports.max_queue_bytes[at, queue]),
                max_pg_bytes=int(ports.max_pg_bytes[at, queue]),
                pauses=int(ports.pauses[at, queue]),
                pause_ps=int(ports.pause_ps[at, queue]),
                drops=tuple(sorted((+Counter(drops)).items())),
            )
        )
    return tuple(rows)
