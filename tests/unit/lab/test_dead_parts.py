"""One thing of a large fabric is always dead: what it cuts off is told, everything else works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from raddle.cli.bench import bench
from raddle.cli.plan import plan
from raddle.cli.simulate import simulate
from raddle.cli.validate import validate
from raddle.cli.verify import verify
from raddle.errors import InputError
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.ranks import place_ranks
from raddle.topology import load, loads
from raddle.topology.views.bisection import bisection_is_estimate
from raddle.topology.views.cut_off import cut_off_endpoints
from tests.fabrics import DUAL_TOR, THREE_LEAVES, TWO_PLANES, leaf_spine

APP = typer.Typer()
for command in (bench, plan, simulate, validate, verify):
    APP.command()(command)

DEAD_HOST_LINK = THREE_LEAVES + "overrides: {links: [{ends: [leaf1, host2], state: down}]}\n"


def told(text: str) -> list[str]:
    return [warning.message for warning in loads(text).warnings]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(APP, list(arguments))


def test_a_host_whose_link_is_down_is_named() -> None:
    assert told(DEAD_HOST_LINK) == ["'host2:eth0' is cut off: no link of the NIC is up"]


def test_a_nic_with_a_second_live_port_is_not_cut_off() -> None:
    assert told(DUAL_TOR + "overrides: {links: [{ends: ['host0:eth0p0', leaf0], state: down}]}\n") == []
    assert told(DUAL_TOR + "overrides: {drain: [leaf0]}\n") == []


def test_leaves_that_are_drained_together_cut_off_their_hosts() -> None:
    (message,) = told(DUAL_TOR + "overrides: {drain: [leaf0, leaf1]}\n")
    assert message.startswith(
        "over 'leaf0', 'leaf1' 'host0', 'host1' reach only hosts of the same leaf: no link"
    )


def test_a_drained_leaf_of_a_plane_cuts_off_the_nics_of_that_plane() -> None:
    (message,) = told(TWO_PLANES + "overrides: {drain: [p1-leaf0]}\n")
    assert message.startswith("over 'p1-leaf0' 'host0', 'host1' reach only hosts of the same leaf")


def test_a_plane_of_one_leaf_needs_no_spine() -> None:
    assert told(leaf_spine(1, 1) + "overrides: {drain: [leaf0]}\n") == []


def test_pairs_with_only_a_way_down_and_up_are_told_once() -> None:
    down = (
        "overrides: {links: [{ends: [leaf0, spine0], state: down}, {ends: [leaf1, spine1], state: down}]}\n"
    )
    (message,) = told(THREE_LEAVES + down)
    assert message.startswith("hosts on 'leaf0' and on 'leaf1' do not reach each other")


def test_what_is_cut_off_has_no_rank_and_the_others_do() -> None:
    fabric = loads(DEAD_HOST_LINK)
    assert np.flatnonzero(cut_off_endpoints(fabric)).tolist() == [2]
    assert place_ranks(fabric).tolist() == [0, 1, 3, 4, 5]
    drained = loads(DUAL_TOR + "overrides: {drain: [leaf0]}\n")
    job = find_job(drained, "all_reduce", None)
    assert job.ranks == 4
    demand = job.demand()
    assert not cut_off_endpoints(drained)[[*demand.src, *demand.dst]].any()
    # host0 and host1 have one port left; only host2 and host3 use both towards each other.
    assert len(demand.src) == 5


@pytest.fixture
def dead(tmp_path: Path) -> str:
    file = tmp_path / "dead.yaml"
    file.write_text(DEAD_HOST_LINK)
    return str(file)


def test_everything_else_is_validated_planned_and_proven(dead: str) -> None:
    assert "6 hosts" in run("validate", dead).stdout
    for routing in ("ecmp", "pinned"):
        assert run("plan", dead, "--routing", routing).exit_code == 0
        result = run("verify", dead, "--routing", routing)
        assert result.exit_code == 0
        # 6 * 5 pairs, 10 of them to or from the host that is cut off.
        assert "20 of 30 pairs of endpoints on every path the hash can take; 10 are cut off" in result.stdout
        assert "warning[cut-off]: 'host2:eth0' is cut off" in result.stderr


def test_everything_else_is_pushed_and_simulated(dead: str, tmp_path: Path) -> None:
    result = run("bench", dead, "-b", "64K", "-e", "64K", "--routing", "ecmp")
    assert result.exit_code == 0, result.output
    assert "note: 1 NIC port is cut off; accelerators without a rank: 1" in result.stderr
    flows = tmp_path / "flows.csv"
    flows.write_text("id,src,dst,bytes,start_ns\nout,2,0,1000,0\nin,0,2,1000,0\nwell,0,5,1000,0\n")
    result = run("simulate", dead, "--flows", str(flows), "-o", str(tmp_path / "out"), "--routing", "ecmp")
    assert "1 of 3 flows done" in result.output
    for flow in ("out", "in"):
        line = next(line for line in result.output.splitlines() if line.startswith(f"flow {flow} "))
        assert line.endswith("host2 is cut off: link host2:eth0 - leaf1:Ethernet0 is down")


@pytest.mark.parametrize("command", ["validate", "plan", "verify", "bench"])
def test_strict_makes_it_an_error_with_its_line(command: str, dead: str) -> None:
    result = run(command, dead, "--strict")
    assert isinstance(result.exception, InputError)
    assert f"{dead}:5:51: error[cut-off]: 'host2:eth0' is cut off" in str(result.exception)


def test_strict_verification_ends_with_1_where_something_is_not_proven(tmp_path: Path) -> None:
    file = tmp_path / "lossy.yaml"
    file.write_text(THREE_LEAVES + "roce: {lossless: []}\n")
    plain, strict = (run("verify", str(file), "--failures", "0", *more) for more in ((), ("--strict",)))
    assert plain.stdout == strict.stdout
    assert "no findings; outside the proof: loss and deadlock by pauses" in plain.stdout
    assert (plain.exit_code, strict.exit_code) == (0, 1)
    file.write_text(THREE_LEAVES)
    assert run("verify", str(file), "--failures", "0", "--strict").exit_code == 0


def test_bisection_says_about_where_leaves_are_not_linked_alike(tmp_path: Path) -> None:
    """Leaves of three hosts with a spine each: nothing crosses, although both let 400G up. Two or four leaves
    with all their links have a cut; three, or one with a dead host, a sum."""
    file = tmp_path / "pod.yaml"
    apart = "{ends: [leaf0, spine0], state: down}, {ends: [leaf1, spine1], state: down}"
    file.write_text(leaf_spine(2, 2, 3, f"overrides: {{links: [{apart}]}}\n"))
    for command in ("validate", "verify"):
        assert "about 400G" in run(command, str(file)).stdout
    dead_host = "overrides: {links: [{ends: [leaf0, host0], state: down}]}\n"
    for text, is_estimate in (
        (leaf_spine(2, 2, 3), False),
        (leaf_spine(4, 2, 3), False),
        (leaf_spine(3, 2, 3), True),
        (leaf_spine(2, 2, 3, dead_host), True),
    ):
        file.write_text(text)
        assert bisection_is_estimate(load(file)) == is_estimate
        assert ("about " in run("validate", str(file)).stdout.partition("bisection:")[2][:12]) == is_estimate


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        # Three of a tenant's four hosts are on leaf0: no more than its one on leaf1 crosses, 400G.
        ("[host0, host1, host2, host3]", "bisection about 800G"),
        ("[host0, host1, host3, host4]", "bisection 800G"),
        # On one leaf: two of four hosts, and three, which no split divides evenly.
        ("[host0, host1]", "bisection 400G"),
        ("[host0, host1, host2]", "bisection about 600G"),
    ],
)
def test_the_bisection_of_a_tenant_is_called_a_cut_where_its_own_hosts_divide_evenly(
    hosts: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text(leaf_spine(2, 4, 3, f"tenants: [{{name: red, hosts: {hosts}}}]\n"))
    told = run("verify", str(file), "--failures", "0").stdout
    assert said in told.partition("tenant red:")[2].splitlines()[0]
    assert "capacity:    bisection 1.2T" in told
