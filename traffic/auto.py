"""The algorithm that a library would take, size by size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from raddle.traffic.collectives.record import Algorithm, Collective, Pairs
from raddle.traffic.latency import NO_LATENCY, StepLatency, nccl_latency
from raddle.traffic.protocol import wire_bytes
from raddle.traffic.shape import WHOLE_MESSAGES, Protocol, Shape
from raddle.traffic.tuning import Machine, Prediction, predict
from raddle.workload import Schedule

AUTO = "auto"

_POINT_TO_POINT = ("pxn", "direct")
"""What NCCL does where it has no choice: sends at once, over the NIC of the receiver's rail.

Source: NCCL, src/graph/topo.cc, ncclTopoGetNetDev with NCCL_P2P_PXN_LEVEL 2, the default of all sends.
"""

_SLICES = {"LL": 32 << 10, "LL128": 576_000}
"""Data of one step of the buffers of LL (512 KiB, half of it flags) and LL128 (640 threads, 120 words).

Source: NCCL, src/include/device.h (NCCL_LL_LINES_PER_THREAD, NCCL_LL128_ELEMS_PER_THREAD) and src/init.cc.
"""


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    """What is taken for one size, and what NCCL's model says of all; nothing where it has none."""

    way: Algorithm
    protocol: str
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Auto:
    """Chooses for the sizes of a run.

    Attributes:
        sizes_bytes: for which the pairs of ranks are told.
    """

    collective: Collective
    machine: Machine
    sizes_bytes: Sequence[int]

    @property
    def algorithm(self) -> Algorithm:
        """All choices as one algorithm."""
        return Algorithm(AUTO, self._schedule, self._flows, self._pairs, latency=self._latency)

    def notes(self, shape: Shape) -> Iterator[str]:
        """What is taken from which size on, and why."""
        last = None
        for size_bytes in self.sizes_bytes:
            choice = self._choose(shape, size_bytes)
            if last == (last := (choice.way.name, choice.protocol)):
                continue
            yield f"from {size_bytes} B on {choice.way.name}{_reason(choice)}"

    def chosen(self, shape: Shape, size_bytes: int) -> tuple[str, str]:
        """The algorithm and the protocol for one size."""
        choice = self._choose(shape, size_bytes)
        return choice.way.name, choice.protocol

    def taken(self, shape: Shape, size_bytes: int) -> tuple[Algorithm, Shape, str]:
        """The algorithm for one size, the shape that its protocol cuts messages for, and that protocol; none
        where NCCL has no model of it."""
        choice = self._choose(shape, size_bytes)
        return choice.way, _cut(shape, choice.protocol), choice.protocol if choice.predictions else ""

    def _choose(self, shape: Shape, size_bytes: int) -> _Choice:
        ways = {way.name: way for way in self.collective.algorithms if not way.refuses(shape)}
        rounded_bytes = self.collective.buffer(shape.ranks, size_bytes).size_bytes
        found = tuple(
            each
            for each in predict(self.machine, self.collective.name, rounded_bytes)
            if each.algorithm in ways
        )
        if found:
            return _Choice(ways[found[0].algorithm], found[0].protocol, found)
        usual = next((ways[name] for name in _POINT_TO_POINT if name in ways), self.collective.algorithms[0])
        return _Choice(usual, "Simple", ())

    def _schedule(self, shape: Shape, size_bytes: int) -> Schedule:
        choice = self._choose(shape, size_bytes)
        schedule = choice.way.schedule(_cut(shape, choice.protocol), size_bytes)
        return replace(schedule, size_bytes=wire_bytes(schedule.size_bytes, choice.protocol))

    def _flows(self, shape: Shape, size_bytes: int) -> int:
        choice = self._choose(shape, size_bytes)
        return choice.way.flows(_cut(shape, choice.protocol), size_bytes)

    def _latency(self, shape: Shape, size_bytes: int) -> StepLatency:
        choice = self._choose(shape, size_bytes)
        if not choice.predictions or shape.protocol == WHOLE_MESSAGES:
            return NO_LATENCY
        return nccl_latency(choice.way.name, choice.protocol)

    def _pairs(self, shape: Shape) -> Iterator[Pairs]:
        ways = {
            choice.way.name: choice.way for choice in (self._choose(shape, size) for size in self.sizes_bytes)
        }
        for way in ways.values():
            yield from way.pairs(shape)


def _cut(shape: Shape, protocol: str) -> Shape:
    """The shape with messages cut as a protocol cuts them, be it flat or not."""
    cut = Protocol() if shape.protocol == WHOLE_MESSAGES else shape.protocol
    if protocol in _SLICES:
        cut = replace(cut, ring_slice_bytes=_SLICES[protocol], tree_slice_bytes=_SLICES[protocol])
    return replace(shape, protocol=cut)


def _reason(choice: _Choice) -> str:
    if not choice.predictions:
        return ": NCCL has no other way"
    best, *others = choice.predictions
    text = f" {best.protocol}: {best.time_us:.1f} us by NCCL's model"
    shown = ", ".join(f"{each.algorithm} {each.protocol} {each.time_us:.1f}" for each in others)
    return f"{text} ({shown})" if others else text
