"""From fabric YAML to a collective on switches programmed over gNMI: what a user is promised."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import raddle
from raddle import traffic
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.inventory import Inventory, load_inventory
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.run.settings import RunSettings
from raddle.lab.switches.prepared import OWN_SWITCHES, SwitchSource
from raddle.lab.switches.programmed import program, read_states, switch_farm
from raddle.lab.workloads.collective import CollectiveJob, collective_demand
from raddle.lab.workloads.ranks import Scope
from raddle.report.model import BenchResult
from raddle.report.table import to_table
from raddle.sim import Simulation
from raddle.topology import find
from raddle.topology.model import PortRef
from raddle.topology.rate_control import CongestionControl
from raddle.workload import Sent, Workload

MIB = 1 << 20
CLIENT = Path(__file__).with_name("outside_client.py")


def bench(
    routing: str,
    placement: str,
    size_bytes: int,
    seed: int = 1,
    source: SwitchSource = OWN_SWITCHES,
    control: CongestionControl = "dcqcn",
) -> BenchResult:
    settings = RunSettings(seed=seed)
    request = BenchRequest("all_reduce", "ring", (size_bytes,), routing, (Scope(placement),), settings)  # type: ignore[arg-type]
    fabric = raddle.load(find("leaf-spine-16"))
    roce = dataclasses.replace(fabric.roce, congestion_control=control)
    return run_bench(dataclasses.replace(fabric, roce=roce), request, source)


@pytest.mark.parametrize("placement", ["linear", "strided", "random"])
def test_pinned_ring_reaches_96_percent_of_line_without_pause_or_drop(placement: str) -> None:
    row = bench("pinned", placement, 256 * MIB).rows[0]
    # 49.02 GB/s is a 400G line's payload rate: 4096 bytes of 4178 on the wire.
    assert row.busbw_gbs is not None
    assert 0.96 * 49.02 <= row.busbw_gbs <= 49.02
    assert (row.pfc_pauses, row.drops, row.wrong) == (0, (), 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ecmp_shares_the_line_between_the_flows_that_collide(seed: int) -> None:
    result = bench("ecmp", "strided", 256 * MIB, seed, control="none")
    row = result.rows[0]
    most = max(len(collision.flows) for collision in result.collisions)
    assert most >= 2
    assert row.busbw_gbs == pytest.approx(49.02 / most, rel=0.02)
    assert row.wrong == 0
    table = to_table(result)
    assert f"at most {most} flows of one step on a link" in table
    assert result.collisions[0].link in table
    assert result.collisions[0].flows[0] in table


def test_dcqcn_at_connectx_defaults_takes_no_more_than_the_share_and_leaves_some() -> None:
    # After its first cuts a rate climbs by 50 Mb/s a step at most (docs/fabric.md).
    result = bench("ecmp", "strided", 64 * MIB)
    share = 49.02 / max(len(collision.flows) for collision in result.collisions)
    assert result.rows[0].busbw_gbs is not None
    assert 0.7 * share < result.rows[0].busbw_gbs < 0.9 * share
    assert result.rows[0].pfc_pauses == 0
    assert result.rows[0].drops == ()


@pytest.mark.parametrize(
    "algorithm",
    [
        ("all_gather", "ring"),
        ("reduce_scatter", "ring"),
        ("all_to_all", "pairwise"),
        ("all_reduce", "halving_doubling"),
    ],
)
def test_every_collective_ends_with_the_right_contributions(algorithm: tuple[str, str]) -> None:
    request = BenchRequest(*algorithm, (16 * MIB,), "pinned", (Scope("linear"),))
    row = run_bench(raddle.load(find("leaf-spine-16")), request).rows[0]
    assert row.wrong == 0
    assert row.busbw_gbs is not None
    assert row.busbw_gbs <= 49.02


def test_schedule_without_one_step_prints_wrong_above_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: CollectiveJob, size_bytes: int) -> Workload:
        whole = traffic.build("all_reduce", "ring", 16, size_bytes)
        return Workload(traffic.without_step(whole, 7), self.seats)

    monkeypatch.setattr(CollectiveJob, "workload", broken)
    result = bench("pinned", "linear", MIB)
    assert (result.rows[0].wrong or 0) > 0
    row = next(line for line in to_table(result).splitlines() if not line.startswith("#"))
    assert float(row.split()[-1]) == pytest.approx(
        result.rows[0].wrong, rel=1e-5
    )  # six digits, as nccl-tests


def test_same_seed_gives_the_same_bytes() -> None:
    command = [sys.executable, "-m", "raddle", "bench", "leaf-spine-16", "-b", "1M", "-e", "4M", "--json"]
    command += ["--routing", "ecmp", "--placement", "random", "--seed", "5"]
    first, second = (subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2))
    assert first == second
    assert json.loads(first)["seed"] == 5


def test_white_box_512_is_planned_and_programmed_in_12_s_of_processor_time() -> None:
    begin = time.process_time()
    fabric = raddle.load(find("white-box-512"))
    plan = make_plan(fabric, "pinned", collective_demand(fabric, "all_reduce", "ring", Scope("strided")))
    with switch_farm(fabric, plan) as farm:
        switches = Inventory(fabric.name, dict(farm.addresses))
        assert program(plan, switches) == 48
        states = read_states(switches)
    assert time.process_time() - begin < 12
    assert plan.pins is not None
    assert plan.pins.data.worst == plan.pins.data.bound == 1
    assert sum(len(state.routes) for state in states.values()) > 48 * 32


def run_on(inventory: Path) -> BenchResult:
    """Benchmark what the running switches hold, changing nothing."""
    return bench("ecmp", "strided", MIB, source=SwitchSource(load_inventory(inventory), push=False))


def outside_client(*arguments: str) -> None:
    subprocess.run([sys.executable, str(CLIENT), *arguments], check=True, capture_output=True, timeout=30)


def failed_pairs(result: BenchResult) -> set[str]:
    return {flow.name for flow in result.rows[0].unfinished if not flow.reason.startswith("not started")}


def test_switches_that_nobody_programmed_forward_nothing(running_switches: tuple[Path, Inventory]) -> None:
    result = run_on(running_switches[0])
    row = result.rows[0]
    assert row.time_ps is None
    assert (row.wrong or 0) > 0
    assert dict(row.drops or ()).keys() == {"no_route"}
    assert len(failed_pairs(result)) == 16  # every rank's first flow


def test_outside_client_that_deletes_a_route_stops_exactly_its_flows(
    running_switches: tuple[Path, Inventory],
) -> None:
    pytest.importorskip("pygnmi", reason="pygnmi is not installed")
    path, inventory = running_switches
    fabric = raddle.load(find("leaf-spine-16"))
    plan = make_plan(fabric, "ecmp")
    program(plan, inventory)
    before = run_on(path)
    assert not failed_pairs(before)

    # leaf0's only route to the hosts of leaf1. With strided placement rank r is on leaf r % 4: the data of
    # ranks 0, 4, 8, 12 to their neighbours goes that way, and no acknowledgement (those go to leaf3).
    leaf1_hosts = next(route for route in plan.switches[0].routes if route.prefix.startswith("10.0.0.8/"))
    elem = f"default|{leaf1_hosts.prefix.replace('/', '~1')}"
    route = f"sonic-db:CONFIG_DB/localhost/STATIC_ROUTE/{elem}"
    outside_client(inventory.addresses["leaf0"], "delete", route)
    after = run_on(path)
    assert failed_pairs(after) == {
        f"rank{r} host{r // 4} -> rank{r + 1} host{4 + r // 4}" for r in (0, 4, 8, 12)
    }
    reasons = {flow.reason for flow in after.rows[0].unfinished if not flow.reason.startswith("not started")}
    assert reasons == {f"packets dropped at leaf0:Ethernet{8 * host}: no route" for host in range(4)}

    # Brought back over one spine only, the same flows run again, all over that spine.
    hop = leaf1_hosts.next_hops[2]
    outside_client(
        inventory.addresses["leaf0"],
        "update",
        route,
        json.dumps({"nexthop": hop.address, "ifname": hop.port}),
    )
    moved = run_on(path)
    assert not failed_pairs(moved)
    shared = next(c for c in moved.collisions if c.link.startswith(f"leaf0:{hop.port} -> "))
    assert set(shared.flows) == {
        f"rank{r} host{r // 4} -> rank{r + 1} host{4 + r // 4}" for r in (0, 4, 8, 12)
    }


def test_state_change_takes_effect_at_its_simulated_time() -> None:
    """The engine takes new switch state between two calls; flows already running move to the new path."""
    fabric = raddle.load(find("leaf-spine-16"))
    schedule = traffic.build("all_reduce", "ring", 2, 8 * MIB)
    placement = np.array([0, 4], np.int32)
    plan = make_plan(fabric, "ecmp")
    with switch_farm(fabric, plan) as farm:
        program(plan, Inventory(fabric.name, dict(farm.addresses)))
        states = read_states(Inventory(fabric.name, dict(farm.addresses)))
    addresses = np.array(endpoint_addresses(fabric), np.uint32)
    simulation = Simulation(fabric, addresses, states, Sent.between(schedule, placement), seed=1)
    simulation.advance(50_000_000)
    old_uplink = int(simulation.trace(0)[1])
    sent = simulation.ports().tx_bytes[old_uplink].sum()
    simulation.set_link(PortRef("leaf0", simulation.port_names[old_uplink].port), is_up=False)
    broken = simulation.trace(0)
    assert len(broken) == 1  # the leaf's group still has the dead member: its NOS has not told it yet
    leaf0 = states["leaf0"]
    index = [port.name for port in leaf0.ports].index(simulation.port_names[old_uplink].port)
    routes = tuple(
        dataclasses.replace(route, ports=tuple(port for port in route.ports if port != index))
        for route in leaf0.routes
    )
    simulation.set_switch("leaf0", dataclasses.replace(leaf0, routes=routes))
    simulation.run()
    assert simulation.is_done
    assert (simulation.flows().status == 2).all() or simulation.ports().drops.sum() > 0
    assert simulation.ports().tx_bytes[old_uplink].sum() == sent
    assert int(simulation.trace(0)[1]) != old_uplink
