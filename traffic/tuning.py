"""NCCL's model of time by algorithm and protocol, and its choice of the least.

Source: NCCL 5067397c (2026), src/graph/tuning.cc (ncclTunerConstantsDefaults, ncclTopoTuneModel,
ncclTopoGetAlgoTime) and the speeds of src/graph/search.cc. Times in microseconds, bandwidths in GB/s. Of its
inputs the search for rings and trees is not repeated: a channel for each NIC of a server, at the fastest of
NCCL's speeds that the NIC and the scale-up network have, stands for all graphs. CollNet is left out, as are
environment variables; the CPU is Intel's (on AMD's NCCL takes 2 us instead of 1 for a message, and LL is
faster).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

GENERATIONS = ("volta", "ampere", "hopper", "blackwell")
PROTOCOLS = ("LL", "LL128", "Simple")

_Three = tuple[float, float, float]

BASE_US: dict[str, _Three] = {"tree": (6.8, 14, 8.4), "ring": (6.6, 14, 8.4), "pat": (8, 8, 8)}
HOP_US: dict[str, dict[str, _Three]] = {
    "nvlink": {
        "tree": (0.6, 1.25, 4),
        "ring": (0.6, 1.9, 3.4),
        "nvls": (0, 0, 25),
        "nvls_tree": (0, 0, 25),
        "pat": (0, 0, 4),
    },
    "pci": {
        "tree": (1, 1.9, 4),
        "ring": (1, 2.5, 5.7),
        "nvls": (0, 0, 0),
        "nvls_tree": (0, 0, 0),
        "pat": (0, 0, 4),
    },
    "net": {
        "tree": (5, 8.5, 14),
        "ring": (2.7, 4, 14),
        "nvls": (0, 0, 18),
        "nvls_tree": (0, 0, 20.9),
        "pat": (0, 0, 14),
    },
}
"""Latency of a hop in LL, LL128 and Simple."""

# What follows is by generation, for 1, 2 and more servers.
_MOST_LL: tuple[_Three, ...] = ((39, 39, 20.4), (87.7, 22.5, 19), (141, 45, 35), (282, 90, 70))
_MOST_RING_LL128: tuple[_Three, ...] = ((20, 20, 20), (20, 20, 20), (36.7, 36.7, 36.7), (40, 40, 40))
_MOST_TREE_LL128: tuple[_Three, ...] = ((20, 20, 20), (20, 20, 20), (36.7, 36.7, 29), (55.6, 31.67, 20))
_MOST_TREE: tuple[_Three, ...] = ((26.5, 18.5, 10), (24, 23.6, 17.8), (38.7, 41.4, 36), (70, 42.8, 24))
_MOST_NVLS_TREE: tuple[_Three, ...] = ((26.5, 18.5, 10), (24, 23.6, 17.8), (0, 57.7, 45.5), (0, 96, 80))
_NVLS_EFFICIENCY = (0, 0, 0.85, 0.74)

_TREE_CORRECTION = {
    "LL": (1, 1, 1, 1, 0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.6, 0.5, 0.4, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1, 1),
    "LL128": (
        *(
            1,
            1,
            1,
            1,
            1,
            0.9,
            0.8,
            0.8,
            0.8,
            0.7,
            0.6,
            0.6,
            0.6,
            0.6,
            0.6,
            0.6,
            0.8,
            0.9,
            0.9,
            0.9,
            0.9,
            1,
            1,
        ),
    ),
    "Simple": (
        *(0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.7, 0.6, 0.6, 0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.7),
        *(0.7, 0.8, 0.9, 0.9),
    ),
}
"""Of a tree's bandwidth, from 64 B in powers of two."""

_SPEEDS_INSIDE = {
    "volta": (40, 30, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3),
    "hopper": (60, 50, 40, 30, 24, 20, 15, 12, 11, 6, 3),
    "blackwell": (90, 80, 70, 60, 50, 45, 40, 30, 24, 20, 19, 18),
}
_SPEEDS_BETWEEN = {
    "volta": (48, 30, 28, 24, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3, 2.4, 1.2, 0.24, 0.12),
    "hopper": (48, 45, 42, 40, 30, 24, 22, 20, 17.5, 15, 12, 6, 3, 2.4, 1.2, 0.24, 0.12),
    "blackwell": (*(96, 86, 80, 48, 45.1, 42, 40, 30, 24, 22, 20, 17.5, 15, 12, 6, 3, 2.4, 1.2, 0.24, 0.12),),
}
"""Speeds of a channel that the search tries."""

