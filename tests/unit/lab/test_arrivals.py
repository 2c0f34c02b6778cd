"""Flows at random: sizes, load and ends are those that were asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.errors import InputError
from raddle.lab.workloads.arrivals import DISTRIBUTIONS, Arrivals
from raddle.topology import find, load, loads

FABRIC = load(find("leaf-spine-16"))
LINE_BPS = 16 * 400e9


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_points_rise_to_all_flows(name: str) -> None:
    sizes, shares = zip(*DISTRIBUTIONS[name].points, strict=True)
    assert (shares[0], shares[-1]) == (0, 100)
    assert list(sizes) == sorted(set(sizes))
    assert list(shares) == sorted(set(shares))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("share", [0.2, 0.9])
def test_the_payload_that_arrives_is_the_load_of_all_endpoints(name: str, share: float) -> None:
    flows = 200_000
    workload = Arrivals(name, share, flows, "").workload(FABRIC, 3)
    sizes, starts_s = workload.schedule.size_bytes, workload.starts_ps / 1e12
    # Sums of so many vary by less than 1 %: websearch's sizes deviate by 1.9 times their mean, hadoop's by 4.
    assert sizes.mean() == pytest.approx(DISTRIBUTIONS[name].mean_bytes, rel=0.04)
    arrives_bps = flows * DISTRIBUTIONS[name].mean_bytes * 8 / starts_s[-1]
    assert arrives_bps == pytest.approx(share * LINE_BPS, rel=0.02)
    gaps = np.diff(starts_s)
    assert (gaps >= 0).all()
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # of an exponential distribution


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_shares_of_sizes_are_those_of_the_points(name: str) -> None:
    sizes = Arrivals(name, 0.5, 100_000, "").workload(FABRIC, 1).schedule.size_bytes
    for size, share in DISTRIBUTIONS[name].points:
        assert (sizes <= size).mean() * 100 == pytest.approx(share, abs=0.6)


def test_every_pair_of_hosts_is_drawn_as_often_and_no_host_sends_to_itself() -> None:
    fabric = load(find("rail-256-h100"))
    schedule = Arrivals("hadoop", 0.5, 300_000, "").workload(fabric, 2).schedule
    hosts = np.array([each.host for each in fabric.endpoints])
    src, dst = hosts[schedule.src], hosts[schedule.dst]
    assert (src != dst).all()
    pairs = np.bincount(src * (hosts.max() + 1) + dst)
    count = len(np.unique(hosts))
    mean = 300_000 / (count * (count - 1))
    assert np.abs(pairs[pairs > 0] - mean).max() < 6 * mean**0.5
    assert (pairs > 0).sum() == count * (count - 1)
    for ends in (schedule.src, schedule.dst):
        each = np.bincount(ends, minlength=len(hosts))
        assert np.abs(each - each.mean()).max() < 6 * each.mean() ** 0.5


TIERS = """
raddle: 1
name: t
fabric:
  leaves: {count: 3, model: white-box-12.8t}
  spines: {count: 2, model: white-box-12.8t}
"""


def test_pairs_are_of_one_plane_and_live_endpoints() -> None:
    text = TIERS + "  planes: 2\nhosts: {per_leaf: 2, nics: {count: 2, speed: 100G}}\n"
    fabric = loads(text + "overrides: {links: [{ends: [host0, p1-leaf0], state: down}]}\n")
    schedule = Arrivals("hadoop", 0.5, 40_000, "").workload(fabric, 5).schedule
    plane = np.array([each.plane for each in fabric.endpoints])
    assert (plane[schedule.src] == plane[schedule.dst]).all()
    lost = [each.index for each in fabric.endpoints if (each.host, each.plane) == (0, 1)]
    assert len(lost) == 1
    for ends in (schedule.src, schedule.dst):
        each = np.bincount(ends, minlength=12)
        assert each[lost].sum() == 0
        others = np.delete(each, lost)
        assert np.abs(others - 40_000 / 11).max() < 6 * (40_000 / 11) ** 0.5


def test_a_leaf_without_a_way_up_sends_among_its_own() -> None:
    lost = ", ".join(f"{{ends: [leaf2, spine{spine}], state: down}}" for spine in (0, 1))
    text = (
        TIERS + f"hosts: {{per_leaf: 3, nics: {{count: 1, speed: 100G}}}}\noverrides: {{links: [{lost}]}}\n"
    )
    fabric = loads(text)
    schedule = Arrivals("hadoop", 0.5, 5_000, "").workload(fabric, 1).schedule
    is_alone = np.array([fabric.switches[each.leaf].name == "leaf2" for each in fabric.endpoints])
    assert (is_alone[schedule.src] == is_alone[schedule.dst]).all()
    assert is_alone[schedule.src].mean() == pytest.approx(1 / 3, abs=0.04)


def test_flows_leave_the_scale_up_domain() -> None:
    scale_up = "scale_up: {kind: nvlink, bandwidth: 3.6T, hosts: 2}"
    hosts = f"hosts: {{per_leaf: 2, accelerators: {{kind: gpu, count: 2, {scale_up}}}}}\n"
    fabric = loads(TIERS + hosts)
    domains = np.array([fabric.hosts[each.host].domain for each in fabric.endpoints])
    assert len(set(domains.tolist())) == 3
    schedule = Arrivals("hadoop", 0.5, 5_000, "").workload(fabric, 1).schedule
    assert (domains[schedule.src] != domains[schedule.dst]).all()
    with pytest.raises(InputError, match="no endpoint reaches one of another host"):
        Arrivals("hadoop", 0.5, 10, "").workload(loads(TIERS + hosts.replace("hosts: 2", "hosts: 6")), 1)


def test_every_endpoint_offers_its_share_of_its_own_speed() -> None:
    hosts = """hosts:
  - {per_leaf: 2, nics: {speed: 400G}}
  - {per_leaf: 2, name: "old{i}", nics: {speed: 100G}}
