import numpy as np
import pytest

from raddle import traffic


def demand_of(schedule, placement):
    return traffic.demand_of_pairs(traffic.steps_of(schedule), placement)


REVERSED = np.arange(15, -1, -1, dtype=np.int32)


def test_a_ring_is_one_phase_of_n_pairs():
    demand = demand_of(traffic.build("all_reduce", "ring", 16, 1 << 20), REVERSED)
    assert set(demand.phase.tolist()) == {0}
    assert list(zip(demand.src, demand.dst, strict=True)) == [(e, (e - 1) % 16) for e in range(16)]


def test_all_to_all_is_one_phase_for_each_distance():
    demand = demand_of(traffic.build("all_to_all", None, 16, 1 << 20), REVERSED)
    assert len(demand.phase) == 15 * 16
    assert np.all((demand.src - demand.dst) % 16 == demand.phase + 1)


def test_halving_and_doubling_share_their_phases():
    demand = demand_of(traffic.build("all_reduce", "halving_doubling", 16, 1 << 20), REVERSED)
    assert len(demand.phase) == 4 * 16
    assert np.all((demand.src ^ demand.dst) == 1 << demand.phase)


@pytest.mark.parametrize("algorithm", ["ring", "halving_doubling"])
@pytest.mark.parametrize("ranks", [2, 6, 16])
def test_every_flow_is_in_the_phase_of_its_step(algorithm, ranks):
    schedule = traffic.build("all_reduce", algorithm, ranks, 1 << 20)
    placement = traffic.place("random", [range(20)], ranks, 5)
    demand = demand_of(schedule, placement)
    entries = list(zip(demand.phase.tolist(), demand.src.tolist(), demand.dst.tolist(), strict=True))
    assert entries == sorted(set(entries))
    phases = {
        frozenset(entry[1:] for entry in entries if entry[0] == phase) for phase in demand.phase.tolist()
    }
    steps = {
        frozenset(
            (int(placement[s]), int(placement[d]))
            for s, d, at in zip(schedule.src, schedule.dst, schedule.step, strict=True)
            if at == step
        )
        for step in schedule.step.tolist()
    }
    assert phases == steps


@pytest.mark.parametrize(
    ("collective", "algorithm"),
    [
        (collective, way)
        for collective, ways in traffic.algorithms().items()
        for way in ways
        # Those of servers only are in test_servers.py.
        if way not in ("nvls", "nvls_tree", "pxn")
    ],
)
@pytest.mark.parametrize("ranks", [2, 7, 16])
def test_an_algorithm_counts_its_flows_and_names_their_pairs(collective, algorithm, ranks):
    way = traffic.find_algorithm(traffic.find_collective(collective), algorithm)
    shape = traffic.Shape.flat(ranks)
    schedule = way.schedule(shape, 1 << 20)
    assert way.flows(shape, 1 << 20) == schedule.flows
    placement = traffic.place("random", [range(20)], ranks, 5)
    told, seen = traffic.demand_of_pairs(way.pairs(shape), placement), demand_of(schedule, placement)
    if collective in ("broadcast", "reduce") or algorithm == "tree":
        # Slices fill and leave a chain or a tree; in between all of it is in use.
        assert pairs_by_phase(told)[0] == set().union(*pairs_by_phase(seen))
        return
    assert pairs_by_phase(told) == pairs_by_phase(seen)


def pairs_by_phase(demand):
    """The set of (src, dst) of each phase."""
    pairs = list(zip(demand.phase.tolist(), demand.src.tolist(), demand.dst.tolist(), strict=True))
    return [{(src, dst) for at, src, dst in pairs if at == phase} for phase in range(max(demand.phase) + 1)]


def test_a_schedule_without_flows_asks_for_nothing():
    nothing = traffic.without_step(traffic.build("all_gather", "ring", 2, 1 << 20), 0)
    assert len(demand_of(nothing, np.arange(2, dtype=np.int32)).src) == 0
