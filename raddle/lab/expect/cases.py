"""A measured log beside what the fabric should have given: its job, its points, the measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.model import Plan
from raddle.errors import InputError
from raddle.lab.expect.collisions import stretch_of
from raddle.lab.expect.curve import Point, point_of
from raddle.lab.expect.logs.record import Log, LogRow, Pair
from raddle.lab.expect.messages import Messages, longest_chain
from raddle.lab.expect.resources import loads_of
from raddle.lab.workloads.collective import CollectiveJob, job_on
from raddle.lab.workloads.connections import with_qps
from raddle.lab.workloads.ranks import EVERYWHERE, place_ranks, seats_of
from raddle.state import SwitchState
from raddle.topology.model import Fabric
from raddle.workload import Seats, Sent, first_flows

_ROWS = 4
"""Rows of a log that count, from the smallest to the largest."""

_DRAWS = 12
_LEAST_BYTES = 64 << 10

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A log on a fabric.

    Attributes:
        job: None for a pair of NICs.
        hosts: those that take part; unknown ones are not among them.
        points: one for each of `rows`.
        draws: how many times as long collisions make it; (1.0,) where none can be.
        shares_receivers: several send to one receiver at once.
        links: one-way links that the longest chain of messages crosses.
        notes: what was taken for granted of it.
        ends: the endpoints of a pair, from which and to which.
    """

    log: Log
    fabric: Fabric
    job: CollectiveJob | None
    hosts: frozenset[str]
    rows: tuple[LogRow, ...]
    points: tuple[Point, ...]
    draws: tuple[float, ...]
    shares_receivers: bool
    links: float
    notes: tuple[str, ...] = ()
    ends: tuple[int, int] = (0, 0)

    @property
    def is_way_known(self) -> bool:
        """It is a bandwidth test between two endpoints that it names."""
        pair = self.log.pair
        return pair is not None and not pair.is_latency and bool(self.hosts)

    @property
    def measured_s(self) -> _Floats:
        return np.array([row.time_us / 1e6 for row in self.rows])

    @property
    def expected_s(self) -> _Floats:
        """Without collisions."""
        return np.array([self.time_s(point) for point in self.points])

    def time_s(self, point: Point, stretch: float = 1.0, **changed: object) -> float:
        """What a point of it takes; a bandwidth test keeps so many messages under way that latency hides."""
        if self.log.pair and not self.log.pair.is_latency:
            return point.loads.time_s(changed.get("factors")) * stretch  # type: ignore[arg-type]
        return point.time_s(stretch=stretch, **changed)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """What it is, in words."""
        if self.log.pair:
            ends = " and ".join(sorted(self.hosts)) or "two NICs"
            kind = "latency" if self.log.pair.is_latency else "bandwidth"
            memory = "accelerator" if self.log.pair.uses_accelerator_memory else "host"
            return f"{self.log.collective} {kind} of {ends} from {memory} memory"
        assert self.job
        return f"{self.job.collective.name} of {self.job.ranks} ranks on {len(self.hosts)} hosts"


@dataclass(frozen=True, slots=True)
class Assumed:
    """What the command line says of logs that do not say it themselves."""

    collective: str | None = None
    algorithm: str | None = None
    draws: int = _DRAWS


def case_of(fabric: Fabric, plan: Plan, states: dict[str, SwitchState], log: Log, assumed: Assumed) -> Case:
    """A log on a fabric whose switches hold a plan.

    Raises:
        InputError: `bad-log`, its hosts or operation are not known; those of `find_job`.
    """
    return _pair_case(fabric, log) if log.pair else _job_case(fabric, plan, states, log, assumed)


def _job_case(fabric: Fabric, plan: Plan, states: dict[str, SwitchState], log: Log, assumed: Assumed) -> Case:
    name = log.collective or assumed.collective
    if not name:
        message = f"'{log.file}' does not say which operation it measures"
        raise InputError.of("bad-log", message, "say it with --collective")
    qps = log.settings.get("qps")
    model = with_qps(fabric, int(qps), True) if qps else fabric
    seats, notes = _seats(model, log)
    algorithm = log.settings.get("algorithm", "").lower() or assumed.algorithm
    known = [each.name for each in traffic.find_collective(name).algorithms]
    rows = _chosen(log)
    sizes = [row.size_bytes for row in rows]
    own = algorithm if algorithm in known else None

    def job_of(places: Seats) -> CollectiveJob:
        return job_on(model, places, name, own, EVERYWHERE, traffic.Terms(), sizes)

    job = job_of(seats)
    points = tuple(point_of(job, row.size_bytes) for row in rows)
    hosts = frozenset(
        model.hosts[int(host)].name for host in model.accelerators.host[seats.accelerator].tolist()
    )
    draws = _draws(job, points[-1], plan, states, assumed.draws)
    if notes:  # flows may meet as those of any order do, of which one over the leaves in turn has most
        strided = place_ranks(model, replace(EVERYWHERE, placement="strided"))[: job.ranks]
        other = job_of(seats_of(model, strided))
        draws += _draws(other, point_of(other, sizes[-1]), plan, states, assumed.draws)
    return Case(
        log, model, job, hosts, rows, points,
        draws=draws,
        shares_receivers=_shares_receivers(points[-1]),
        links=_links(model, job.seats, points[-1]),
        notes=notes,
    )  # fmt: skip


def _chosen(log: Log) -> tuple[LogRow, ...]:
    """Some rows from 64 KiB on, evenly spread over their order."""
    rows = [row for row in log.rows if row.size_bytes >= _LEAST_BYTES] or list(log.rows)
    if not [row for row in rows if row.time_us > 0]:
        raise InputError.of("bad-log", f"'{log.file}' has no row with a time above 0")
    rows = [row for row in rows if row.time_us > 0 and row.size_bytes > 0]
    chosen = sorted({round(at) for at in np.linspace(0, len(rows) - 1, min(_ROWS, len(rows)))})
    return tuple(rows[at] for at in chosen)


