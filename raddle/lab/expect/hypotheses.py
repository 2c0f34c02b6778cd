"""What may be wrong, and what every log would then have measured.

A cause is a change of the closed form: another rate of a resource, more latency, another algorithm. Its
strength is found from the logs. A new cause is a generator in `HYPOTHESES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raddle.errors import InputError
from raddle.lab.expect.cases import Case
from raddle.lab.expect.curve import point_of
from raddle.lab.expect.resources import Kind
from raddle.lab.expect.ways import LinkWays, Ways
from raddle.traffic import Shape
from raddle.units import format_rate, format_time

Cause = Literal[
    "as-expected", "unexplained", "hash-collisions", "nic", "link", "algorithm", "pfc-ecn", "latency",
    "straggler", "oversubscription", "host-bus",
]  # fmt: skip

_Floats = NDArray[np.float64]

SPEEDS_BPS = tuple(round(gigabits * 1e9) for gigabits in (10, 25, 40, 50, 100, 200, 400, 800, 1600))
"""What Ethernet ports come up at (IEEE 802.3)."""

_SLOW = 1.1
"""Times its usual time from which on a pair of NICs is slow."""

Predict = Callable[[Case], "_Floats | None"]
"""The times of a case's rows; None where the cause leaves it as it is."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One thing that may be wrong.

    Attributes:
        where: host, port, link or leaf; empty for the fabric as a whole.
        what: how strong it is, in words.
        cost: of what must be assumed for it, in units of a log's misfit.
        is_free: of a case, whether it may be slower than predicted by any factor.
        share: of a case, how likely it meets the cause; where it does not, it takes its usual time.
    """

    cause: Cause
    where: str
    what: str
    predict: Predict
    cost: float
    is_free: Callable[[Case], bool] = field(default=lambda case: False)
    share: Callable[[Case], float] = field(default=lambda case: 1.0)


def as_expected(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """Nothing is wrong; where flows are hashed, they may collide."""
    yield Hypothesis("as-expected", "", "", lambda case: None, 0.0)


def nics(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """A NIC's port came up slower than the fabric file has it, or one of a NIC's ports is missing."""
    fabric = cases[0].fabric
    for endpoint in fabric.endpoints:
        host = fabric.hosts[endpoint.host].name
        if not any(host in case.hosts for case in cases):
            continue
        name, own_bps = f"{host}:{endpoint.nic}", fabric.links[endpoint.link].speed_bps
        ways = [
            (bps / own_bps, f"up at {format_rate(bps)}, not {format_rate(own_bps)}") for bps in SPEEDS_BPS
        ]
        mates = [
            each for each in fabric.endpoints if each.host == endpoint.host and each.rail == endpoint.rail
        ]
        for missing in range(1, len(mates)):
            ways.append(
                ((len(mates) - missing) / len(mates), f"{missing} of its NIC's {len(mates)} ports missing")
            )
        others = sum(each.host == endpoint.host for each in fabric.endpoints) > len(mates)
        if others:
            ways.append((0.5, "missing, so that its rank shares another's NIC"))
        for factor, told in ways:
            if 0.001 < factor < 0.97:
                factors: dict[Kind, dict[str, float]] = {"nic": {name: factor}}
                yield Hypothesis("nic", name, told, _slower(host, factors), 1.5)


def buses(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """What a host's bus gives between accelerators and NICs; tests from host memory do not take that way."""
    fabric = cases[0].fabric
    for host in (None, *fabric.hosts):
        if host is not None and not any(host.name in case.hosts for case in cases):
            continue
        chosen = [each for each in fabric.endpoints if host is None or each.host == host.index]
        names = [f"{fabric.hosts[each.host].name}:{each.nic}" for each in chosen]
        where, speed = host.name if host else "every host", fabric.links[chosen[0].link].speed_bps
        for factor in np.geomspace(0.1, 0.95, 46).tolist():
            told = f"its bus gives about {speed * factor / 8e9:.3g} GB/s to a NIC"
            factors: dict[Kind, dict[str, float]] = {"nic": dict.fromkeys(names, factor)}
            yield Hypothesis(
                "host-bus",
                where,
                told,
                _slower(host.name if host else "", factors, of_accelerators=True),
                2.0,
            )


