"""CPU times of planning and proving at scale; medians of 5 (of 1 where it says so), on this machine.

CPU time and not wall time, so that other work on the machine does not count.

Usage: scripts/bench_plan [NAME ...]
  ecmp      all ECMP routes of clos-8192 (128 leaves, 64 spines, 8192 endpoints), and the same shortest paths
            in plain networkx
  fat_tree  all next hops of fat-tree-65536 (5120 switches, a prefix per leaf) with their weights, in arrays;
            walks 10,000 random pairs; the peak of memory; the same in networkx, of 4 leaves of 2048
  failure   that plan after a link between leaf and spine, or spine and superspine, has failed, with all
            remote weights; each of 5 links
  pinned    pinned paths of a uniform random permutation of 8192 flows on it, and of 100,000 flows between
            random endpoints, as switch entries (10 seeds each); asserts that they are optimal
  deadlock  the proof of deadlock freedom of its ECMP plan, from forwarding tables
  verify    white-box-512, pinned, under every single link and switch failure (1 run)
  commands  what a user types, from start to end, with its peak of memory and the bounds of both (1 run); with
            names of fabrics behind it (`commands clos-8192`) what is about them alone
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator

import networkx as nx
import numpy as np

from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import address_families, plan_addresses
from raddle.controller.plan.graph import SwitchGraph, graph_of
from raddle.controller.plan.paths import PathTable, find_paths, update_paths
from raddle.controller.plan.pins import plan_pins
from raddle.controller.plan.routes import groups_of, routes_of
from raddle.controller.plan.weights import reduce_group
from raddle.controller.verify.deadlock import dependencies, ranks
from raddle.controller.verify.network import entries_of_plan, network_of
from raddle.controller.verify.tables import tables_of
from raddle.lab.verify.model import FailureScope
from raddle.lab.verify.plan import verify_plan
from raddle.lab.workloads.collective import collective_demand
from raddle.topology import find, load
from raddle.topology.devices import ASSUMED_GROUP_SIZE
from raddle.topology.model import Fabric
from raddle.workload import Demand

SEEDS = 10
RANDOM_FLOWS = 100_000


def median_s(run: Callable[[], object], runs: int = 5) -> float:
    times = []
    for _ in range(runs):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times)


def networkx_s(graph: SwitchGraph, leaves: range) -> float:
    """CPU time of every switch's next hops on shortest paths to some leaves in plain networkx."""
    net = nx.Graph(zip(graph.lower[:-1].tolist(), graph.upper[:-1].tolist(), strict=True))
    start = time.process_time()
    for leaf in leaves:
        distance = nx.single_source_shortest_path_length(net, leaf)
        hops = {u: [v for v in net[u] if distance[v] == distance[u] - 1] for u in net}
        assert len(hops) == len(graph.tier)
    return time.process_time() - start


def ecmp(fabric: Fabric) -> str:
    families = address_families(fabric)
    graph = graph_of(fabric)
    paths = median_s(lambda: find_paths(graph_of(fabric)))
    taken = median_s(lambda: routes_of(fabric, find_paths(graph_of(fabric)), families))
    plain = networkx_s(graph, graph.of_tier(1))
    return (
        f"ecmp: routes of {len(fabric.switches)} switches in {taken * 1e3:.0f} ms of CPU; their shortest "
        f"paths in {paths * 1e3:.0f} ms, in networkx in {plain * 1e3:.0f} ms ({plain / paths:.0f} times)"
    )


def fat_tree(fabric: Fabric) -> str:
    graph = graph_of(fabric)
    tables: list[PathTable] = []

    def plan() -> None:
        tables[:] = [find_paths(graph_of(fabric))]
        for switch in fabric.switches:
            used = np.unique(tables[0].pattern[switch.index])
            groups_of(tables[0], used[used >= 0].tolist(), switch.model.tables)

    taken = median_s(plan)
    walked = walk_pairs(tables[0], 10_000)
    sample = range(4)
    plain = networkx_s(graph, sample) * len(graph.of_tier(1)) / len(sample)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return (
        f"fat_tree: next hops of {len(fabric.switches)} switches to {len(graph.of_tier(1))} leaves in "
        f"{taken:.1f} s of CPU, {peak_gb:.1f} GB at most with the fabric; {walked} pairs walked; networkx "
        f"would take {plain:.0f} s ({plain / taken:.0f} times)"
    )


def walk_pairs(table: PathTable, pairs: int) -> int:
    """Follow random next hops between random pairs of leaves; asserts that all arrive on shortest paths."""
    graph, draw = table.graph, np.random.default_rng(1)
    leaves = len(graph.of_tier(1))
    pods: nx.Graph[int] = nx.Graph()
    pods.add_edges_from(
        (int(a), int(b)) for a, b in zip(graph.lower[:-1], graph.upper[:-1], strict=True) if a < leaves
    )
    pod = {leaf: number for number, part in enumerate(nx.connected_components(pods)) for leaf in part}
    for a, b in draw.integers(leaves, size=(pairs, 2)).tolist():
        at, hops = a, 0
        while at != b:
            pattern = table.patterns[table.pattern[at, b]]
            row = int(draw.choice(table.links(at, pattern)))
            assert graph.speed[row] > 0
            at = int(graph.upper[row] if graph.lower[row] == at else graph.lower[row])
            hops += 1
        assert hops == (0 if a == b else 2 if pod[a] == pod[b] else 4), "not a shortest path"
    return pairs