def _seats(fabric: Fabric, log: Log) -> tuple[Seats, tuple[str, ...]]:
    """Where the ranks of a log are: on the hosts that it names, else on the first of the fabric."""
    columns = fabric.accelerators
    first = np.searchsorted(columns.host, np.arange(len(fabric.hosts)))
    if not log.places:
        every = place_ranks(fabric, EVERYWHERE)
        ranks = log.ranks or len(every)
        if not 2 <= ranks <= len(every):
            raise InputError.of("bad-log", f"'{log.file}' has {ranks} ranks, the fabric {len(every)}")
        note = f"it names no hosts: the first {ranks} ranks are taken, collisions those of any order"
        return seats_of(fabric, every[:ranks]), (note,)
    numbers = {host.name: host.index for host in fabric.hosts}
    named = list(dict.fromkeys(host for host, _ in log.places))
    known = {name: numbers.get(name, numbers.get(name.split(".")[0])) for name in named}
    notes: tuple[str, ...] = ()
    if unknown := [name for name in named if known[name] is None]:
        if len(unknown) < len(named) or len(named) > len(fabric.hosts):
            raise InputError.of("bad-log", f"'{log.file}': the fabric has no host '{unknown[0]}'")
        known = {name: number for number, name in enumerate(named)}
        taken = f"{named[0]} is taken for {fabric.hosts[0].name}, and so on"
        notes = (f"its hosts are none of the fabric's: {taken}",)
    chosen = []
    for name, device in log.places:
        host = known[name]
        assert host is not None
        count = int((columns.host == host).sum())
        if device >= count:
            raise InputError.of("bad-log", f"'{log.file}': device {device} of {name}, which has {count}")
        chosen.append(int(first[host]) + device)
    if len(set(chosen)) < len(chosen):
        raise InputError.of("bad-log", f"'{log.file}' has several ranks on one accelerator")
    return seats_of(fabric, np.array(chosen, np.int32)), notes


def _draws(
    job: CollectiveJob, point: Point, plan: Plan, states: dict[str, SwitchState], draws: int
) -> tuple[float, ...]:
    leaf = [each.leaf for each in job.fabric.endpoints]
    if all(leaf[a] == leaf[b] for a, b in point.loads.endpoint_pairs.tolist()):
        return (1.0,)
    drawn = stretch_of(job, point, states, plan, range(1, draws + 1))
    return drawn.draws if drawn else (1.0,)


def _shares_receivers(point: Point) -> bool:
    """Whether messages of one step have a receiver in common."""
    schedule = point.messages.schedule
    over = ~point.messages.shape.is_inside(schedule)
    key = schedule.step[over].astype(np.int64) * schedule.ranks + schedule.dst[over]
    pairs = np.unique(np.stack([key, schedule.src[over]]), axis=1)
    return bool((np.unique(pairs[0], return_counts=True)[1] > 1).any())


def _links(fabric: Fabric, seats: Seats, point: Point) -> float:
    """By how much a second more on every link makes the chain longer, in links."""
    later = replace(fabric, phy=replace(fabric.phy, fec_latency_ps=fabric.phy.fec_latency_ps + 10**6))
    return (longest_chain(later, seats, point.messages).latency_s - point.chain.latency_s) / 1e-6


def _pair_case(fabric: Fabric, log: Log) -> Case:
    assert log.pair
    ends, notes = _ends(fabric, log.pair)
    rows = _chosen(log) if not log.pair.is_latency else tuple(log.rows[:1])
    points = tuple(_pair_point(fabric, ends, log.pair, max(row.size_bytes, 1)) for row in rows)
    seats = Seats.of_endpoints(np.array(ends, np.int32))
    of_ends = () if notes else ends
    hosts = frozenset(fabric.hosts[fabric.endpoints[end].host].name for end in of_ends)
    links = _links(fabric, seats, points[0])
    return Case(log, fabric, None, hosts, rows, points, (1.0,), False, links, notes, ends)


def _pair_point(fabric: Fabric, ends: Sequence[int], pair: Pair, size_bytes: int) -> Point:
    """A message of that size between two endpoints, one each way where the test is of both.

    A bidirectional test prints both directions together, so that each carries half of the size.
    """
    seats = Seats.of_endpoints(np.array(ends, np.int32))
    each = -(-size_bytes // 2) if pair.is_bidirectional else size_bytes
    schedule = traffic.build("send_recv", "direct", 2, max(each, 4))
    if not pair.is_bidirectional:
        schedule = first_flows(Sent.between(schedule, seats.endpoints), 1).schedule
    shape = traffic.Shape.flat(2)
    messages = Messages("pair", "", size_bytes, schedule, traffic.NO_LATENCY, shape, 1.0)
    return Point(messages, loads_of(fabric, seats, messages), longest_chain(fabric, seats, messages))


def _ends(fabric: Fabric, pair: Pair) -> tuple[tuple[int, int], tuple[str, ...]]:
    """The endpoints of a pair's addresses."""
    numbers = {address: at for at, address in enumerate(endpoint_addresses(fabric))}
    found = [numbers.get(int(ip_address(text))) if text else None for text in (pair.source, pair.target)]
    if found[0] is not None and found[1] is not None:
        return (found[0], found[1]), ()
    usual = (0, min(range(1, len(fabric.endpoints)), key=lambda at: fabric.endpoints[at].host == 0))
    return usual, ("its addresses are none of the fabric's: any two hosts are taken",)
