"""Max-min fair rates and the completions that follow, against exact rationals."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from raddle._core import FluidFlows

REFERENCE = Path(__file__).parents[3].parent / "shared/reference/maxmin"
CASES = sorted(path.stem for path in REFERENCE.glob("*.json"))


@dataclass(frozen=True)
class Flow:
    size: Fraction
    start_ns: Fraction
    weight: Fraction
    links: Sequence[int]


Event = tuple[Fraction, str, int, object]
"""Time in ns, `capacity` or `reroute`, of what link or flow, and Gbit/s or links."""

Segments = dict[int, list[tuple[float, float]]]
"""By flow: from when in ns, at which rate in Gbit/s."""


def run_fluid(
    gbps: Sequence[Fraction], flows: Sequence[Flow], events: Sequence[Event] = (), strict: Sequence[int] = ()
) -> tuple[list[float], Segments]:
    """When each flow ends in ns (inf: never), and its rates."""
    engine = FluidFlows(link_bps=np.array([float(each) * 1e9 for each in gbps]), flows=len(flows))
    starts = sorted(range(len(flows)), key=lambda i: (flows[i].start_ns, i))
    changes = sorted(events, key=lambda event: event[0])
    ends = [float("inf")] * len(flows)
    segments: Segments = {i: [] for i in range(len(flows))}
    while True:
        due = [float(flows[i].start_ns) for i in starts[:1]] + [float(event[0]) for event in changes[:1]]
        now = min([engine.next_end_ps, *(each * 1e3 for each in due)])
        if now == float("inf"):
            return ends, segments
        for flow in engine.go_to(now).tolist():
            ends[flow] = now / 1e3
        while changes and float(changes[0][0]) * 1e3 <= now:
            _, what, which, value = changes.pop(0)
            if what == "capacity":
                assert isinstance(value, Fraction)
                engine.set_capacity(which, float(value) * 1e9)
            elif ends[which] == float("inf"):
                engine.move(which, np.array(value, np.uint32))
        while starts and float(flows[starts[0]].start_ns) * 1e3 <= now:
            i = starts.pop(0)
            flow = flows[i]
            path = np.array(flow.links, np.uint32)
            engine.start(i, path, float(flow.size), float(flow.weight), strict[i] if strict else 0)
        engine.solve()
        for i, rate in enumerate((engine.rates_bps() / 1e9).tolist()):
            if rate != (segments[i][-1][1] if segments[i] else 0.0):
                segments[i].append((now / 1e3, rate))


def fair_rates(
    gbps: Sequence[Fraction], flows: Mapping[int, Flow], strict: Mapping[int, int] | None = None
) -> dict[int, Fraction]:
    """Weighted max-min fair rates by filling step by step, in exact rationals."""
    left = list(gbps)
    rates: dict[int, Fraction] = {}
    for level in sorted(set((strict or {}).values()) or {0}):
        growing = {i for i in flows if not strict or strict[i] == level}
        while growing:
            weight = [Fraction(0)] * len(left)
            for i in growing:
                for link in flows[i].links:
                    weight[link] += flows[i].weight
            least = min(left[link] / weight[link] for link in range(len(left)) if weight[link])
            full = {link for link in range(len(left)) if weight[link] and left[link] / weight[link] == least}
            frozen = {i for i in growing if full & set(flows[i].links)}
            for i in frozen:
                rates[i] = least * flows[i].weight
                for link in flows[i].links:
                    left[link] -= rates[i]
            growing -= frozen
    return rates


def exact_ends(gbps: Sequence[Fraction], flows: Sequence[Flow], strict: Sequence[int] = ()) -> list[Fraction]:
    """When each flow ends, from event to event in exact rationals."""
    left = [flow.size * 8 for flow in flows]
    ends: dict[int, Fraction] = {}
    now = Fraction(0)
    while len(ends) < len(flows):
        running = {i: flow for i, flow in enumerate(flows) if i not in ends and flow.start_ns <= now}
        rates = fair_rates(gbps, running, {i: strict[i] for i in running} if strict else None)
        later = [flow.start_ns for flow in flows if flow.start_ns > now]
        due = [now + left[i] / rates[i] for i in running if rates[i]]
        then = min([*later, *due])
        for i in running:
            left[i] -= rates[i] * (then - now)
            if not left[i]:
                ends[i] = then
        now = then
    return [ends[i] for i in range(len(flows))]


def read_case(name: str) -> tuple[list[Fraction], list[Flow], list[Event]]:
    case = json.loads((REFERENCE / f"{name}.json").read_text())
    flows = [
        Flow(Fraction(f["bytes"]), Fraction(f["start_ns"]), Fraction(f["weight"]), f["path"])
        for f in case["flows"]
    ]
    return [Fraction(link["gbps"]) for link in case["links"]], flows, list(_events(case))


def _events(case: dict[str, list[dict[str, object]]]) -> Iterator[Event]:
    for event in case["events"]:
        time = Fraction(str(event["t_ns"]))
        if event["type"] == "capacity":
            yield time, "capacity", int(str(event["link"])), Fraction(str(event["gbps"]))
        else:
            yield time, "reroute", int(str(event["flow"])), event["path"]


def rows_of(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((REFERENCE / name).read_text().splitlines()))


def rate_at(segments: Sequence[tuple[float, float]], time_ns: float) -> float:
    return next((rate for since, rate in reversed(segments) if since <= time_ns), 0.0)


@pytest.mark.skipif(not CASES, reason="../shared/reference/maxmin is not there")
@pytest.mark.parametrize("name", CASES)
def test_rates_and_ends_are_those_of_exact_runs(name: str) -> None:
    ends, segments = run_fluid(*read_case(name))
    for row in rows_of(f"{name}.finish.csv"):
        exact = float("inf") if row["finish_ns"] == "never" else float(row["finish_ns"])
        assert ends[int(row["flow"])] == pytest.approx(exact, rel=1e-8)
    if (REFERENCE / f"{name}.rates.csv").exists():
        for row in rows_of(f"{name}.rates.csv"):
            begin = float(row["t_from_ns"])
            middle = begin + 1 if row["t_to_ns"] == "never" else (begin + float(row["t_to_ns"])) / 2
            exact = float(Fraction(row["gbps_exact"]))
            assert rate_at(segments[int(row["flow"])], middle) == pytest.approx(exact, rel=1e-9)
    else:
        for row in rows_of(f"{name}.rates_t0.csv"):
            exact = float(Fraction(row["gbps_exact"]))
            assert rate_at(segments[int(row["flow"])], 0.0) == pytest.approx(exact, rel=1e-9)


def flow(*links: int, size: int = 1000, start_ns: int = 0, weight: int = 1) -> Flow:
    return Flow(Fraction(size), Fraction(start_ns), Fraction(weight), links)


def test_a_parking_lot_gives_the_long_flow_the_share_of_its_fullest_link() -> None:
    """Bertsekas and Gallager, Data Networks, example 6.3: a flow over all links, others over one each."""
    flows = [flow(0, 1, 2), flow(0), flow(1), flow(1), flow(2)]
    _, segments = run_fluid([Fraction(100)] * 3, flows)
    rates = [segments[i][0][1] for i in range(5)]
    assert rates == pytest.approx([100 / 3, 200 / 3, 100 / 3, 100 / 3, 200 / 3], rel=1e-12)


def test_weights_divide_a_link_as_they_say() -> None:
    _, segments = run_fluid([Fraction(100)], [flow(0, weight=1), flow(0, weight=3)])
    assert [segments[i][0][1] for i in range(2)] == pytest.approx([25, 75], rel=1e-12)


def test_a_lower_class_gets_what_a_higher_one_leaves() -> None:
    gbps = [Fraction(100), Fraction(40)]
    _, segments = run_fluid(gbps, [flow(0, 1), flow(0), flow(0)], strict=[0, 1, 1])
    assert [segments[i][0][1] for i in range(3)] == pytest.approx([40, 30, 30], rel=1e-12)


def test_flows_on_a_cut_link_wait_until_it_is_mended() -> None:
    events: list[Event] = [
        (Fraction(40), "capacity", 0, Fraction(0)),
        (Fraction(1040), "capacity", 0, Fraction(100)),
    ]
    ends, _ = run_fluid([Fraction(100)], [flow(0)], events)
    assert ends == pytest.approx([1080], rel=1e-12)


def test_a_set_of_flows_that_comes_again_is_not_computed_again() -> None:
    engine = FluidFlows(link_bps=np.full(3, 1e11), flows=4)
    paths = [np.array(links, np.uint32) for links in ([0, 1], [1, 2], [0, 2], [0])]
    for _ in range(5):
        for number, path in enumerate(paths):
            engine.start(number, path, 1000.0)
        engine.solve()
        while engine.next_end_ps != float("inf"):
            engine.go_to(engine.next_end_ps)
            engine.solve()
    assert engine.recalled >= 4 * engine.solved


@pytest.mark.parametrize("seed", range(60))
def test_random_runs_end_when_exact_ones_do(seed: int) -> None:
    """Flows over random links, at random times, of random weights and classes, against slow exact filling."""
    rng = random.Random(seed)
    gbps = [Fraction(rng.choice((100, 200, 400, 800))) for _ in range(rng.randint(1, 8))]
    flows = [
        Flow(
            Fraction(rng.randint(1, 10**6)),
            Fraction(rng.choice((0, 0, 500, rng.randint(0, 10**5)))),
            Fraction(rng.choice((1, 1, 2, 5)), rng.choice((1, 1, 2))),
            rng.sample(range(len(gbps)), rng.randint(1, min(4, len(gbps)))),
        )
        for _ in range(rng.randint(1, 12))
    ]
    strict = [rng.choice((0, 0, 3)) for _ in flows] if seed % 3 == 0 else []
    ends, _ = run_fluid(gbps, flows, strict=strict)
    assert ends == pytest.approx([float(end) for end in exact_ends(gbps, flows, strict)], rel=1e-9)


def drained_shares(count: int, rounded: float) -> tuple[np.ndarray, FluidFlows]:
    """What of each flow's size has drained when it ends, by its rates over time; and the engine then."""
    rng = np.random.default_rng(count)
    engine = FluidFlows(link_bps=np.full(64, 1e11), flows=count, rounded=rounded)
    size_bytes = 1e6 * (1 + 1e-3 * rng.random(count))
    for flow in range(count):
        engine.start(flow, rng.choice(64, 2, replace=False).astype(np.uint32), size_bytes[flow])
    engine.solve()
    drained, shares, last_ps = np.zeros(count), np.zeros(count), 0.0
    while engine.next_end_ps != float("inf"):
        rates_bps, now_ps = engine.rates_bps(), engine.next_end_ps
        drained += rates_bps * (now_ps - last_ps) / 8e12
        last_ps = now_ps
        ended = engine.go_to(now_ps)
        shares[ended] = drained[ended] / size_bytes[ended]
        engine.solve()
    return shares, engine


def test_flows_of_a_crowd_end_at_most_the_stated_share_early() -> None:
    shares, engine = drained_shares(5000, rounded=1e-3)
    assert engine.rounded > 500
    assert np.count_nonzero(shares < 1 - 1e-9) <= engine.rounded
    assert shares.min() >= 1 - 1e-3 - 1e-9
    assert shares.max() <= 1 + 1e-6
    assert engine.solved < 4500


def test_flows_of_a_small_number_are_not_rounded() -> None:
    shares, engine = drained_shares(300, rounded=1e-3)
    assert engine.rounded == 0
    assert shares == pytest.approx(1, rel=1e-6)