def failure(fabric: Fabric) -> str:
    graph = graph_of(fabric)
    table = find_paths(graph)
    found = []
    for tier, name in ((1, "leaf-spine"), (2, "spine-superspine")):
        rows = np.flatnonzero(graph.tier[graph.lower[:-1]] == tier)
        times, changed = [], 0
        for row in np.random.default_rng(1).choice(rows, 5, replace=False):
            start = time.process_time()
            dead, speeds_bps = graph.link[[row]].astype(np.int64), np.zeros(1, np.int64)
            after = update_paths(table, graph.with_speeds(dead, speeds_bps))
            for number in np.unique(after.pattern[after.pattern != table.pattern]).tolist():
                reduce_group(after.patterns[number].shares, ASSUMED_GROUP_SIZE)
            times.append(time.process_time() - start)
            changed = int(np.count_nonzero(after.pattern != table.pattern))
        found.append(
            f"{name} link in {statistics.median(times) * 1e3:.0f} ms of CPU ({changed} entries change)"
        )
    return f"failure: {fabric.name} planned anew without a {', without a '.join(found)}"


def pinned(fabric: Fabric) -> str:
    addresses = plan_addresses(fabric)
    count = len(fabric.endpoints)
    every = np.arange(count, dtype=np.int32)
    found = []
    for flows in (count, RANDOM_FLOWS):
        times = []
        for seed in range(SEEDS):
            random = np.random.default_rng(seed)
            src, dst = (
                (every, random.permutation(every)) if flows == count else random.choice(every, (2, flows))
            )
            demand = Demand(src, dst, np.zeros(flows, np.int32))
            start = time.process_time()
            pins = plan_pins(fabric, addresses, demand, (), ())  # host routes need neither routes nor seeds
            times.append(time.process_time() - start)
            routes, report = pins.routes, pins.report
            assert report.data.worst == report.data.bound, "not optimal"
        found.append(
            f"pinned: {flows} flows to {sum(map(len, routes))} host routes in"
            f" {statistics.median(times) * 1e3:.0f} ms of CPU (median of {SEEDS} seeds,"
            f" {max(times) * 1e3:.0f} at most; busiest link {report.data.worst:g}, all optimal;"
            f" acknowledgements {report.acks.worst:g}, bound {report.acks.bound:g})"
        )
    return "\n".join(found)


def deadlock(fabric: Fabric) -> str:
    plan = make_plan(fabric, "ecmp")
    network = network_of(fabric)

    counts = []

    def prove() -> None:
        tables = tables_of(network, {switch.name: entries_of_plan(switch) for switch in plan.switches})
        edges = dependencies(network, tables, network.is_up)
        assert ranks(network, edges) is not None
        counts.append(len(edges))

    taken = median_s(prove)
    endpoints = len(fabric.endpoints)
    return f"deadlock: {counts[0]} dependencies of {endpoints} endpoints proven in {taken:.1f} s of CPU"


def verify(fabric: Fabric) -> str:
    demand = collective_demand(fabric, "all_reduce", None)
    plan = make_plan(fabric, "pinned", demand)
    scope = FailureScope(together=1, most=200, seed=1, congested_groups=8)
    start = time.process_time()
    result = verify_plan(fabric, plan, demand, scope, lambda what, share: None)
    assert result.is_good
    taken = time.process_time() - start
    return f"verify: {len(result.outcomes)} failures of {fabric.name} in {taken:.1f} s of CPU (1 run)"


COMMANDS = (
    (20, 1, "plan fat-tree-65536 --routing ecmp"),
    (60, 2, "plan fat-tree-65536 --routing pinned"),
    (10, 1, "render fat-tree-65536 --routing ecmp --switch pod0-leaf0"),
    (20, 1, "plan two-tier-131072 --routing ecmp"),
    (20, 1, "verify white-box-512 --routing pinned"),
    (10, 1, "plan clos-8192 --routing ecmp"),
    (60, 1, "verify clos-8192 --routing ecmp --failures 0"),
    (120, 1, "verify clos-8192 --routing ecmp"),
    (120, 2, "verify multi-plane-16384 --routing ecmp"),
)
"""Bounds in CPU seconds and GB, on an idle machine like that of docs/models/paths.md."""


def commands(fabrics: Collection[str]) -> Iterator[str]:
    """What the commands take that are about these fabrics; about all where none is named."""
    for bound_s, bound_gb, words in COMMANDS:
        if fabrics and words.split()[1] not in fabrics:
            continue
        argv = [sys.executable, "-m", "raddle", *words.split()]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, words
        taken_s = used.ru_utime + used.ru_stime
        memory_gb = used.ru_maxrss / 1e6
        yield (
            f"commands: raddle {words}: {taken_s:.1f} s of CPU, {_verdict(taken_s, bound_s)}, "
            f"{memory_gb:.2f} GB, {_verdict(memory_gb, bound_gb)}"
        )


def _verdict(taken: float, bound: int) -> str:
    return f"{'within' if taken <= bound else 'ABOVE'} {bound}"


def main(names: list[str]) -> None:
    runs = {
        "clos-8192": (ecmp, pinned, deadlock),
        "white-box-512": (verify,),
        "fat-tree-65536": (fat_tree, failure),
    }
    for example, benchmarks in runs.items():
        wanted = [run for run in benchmarks if not names or run.__name__ in names]
        if not wanted:
            continue
        fabric = load(find(example))
        for run in wanted:
            print(run(fabric), flush=True)
    if not names or "commands" in names:
        for line in commands({*names} & {words.split()[1] for _, _, words in COMMANDS}):
            print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