def uplinks(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """Uplinks that are not there, of a leaf or of all alike."""
    fabric = cases[0].fabric
    count: dict[str, int] = {}
    for link in fabric.links:
        count[link.a.device] = count.get(link.a.device, 0) + 1
    names = [leaf.name for leaf in fabric.leaves]
    for where, chosen in (("every leaf", names), *((name, [name]) for name in names)):
        most = min(count.get(name, 0) for name in chosen)
        for missing in range(1, most):
            factors: dict[Kind, dict[str, float]] = {"uplinks": dict.fromkeys(chosen, 1 - missing / most)}
            told = f"{missing} of {most} uplinks missing"
            yield Hypothesis("oversubscription", where, told, _slower("", factors), 1.5)


def links(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """A link between switches that is slower than it should be; on the way of a slow pair of NICs.

    A pair's flow takes one of the ways, which nobody knows; a collective's flows take many, and it is then
    slower by nobody knows how much.
    """
    fabric = cases[0].fabric
    slow = [case for case in cases if case.is_way_known and case.measured_s[-1] > _SLOW * case.expected_s[-1]]
    if not slow:
        return
    ways = LinkWays(fabric)
    on_way = {id(case): ways.between(*case.ends) for case in cases if case.is_way_known}
    taken = {id(case): ways.of(case.points[-1].loads.endpoint_pairs.tolist()) for case in cases if case.job}
    rates = sorted({round(case.points[-1].loads.wire_bits() / case.measured_s[-1]) for case in slow})
    for number in sorted({link for case in slow for link in on_way[id(case)]}):
        link = fabric.links[number]
        usual = format_rate(link.speed_bps)
        told = [(bps, f"up at {format_rate(bps)}, not {usual}", 2.0) for bps in SPEEDS_BPS]
        told += [
            (bps, f"gives about {bps / 1e9:.3g} of {link.speed_bps / 1e9:.3g} Gb/s", 2.5) for bps in rates
        ]
        for bps, what, cost in told:
            if bps < 0.97 * link.speed_bps:
                yield Hypothesis(
                    "link", f"{link.a} - {link.b}", what, partial(_over, on_way, number, bps), cost,
                    is_free=partial(_may_take, taken, number), share=partial(_share, on_way, number),
                )  # fmt: skip


def _may_take(taken: Mapping[int, frozenset[int]], number: int, case: Case) -> bool:
    return number in taken.get(id(case), ())


def _share(on_way: Mapping[int, Ways], number: int, case: Case) -> float:
    """How likely a case's flow goes over a link."""
    return on_way.get(id(case), {}).get(number, 1.0)


def _over(on_way: Mapping[int, Ways], number: int, bps: int, case: Case) -> _Floats | None:
    """The times where a case's flow goes over a link of that rate."""
    if number not in on_way.get(id(case), {}):
        return None
    bits = np.array([each.loads.wire_bits() for each in case.points])
    return np.maximum(case.expected_s, bits / bps)


def algorithms(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """Another algorithm than the fabric would get, or fewer channels; of one operation."""
    for name in sorted({case.job.collective.name for case in cases if case.job}):
        sample = next(case for case in cases if case.job and case.job.collective.name == name)
        assert sample.job
        for way in sample.job.collective.algorithms:
            told = f"{name} runs {way.name}, not {sample.points[-1].messages.algorithm}"
            if way.name != sample.points[-1].messages.algorithm:
                yield Hypothesis("algorithm", "", told, _other(name, way.name, 0), 1.5)
        for channels in range(1, sample.job.shape.channels):
            told = f"{channels} of {sample.job.shape.channels} channels"
            yield Hypothesis("algorithm", "", told, _other(name, "", channels), 1.5)


def congestion(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """PFC or ECN is wrong: whatever shares a receiver or a link is slower, by nobody knows how much."""
    yield Hypothesis(
        "pfc-ecn", "", "slow where flows share a receiver or a link", lambda case: None, 2.0,
        is_free=lambda case: case.shares_receivers or case.draws[-1] > 1.02,
    )  # fmt: skip


def latencies(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """Every link takes longer than its cable says."""
    for late_us in np.geomspace(0.2, 500, 40).tolist():
        told = f"{format_time(round(late_us * 1e6))} more on every link"
        yield Hypothesis("latency", "", told, _later(late_us / 1e6), 1.5)


def stragglers(cases: Sequence[Case]) -> Iterator[Hypothesis]:
    """A host joins later than the others, in each operation."""
    for host in sorted({host for case in cases for host in case.hosts}):
        for late_us in np.geomspace(5, 500_000, 50).tolist():
            told = f"about {format_time(round(late_us * 1e6))} late in every operation"
            yield Hypothesis("straggler", host, told, _late_host(host, late_us / 1e6), 1.5)


HYPOTHESES = (as_expected, nics, links, buses, uplinks, algorithms, congestion, latencies, stragglers)


def _slower(host: str, factors: dict[Kind, dict[str, float]], *, of_accelerators: bool = False) -> Predict:
    def predict(case: Case) -> _Floats | None:
        if host and host not in case.hosts:
            return None
        if of_accelerators and case.log.pair and not case.log.pair.uses_accelerator_memory:
            return None
        return np.array([case.time_s(point, factors=factors) for point in case.points])

    return predict


def _other(collective: str, algorithm: str, channels: int) -> Predict:
    known: dict[int, _Floats | None] = {}

    def predict(case: Case) -> _Floats | None:
        if case.job is None or case.job.collective.name != collective or "algorithm" in case.log.settings:
            return None
        if id(case) not in known:
            known[id(case)] = _times_of(case, algorithm, channels)
        return known[id(case)]

    return predict


def _times_of(case: Case, algorithm: str, channels: int) -> _Floats | None:
    job = case.job
    assert job
    shape: Shape = job.shape
    if channels:
        if channels >= shape.channels:
            return None
        shape = replace(shape, channels=channels)
    else:
        way = next(each for each in job.collective.algorithms if each.name == algorithm)
        if way.refuses(shape):
            return None
        job = replace(job, algorithm=way, auto=None)
    job = replace(job, shape=shape)
    try:
        return np.array([point_of(job, row.size_bytes).time_s() for row in case.rows])
    except InputError:
        return None


def _later(late_s: float) -> Predict:
    def predict(case: Case) -> _Floats | None:
        if case.log.pair and not case.log.pair.is_latency:
            return None
        return case.expected_s + late_s * case.links

    return predict


def _late_host(host: str, late_s: float) -> Predict:
    def predict(case: Case) -> _Floats | None:
        return None if case.job is None or host not in case.hosts else case.expected_s + late_s

    return predict
