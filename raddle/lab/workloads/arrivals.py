"""Flows that arrive at random, with sizes of a distribution that has a name.

Arrivals are a Poisson process over the whole fabric; each flow goes from one endpoint to one of another host,
both drawn evenly. The load is that of payload: the mean of what arrives, over what all endpoints could send.
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
from raddle.topology.model import Fabric, PortRef
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
            InputError: `bad-option`, the fabric has one host.
        """
        ends = fabric.endpoints
        hosts = np.array([each.host for each in ends])
        if len(np.unique(hosts)) < 2:
            raise InputError.of("bad-option", "--arrivals: flows need two hosts", "take a larger fabric")
        order = np.argsort(hosts, kind="stable")  # endpoints of a host side by side
        first = np.searchsorted(hosts[order], hosts[order], "left")
        count = np.searchsorted(hosts[order], hosts[order], "right") - first
        src = (_uniform(seed, 0, self.flows) * len(ends)).astype(np.int64)
        # CORRECTNESS: what is drawn are the places behind those of the sender's own host.
        others = len(ends) - count[src]
        ahead = (_uniform(seed, 1, self.flows) * others).astype(np.int64)
        dst = (first[src] + count[src] + ahead) % len(ends)
        distribution = DISTRIBUTIONS[self.distribution]
        ports = (PortRef(fabric.hosts[each.host].name, each.nic) for each in ends)
        links = [fabric.link_by_port[port] for port in ports if port in fabric.link_by_port]
        gap_ns = distribution.mean_bytes * 8e9 / (sum(link.speed_bps for link in links) * self.load)
        start_ns = np.cumsum(-np.log1p(-_uniform(seed, 2, self.flows)) * gap_ns).astype(np.int64)
        return workload_of(
            fabric,
            FlowFileColumns(
                names=tuple(map(str, range(1, self.flows + 1))),
                src=order[src].astype(np.int32),
                dst=order[dst].astype(np.int32),
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
