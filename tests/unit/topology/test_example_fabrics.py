"""The bundled fabrics are what their comments say: counts, bisection, oversubscription, load time."""

from __future__ import annotations

import resource
import time
from collections import Counter
from functools import cache

import pytest

import raddle
from raddle import Fabric
from raddle.lab.workloads.ranks import Scope, place_ranks, seats_of, shape_of
from raddle.topology import bundled_examples, find
from raddle.topology.views.bisection import bisection_bps
from raddle.topology.views.capacity import cable_kinds, oversubscription, review, tiers
from raddle.traffic.hccl.levels import grid_of

G = 10**9


@cache
def example(name: str) -> Fabric:
    return raddle.load(find(name))


# name: switches, hosts, endpoints, host links' speed in Gb/s, links between switches, oversubscription.
SHAPES = {
    "leaf-spine-16": (8, 16, 16, 400, 16, 1.0),
    "white-box-512": (48, 512, 512, 400, 512, 1.0),
    "rail-256-h100": (12, 32, 256, 400, 256, 1.0),
    "npu-128-910b": (10, 16, 128, 200, 64, 1.0),
    "npu-768-910c": (24, 96, 768, 400, 768, 1.0),
    "clos-8192": (192, 8192, 8192, 400, 8192, 1.0),
    "multi-plane-16384": (768, 2048, 16384, 400, 16384, 1.0),
    "dual-tor-1024": (24, 64, 1024, 200, 512, 1.0),
    "oversubscribed-3to1": (8, 96, 96, 400, 32, 3.0),
    "three-tier-24576": (1536 + 128 + 64, 3072, 24576, 400, 1536 * 16 + 128 * 28, 192 / 28),
    "two-tier-131072": (512 + 256, 131072, 131072, 200, 131072, 1.0),
    "dual-plane-30720": (2 * (240 + 120 + 60), 3840, 61440, 200, 2 * (240 * 60 + 120 * 8), 16.0),
    "rail-tree-12288": (192 + 192 + 128, 1536, 12288, 200, 2 * 192 * 32, 1.0),
    "three-networks-2048": (64 + 32, 256, 4096, 400, 2048, 1.0),
    "multi-plane-32768": (4 * (32 + 16), 8192, 32768, 200, 32768, 1.0),
}


@pytest.mark.parametrize("name", SHAPES)
def test_example_has_the_counts_bisection_and_oversubscription_of_its_form(name: str) -> None:
    switches, hosts, endpoints, host_gbps, fabric_links, ratio = SHAPES[name]
    fabric = example(name)
    assert (len(fabric.switches), len(fabric.hosts), len(fabric.endpoints)) == (switches, hosts, endpoints)
    assert len(fabric.links) == endpoints + fabric_links
    assert {fabric.links[endpoint.link].speed_bps for endpoint in fabric.endpoints} == {host_gbps * G}
    assert oversubscription(fabric) == ratio
    assert bisection_bps(fabric) == pytest.approx(endpoints * host_gbps * G / 2 / ratio)


@pytest.mark.parametrize(("name", "radix"), [("white-box-512", 32), ("clos-8192", 128)])
def test_whole_two_tier_fabric_of_radix_k_has_k2_over_2_hosts_and_3k_over_2_switches(
    name: str, radix: int
) -> None:
    fabric = example(name)
    assert len(fabric.hosts) == radix**2 // 2
    assert len(fabric.switches) == 3 * radix // 2
    assert all(len(switch.ports) == radix for switch in fabric.switches)


def test_fat_tree_65536_is_whole_and_loads_in_15_s_and_4_gb() -> None:
    started_s = time.process_time()
    fabric = raddle.load(find("fat-tree-65536"))
    assert time.process_time() - started_s < 15.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20  # KiB
    radix = 64
    assert len(fabric.hosts) == radix**3 // 4
    assert len(fabric.switches) == 5 * radix**2 // 4
    assert len(fabric.superspines) == radix**2 // 4
    assert [tier.links for tier in tiers(fabric)] == [65536] * 3
    assert oversubscription(fabric) == 1.0
    assert bisection_bps(fabric) == 65536 * 400 * G // 2


def test_a_fabric_of_131072_nics_on_8_planes_is_one_of_its_planes_that_stands_for_all() -> None:
    """Published: 512 leaves of 256 NICs, each of eight ports of 100G, and switches of 512 ports."""
    fabric = raddle.load(find("multi-plane-131072"))
    assert fabric.copies
    assert (fabric.copies.planes, fabric.copies.kept) == (8, 0)
    assert (len(fabric.leaves), len(fabric.spines), len(fabric.endpoints)) == (512, 256, 512 * 256)
    assert sum(host.accelerators.count for host in fabric.hosts if host.accelerators) == 131072
    assert {len(switch.ports) for switch in fabric.switches} == {512}
    assert fabric.copies.planes * len(fabric.links) == 2_097_152
    assert oversubscription(fabric) == 1.0
    assert bisection_bps(fabric) == 131072 * 100 * G // 2
    assert "group-too-large" not in {each.code for each in review(fabric)}


def test_rail_n_leaf_has_the_nth_nic_of_every_server() -> None:
    fabric = example("rail-256-h100")
    for endpoint in fabric.endpoints:
        assert fabric.switches[endpoint.leaf].name == f"rail{endpoint.rail}"
        assert endpoint.rail == endpoint.accelerator == int(endpoint.nic.removeprefix("eth"))
    training, inference = fabric.tenants
    assert training.accelerators[:9] == (*((0, i) for i in range(8)), (1, 0))
    assert inference.accelerators[:9] == (*((host, 0) for host in range(24, 32)), (24, 1))
    assert [fabric.endpoints[rank].name for rank in inference.endpoints[:2]] == ["host24:eth0", "host25:eth0"]


