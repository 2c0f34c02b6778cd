"""A schedule as RoCEv2 packets: are they right where they arrive, and did they go where the plan says?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from controller.plan.model import Plan
from raddle.lab.emulation.exchange import Exchanger
from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.nics import Capture, NicSocket
from raddle.lab.emulation.paths import Path, Routing, TripLog
from raddle.lab.emulation.reference import Reference, simulate_reference
from raddle.lab.emulation.result import Roce
from raddle.topology.model import PortRef

if TYPE_CHECKING:
    from raddle.lab.emulation.run import Workload

Directions = dict[tuple[int, bool], set[Path]]
"""The ways that were seen, by queue pair and whether they are acknowledgements'."""


def run_roce(
    layout: Layout,
    plan: Plan,
    sent_frames: Callable[[], dict[PortRef, int]],
    nics: Sequence[NicSocket],
    work: Workload,
    capture: Capture,
) -> Roce:
    """Run the workload with real packets and in the simulator, and compare them.

    Args:
        sent_frames: reads the switches' counters.
    """
    fabric = layout.fabric
    wanted = simulate_reference(fabric, plan, work.schedule, work.placement, work.seed, work.start_ps)
    exchanger = Exchanger(fabric, nics, work.schedule, work.placement, work.seed)
    before = sent_frames()
    done = exchanger.run()
    after = sent_frames()
    counted = {
        port: after[port] - before.get(port, 0) for port in after if after[port] != before.get(port, 0)
    }
    seen = _directions(exchanger, capture)
    wrong_paths = tuple(_wrong_paths(layout, plan, exchanger, seen, wanted))
    is_counted = plan.routing == "pinned"
    wrong_ports = _wrong_ports(wanted.frames, counted) if is_counted else ()
    return Roce(
        schedule=work.schedule.name,
        flows=work.schedule.flows,
        data_packets=done.data_packets,
        acknowledgements=done.acknowledgements,
        problems=tuple(done.problems),
        paths=2 * len(exchanger.queue_pairs),
        wrong_paths=wrong_paths,
        is_counted=is_counted,
        ports=len(wanted.frames.keys() | counted.keys()),
        wrong_ports=tuple(wrong_ports),
    )


def _directions(exchanger: Exchanger, capture: Capture) -> Directions:
    by_number = {}
    for index, qp in enumerate(exchanger.queue_pairs):
        by_number[qp.numbers[1], False] = index
        by_number[qp.numbers[0], True] = index
    seen: Directions = {}
    log = TripLog()
    log.add(capture.sightings)
    for trip in log.trips():
        seen.setdefault((by_number[trip.dest_qp, trip.is_ack], trip.is_ack), set()).add(trip.path)
    return seen


def _wrong_paths(
    layout: Layout, plan: Plan, exchanger: Exchanger, seen: Directions, wanted: Reference
) -> Iterator[str]:
    """Directions that took more than one path, or one that the plan does not give them.

    Where every switch has one choice that is the simulator's path; else it is one of the equal-cost ones.
    """
    routing = Routing(layout, tuple(switch.routes for switch in plan.switches))
    for index, qp in enumerate(exchanger.queue_pairs):
        for is_ack, simulated in ((False, wanted.data_paths[index]), (True, wanted.ack_paths[index])):
            src, dst = (qp.dst, qp.src) if is_ack else (qp.src, qp.dst)
            paths = seen.get((index, is_ack), set())
            only = routing.only_path(src, dst)
            name = f"{layout.nics[src].label} -> {layout.nics[dst].label}"
            if len(paths) != 1:
                yield f"{name} took {len(paths)} paths"
            elif only is not None and paths != {only}:
                yield f"{name} took {_text(next(iter(paths)))}, planned is {_text(only)}"
            elif only is not None and simulated != only:
                yield f"{name}: the simulator takes {_text(simulated)}, planned is {_text(only)}"
            elif only is None and not routing.allows(next(iter(paths)), src, dst):
                yield f"{name} took {_text(next(iter(paths)))}, which is no shortest path"


def _wrong_ports(expected: dict[PortRef, int], counted: dict[PortRef, int]) -> Iterator[str]:
    for port in sorted(expected.keys() | counted.keys(), key=str):
        if expected.get(port, 0) != counted.get(port, 0):
            yield f"{port} sent {counted.get(port, 0)} packets, {expected.get(port, 0)} in the simulator"


def _text(path: Path) -> str:
    return " ".join(map(str, path))