_NET_OVERHEAD_US = 1.0
_PLATEAU = ("all_reduce", "ring", "Simple")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the model takes a cluster for.

    Attributes:
        generation: one of GENERATIONS, of its GPUs.
        servers, ranks: a server is a scale-up domain, or a rank outside of any.
        nics: of a server.
        nic_gbs: line rate of one.
        scale_up_gbs: of a rank, each way; 0: there is none.
        has_in_network: whether the domain's switches sum and copy.
    """

    generation: str
    servers: int
    ranks: int
    nics: int
    nic_gbs: float
    scale_up_gbs: float = 0.0
    has_in_network: bool = False

    @property
    def per_server(self) -> float:
        return self.ranks / self.servers

    @property
    def channels(self) -> tuple[int, float]:
        """How many, and the bandwidth of each."""
        arrays = "volta" if self.generation == "ampere" else self.generation
        if self.servers == 1:
            return self._inside(_SPEEDS_INSIDE[arrays])
        most = self.nic_gbs
        if self.scale_up_gbs and self.per_server > 1:
            # A channel leaves each of a server's ranks but one over the scale-up network.
            most = min(most, self.scale_up_gbs / self.nics * self.per_server / (self.per_server - 1))
        speeds = _SPEEDS_BETWEEN[arrays]
        return self.nics, next((speed for speed in speeds if speed <= most), most)

    def _inside(self, speeds: tuple[float, ...]) -> tuple[int, float]:
        count, speed = 0, self.scale_up_gbs
        for slower in speeds:
            if count and slower / speed <= 0.49:
                break
            more = int(self.scale_up_gbs / slower)
            if more * slower > count * speed:
                count, speed = more, slower
        if not count:
            return 1, speed
        # ncclTopoDupChannels
        is_new = self.generation in ("hopper", "blackwell")
        keeps = speed < 25 or (is_new and speed < 50 and count > 4)
        return (count, speed) if keeps else (2 * count, speed / 2)


@dataclass(frozen=True, slots=True, order=True)
class Prediction:
    """What an algorithm with a protocol takes."""

    time_us: float
    algorithm: str
    protocol: str


def predict(machine: Machine, collective: str, size_bytes: int) -> tuple[Prediction, ...]:
    """All that NCCL would consider for this size, the fastest first; nothing where it has no model."""
    found = []
    for algorithm, protocol in _considered(machine, collective):
        bandwidth = _bandwidth_gbs(machine, collective, algorithm, protocol)
        latency = _latency_us(machine, collective, algorithm, protocol)
        log_size = (size_bytes >> 6).bit_length() - 1
        if algorithm == "tree" and 0 <= log_size < 23:
            bandwidth *= _TREE_CORRECTION[protocol][log_size]
        is_newest = machine.generation == "blackwell"
        if algorithm == "nvls_tree" and is_newest and 0 <= log_size < 23:
            bandwidth *= _TREE_CORRECTION[protocol][log_size]
        share = size_bytes // (machine.channels[0] * machine.ranks)
        if (collective, algorithm, protocol) == _PLATEAU and machine.servers > 1 and share >= 64:
            latency *= 1.9 if machine.generation == "volta" else 1.4
        if bandwidth > 0:
            found.append(Prediction(latency + size_bytes / (1000 * bandwidth), algorithm, protocol))
    return tuple(sorted(found))


def _considered(machine: Machine, collective: str) -> Iterator[tuple[str, str]]:
    """(algorithm, protocol) in use by default."""
    one = machine.servers == 1
    in_switch = machine.has_in_network and machine.channels[0] >= 2
    ways = {
        "all_reduce": [
            "tree",
            "ring",
            *["nvls"] * (in_switch and one),
            *["nvls_tree"] * (in_switch and not one),
        ],
        "all_gather": ["ring", *["nvls"] * (in_switch and one)],
        "broadcast": ["ring"],
    }
    ways["reduce_scatter"], ways["reduce"] = ways["all_gather"], ways["broadcast"]
    # LL128 is for NVLink inside a server, and for servers of one GPU.
    plain = ("LL", "LL128", "Simple") if machine.scale_up_gbs or machine.per_server == 1 else ("LL", "Simple")
    for algorithm in ways.get(collective, ()):
        for protocol in plain if algorithm in ("tree", "ring") else ("Simple",):
            yield algorithm, protocol
    if collective in ("all_gather", "reduce_scatter") and machine.servers == machine.ranks > 1:
        yield "pat", "Simple"


def _bandwidth_gbs(machine: Machine, collective: str, algorithm: str, protocol: str) -> float:
    """Algorithm bandwidth."""
    servers, ranks = machine.servers, machine.ranks
    row, column = GENERATIONS.index(machine.generation), min(servers, 3) - 1
    channels, speed = machine.channels
    if algorithm in ("nvls", "nvls_tree"):
        speed = _in_switch_gbs(machine, collective, algorithm, column)
    bus = channels * speed
    # LL's limit is the GPU's in a server, the CPU's between servers (Intel's: the first row).
    most_ll = _MOST_LL[row if servers == 1 else 0][column]
    if algorithm == "ring" and protocol == "LL":
        bus = min(most_ll, bus * 0.5)
    elif algorithm == "ring" and protocol == "LL128":
        bus = min(bus * 0.92, channels * _MOST_RING_LL128[row][column])
    elif algorithm == "tree":
        bus = min(bus * 0.92, channels * _MOST_TREE[row][column])
        if protocol == "LL":
            bus = min(bus / 3.8, most_ll)
        elif protocol == "LL128":
            share = 7 / 9 if servers == 1 else 120 / 128
            bus = min(bus * share, channels * _MOST_TREE_LL128[row][column])
    elif algorithm == "pat":
        bus *= 0.75
    if algorithm != "ring" and collective in ("all_gather", "reduce_scatter"):
        return bus
    if algorithm == "tree":
        return bus * 0.5
    return bus * ranks / _steps(collective, ranks)


def _in_switch_gbs(machine: Machine, collective: str, algorithm: str, column: int) -> float:
    """Of a channel that the domain's switches sum and copy."""
    channels, speed = machine.channels
    row = GENERATIONS.index(machine.generation)
    inside = machine.scale_up_gbs / channels * _NVLS_EFFICIENCY[row] * (channels - 1) / channels
    inside *= 2 if collective == "all_reduce" else (machine.per_server - 1) / machine.per_server
    if machine.servers == 1:
        return inside
    between = speed * (2 if machine.servers == 2 else 1)
    return min(inside, between, _MOST_NVLS_TREE[row][column])


