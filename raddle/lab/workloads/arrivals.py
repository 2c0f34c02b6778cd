"""Flows that arrive at random, with sizes of a distribution that has a name.

Arrivals are a Poisson process over the whole fabric; each flow goes from one endpoint to one that links lead
to, of another host and another scale-up domain. Both are drawn as often as their ports are fast. The load is
that of payload: the mean of what arrives, over what all endpoints that can send could send.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from raddle.errors import InputError
from raddle.lab.workloads.flow_file import workload_of
from raddle.lab.workloads.plain_flows import FlowFileColumns
from raddle.report.model import InputFile
from raddle.splitmix import first_words
from raddle.topology.model import Fabric
from raddle.topology.views.cut_off import connected_parts
from raddle.units import parse_ratio
from raddle.workload import Workload

MOST_FLOWS = 10_000_000
_MOST_LOAD = 4.0


@dataclass(frozen=True, slots=True)
class SizeDistribution:
    """Sizes of flows: `points` are bytes and the percentage of flows that are no larger; evenly between."""

    source: str
    points: tuple[tuple[int, float], ...]

    @property
    def mean_bytes(self) -> float:
        sizes, shares = np.array(self.points).T
        return float(np.sum(np.diff(shares / 100) * (sizes[1:] + sizes[:-1]) / 2))

    def sizes(self, uniform: NDArray[np.float64]) -> NDArray[np.int64]:
        """Of each number from 0 to 1 the size that such a share of flows does not exceed; 1 at least."""
        sizes, shares = np.array(self.points).T
        drawn: NDArray[np.int64] = np.maximum(np.interp(uniform * 100, shares, sizes), 1).astype(np.int64)
        return drawn


DISTRIBUTIONS: Mapping[str, SizeDistribution] = {
    "websearch": SizeDistribution(
        "Alizadeh et al., DCTCP, SIGCOMM 2010, figure 4; points as in HPCC, SIGCOMM 2019",
        ((0, 0), (10_000, 15), (20_000, 20), (30_000, 30), (50_000, 40), (80_000, 53), (200_000, 60),
         (1_000_000, 70), (2_000_000, 80), (5_000_000, 90), (10_000_000, 97), (30_000_000, 100)),
    ),
    "hadoop": SizeDistribution(
        "Roy et al., Inside the Social Network's (Datacenter) Network, SIGCOMM 2015; points as in HPCC",
        ((0, 0), (100, 1), (200, 2), (300, 5), (350, 15), (400, 20), (500, 30), (600, 40), (700, 50),
         (1000, 60), (2000, 67), (7000, 70), (30_000, 72), (50_000, 82), (80_000, 87), (120_000, 90),
         (300_000, 95), (1_000_000, 97.5), (2_000_000, 99), (10_000_000, 100)),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """The endpoints that have another to send to; those that reach each other side by side, of these those of
    a host or a scale-up domain.

    Attributes:
        index: int64, in `Fabric.endpoints`.
        tickets: int64, those of all before each, and of all; an endpoint has as many as its port is fast.
        part, own: int64[ends, 2], the tickets from and up to which its part reaches, and its host or domain.
        speed_bps: of all ports together.
    """

    index: NDArray[np.int64]
    tickets: NDArray[np.int64]
    part: NDArray[np.int64]
    own: NDArray[np.int64]
    speed_bps: int

    @staticmethod
    def of(fabric: Fabric) -> _Ends:
        arrays, parts = fabric.arrays, connected_parts(fabric)
        ends = [
            each
            for each in fabric.endpoints
            if arrays.is_up[each.link] and fabric.hosts[each.host].outside is None
        ]
        domains = len(fabric.hosts) + np.array([host.domain for host in fabric.hosts], np.int64)
        units = np.where(domains < len(fabric.hosts), np.arange(len(fabric.hosts)), domains)
        index = np.array([each.index for each in ends], np.int64)
        part = np.array([parts[each.leaf] for each in ends], np.int64)
        unit = np.array([units[each.host] for each in ends], np.int64)
        there = np.unique(np.stack((part, unit)), axis=1)
        can_send = np.bincount(there[0], minlength=len(parts))[part] > 1
        if not can_send.any():
            message = "--arrivals: no endpoint reaches one of another host and another scale-up domain"
            raise InputError.of("bad-option", message, "take a larger fabric, or write the flows to a file")
        order = np.flatnonzero(can_send)[np.lexsort((index[can_send], unit[can_send], part[can_send]))]
        index, part, unit = index[order], part[order], unit[order]
        speeds_bps = arrays.speed_bps[[fabric.endpoints[at].link for at in index]]
        tickets = np.concatenate([[0], np.cumsum(speeds_bps // np.gcd.reduce(speeds_bps))])
        own = part * (int(units.max()) + 1) + unit
        return _Ends(index, tickets, _spans(part, tickets), _spans(own, tickets), int(speeds_bps.sum()))

    def pairs(
        self, first: NDArray[np.float64], second: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Senders and receivers, by two numbers from 0 to below 1 for each pair."""
        src = self._holder((first * self.tickets[-1]).astype(np.int64))
        (start, end), (own_start, own_end) = self.part[src].T, self.own[src].T
        # CORRECTNESS: what is drawn are the tickets behind those of the sender's own host or domain.
        ahead = (second * (end - start - own_end + own_start)).astype(np.int64)
        dst = self._holder(start + (own_end - start + ahead) % (end - start))
        return self.index[src], self.index[dst]

    def _holder(self, ticket: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.tickets, ticket, "right") - 1


