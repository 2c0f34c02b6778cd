"""Who serves and who trains follows from the load; transfers take what NICs and storage let them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raddle.errors import InputError
from raddle.lab.elastic.change import Setting, changed_routes, plan_of, stages
from raddle.lab.elastic.curve import Load, Need, Period, read_loads, schedule
from raddle.lab.elastic.day import run_day
from raddle.lab.elastic.file import Pool, read_pool
from raddle.lab.run.settings import RunSettings
from raddle.report.elastic import elastic_json
from raddle.topology import loads
from raddle.topology.model import Fabric
from tests.fabrics import servers_of_four

SETTING = Setting("pinned", RunSettings(fidelity="fluid"))
EXPERTS = "hidden: 256, experts: 8, top_k: 2"
S = 10**12

NODE = f"{{decode: 16, {EXPERTS}, attention: 1ms, layers: 2}}"
DAY = f"""\
raddle: 1
name: day
load: load.csv
storage: {{hosts: host3, rate: 20GBps}}
inference:
  instance: 4
  weights: 8GB
  drain: 20s
  warm_up: 5s
  nodes: {{token: {NODE}}}
training:
  replica: 4
  checkpoint: 4GB
  restart: 7s
  nodes:
    step: {{training: own, layers: 2, hidden: 256, sequence: 64, layer_params: 1000000, micro_batches: 1,
           forward: 1s, backward: 1s}}
