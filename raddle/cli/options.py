"""Options that several commands share, and what they turn into."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from raddle.controller.plan import from_json, make_plan
from raddle.controller.plan.model import Plan
from raddle.errors import InputError
from raddle.inventory import Inventory, load_inventory
from raddle.lab.workloads.demand import collective_demand
from raddle.topology import find, load
from raddle.topology.model import Fabric
from raddle.workload import Demand

Routing = Literal["ecmp", "pinned"]
Placement = Literal["linear", "strided", "random"]

FabricArg = Annotated[
    str, typer.Argument(metavar="FABRIC", help="Fabric file, or the name of one that comes with raddle.")
]
RoutingOption = Annotated[
    Routing | None,
    typer.Option(help="Hash over all paths, or pin a collective's flows (default: the fabric's)"),
]
CollectiveOption = Annotated[
    str, typer.Option(help="Collective whose flows are pinned: all_reduce, all_gather, ...")
]
AlgorithmOption = Annotated[
    str | None, typer.Option(help="Its algorithm (default: the collective's first, ring for all_reduce)")
]
PlacementOption = Annotated[Placement, typer.Option(help="Which endpoint each rank is.")]
MAX_SEED = 2**32 - 1

SeedOption = Annotated[
    int, typer.Option(help="Seed of placement, queue pair numbers and ECN marking.", min=0, max=MAX_SEED)
]
InventoryOption = Annotated[Path, typer.Option(help="Where the switches are; 'raddle up' writes it.")]
P4InfoOption = Annotated[
    Path | None, typer.Option("--p4info", metavar="FILE", help="P4Info of switches that run SONiC PINS.")
]
QpsOption = Annotated[
    int | None,
    typer.Option(
        "--qps-per-connection",
        help="Queue pairs that a connection's data is spread over [default: the fabric's]",
        min=1,
        max=128,
    ),
]
SplitDataOption = Annotated[
    bool | None,
    typer.Option(
        "--split-data/--no-split-data",
        help="Each message over all of them in parts, or whole messages in turn [default: the fabric's]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]

KeepOption = Annotated[
    Path | None,
    typer.Option(metavar="OLD.json", help="Leave pins where this earlier plan has them."),
]

DEFAULT_INVENTORY = Path("raddle-inventory.json")


def load_fabric(name: str) -> Fabric:
    """Read the fabric that a FABRIC argument names."""
    return load(find(name))


def load_switches(inventory: Path, p4info: Path | None) -> Inventory:
    """Read an inventory; `p4info` comes before the file that it names."""
    found = load_inventory(inventory)
    return replace(found, p4info=p4info) if p4info else found


def plan_for(
    fabric: Fabric,
    routing: Routing | None,
    collective: str,
    algorithm: str | None,
    placement: Placement,
    seed: int,
    keep: Path | None = None,
) -> Plan:
    """The plan that a command's options describe; `routing` None takes the fabric's own policy."""
    policy = routing or fabric.routing.policy
    demand = demand_for(fabric, policy, collective, algorithm, placement, seed)
    return make_plan(fabric, policy, demand, read_plan(keep, fabric.name) if keep else None)


def read_plan(path: Path, fabric: str) -> Plan:
    """A plan that `raddle plan -o` wrote for a fabric of this name."""
    try:
        old = from_json(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.of("no-plan", f"cannot read '{path}': {error}") from None
    if old.fabric != fabric:
        raise InputError.of("wrong-fabric", f"'{path}' is a plan of '{old.fabric}', not of '{fabric}'")
    return old


def demand_for(
    fabric: Fabric,
    policy: Routing,
    collective: str,
    algorithm: str | None,
    placement: Placement,
    seed: int,
) -> Demand | None:
    """The flows that a policy pins: a collective's, or none."""
    if policy == "ecmp":
        return None
    return collective_demand(fabric, collective, algorithm, placement, seed)
