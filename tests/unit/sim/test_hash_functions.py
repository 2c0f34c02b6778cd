"""The hash functions against their published check values, and what hashing alike does in three tiers."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence

import networkx as nx
import numpy as np
import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.ecmp_hash import (
    ecmp_hash,
    hash_keys,
    qp_hashes,
    qp_headers,
    qp_numbers,
    seed_mask,
    udp_source_port,
)
from raddle.lab.planned_states import planned_state
from raddle.sim import Simulation
from raddle.sim.switch_columns import find_groups, group_columns
from raddle.state import HashAlgorithm, PortState, QueueState, RouteState, SwitchState
from raddle.topology.model import Fabric, Switch
from raddle.topology.views.polarisation import polarisation
from raddle.workload import Schedule, Sent

DIGITS = np.frombuffer(b"123456789", np.uint8).reshape(1, -1)


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        # The check values of the CRC catalogue (R. Williams, "A painless guide to CRC error detection").
        ("crc32", 0xCBF43926),
        ("crc32c", 0xE3069283),
        ("crc16", 0x29B1),
        ("crc32lo", 0x3926),
        ("crc32hi", 0xCBF4),
        ("xor", 0x3132 ^ 0x3334 ^ 0x3536 ^ 0x3738 ^ 0x3900),
    ],
)
def test_functions_give_their_check_values(algorithm: HashAlgorithm, value: int) -> None:
    assert hash_keys(DIGITS, algorithm).tolist() == [value]


def test_crc32_is_zlibs_for_keys_of_any_length() -> None:
    for length in range(1, 40):
        key = bytes((7 * i + length) % 256 for i in range(length))
        assert hash_keys(np.frombuffer(key, np.uint8).reshape(1, -1), "crc32").tolist() == [zlib.crc32(key)]


def test_queue_pairs_hash_as_one_by_one() -> None:
    src, dst = np.array([0x0A000001, 0x0A000005], np.uint32), np.array([0x0A000009, 0x0A000001], np.uint32)
    data, acks = qp_hashes(src, dst, seed=3)
    for qp in range(2):
        port = udp_source_port(*qp_numbers(qp, 3))
        assert data[qp] == ecmp_hash(0, int(src[qp]), int(dst[qp]), port)
        assert acks[qp] == ecmp_hash(0, int(dst[qp]), int(src[qp]), port)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_headers_of_many_queue_pairs_are_those_of_each(seed: int) -> None:
    ends, ports = qp_headers(500, seed, None)
    assert list(map(tuple, ends.tolist())) == [qp_numbers(qp, seed) for qp in range(500)]
    assert ports[:, 0].tolist() == [udp_source_port(*qp_numbers(qp, seed)) for qp in range(500)]


@pytest.mark.parametrize("algorithm", ["crc32", "crc32lo", "crc32hi", "crc32c", "crc16", "xor"])
def test_every_function_is_affine_in_its_seed(algorithm: HashAlgorithm) -> None:
    keys = np.array([[0, 0, 0, 0, i, 255 - i, 3 * i % 256] for i in range(50)], np.uint8)
    seeded = keys.copy()
    seeded[:, :4] = [1, 2, 3, 4]
    flipped = hash_keys(keys, algorithm) ^ hash_keys(seeded, algorithm)
    assert set(flipped.tolist()) == {seed_mask(0x01020304, algorithm, ("l4_src_port", "ip_protocol"))}


def test_only_the_chosen_fields_count() -> None:
    src = np.array([0x0A000001] * 4, np.uint32)
    dst = np.array([0x0A000009, 0x0A000009, 0x0A00000B, 0x0A00000B], np.uint32)
    ips, _ = qp_hashes(src, dst, 1, "crc32", ("src_ip", "dst_ip"))
    assert ips[0] == ips[1] != ips[2] == ips[3]
    queue_pairs, _ = qp_hashes(src, dst, 1, "crc32", ("dst_ip", "bth_qp"))
    assert len(set(queue_pairs.tolist())) == 4


def test_weights_are_members_in_lowest_terms() -> None:
    routes = (RouteState(0x0A000000, 24, (3, 5), (4, 2)),)
    fib, groups = find_groups(routes, (0x0A000001,))
    offsets, ports = group_columns(groups)
    assert (fib.tolist(), offsets.tolist(), ports.tolist()) == ([0], [0, 3], [3, 3, 5])


# 4 pods of 4 leaves and 4 spines, 16 superspines: each leaf has 4 ways up, and so has each spine.
THREE_TIERS = """
raddle: 1
name: three-tiers
fabric:
  kind: fat-tree
  pods: 4
  leaves: {per_pod: 4, model: white-box-12.8t}
  spines: {per_pod: 4, model: white-box-12.8t}
  superspines: {count: 16, model: white-box-12.8t}