"""
    fabric, flows = loads(TIERS + hosts), 100_000
    workload = Arrivals("hadoop", 0.3, flows, "").workload(fabric, 9)
    speeds = np.array([fabric.links[each.link].speed_bps for each in fabric.endpoints])
    share = speeds / speeds.sum()
    assert np.bincount(workload.schedule.src) / flows == pytest.approx(share, rel=0.06)
    # Every sender shares its flows out to the others, by their speeds.
    received = share * ((share / (1 - share)).sum() - share / (1 - share))
    assert np.bincount(workload.schedule.dst) / flows == pytest.approx(received, rel=0.06)
    sent_bps = flows * DISTRIBUTIONS["hadoop"].mean_bytes * 8e12 / workload.starts_ps[-1]
    assert sent_bps == pytest.approx(0.3 * speeds.sum(), rel=0.02)


def test_a_seed_decides_all() -> None:
    first, again, other = (Arrivals("websearch", 0.5, 50, "").workload(FABRIC, seed) for seed in (1, 1, 2))
    assert first.starts_ps.tolist() == again.starts_ps.tolist() != other.starts_ps.tolist()
    assert first.schedule.src.tolist() == again.schedule.src.tolist() != other.schedule.src.tolist()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("websearch", "is no distribution"),
        ("google:50%:10", "is no distribution"),
        ("websearch:50%:10:1", "is no distribution"),
        ("websearch:0.5:10", "load '0.5'"),
        ("websearch:401%:10", "load '401%'"),
        ("websearch:50%:0", "'0' is not a number of flows from 1 to 10000000"),
        ("websearch:50%:1e6", "'1e6' is not a number of flows"),
    ],
)
def test_what_is_wrong_is_told(text: str, why: str) -> None:
    with pytest.raises(InputError, match="--arrivals") as raised:
        Arrivals.parse(text)
    (problem,) = raised.value.diagnostics
    assert problem.code == "bad-option"
    assert why in problem.message
    assert "websearch, hadoop" in problem.hint


def test_simulate_takes_flows_or_arrivals_and_names_them(tmp_path: Path) -> None:
    run = ["simulate", "leaf-spine-16", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(
        app, [*run, "--arrivals", "hadoop:30%:200", "--fidelity", "fluid", "--seed", "4"]
    )
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "out/summary.json").read_text())
    assert document["flows"] == {"done": 200}
    assert document["inputs"][-1]["name"] == "arrivals hadoop:30%:200"
    for wrong in ([], ["--flows", "x.csv", "--arrivals", "hadoop:30%:200"]):
        with pytest.raises(InputError, match="--flows"):
            CliRunner().invoke(app, [*run, *wrong], catch_exceptions=False)


def test_flows_at_random_all_end_on_planes(tmp_path: Path) -> None:
    path = tmp_path / "planes.yaml"
    path.write_text(TIERS + "  planes: 2\nhosts: {per_leaf: 2, nics: {count: 2, speed: 100G}}\n")
    run = ["simulate", str(path), "--arrivals", "hadoop:30%:100", "-o", str(tmp_path / "out")]
    assert CliRunner().invoke(app, run).exit_code == 0
    assert json.loads((tmp_path / "out/summary.json").read_text())["flows"] == {"done": 100}
