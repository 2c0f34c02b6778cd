"""A collective benchmark on switches that the controller has programmed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.make import make_plan
from raddle.controller.plan.model import Plan
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.lab.run.diagnosis import diagnose, why_unfinished
from raddle.lab.run.link_use import find_collisions, links_in_use, trace_flows
from raddle.lab.switches.programmed import over_p4runtime, program, read_states, switch_farm
from raddle.lab.workloads.connections import of_messages, striped
from raddle.lab.workloads.demand import collective_demand, place_ranks
from raddle.lab.workloads.source_ports import source_ports
from raddle.report.model import BenchResult, PinSummary, SizeRow, UnfinishedFlow
from raddle.sim import DROP_REASONS, FLOW_STATUS, NEVER, Simulation, payload_rate_gbs
from raddle.state import SwitchState
from raddle.topology.model import Fabric
from raddle.units import format_size
from raddle.workload import Schedule

Progress = Callable[[str, float], None]
"""Told what is being done and the share of it that is done, 0..1."""


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What to run. `algorithm` None takes the collective's usual one; sizes as `-b`, `-e`, `-f` say."""

    collective: str
    algorithm: str | None
    sizes_bytes: tuple[int, ...]
    routing: Literal["ecmp", "pinned"]
    placement: str
    seed: int


def run_bench(
    fabric: Fabric,
    request: BenchRequest,
    inventory: Inventory | None = None,
    push: bool = True,
    progress: Progress = lambda what, share: None,
    p4info: Path | None = None,
) -> BenchResult:
    """Plan, program the switches, read their state back, and simulate the collective on it.

    Args:
        inventory: switches to use; None starts the fabric's own for the time of the run.
        push: False leaves the switches as they are and benchmarks what they hold.
        p4info: of the switches that run SONiC PINS.

    Raises:
        InputError: the request does not fit the fabric.
        UnreachableError: a switch does not answer or does not take the plan.
    """
    collective = traffic.find_collective(request.collective)
    algorithm = traffic.find_algorithm(collective, request.algorithm)
    placement = place_ranks(fabric, request.placement, request.seed)
    traffic.check_ranks(collective, algorithm, len(placement))
    demand = collective_demand(fabric, collective, algorithm, request.placement, request.seed)
    plan = make_plan(fabric, request.routing, demand)
    with _switches(fabric, plan, inventory) as found:
        switches = dataclasses.replace(found, p4info=p4info or found.p4info)
        progress(f"programming {len(switches.addresses)} switches", 0.0)
        if push:
            program(plan, switches)
        states = read_states(switches, over_p4runtime(fabric))
    _check_ports(fabric, states)
    run = _Run(fabric, states, collective, algorithm, placement, request.seed, plan if push else None)
    rows = []
    for size_bytes in request.sizes_bytes:
        row, simulation, schedule = run.size(size_bytes, progress)
        rows.append(row)
    crossings = trace_flows(simulation, schedule)
    links = link_names(simulation)
    return BenchResult(
        fabric=fabric.name,
        collective=collective,
        algorithm=algorithm,
        routing=request.routing if push else "as found on the switches",
        placement=request.placement,
        ranks=len(placement),
        planes=fabric.planes,
        seed=request.seed,
        line_rate_gbs=payload_rate_gbs(fabric),
        pins=_pin_summary(plan) if push else None,
        rows=tuple(rows),
        links=links_in_use(simulation, crossings, links, simulation.now_ps),
        collisions=find_collisions(crossings, links, flow_namer(fabric, schedule, placement)),
        is_adaptive=simulation.is_adaptive,
    )


@contextmanager
def _switches(fabric: Fabric, plan: Plan, inventory: Inventory | None) -> Iterator[Inventory]:
    if inventory is None:
        with switch_farm(fabric, plan) as farm:
            yield Inventory(fabric.name, dict(farm.addresses))
        return
    inventory.require(fabric.name, (switch.name for switch in fabric.switches))
    known = {switch.name: inventory.addresses[switch.name] for switch in fabric.switches}
    yield dataclasses.replace(inventory, addresses=known)


def _check_ports(fabric: Fabric, states: Mapping[str, SwitchState]) -> None:
    """Running switches may be of another fabric of the same name."""
    for switch in fabric.switches:
        if [port.name for port in states[switch.name].ports] != [port.name for port in switch.ports]:
            raise InputError.of(
                "wrong-fabric",
                f"{switch.name} has other ports than '{fabric.name}' gives it",
                "start this fabric's switches with 'raddle up'",
            )