change: {{plan: 3s, routes_per_second: 10, groups: 4s}}
"""
CURVE = "time,tokens_per_s\n00:00,1\n08:00,50000\n20:00,1\n"


@pytest.fixture(scope="module")
def pod() -> Fabric:
    """4 servers of 4 accelerators, each with a NIC of 100G."""
    return loads(servers_of_four(4) + "roce: {congestion_control: none}\n")


def pool_of(fabric: Fabric, folder: Path, day: str = DAY, curve: str = CURVE) -> Pool:
    (folder / "load.csv").write_text(curve)
    (folder / "day.yaml").write_text(day)
    return read_pool(fabric, folder / "day.yaml")


def test_instances_are_as_many_as_the_load_takes_and_replicas_fill_the_rest() -> None:
    need = Need(pool=100, instance=16, replica=24, tokens_per_s=10.0, headroom=0.25, least=1)
    curve = [Load(0, 0), Load(60, 128), Load(120, 128.1), Load(180, 200), Load(240, 5000)]
    periods = schedule(curve, need)
    # 160 tokens/s an instance: 128 x 1.25 are one, 128.1 x 1.25 and 200 x 1.25 two; 6 fit; replicas of 24.
    assert [(row.begin_min, row.end_min, row.serving, row.training) for row in periods] == [
        (0, 120, 16, 72),
        (120, 240, 32, 48),
        (240, 1440, 96, 0),
    ]
    assert periods[1].asked == ((128.1, 60), (200, 60))
    assert periods[1].served(150.0) == pytest.approx((128.1 + 150) * 3600)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,tokens_per_s\n01:00,5\n", ":2:1: error[bad-load]: the first row is not of 00:00"),
        ("time,tokens_per_s\n", ":2:1: error[bad-load]: the first row is not of 00:00"),
        ("time,tokens_per_s\n00:00,5\n00:00,6\n", ":3:1: error[bad-load]: 00:00 does not come after the row"),
        ("time,tokens_per_s\n00:00,-5\n", ":2:1: error[bad-load]: '-5' is no number of tokens/s"),
        ("time,tokens_per_s\n24:00,5\n", ":2:1: error[bad-load]: '24:00' is no time of day"),
        ("time\n00:00\n", ":1:1: error[bad-header]"),
    ],
)
def test_what_is_wrong_with_a_load_is_told_at_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "load.csv").write_text(text)
    with pytest.raises(InputError) as refused:
        read_loads(tmp_path / "load.csv")
    assert f"load.csv{message}" in str(refused.value)


def test_a_load_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"error\[no-load\]: cannot read '.*load.csv': there is no such file"
    ):
        read_loads(tmp_path / "load.csv")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("instance: 4", "instance: 13", ":6:13: error[bad-ranks]: the pool has 12 accelerators beside its"),
        ("host3,", "host9,", ":4:11: error[unknown-device]"),
        ("{token: {decode: 16, ", "{token: {moe: dispatch, tokens: 16, ", "unknown key 'attention'"),
        ("{token: {decode", "{token: {compute: 1ms}, t: {decode", ""),
        (NODE, "{compute: 1ms}", ":10:3: error[bad-workload]: 0 of the nodes decode or prefill"),
        ("  drain: 20s\n", "", "error[missing-key]: 'drain' is missing"),
        ("load: load.csv", "load: none.csv", "day.yaml:3:7: error[no-load]: cannot read"),
    ],
)
def test_what_is_wrong_with_a_day_is_told(
    pod: Fabric, tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in DAY
    text = DAY.replace(old, new)
    if not message:
        assert pool_of(pod, tmp_path, text).graph(4, 8).jobs[0].nodes[1].served is not None
        return
    with pytest.raises(InputError) as refused:
        run_day(pool_of(pod, tmp_path, text), SETTING)
    assert message in str(refused.value)


def test_a_change_takes_what_each_of_its_stages_takes(pod: Fabric, tmp_path: Path) -> None:
    pool = pool_of(pod, tmp_path)
    night, day = Period(0, 480, ((1.0, 480),), 4, 8), Period(480, 1200, ((1.0, 720),), 8, 4)
    plans = plan_of(pool, night, SETTING), plan_of(pool, day, SETTING)
    found = {stage.name: stage for stage in stages(pool, night, day, plans, SETTING)}
    assert list(found) == ["checkpoint", "plan and push", "load", "groups", "warm up"]
    # 4 NICs of storage take 4 GB at 12.25 GB/s each, wire 4178/4096.
    wire_ps = 1e9 * 8 * 4178 / 4096 / 100e9 * S
    assert found["checkpoint"].network_ps == pytest.approx(wire_ps, rel=0.001)
    assert found["checkpoint"].time_ps == 4 * S // 20  # the storage's 20 GB/s
    # 8 GB for 4 new accelerators and 4 GB for the replica: 2 + 1 GB from each of the storage's NICs.
    assert found["load"].network_ps == pytest.approx(3 * wire_ps, rel=0.001)
    assert found["load"].time_ps == 12 * S // 20
    differ = changed_routes(*plans)
    assert found["plan and push"].time_ps == 3 * S + max(differ.values(), default=0) * S // 10
    assert (found["groups"].time_ps, found["warm up"].time_ps) == (4 * S, 7 * S)
    back = {stage.name: stage for stage in stages(pool, day, night, plans[::-1], SETTING)}
    assert (back["drain"].time_ps, back["drain"].pauses) == (20 * S, False)
    assert back["load"].what == "state of 8GB"
    assert back["warm up"].time_ps == 7 * S


def test_routes_that_change_are_those_that_differ_between_two_plans(pod: Fabric, tmp_path: Path) -> None:
    pool = pool_of(pod, tmp_path)
    night, day = Period(0, 480, ((1.0, 480),), 4, 8), Period(480, 1200, ((1.0, 720),), 12, 0)
    before, after = plan_of(pool, night, SETTING), plan_of(pool, day, SETTING)
    for switch, count in changed_routes(before, after).items():
        old, new = (
            {route.prefix: route for route in next(s for s in plan.switches if s.name == switch).routes}
            for plan in (before, after)
        )
        assert count == sum(old.get(prefix) != new.get(prefix) for prefix in {*old, *new})
    assert not changed_routes(before, before)
    ecmp = replace(SETTING, routing="ecmp")
    assert not changed_routes(plan_of(pool, night, ecmp), plan_of(pool, day, ecmp))


def test_a_day_adds_up(pod: Fabric, tmp_path: Path) -> None:
    pool = pool_of(pod, tmp_path)
    result = run_day(pool, SETTING)
    night, day, evening = result.periods
    assert (night.serving, night.training, evening.serving) == (4, 8, 4)
    assert day.serving > 4
    assert night.serving + night.training + night.idle == 12
    to_day, to_night = result.changes
    assert to_day.begin_s + to_day.time_ps / S == 8 * 3600
    assert to_night.begin_s == 20 * 3600
    for change in result.changes:
        assert change.time_ps == sum(stage.time_ps for stage in change.stages)
    assert night.step_ps is not None
    stands_s = to_day.time_ps / S
    assert night.steps == pytest.approx((8 * 3600 - stands_s) * S / night.step_ps)
    assert to_day.lost_steps == pytest.approx(to_day.time_ps / night.step_ps)
    assert evening.step_ps is not None
    drain_s = 20
    stands_s = to_night.time_ps / S - drain_s
    assert evening.steps == pytest.approx((4 * 3600 - stands_s) * S / evening.step_ps)
    assert night.served_tokens == 8 * 3600
    capacity = day.serving * day.tokens_per_s
    assert day.missing_per_s == pytest.approx(max(0, 50000 - capacity))
    assert day.served_tokens == pytest.approx(min(50000, capacity) * 12 * 3600)


def test_changes_that_take_longer_than_a_period_are_refused(pod: Fabric, tmp_path: Path) -> None:
    curve = "time,tokens_per_s\n00:00,1\n08:00,50000\n08:01,1\n08:02,50000\n08:03,1\n"
    day = DAY.replace("groups: 4s", "groups: 90s")
    with pytest.raises(
        InputError, match=r"changes take .* min of the period from 08:01 on, which is shorter"
    ):
        run_day(pool_of(pod, tmp_path, day, curve), SETTING)


def test_storage_is_no_part_of_the_pool(pod: Fabric, tmp_path: Path) -> None:
    pool = pool_of(pod, tmp_path)
    hosts = pod.accelerators.host[pool.seats.accelerator]
    assert pool.size == 12
    assert set(hosts[: pool.size]) == {0, 1, 2}
    assert set(hosts[pool.storage]) == {3}
    assert np.array_equal(pool.training(4), [8, 9, 10, 11])


def test_a_day_by_auto_says_of_each_run_why_nothing_was_computed(pod: Fabric, tmp_path: Path) -> None:
    result = run_day(pool_of(pod, tmp_path), Setting("pinned", RunSettings(fidelity="auto")))
    assert [(row.serving, row.training) for row in result.by_auto] == [(4, 8), (8, 4)]
    for row in result.by_auto:
        assert row.fast_forward is None
        assert row.not_forwarded is not None
        assert row.not_forwarded.why in elastic_json(result)
    assert not run_day(pool_of(pod, tmp_path), SETTING).by_auto