def _spans(values: NDArray[np.int64], tickets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tickets from and up to which the same value stands; the values ascend."""
    ends = (np.searchsorted(values, values, side) for side in ("left", "right"))
    return np.stack([tickets[end] for end in ends], axis=1)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """So many flows of a distribution's sizes, at a load of 0..1 (or more: queues grow)."""

    distribution: str
    load: float
    flows: int
    text: str

    @staticmethod
    def parse(text: str) -> Arrivals:
        """`websearch:50%:100000`.

        Raises:
            InputError: `bad-option`.
        """
        known = ", ".join(DISTRIBUTIONS)
        hint = f"write DISTRIBUTION:LOAD:FLOWS, as websearch:50%:100000; distributions: {known}"
        name, load, flows = (part.strip() for part in [*text.split(":"), "", ""][:3])
        if text.count(":") != 2 or name not in DISTRIBUTIONS:
            raise InputError.of("bad-option", f"--arrivals '{text}' is no distribution, load and count", hint)
        share = 0.0
        with suppress(ValueError):
            share = parse_ratio(load)
        if not 0 < share <= _MOST_LOAD:
            message = f"--arrivals: load '{load}' is not above 0 and at most {_MOST_LOAD:.0%}"
            raise InputError.of("bad-option", message, hint)
        if not (flows.isascii() and flows.isdigit() and len(flows) < 9 and 0 < int(flows) <= MOST_FLOWS):
            raise InputError.of(
                "bad-option", f"--arrivals: '{flows}' is not a number of flows from 1 to {MOST_FLOWS}", hint
            )
        return Arrivals(name, share, int(flows), text)

    def workload(self, fabric: Fabric, seed: int) -> Workload:
        """The flows, by start; their names are their numbers from 1. The same for a seed on every machine.

        Raises:
            InputError: `bad-option`, no endpoint has another to send to.
        """
        ends = _Ends.of(fabric)
        src, dst = ends.pairs(_uniform(seed, 0, self.flows), _uniform(seed, 1, self.flows))
        distribution = DISTRIBUTIONS[self.distribution]
        gap_ns = distribution.mean_bytes * 8e9 / (ends.speed_bps * self.load)
        start_ns = np.cumsum(-np.log1p(-_uniform(seed, 2, self.flows)) * gap_ns).astype(np.int64)
        return workload_of(
            fabric,
            FlowFileColumns(
                names=tuple(map(str, range(1, self.flows + 1))),
                src=src.astype(np.int32),
                dst=dst.astype(np.int32),
                size_bytes=distribution.sizes(_uniform(seed, 3, self.flows)),
                start_ps=start_ns * 1000,
                delay_ps=np.zeros(self.flows, np.int64),
                qp=np.arange(self.flows, dtype=np.int32),
                dep_offsets=np.zeros(self.flows + 1, np.int64),
                dep_ids=np.zeros(0, np.int32),
            ),
        )

    def digest(self, workload: Workload) -> InputFile:
        """What stands for the flows among the inputs of a result."""
        schedule = workload.schedule
        columns = (schedule.src, schedule.dst, schedule.size_bytes, workload.starts_ps)
        octets = b"".join(column.astype("<i8").tobytes() for column in columns)
        return InputFile(f"arrivals {self.text}", sha256(octets).hexdigest())


def _uniform(seed: int, stream: int, count: int) -> NDArray[np.float64]:
    """Numbers from 0 to below 1, by (seed, stream, place)."""
    base = first_words(np.array([(seed << 8) + stream], np.uint64))
    words = first_words(np.add(base, np.arange(count, dtype=np.uint64), dtype=np.uint64))
    return (words >> np.uint64(11)).astype(np.float64) / 2**53