def test_a_super_node_is_a_scale_up_domain_of_48_servers_of_8() -> None:
    fabric = example("npu-768-910c")
    assert [host.domain for host in fabric.hosts] == [0] * 48 + [1] * 48
    seats = seats_of(fabric, place_ranks(fabric, Scope()))
    grid = grid_of(shape_of(fabric, seats))
    assert grid is not None
    assert grid.shape == (2, 48, 8)


def test_a_server_of_three_networks_has_11_nics_and_each_network_its_own_switches_and_addresses() -> None:
    names = ("backend", "storage", "frontend")
    networks = [raddle.load(f"{find('three-networks-2048')}@{name}") for name in names]
    nics = [next(host.nics for host in fabric.hosts if host.name == "node255") for fabric in networks]
    assert nics[0] == tuple(f"eth{nic}p{port}" for nic in range(8) for port in range(2))
    assert nics[1:] == [("eth8", "eth9"), ("eth10",)]
    assert [len(fabric.switches) for fabric in networks] == [96, 14, 10]
    bill = [(kind.tier, kind.speed, kind.count) for kind in cable_kinds(networks[0])]
    assert bill == [("host-leaf", "2 x 400G", 2048), ("leaf-spine", "800G", 2048)]
    assert [len(fabric.hosts) for fabric in networks] == [256, 256 + 16, 256]
    assert len({switch.mac for fabric in networks for switch in fabric.switches}) == 120
    assert [fabric.addressing.hosts for fabric in networks] == ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"]
    assert [fabric.roce.congestion_control for fabric in networks] == ["dcqcn", "none", "none"]


def test_each_nic_of_a_multi_plane_server_is_on_its_own_plane() -> None:
    fabric = example("multi-plane-16384")
    assert fabric.planes == 8
    assert all(endpoint.plane == endpoint.rail for endpoint in fabric.endpoints)
    plane_of = {switch.name: switch.plane for switch in fabric.switches}
    between = [link for link in fabric.links if link.a.device in plane_of]
    assert all(plane_of[link.a.device] == plane_of[link.b.device] for link in between)


def test_two_ports_of_a_dual_tor_nic_are_on_two_leaves_of_one_rail() -> None:
    fabric = example("dual-tor-1024")
    leaves: dict[tuple[int, int], list[str]] = {}
    for endpoint in fabric.endpoints:
        name = fabric.switches[endpoint.leaf].name
        leaves.setdefault((endpoint.host, endpoint.rail), []).append(name)
    assert len(leaves) == 512
    for (_, rail), names in leaves.items():
        assert names == [f"rail{rail}-tor{2 * rail}", f"rail{rail}-tor{2 * rail + 1}"]


def test_mixed_speed_fabric_breaks_ports_out_and_keeps_800g_uplinks() -> None:
    fabric = example("mixed-speed")
    speeds = Counter(link.speed_bps // G for link in fabric.links)
    assert speeds == {400: 4 * 16 + 6, 100: 4 * 32, 800: 48 - 6}
    leaf = fabric.switches[0]
    assert [port.name for port in leaf.ports[:3]] == ["Ethernet0", "Ethernet4", "Ethernet8"]
    # Port 8 has lanes 65..72: four ports of two lanes.
    eighth = [port for port in leaf.ports if port.index == 8]
    assert [(port.name, port.alias, port.lanes) for port in eighth[:2]] == [
        ("Ethernet64", "etp9a", (65, 66)),
        ("Ethernet66", "etp9b", (67, 68)),
    ]
    # 9.6T of hosts; leaf3 has 6 of its 12 uplinks at 400G.
    assert oversubscription(fabric) == pytest.approx(9.6 / (6 * 0.8 + 6 * 0.4))


def test_failed_links_fabric_has_the_failures_it_lists() -> None:
    fabric = example("failed-links")
    down = [(link.a.device, link.b.device) for link in fabric.links if not link.is_up]
    assert down == [("leaf0", "spine0"), ("leaf3", "spine6"), ("leaf3", "spine7")]
    pairs = {(link.a.device, link.b.device) for link in fabric.links}
    assert ("leaf6", "spine6") not in pairs
    assert len(fabric.links) == 64 + 63
    assert oversubscription(fabric) == pytest.approx(8 / 6)
    # Uplinks in 400G: leaf0 7, leaf3 6, leaf6 7, leaf7 7.5, the other four 8 each.
    assert bisection_bps(fabric) == pytest.approx((7 + 6 + 7 + 7.5 + 4 * 8) / 2 * 400 * G)


@pytest.mark.parametrize("name", ["multi-plane-32768", "two-tier-131072", "three-tier-24576", "clos-8192"])
def test_groups_of_an_example_hold_all_uplinks(name: str) -> None:
    assert "group-too-large" not in {each.code for each in review(example(name))}


def test_every_example_is_tested_here_and_listed_in_the_readme() -> None:
    examples = bundled_examples()
    others = {"fat-tree-65536", "multi-plane-131072", "mixed-speed", "failed-links"}
    assert set(examples) == set(SHAPES) | others
    readme = (examples["clos-8192"].parent / "README.md").read_text(encoding="utf-8")
    assert all(f"[{name}.yaml]({name}.yaml)" in readme for name in examples)
