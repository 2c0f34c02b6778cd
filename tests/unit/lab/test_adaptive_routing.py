"""Adaptive routing from the fabric file over gNMI into the engine, and what it does to a collective."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle import loads
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.controller.plan.codec import from_json, to_json
from raddle.controller.plan.diff import diff_plans
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.collisions import find_job_collisions
from raddle.lab.switches.programmed import program, read_states, switch_farm
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.ranks import Scope
from raddle.report.model import BenchResult
from raddle.state import ArsLoad, ArsObject
from raddle.topology.model import Fabric


def document(adaptive: str, nics: str = "{}") -> str:
    return f"""
raddle: 1
name: adaptive
models:
  box: {{hwsku: Box, platform: x86_64-box-r0, ports: 32, port_speed: 400G, lanes_per_port: 8, buffer: 64MB,
        cell: 256B, latency: 600ns, features: [adaptive-routing]}}
fabric: {{leaves: {{count: 4, model: box}}, spines: {{count: 8, model: box}}}}
hosts: {{per_leaf: 8, nics: {nics}}}
routing: {{adaptive: {adaptive}}}
"""


def fabric_with(adaptive: str, nics: str = "{}") -> Fabric:
    return loads(document(adaptive, nics))


def bench(fabric: Fabric, mib: int = 16) -> BenchResult:
    return run_bench(fabric, BenchRequest("all_reduce", "ring", (mib << 20,), "ecmp", (Scope("strided"),)))


IN_ORDER = "{retransmission: selective-repeat, reorder: 64}"


def test_the_plan_arrives_in_the_switches_and_goes_again() -> None:
    fabric = fabric_with("{mode: flowlet, idle: 16us, future_load: {min: 100, max: 900, weight: 3}}")
    plan = make_plan(fabric, fabric.routing.policy)
    plain = make_plan(
        dataclasses.replace(fabric, routing=dataclasses.replace(fabric.routing, adaptive=None)), "ecmp"
    )
    with switch_farm(fabric, plan) as farm:
        inventory = Inventory(fabric.name, dict(farm.addresses))
        program(plan, inventory)
        leaf = read_states(inventory)["leaf0"]
        assert leaf.ars
        assert leaf.ars.objects == (ArsObject("AI_FABRIC", False, 16_000_000, 512, 16, 0),)
        assert (leaf.ars.past, leaf.ars.future) == (ArsLoad(0, 10_000, 16), ArsLoad(100, 900, 3))
        # Prefixes of the three other leaves go up over eight spines; the leaf's own links have one port.
        assert [len(route.ports) for route in leaf.routes if route.ars is not None] == [8, 8, 8]
        assert not any(route.ars is not None for route in read_states(inventory)["spine0"].routes)
        assert program(plan, inventory) == 0
        program(plain, inventory)
        assert not any(state.is_adaptive for state in read_states(inventory).values())
        assert not any(table.startswith("ARS") for table in farm.switches["leaf0"].databases.config)


def test_a_plan_file_keeps_it_and_a_diff_names_what_changes() -> None:
    old = make_plan(fabric_with("{mode: packet}"), "ecmp")
    new = make_plan(fabric_with("{mode: packet, sampling: 4us}"), "ecmp")
    assert from_json(to_json(old)) == old
    changes = [change for change in diff_plans(old, new) if change.switch == "leaf0"]
    assert [(change.path, change.before, change.after) for change in changes] == [
        ("adaptive/sampling_us", "16", "4")
    ]


def test_policy_is_ecmp_with_adaptive_groups_unless_the_file_says_otherwise() -> None:
    assert fabric_with("{mode: packet}").routing.policy == "ecmp"
    assert fabric_with("none").routing.policy == "pinned"
    assert fabric_with("{mode: packet}, policy: pinned").routing.policy == "pinned"


def test_a_strided_ring_that_collides_under_the_hash_nears_line_rate_packet_by_packet() -> None:
    hashed, adaptive = bench(fabric_with("none", IN_ORDER)), bench(fabric_with("{mode: packet}", IN_ORDER))
    assert hashed.collisions
    assert hashed.average_busbw_gbs < 0.5 * hashed.line_rate_gbs
    # 62 steps of 512 KiB, 10.7 us at line rate, each with 2.4 us of way: at most 0.82.
    assert adaptive.average_busbw_gbs > 0.75 * adaptive.line_rate_gbs
    assert (adaptive.is_adaptive, adaptive.collisions) == (True, ())
    assert {link.max_flows for link in adaptive.links} == {0}


def test_go_back_n_collapses_where_packets_overtake_each_other() -> None:
    """Lu et al., MP-RDMA (NSDI 2018), section 2; Mittal et al., IRN (SIGCOMM 2018)."""
    hashed, adaptive = bench(fabric_with("none"), 4), bench(fabric_with("{mode: packet}"), 4)
    selective = bench(fabric_with("{mode: packet}", "{retransmission: selective-repeat}"), 4)
    assert adaptive.average_busbw_gbs < 0.5 * hashed.average_busbw_gbs
    assert selective.average_busbw_gbs > hashed.average_busbw_gbs


def test_collisions_of_a_hash_that_nobody_goes_by_are_refused() -> None:
    fabric = fabric_with("{mode: flowlet}")
    with pytest.raises(InputError, match="switches choose a flow's way by the load") as caught:
        find_job_collisions(fabric, make_plan(fabric, "ecmp"), [find_job(fabric, "all_reduce", "ring")])
    assert caught.value.diagnostics[0].code == "paths-are-adaptive"


def test_proofs_hold_for_every_way_that_may_be_chosen_and_say_so(tmp_path: Path) -> None:
    file = tmp_path / "adaptive.yaml"
    file.write_text(document("{mode: packet}"))
    run = CliRunner()
    text = run.invoke(app, ["verify", str(file)])
    assert text.exit_code == 0
    assert "on every path adaptive routing can take" in text.stdout
    assert "under uniform all-to-all, shared evenly" in text.stdout
    assert json.loads(run.invoke(app, ["verify", str(file), "--json"]).stdout)["is_adaptive"] is True
    assert (
        "groups of 12 switches choose by load for each packet" in run.invoke(app, ["plan", str(file)]).stdout
    )


@pytest.mark.parametrize(("form", "said"), [("openflow", "OpenFlow"), ("p4runtime", "P4Runtime")])
def test_interfaces_that_know_only_hashed_groups_refuse_the_plan(
    form: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "adaptive.yaml"
    file.write_text(document("{mode: packet}"))
    result = CliRunner().invoke(app, ["render", str(file), "--switch", "leaf0", "--format", form])
    assert isinstance(result.exception, InputError)
    assert f"leaf0 is to route adaptively, which {said} cannot say" in str(result.exception)


def test_a_sprayed_flow_has_no_path_of_its_own_and_so_no_slowdown(tmp_path: Path) -> None:
    (tmp_path / "fabric.yaml").write_text(document("{mode: packet}", IN_ORDER))
    (tmp_path / "flows.csv").write_text("src,dst,bytes\nhost0,host9,4194304\n")
    files = (str(tmp_path / name) for name in ("fabric.yaml", "flows.csv", "out"))
    words = ["simulate", next(files), "--flows", next(files), "-o", next(files)]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with (tmp_path / "out/fct.csv").open(newline="") as file:
        (flow,) = csv.DictReader(file)
    assert (flow["status"], flow["slowdown"]) == ("done", "")
    assert json.loads((tmp_path / "out/summary.json").read_text())["slowdown"] is None
