"""Leaf-spine fabrics built from model objects by hand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from raddle.topology.model import (
    Addressing,
    Ecn,
    Endpoint,
    Fabric,
    Host,
    Link,
    LosslessClass,
    NicModel,
    PfcWatchdog,
    Port,
    PortRef,
    RocePolicy,
    RoutingPolicy,
    Switch,
    SwitchModel,
)
from raddle.topology.rate_control import Dcqcn
from raddle.workload import Demand

SPEED_BPS = 400_000_000_000

MODEL = SwitchModel(
    name="white-box-12.8t",
    hwsku="WhiteBox-C32",
    platform="x86_64-white_box-r0",
    port_count=32,
    port_speed_bps=SPEED_BPS,
    lanes_per_port=8,
    buffer_bytes=64 * 2**20,
    cell_bytes=254,
    pipeline_latency_ps=800_000,
    source="invented for tests",
)

ROCE = RocePolicy(
    mtu_bytes=4096,
    port_mtu_bytes=9100,
    lossless=(LosslessClass(3, 26),),
    pfc=True,
    dynamic_th=0,
    cnp=LosslessClass(6, 48),
    congestion_control="dcqcn",
    dcqcn=Dcqcn(),
    ecn=Ecn(800_000, 3_200_000, 0.2),
    watchdog=PfcWatchdog(200, 200, "drop"),
)

POOLS = Addressing("10.0.0.0/16", "10.255.0.0/20", "172.16.0.0/14")


def leaf_spine(
    leaves: int,
    spines: int,
    hosts_per_leaf: int,
    per_pair: int = 1,
    *,
    model: SwitchModel = MODEL,
    roce: RocePolicy = ROCE,
    addressing: Addressing = POOLS,
    down: Iterable[tuple[int, int, int]] = (),
    seed: int | None = None,
) -> Fabric:
    """A leaf-spine fabric with 3 m host and 30 m fabric cables; `down` are dead links as (leaf, spine, k)."""
    dead = set(down)
    ports = tuple(
        Port(f"Ethernet{8 * i}", f"etp{i + 1}", i, tuple(range(8 * i + 1, 8 * i + 9)), SPEED_BPS)
        for i in range(model.port_count)
    )
    names = [f"leaf{i}" for i in range(leaves)] + [f"spine{i}" for i in range(spines)]
    switches = tuple(
        Switch(name, "leaf" if i < leaves else "spine", i, model, ports, mac=0x02 << 40 | i)
        for i, name in enumerate(names)
    )
    count = leaves * hosts_per_leaf
    hosts = tuple(Host(f"host{h}", h, ("eth0",), NicModel(SPEED_BPS)) for h in range(count))
    links = [
        Link(h, PortRef(f"host{h}", "eth0"), PortRef(f"leaf{leaf}", ports[place].name), SPEED_BPS, 3.0, True)
        for h in range(count)
        for leaf, place in [divmod(h, hosts_per_leaf)]
    ]
    links += [
        Link(
            count + (leaf * spines + spine) * per_pair + k,
            PortRef(f"leaf{leaf}", ports[hosts_per_leaf + spine * per_pair + k].name),
            PortRef(f"spine{spine}", ports[leaf * per_pair + k].name),
            SPEED_BPS,
            30.0,
            (leaf, spine, k) not in dead,
        )
        for leaf in range(leaves)
        for spine in range(spines)
        for k in range(per_pair)
    ]
    endpoints = tuple(Endpoint(f"host{h}", h, h, "eth0", h // hosts_per_leaf, h) for h in range(count))
    routing = RoutingPolicy("ecmp", "crc32", seed)
    return Fabric("test", switches, hosts, tuple(links), endpoints, roce, routing, addressing)


def demand(flows: Iterable[tuple[int, int, int]]) -> Demand:
    """Flows as (phase, src, dst)."""
    columns = np.array(sorted(set(flows)), dtype=np.int32).reshape(-1, 3)
    return Demand(src=columns[:, 1], dst=columns[:, 2], phase=columns[:, 0])


def placement(kind: str, fabric: Fabric, seed: int = 1) -> list[int]:
    """The endpoint of each rank; strided puts consecutive ranks on different leaves."""
    count = len(fabric.endpoints)
    if kind == "strided":
        return sorted(range(count), key=lambda e: (e % (count // len(fabric.leaves)), e))
    order = np.arange(count)
    return (np.random.default_rng(seed).permutation(order) if kind == "random" else order).tolist()


def ring(ranks: list[int]) -> Demand:
    """Every rank sends to the next."""
    return demand((0, src, dst) for src, dst in zip(ranks, ranks[1:] + ranks[:1], strict=True))


def shifts(ranks: list[int]) -> Demand:
    """Pairwise all-to-all: in phase p, rank r sends to rank r + p."""
    n = len(ranks)
    return demand((p, ranks[r], ranks[(r + p) % n]) for p in range(1, n) for r in range(n))


def halving_doubling(ranks: list[int]) -> Demand:
    """In phase p, ranks that differ in bit p exchange."""
    n = len(ranks)
    return demand((p, ranks[r], ranks[r ^ (1 << p)]) for p in range(n.bit_length() - 1) for r in range(n))
