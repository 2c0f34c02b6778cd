"""Why a run did not get to its end, or late."""

from __future__ import annotations

from collections.abc import Iterator

from raddle.sim import DROP_REASONS, FLOW_STATUS, NONE, QpColumns, Simulation
from raddle.sim.columns import PortColumns
from raddle.sim.fluid import FluidSimulation
from raddle.topology.rate_control import Dcqcn
from raddle.units import format_time

_SHOWN = 10


def diagnose(simulation: Simulation) -> tuple[str, ...]:
    """A line per thing that kept flows from their end; where all are done, what slowed their senders."""
    if (simulation.flows().status == FLOW_STATUS.index("done")).all():
        return tuple(_slowed(simulation))
    lines = []
    cycle = simulation.find_deadlock()
    if cycle:
        links = simulation.fabric.link_by_port
        names = [f"{port} (queue {queue})" for port, queue in cycle]
        far = [str(link.b if link.a == port else link.a) for port, _ in cycle for link in (links[port],)]
        around = ", which waits for ".join([*names, names[0]])
        lines.append(f"deadlock of {len(cycle)} queues, each paused by the next: {around}")
        lines.append(f"the pauses come from {', '.join(far[:_SHOWN])}")
    if simulation.is_stalled:
        lines.append(f"nothing can move any more: the run was ended at {simulation.now_ps / 1e9:.6f} ms")
    return tuple(lines)


def _slowed(simulation: Simulation) -> Iterator[str]:
    """How soon DCQCN gives back what it took, where it took something."""
    control = simulation.fabric.roce.rate_control
    if not isinstance(control, Dcqcn) or not simulation.counts_packets or not simulation.qps().cnps.any():
        return
    raises, keys = f"once in {format_time(control.rate_timer_ps)}", "rate_timer"
    if control.byte_counter_bytes:
        raises += f" or {control.byte_counter_bytes / 1e6:.1f} MB sent"
        keys += ", byte_counter"
    yield (
        f"DCQCN slowed senders after marks, and raises a rate again by little {raises} ({keys});"
        " --cc none has the time without it"
    )


def blocked_status(simulation: Simulation) -> str:
    """What a flow that is under way at the end of the run is called."""
    if not simulation.is_stalled:
        return "active"
    return "deadlocked" if simulation.find_deadlock() else "blocked"


def why_unfinished(simulation: Simulation, qps: QpColumns, ports: PortColumns, qp: int) -> str:
    """What last kept a queue pair's flows: an end that is cut off, the last pause on their way that still
    holds, or the last drop."""
    fabric = simulation.fabric
    if simulation.scale_up is not None and simulation.scale_up.path_bps[qp]:
        return "under way inside its scale-up domain"
    for end in simulation.qp_ends(qp):
        link = fabric.links[fabric.endpoints[end].link]
        if not link.is_up:
            return f"{fabric.endpoints[end].name} is cut off: link {link.a} - {link.b} is down"
    path = simulation.trace(qp).tolist()
    if simulation.is_adaptive:
        del path[1:]  # its way is known as far as the NIC
    if isinstance(simulation, FluidSimulation):
        back = simulation.trace(qp, acks=True).tolist()
        ways = _no_way(simulation, "its way", path), _no_way(simulation, "its acknowledgements' way", back)
        return next(filter(None, ways), "under way")
    priority = simulation.qp_priority(qp)
    for place in reversed(path):
        if ports.is_paused[place, priority]:
            here = simulation.port_names[place]
            link = simulation.fabric.link_by_port[here]
            return f"held at {here}: paused by {link.b if link.a == here else link.a}"
    if qps.drops[qp]:
        return f"packets dropped at {_last_drop(simulation, qps, qp)}"
    if qps.timeouts[qp]:
        return f"no answer after {int(qps.timeouts[qp])} timeouts"
    return "under way"


def _no_way(simulation: FluidSimulation, what: str, path: list[int]) -> str | None:
    """Where a way is dark, or ends though it leads to no NIC; None where it does neither."""
    names = [simulation.port_names[port] for port in path]
    if not names:
        return f"{what} does not leave its host"
    links = simulation.fabric.link_by_port
    dark = next((links[name] for name in names if links[name].index in simulation.dark_links), None)
    if dark:
        return f"{what} goes over {dark.a} - {dark.b}, which is dark"
    last = links[names[-1]]
    far = last.b if last.a == names[-1] else last.a
    is_whole = far.device not in simulation.fabric.switch_by_name
    return None if is_whole else f"{what} ends at {far.device}, behind {names[-1]}"


def _last_drop(simulation: Simulation, qps: QpColumns, qp: int) -> str:
    """Where and why a queue pair's last dropped packet was dropped: `leaf1:Ethernet0: no route`."""
    port = simulation.port_names[qps.drop_port[qp]]
    reason = DROP_REASONS[qps.drop_reason[qp]].replace("_", " ")
    rule = int(qps.drop_rule[qp])
    if rule == NONE:
        return f"{port}: {reason}"
    return f"{port}: {reason}, rule {simulation.rule_name(port.device, rule)}"