def _pin_summary(plan: Plan) -> PinSummary | None:
    pins = plan.pins
    if pins is None:
        return None
    return PinSummary(
        flows=pins.flows,
        carrier=pins.carrier,
        pins=pins.pins,
        max_data_load=pins.data.worst,
        data_bound=pins.data.bound,
        max_ack_load=pins.acks.worst,
        ack_bound=pins.acks.bound,
        method=pins.method,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """What is the same for every size of a benchmark."""

    fabric: Fabric
    states: Mapping[str, SwitchState]
    collective: str
    algorithm: str
    placement: NDArray[np.int32]
    seed: int
    plan: Plan | None

    def size(self, size_bytes: int, progress: Progress) -> tuple[SizeRow, Simulation, Schedule]:
        """Simulate one size."""
        ranks = len(self.placement)
        schedule = traffic.build(self.collective, self.algorithm, ranks, size_bytes)
        stripes = striped(self.fabric, schedule)
        sent, addresses = stripes.schedule, endpoint_addresses(self.fabric)
        chosen = None if self.plan is None else source_ports(self.fabric, self.plan, sent, self.placement)
        simulation = Simulation(
            self.fabric, addresses, self.states, sent, self.placement, self.seed, source_ports=chosen
        )
        simulation.run(lambda share: progress(f"{self.collective} of {format_size(size_bytes)}", share))
        flows, ports = of_messages(stripes, simulation.flows()), simulation.ports()
        is_done = flows.status == FLOW_STATUS.index("done")
        time_ps = int(flows.finish_ps.max()) if is_done.all() else None
        buffer = traffic.buffer_size(self.collective, ranks, size_bytes)
        algbw, busbw = (
            (None, None)
            if time_ps is None
            else traffic.bandwidth_gbs(self.collective, ranks, buffer.size_bytes, time_ps)
        )
        drops = Counter(dict(zip(DROP_REASONS, ports.drops.sum(axis=0).tolist(), strict=True)))
        row = SizeRow(
            size_bytes=buffer.size_bytes,
            count=buffer.count,
            datatype=buffer.datatype,
            redop=buffer.redop,
            root=buffer.root,
            time_ps=time_ps,
            algbw_gbs=algbw,
            busbw_gbs=busbw,
            wrong=traffic.count_wrong(
                schedule, self.collective, _known(flows.start_ps), _known(flows.finish_ps)
            ),
            pfc_pauses=int(ports.pauses.sum()),
            pfc_pause_ps=int(ports.pause_ps.sum()),
            ecn_marks=int(ports.ecn_marks.sum()),
            drops=tuple(sorted((+drops).items())),
            unfinished=self._unfinished(simulation, sent),
            diagnosis=diagnose(simulation),
        )
        return row, simulation, sent

    def _unfinished(self, simulation: Simulation, schedule: Schedule) -> tuple[UnfinishedFlow, ...]:
        """Flows that did not end: those that failed, with the reason, then those that waited for them."""
        name = flow_namer(self.fabric, schedule, self.placement)
        status, qps, ports = simulation.flows().status, simulation.qps(), simulation.ports()
        is_waiting = status == FLOW_STATUS.index("waiting")
        under_way = np.flatnonzero((status != FLOW_STATUS.index("done")) & ~is_waiting).tolist()
        reasons = [
            (flow, why_unfinished(simulation, qps, ports, int(schedule.qp[flow]))) for flow in under_way
        ]
        reasons += [(flow, "not started: waits for others") for flow in np.flatnonzero(is_waiting).tolist()]
        return tuple(UnfinishedFlow(name(flow), int(schedule.step[flow]), why) for flow, why in reasons)


def _known(times_ps: NDArray[np.int64]) -> NDArray[np.int64]:
    """The engine's NEVER as -1."""
    return np.where(times_ps == NEVER, -1, times_ps)


def link_names(simulation: Simulation) -> list[str]:
    """`leaf0:Ethernet32 -> spine1:Ethernet0` for every transmitting port; its own name without a cable."""
    names = [str(port) for port in simulation.port_names]
    for link in simulation.fabric.links:
        for here, there in ((link.a, link.b), (link.b, link.a)):
            names[simulation.port_index[here]] = f"{here} -> {there}"
    return names


def flow_namer(fabric: Fabric, schedule: Schedule, placement: NDArray[np.int32]) -> Callable[[int], str]:
    """A function that names a flow by its index: `rank3 host12 -> rank4 host1`."""

    def rank(number: int) -> str:
        return f"rank{number} {fabric.endpoints[placement[number]].name}"

    return lambda flow: f"{rank(int(schedule.src[flow]))} -> {rank(int(schedule.dst[flow]))}"
