"""What it takes to add a collective: one record, and its place in the registry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from raddle import loads, traffic
from raddle.errors import InputError
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.workloads.ranks import Scope
from raddle.report.table import to_table
from raddle.traffic import registry
from raddle.traffic.collectives.record import Algorithm, Cells, Collective, Pairs
from raddle.traffic.collectives.rounds import Round, assemble
from raddle.traffic.sizes import split_elements, whole_buffer
from raddle.workload import COPY, Schedule
from tests.fabrics import leaf_spine

FABRIC = leaf_spine(spines=4, per_leaf=4, more="roce: {congestion_control: none}\n")
MIB = 1 << 20
CHUNKS = 4
_buffer = whole_buffer(redop="none", root=0)


def _sends(ranks: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rank r sends chunk s - r in step s; rank 0 begins, the last rank keeps what it gets."""
    for step in range(CHUNKS + ranks - 2):
        src = np.arange(max(0, step - CHUNKS + 1), min(step, ranks - 2) + 1)
        yield src, step - src


def _ring(shape: traffic.Shape, size_bytes: int) -> Schedule:
    ranks = shape.ranks
    chunk_bytes = split_elements(_buffer(ranks, size_bytes).size_bytes, CHUNKS)
    rounds = [Round(src, src + 1, chunk, 1, COPY) for src, chunk in _sends(ranks)]
    return assemble("relay ring", ranks, rounds, chunk_bytes, waits_for_ack=False)


def _pairs(shape: traffic.Shape) -> Iterator[Pairs]:
    return ((src, src + 1) for src, _ in _sends(shape.ranks))


def _root(cells: int) -> Cells:
    """Rank 0's contribution in so many cells."""
    return Cells(np.arange(cells), np.zeros(cells, np.int64))


RELAY = Collective(
    name="relay",
    aliases=("pass_on",),
    algorithms=(Algorithm("ring", _ring, lambda shape, _: CHUNKS * (shape.ranks - 1), _pairs),),
    bus_factor=lambda ranks: 1.0,
    buffer=_buffer,
    held=lambda ranks, chunks: _root(chunks),
    promised=lambda ranks, chunks: _root(ranks * chunks),
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "COLLECTIVES", (*registry.COLLECTIVES, RELAY))


@pytest.mark.parametrize("routing", ["ecmp", "pinned"])
def test_it_is_benchmarked_like_any_other(routing: str) -> None:
    request = BenchRequest("Pass-On", None, (64 * MIB,), routing, (Scope("strided"),))  # type: ignore[arg-type]
    result = run_bench(loads(FABRIC), request)
    [row] = result.rows
    assert (result.collective, result.algorithm, row.wrong, row.root) == ("relay", "ring", 0, 0)
    assert row.busbw_gbs == row.algbw_gbs
    if result.pins:
        assert row.algbw_gbs is not None
        # 7 hops of a line and 4 chunks: 10 chunk times, of which the buffer has 4, on paths of their own; of
        # 3.4 ms, latency and acknowledgements on the same wires take some 2 %.
        assert result.line_rate_gbs * 4 / 10 * 0.97 < row.algbw_gbs < result.line_rate_gbs * 4 / 10
        assert result.collisions == ()
    assert "relay ring on pod, 8 ranks" in to_table(result)


def test_what_it_names_is_what_it_sends() -> None:
    [way] = RELAY.algorithms
    for ranks in (2, 3, 8):
        shape = traffic.Shape.flat(ranks)
        schedule = way.schedule(shape, MIB)
        assert way.flows(shape, MIB) == schedule.flows
        placement = np.arange(ranks, dtype=np.int32)
        told, seen = (
            traffic.demand_of_pairs(pairs, placement)
            for pairs in (way.pairs(shape), traffic.steps_of(schedule))
        )
        assert told.src.tolist() == seen.src.tolist()
        assert told.phase.tolist() == seen.phase.tolist()


def test_each_step_that_is_left_out_is_seen() -> None:
    schedule = traffic.build("relay", "ring", 5, MIB)
    for step in range(int(schedule.step.max()) + 1):
        broken = traffic.without_step(schedule, step)
        start = broken.step.astype(np.int64)
        assert (traffic.count_wrong(broken, RELAY, start, start + 1) or 0) > 0


def test_a_wrong_name_lists_it() -> None:
    with pytest.raises(InputError, match=r"there is all_reduce, .*, relay"):
        traffic.find_collective("rellay")
