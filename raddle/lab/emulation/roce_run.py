"""A schedule as RoCEv2 packets: are they right where they arrive, and did they go where the plan says?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from raddle.controller.plan.model import Plan
from raddle.lab.emulation.dataplane import Dataplane
from raddle.lab.emulation.exchange import SILENCE_S, Exchange, Exchanger
from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.nics import Capture, NicSocket, Sighting
from raddle.lab.emulation.paths import Path, Routing, TripLog
from raddle.lab.emulation.reference import Reference, simulate_reference
from raddle.lab.emulation.result import Roce
from raddle.lab.switches.prepared import SwitchSource
from raddle.topology.model import PortRef
from raddle.topology.naming import natural
from raddle.workload import Workload

ATTEMPTS = 3
"""Runs before a lost packet is a failure: on a busy machine a queue of the kernel's may overflow."""

_SETTLE_S = 0.2

Directions = dict[tuple[int, bool], set[Path]]
"""The ways that were seen, by queue pair and whether they are acknowledgements'."""


@dataclass(frozen=True, slots=True)
class _Run:
    """The workload once with real packets; `counted` are the frames that each switch port sent in it."""

    exchanger: Exchanger
    done: Exchange
    sightings: list[Sighting]
    counted: dict[PortRef, int]


def run_roce(
    layout: Layout,
    plan: Plan,
    dataplane: Dataplane,
    nics: Sequence[NicSocket],
    work: Workload,
    seed: int,
    source: SwitchSource,
    snap_bytes: int,
) -> tuple[Roce, list[Sighting]]:
    """Run the workload with real packets and in the simulator, and compare them.

    A run that only lost packets is done again, from the start: what is compared is always one whole run.
    Returns what was found, and the first `snap_bytes` of the packets at the switches' ports.
    """
    fabric = layout.fabric
    wanted = simulate_reference(fabric, plan, work, seed, source)

    def once() -> _Run:
        ports = wanted.source_ports
        exchanger = Exchanger(fabric, nics, wanted.sent, seed, ports)
        return _run_once(layout, dataplane, nics, exchanger, snap_bytes)

    run, attempts = once(), 1
    while run.done.is_only_lossy and attempts < ATTEMPTS:
        run, attempts = once(), attempts + 1
    done, counted, directions = run.done, run.counted, list(_pairs(run.exchanger))
    seen = _directions(run.exchanger, run.sightings)
    routing = Routing(layout, tuple(switch.routes for switch in plan.switches))
    # Where a switch may choose, it must choose as the simulator's does.
    is_counted = not dataplane.hash_note or all(routing.only_path(*ends) for *_, ends in directions)
    wrong_paths = tuple(_wrong_paths(layout, routing, directions, seen, wanted, is_counted))
    wrong_ports = _wrong_ports(wanted.frames, counted) if is_counted else ()
    found = Roce(
        schedule=wanted.sent.schedule.name,
        flows=wanted.sent.schedule.flows,
        data_packets=done.data_packets,
        acknowledgements=done.acknowledgements,
        attempts=attempts,
        problems=(*done.problems, *done.gaps),
        paths=len(directions),
        wrong_paths=wrong_paths,
        is_counted=is_counted,
        ports=len(wanted.frames.keys() | counted.keys()),
        wrong_ports=tuple(wrong_ports),
    )
    return found, run.sightings


def _run_once(
    layout: Layout, dataplane: Dataplane, nics: Sequence[NicSocket], exchanger: Exchanger, snap_bytes: int
) -> _Run:
    before = _settled_counts(dataplane)
    for nic in nics:
        for _ in nic.receive():
            pass  # what an earlier run has left
    with Capture(layout.interfaces, layout.addresses, snap_bytes) as capture:
        done = exchanger.run()
    after = dataplane.sent_frames()
    counted = {port: count - before.get(port, 0) for port, count in after.items()}
    return _Run(exchanger, done, capture.sightings, {port: count for port, count in counted.items() if count})


def _settled_counts(dataplane: Dataplane) -> dict[PortRef, int]:
    """The switches' counters once nothing of earlier tests is on its way: two readings are the same."""
    last = dataplane.sent_frames()
    for _ in range(int(SILENCE_S / _SETTLE_S)):
        time.sleep(_SETTLE_S)
        counts = dataplane.sent_frames()
        if counts == last:
            break
        last = counts
    return last


def _directions(exchanger: Exchanger, sightings: Sequence[Sighting]) -> Directions:
    by_number = {}
    for index, qp in enumerate(exchanger.queue_pairs):
        by_number[qp.numbers[1], False] = index
        by_number[qp.numbers[0], True] = index
    seen: Directions = {}
    log = TripLog()
    log.add(sightings)
    for trip in log.trips():
        seen.setdefault((by_number[trip.dest_qp, trip.is_ack], trip.is_ack), set()).add(trip.path)
    return seen


def _pairs(exchanger: Exchanger) -> Iterator[tuple[int, bool, tuple[int, int]]]:
    """Of each queue pair: its number, whether acknowledgements are meant, and from where to where they go."""
    for index, qp in enumerate(exchanger.queue_pairs):
        yield index, False, (qp.src, qp.dst)
        yield index, True, (qp.dst, qp.src)


def _wrong_paths(
    layout: Layout,
    routing: Routing,
    directions: Sequence[tuple[int, bool, tuple[int, int]]],
    seen: Directions,
    wanted: Reference,
    is_same: bool,
) -> Iterator[str]:
    """Directions that took more than one path, or one that the plan does not allow.

    With `is_same` the path must also be the simulator's.
    """
    for index, is_ack, (src, dst) in directions:
        paths = seen.get((index, is_ack), set())
        simulated = (wanted.ack_paths if is_ack else wanted.data_paths)[index]
        name = f"{layout.nics[src].label} -> {layout.nics[dst].label}"
        if len(paths) != 1:
            yield f"{name} took {len(paths)} paths"
            continue
        [path] = paths
        if not routing.allows(path, src, dst):
            yield f"{name} took {_text(path)}, which the plan does not allow"
        elif is_same and path != simulated:
            yield f"{name} took {_text(path)}, in the simulator {_text(simulated)}"


def _wrong_ports(expected: dict[PortRef, int], counted: dict[PortRef, int]) -> Iterator[str]:
    for port in sorted(expected.keys() | counted.keys(), key=lambda port: natural(str(port))):
        if expected.get(port, 0) != counted.get(port, 0):
            yield f"{port} sent {counted.get(port, 0)} packets, {expected.get(port, 0)} in the simulator"


def _text(path: Path) -> str:
    return " ".join(map(str, path))
