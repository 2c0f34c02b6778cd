"""What changing hands takes, stage by stage, and which of it is the network's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from raddle.controller.plan.make import make_plan
from raddle.controller.plan.model import Plan
from raddle.lab.elastic.curve import Period
from raddle.lab.elastic.file import Pool
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.kinds.send import pairs_of
from raddle.lab.graph.model import Graph, Ints, Job, Node, Step
from raddle.lab.run.settings import RunSettings
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.lab.workloads.demand import demand_of
from raddle.report.elastic import StageRow
from raddle.units import format_size

PS_PER_S = 10**12


@dataclass(frozen=True, slots=True)
class Setting:
    """How runs are made."""

    routing: Literal["ecmp", "pinned"]
    settings: RunSettings


def plan_of(pool: Pool, period: Period, setting: Setting) -> Plan:
    """The plan of a fabric whose accelerators do what they do in a period."""
    demand = None
    if setting.routing == "pinned":
        work = assemble(pool.graph(period.serving, period.training)).workload
        demand = demand_of(pool.fabric, work.seats, work.schedule)
    return make_plan(pool.fabric, setting.routing, demand)


def changed_routes(before: Plan, after: Plan) -> Counter[str]:
    """Of each switch, how many routes go, come or lead elsewhere."""
    old = {switch.name: set(switch.routes) for switch in before.switches}
    found: Counter[str] = Counter()
    for switch in after.switches:
        differ = old[switch.name] ^ set(switch.routes)
        found[switch.name] = len({route.prefix for route in differ})
    return +found


def stages(
    pool: Pool, before: Period, after: Period, plans: tuple[Plan, Plan], setting: Setting
) -> Iterator[StageRow]:
    """From one period's jobs to the next one's, one after the other."""
    spec, more = pool.spec, after.serving > before.serving
    if after.serving < before.serving:
        count = before.serving - after.serving
        yield StageRow(
            "drain", spec.inference.drain, 0, f"requests on {count} accelerators end", pauses=False
        )
    if before.training:
        ranks = pool.training(before.training)
        yield _moved(pool, "checkpoint", [_written(pool, ranks)], setting)
    routes = changed_routes(*plans)
    most = max(routes.values(), default=0)
    push_ps = spec.change.plan + most * PS_PER_S // spec.change.routes_per_second
    what = f"{sum(routes.values())} routes change on {len(routes)} switches, at most {most} on one"
    yield StageRow("plan and push", push_ps, push_ps, what)
    loads = []
    if more:
        new = pool.serving(after.serving)[before.serving :]
        loads.append(
            _Transfer("weights", *_from_storage(pool, new), spec.inference.weights // spec.inference.instance)
        )
    if after.training:
        ranks = pool.training(after.training)
        loads.append(
            _Transfer("state", *_from_storage(pool, ranks), spec.training.checkpoint // spec.training.replica)
        )
    if loads:
        yield _moved(pool, "load", loads, setting)
    yield StageRow("groups", spec.change.groups, 0, "communication groups are built anew")
    begin_ps = max(spec.inference.warm_up if more else 0, spec.training.restart if after.training else 0)
    if begin_ps:
        yield StageRow("warm up", begin_ps, 0, "until the first request or step")


@dataclass(frozen=True, slots=True, eq=False)
class _Transfer:
    """A message of a size from each rank to that of another list."""

    name: str
    src: Ints
    dst: Ints
    size_bytes: int


def _written(pool: Pool, ranks: Ints) -> _Transfer:
    storage, ranks = _from_storage(pool, ranks)
    return _Transfer("checkpoint", ranks, storage, pool.spec.training.checkpoint // len(ranks))


def _from_storage(pool: Pool, ranks: Ints) -> tuple[Ints, Ints]:
    """The storage's NICs in turn, and the ranks."""
    return pool.storage[np.arange(len(ranks)) % len(pool.storage)], ranks


def _moved(pool: Pool, name: str, transfers: list[_Transfer], setting: Setting) -> StageRow:
    """All transfers at once over the fabric, or as long as the storage takes."""
    nodes = []
    for each in transfers:
        step = Step((pairs_of(each.src, each.dst, each.size_bytes, each.name),), each.name, each.name)
        ranks = np.zeros(0, np.int64)
        nodes.append(Node(each.name, (step,), (), each.name, pool.source.span(()), ranks))
    graph = Graph(pool.spec.name, (Job(name, tuple(nodes)),), pool.seats)
    result = run_workload(pool.fabric, WorkloadRequest(graph, "ecmp", setting.settings))
    network_ps = result.jobs[0].time_ps or 0
    size = sum(len(each.src) * each.size_bytes for each in transfers)
    rate = pool.spec.storage.rate
    storage_ps = size * 8 * PS_PER_S // rate if rate else 0
    what = " and ".join(
        f"{each.name} of {format_size(len(each.src) * each.size_bytes)}" for each in transfers
    )
    return StageRow(name, max(network_ps, storage_ps), network_ps, what)