hosts: {per_leaf: 4}
"""


def ways_up(
    fabric: Fabric, states: dict[str, SwitchState], seed: int = 1
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How many of 4096 queue pairs between pods each of the 64 links from a spine upwards carries."""
    hosts, qps = len(fabric.endpoints), 4096
    src = np.arange(qps, dtype=np.int32) % hosts
    dst = (src + hosts // 4 + np.arange(qps, dtype=np.int32) // hosts % (hosts // 2)) % hosts
    zeros = np.zeros(qps, np.int32)
    schedule = Schedule(
        name="all", ranks=hosts, src=src, dst=dst, size_bytes=np.ones(qps, np.int64), step=zeros,
        qp=np.arange(qps, dtype=np.int32), dep_offsets=np.zeros(qps + 1, np.int64),
        dep_ids=np.empty(0, np.int32), chunk=zeros, chunk_count=zeros, op=np.zeros(qps, np.int8), fan=zeros,
        chunk_bytes=np.zeros(1, np.int64),
    )  # fmt: skip
    addresses = np.array(endpoint_addresses(fabric), np.uint32)
    sent = Sent.between(schedule, np.arange(hosts, dtype=np.int32))
    simulation = Simulation(fabric, addresses, states, sent, seed)
    used: dict[int, int] = {}
    for qp in range(qps):
        path = simulation.trace(qp).tolist()
        if len(path) == 6:  # NIC, leaf, spine, superspine, spine, leaf
            used[path[2]] = used.get(path[2], 0) + 1
    return np.array(sorted(used.values()))


def shortest_paths(fabric: Fabric, switch: Switch, addresses: Sequence[int]) -> SwitchState:
    """A switch that has a host route over all shortest paths to every endpoint, and no buffers."""
    graph = fabric.graph()
    towards = {
        host.name: nx.single_source_shortest_path_length(graph, host.name) for host in fabric.hosts
    }  # fmt: skip
    peers = {}
    for link in fabric.links:
        for here, there in ((link.a, link.b), (link.b, link.a)):
            if here.device == switch.name:
                peers[here.port] = there.device
    number = {port.name: place for place, port in enumerate(switch.ports)}
    routes = []
    for endpoint, address in zip(fabric.endpoints, addresses, strict=True):
        far = towards[fabric.hosts[endpoint.host].name]
        nearer = [number[port] for port, peer in peers.items() if far[peer] < far[switch.name]]
        routes.append(RouteState(address, 32, tuple(sorted(nearer))))
    ports = tuple(
        PortState(port.name, True, 400 * 10**9, 9100, (0,) * 64, (0,) * 8, (0,) * 8, (0,) * 8, 0,
                  (None,) * 8, (QueueState(1, None, None),) * 8)
        for port in switch.ports
    )  # fmt: skip
    return SwitchState(switch.name, 0, ports, tuple(routes), (), (), ())


@pytest.fixture(scope="module")
def three_tiers() -> tuple[Fabric, dict[str, SwitchState]]:
    fabric = raddle.loads(THREE_TIERS)
    addresses = endpoint_addresses(fabric)
    return fabric, {switch.name: shortest_paths(fabric, switch, addresses) for switch in fabric.switches}


def spines_with(states: dict[str, SwitchState], **changes: object) -> dict[str, SwitchState]:
    return {
        name: dataclasses.replace(state, **changes) if name.startswith("spine") else state  # type: ignore[arg-type]
        for name, state in states.items()
    }


def test_tiers_that_hash_alike_leave_three_of_four_links_idle(
    three_tiers: tuple[Fabric, dict[str, SwitchState]],
) -> None:
    fabric, states = three_tiers
    alike = {
        name: dataclasses.replace(state, hash_seed=0, hash_offset=0, hash_algorithm="crc32")
        for name, state in states.items()
    }
    # A flow that its leaf sent to spine k by two bits of the hash goes to superspine k of that spine's four.
    assert len(ways_up(fabric, alike)) == 16


def test_seeds_of_an_affine_hash_do_not_undo_polarisation(
    three_tiers: tuple[Fabric, dict[str, SwitchState]],
) -> None:
    fabric, states = three_tiers
    seeded = {name: dataclasses.replace(state, hash_seed=1) for name, state in states.items()}
    assert len(ways_up(fabric, spines_with(seeded, hash_seed=2))) == 16


@pytest.mark.parametrize(
    "change", [{"hash_offset": 8}, {"hash_algorithm": "crc16"}, {"hash_algorithm": "crc32hi"}]
)
def test_other_bits_or_another_function_in_the_spines_use_every_link(
    three_tiers: tuple[Fabric, dict[str, SwitchState]], change: dict[str, object]
) -> None:
    fabric, states = three_tiers
    alike = {n: dataclasses.replace(s, hash_seed=0, hash_offset=0) for n, s in states.items()}
    load = ways_up(fabric, spines_with(alike, **change))
    assert len(load) == 64
    # Balls into bins: the mean is 64 per link, the standard deviation 8 (binomial); five of them either way.
    assert abs(load - load.mean()).max() < 5 * np.sqrt(load.mean())


@pytest.mark.parametrize("algorithm", ["crc16", "xor", "crc32lo", "crc32hi"])
@pytest.mark.parametrize("offset", [8, 20, 28])
def test_hash_of_16_bits_is_rotated_within_them(
    three_tiers: tuple[Fabric, dict[str, SwitchState]], algorithm: HashAlgorithm, offset: int
) -> None:
    fabric, states = three_tiers
    alike = {n: dataclasses.replace(s, hash_seed=0, hash_offset=0) for n, s in states.items()}
    load = ways_up(fabric, spines_with(alike, hash_algorithm=algorithm, hash_offset=offset))
    assert len(load) == 64  # and not one member of four


def planned(hashing: str) -> tuple[Fabric, dict[str, SwitchState]]:
    fabric = raddle.loads(f"{THREE_TIERS}routing: {{hash: {hashing}}}\n")
    plan = make_plan(fabric, "ecmp")
    return fabric, {switch.name: planned_state(fabric, plan, switch.name) for switch in fabric.switches}


def test_hash_of_the_file_is_the_hash_of_the_switches() -> None:
    _, states = planned("{algorithm: crc32hi, seed: 9, fields: [l4_src_port, src_ip], offset: per-tier}")
    found = {(state.hash_algorithm, state.hash_seed, state.hash_fields) for state in states.values()}
    assert found == {("crc32hi", 9, ("src_ip", "l4_src_port"))}
    assert sorted({state.hash_offset for state in states.values()}) == [0, 5, 10]


@pytest.mark.parametrize(
    ("hashing", "used"),
    [
        ("{}", 64),
        ("{seed: 1}", 64),
        ("{algorithm: crc16}", 64),
        ("{seed: 1, offset: per-tier}", 64),
        ("{seed: 1, offset: 0}", 16),
        ("{seed: 1, algorithm: crc16, offset: 3}", 16),
    ],
)
def test_three_tiers_polarise_only_where_the_file_takes_away_their_offsets(hashing: str, used: int) -> None:
    fabric, states = planned(hashing)
    load = ways_up(fabric, states)
    assert len(load) == used
    assert load.sum() == 4096
    assert [each.code for each in polarisation(fabric)] == ["hash-polarisation"] * (used == 16)