def _latency_us(machine: Machine, collective: str, algorithm: str, protocol: str) -> float:
    at = PROTOCOLS.index(protocol)
    servers, ranks = machine.servers, machine.ranks
    inside_of = "nvlink" if machine.scale_up_gbs and machine.per_server > 1 else "pci"
    inside = HOP_US[inside_of][algorithm][at]
    # With one GPU in a server latencies are not hidden: the tree's are taken.
    between = HOP_US["net"]["tree" if machine.per_server == 1 else algorithm][at]
    base = BASE_US.get(algorithm, (0, 0, 0))[at]
    levels = servers.bit_length() - 1
    if algorithm == "ring":
        steps = _steps(collective, ranks)
        if collective in ("broadcast", "reduce"):
            hop = HOP_US[inside_of if servers == 1 else "net"]
            if servers == 1 or machine.nics == 1:
                return base + hop["ring"][at]
            # Rings that differ from channel to channel pay each hop.
            return base + steps * hop["tree" if protocol == "Simple" else "ring"][at]
        if servers > 1:
            inside = max(inside, _NET_OVERHEAD_US * (3 if protocol == "Simple" else 1))
        crossings = 0 if servers == 1 else (servers - 1) * (2 if collective == "all_reduce" else 1)
        return base + (steps - crossings) * inside + crossings * between
    if algorithm == "tree":
        return base + 2 * ((ranks // servers - 1) * inside + levels * between)
    if algorithm == "nvls":
        return inside
    if algorithm == "nvls_tree":
        return inside + 2 * levels * between
    return base + levels * between / 3.5 + ranks * 2.8


def _steps(collective: str, ranks: int) -> int:
    """Of a ring."""
    if collective == "all_reduce":
        return 2 * (ranks - 1)
    return ranks - 1 if collective in ("all_gather", "reduce_scatter") else ranks
