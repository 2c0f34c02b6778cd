"""What the main commands do, as functions: `raddle.plan`, `verify`, `bench`, `simulate`, `up`, `apply`.

They take a `Fabric` and give the values that reports are made of; docs/python.md goes through them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from raddle.controller.locks import lock_switches
from raddle.controller.plan.make import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.reconcile import SwitchResult, apply_plan
from raddle.controller.verify.lossless import CONGESTED_GROUPS
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.run.settings import RunSettings
from raddle.lab.simulate import SimulateRequest
from raddle.lab.simulate import simulate as run_flows
from raddle.lab.switches.prepared import OWN_SWITCHES, SwitchSource
from raddle.lab.switches.programmed import Doors, switch_farm
from raddle.lab.verify.model import FailureScope, Verification
from raddle.lab.verify.plan import verify_plan
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.flow_file import read_flows
from raddle.lab.workloads.ranks import Scope
from raddle.report.model import BenchResult
from raddle.report.run_files import RunResult
from raddle.topology.model import Fabric
from raddle.units import parse_message_bytes
from raddle.workload import Demand

Routing = Literal["ecmp", "pinned"]


def plan(
    fabric: Fabric, routing: Routing | None = None, collective: str = "all_reduce", scope: Scope | None = None
) -> Plan:
    """What each switch is to hold.

    Args:
        routing: hash over all paths, or pin the flows of `collective` [default: the fabric's].
        scope: which accelerators are its ranks, in which order [default: all, host by host].

    Raises:
        InputError: the fabric has no such plan.
    """
    policy = routing or fabric.routing.policy
    return make_plan(fabric, policy, _demand(fabric, collective, scope) if policy == "pinned" else None)


def verify(
    fabric: Fabric,
    planned: Plan | None = None,
    *,
    collective: str = "all_reduce",
    scope: Scope | None = None,
    failures: int = 1,
    samples: int = 200,
) -> Verification:
    """What a plan makes of the switches: delivery, loops, deadlock, load, in every state of failure.

    Args:
        planned: a plan of `raddle.plan` [default: the fabric's], whose pins were made for `collective` and
            `scope`: it is planned anew for these after each failure.
        failures: links and switches that fail together, at most.
        samples: states that are looked at where there are more, for two or more that fail together.

    Raises:
        InputError: the fabric has no plan.
    """
    made = planned or plan(fabric, None, collective, scope)
    demand = _demand(fabric, collective, scope) if made.pins else None
    checked = FailureScope(failures, samples, seed=1, congested_groups=CONGESTED_GROUPS)
    return verify_plan(fabric, made, demand, checked, lambda what, share: None)


def bench(
    fabric: Fabric,
    collective: str = "all_reduce",
    sizes: Sequence[str | int] = ("64M",),
    *,
    algorithm: str | None = None,
    routing: Routing | None = None,
    scope: Scope | None = None,
    settings: RunSettings | None = None,
    on: Inventory | None = None,
) -> BenchResult:
    """A collective on switches that the controller has programmed.

    Args:
        sizes: of buffers, in bytes or as nccl-tests takes them.
        scope: which accelerators are ranks, in which order [default: all, host by host].
        settings: seed, faults, fidelity and so on.
        on: running switches, which stay as they are [default: own ones, programmed for this].

    Raises:
        InputError: it does not fit the fabric. UnreachableError: a switch does not answer.
    """
    request = BenchRequest(
        collective,
        algorithm,
        tuple(_bytes(size) for size in sizes),
        routing or fabric.routing.policy,
        (scope or Scope(),),
        settings or RunSettings(),
    )
    return run_bench(fabric, request, _source(on))


def simulate(
    fabric: Fabric,
    flows: str | Path,
    *,
    routing: Routing | None = None,
    settings: RunSettings | None = None,
    on: Inventory | None = None,
) -> RunResult:
    """Flows of a CSV file (src, dst, bytes, ...) on switches that the controller has programmed.

    Raises:
        InputError: the file is wrong, or does not fit the fabric. UnreachableError: a switch does not answer.
    """
    policy, workload = routing or fabric.routing.policy, read_flows(fabric, Path(flows))
    return run_flows(
        fabric, SimulateRequest(workload, policy, settings=settings or RunSettings()), _source(on)
    )


@contextmanager
def up(fabric: Fabric, *, host: str = "127.0.0.1") -> Iterator[Inventory]:
    """All switches of a fabric, simulated, each with a gNMI endpoint of its own; they end with the context.

    They boot without addresses and routes: `raddle.apply` brings those.
    """
    with switch_farm(fabric, make_plan(fabric, "ecmp"), doors=Doors(host)) as farm:
        yield Inventory(fabric.name, dict(farm.addresses))


def apply(planned: Plan, inventory: Inventory) -> list[SwitchResult]:
    """Bring a plan to running switches; what became of each.

    Raises:
        InputError: `locked`, somebody else on this machine changes these switches.
        UnreachableError: a switch does not answer.
    """
    with lock_switches(inventory, "apply"):
        return list(apply_plan(planned, inventory))


def _demand(fabric: Fabric, collective: str, scope: Scope | None) -> Demand:
    return find_job(fabric, collective, None, scope or Scope()).demand()


def _source(on: Inventory | None) -> SwitchSource:
    return OWN_SWITCHES if on is None else SwitchSource(on, push=False)


def _bytes(size: str | int) -> int:
    if isinstance(size, int):
        return size
    try:
        return parse_message_bytes(size)
    except ValueError as error:
        raise InputError.of("bad-size", str(error)) from None
