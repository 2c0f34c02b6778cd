"""Options that several commands share, and what they turn into."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from raddle.controller.plan import make_plan
from raddle.controller.plan.held import HeldPlan, fabric_digest, held_from_json
from raddle.controller.plan.make import Progress, silent
from raddle.controller.plan.model import Plan
from raddle.errors import InputError
from raddle.inventory import Inventory, load_inventory
from raddle.lab.workloads.collective import CollectiveJob, find_job
from raddle.lab.workloads.joined import joined_demand
from raddle.lab.workloads.ranks import Scope
from raddle.topology import find, load
from raddle.topology.catalog import split_network
from raddle.topology.load import refuse_cut_off
from raddle.topology.model import Fabric
from raddle.traffic import Terms
from raddle.units import few
from raddle.workload import Demand

if TYPE_CHECKING:
    from raddle.controller.ledger import Applied

Routing = Literal["ecmp", "pinned"]

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
_PLACEMENT = "Order of ranks: linear, strided, random, rail, or a FILE with host:accelerator on each line"
PlacementOption = Annotated[
    str | None, typer.Option(metavar="ORDER", help=f"{_PLACEMENT} [default: linear, or the tenant's]")
]
TenantOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Ranks are this tenant's accelerators; several: a job of each at once."
    ),
]
HostsOption = Annotated[
    str | None,
    typer.Option(metavar="HOSTS", help='Ranks are on these hosts alone: "host[0-7,9]", or a list.'),
]
RanksOption = Annotated[
    int | None, typer.Option(min=2, help="So many ranks, the first in their order [default: all]")
]
RootOption = Annotated[
    int | None, typer.Option("-r", "--root", help="Rank that it starts from or ends at [default: 0]")
]
KeepOption = Annotated[
    Path | None, typer.Option(metavar="OLD.json", help="Leave pins where this earlier plan has them.")
]
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
StrictOption = Annotated[bool, typer.Option("--strict", help="Refuse a fabric where something is cut off.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]


@dataclass(frozen=True, slots=True)
class ScopeOptions:
    """Which accelerators are the ranks of a job, as it was given."""

    placement: PlacementOption = None
    tenant: TenantOption = None
    hosts: HostsOption = None
    ranks: RanksOption = None

    def require(self, collective: str | None) -> None:
        """Refuse them where no collective is sent that they could place."""
        given = [each.name for each in fields(ScopeOptions) if getattr(self, each.name) is not None]
        if given and not collective:
            raise InputError.of(
                "bad-option",
                f"--{given[0]} places a collective's ranks",
                "give --collective, or leave it out",
            )

    def scopes(self, seed: int) -> tuple[Scope, ...]:
        """The part of the fabric of each job: one, or one for each tenant that is named.

        Raises:
            InputError: a tenant is named twice.
        """
        names: list[str | None] = list(self.tenant or ())
        if len(set(names)) < len(names):
            raise InputError.of("bad-option", "--tenant names one twice", "name each once")
        return tuple(Scope(self.placement, name, self.hosts, self.ranks, seed) for name in names or [None])


@dataclass(frozen=True, slots=True)
class PlanOptions(ScopeOptions):
    """What a plan is made of beside the fabric, as it was given: the one place where these are declared."""

    routing: RoutingOption = None
    collective: Annotated[
        str | None,
        typer.Option(
            help="Collective whose flows are pinned: all_reduce, all_gather, ... (default: all_reduce)",
            show_default=False,
        ),
    ] = None
    algorithm: AlgorithmOption = None
    root: RootOption = None
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of placement, queue pair numbers and ECN marking (default: 1)", min=0, max=MAX_SEED
        ),
    ] = None
    keep: KeepOption = None

    @property
    def is_given(self) -> bool:
        """At least one stands on the command line."""
        return any(getattr(self, each.name) is not None for each in fields(self))

    @property
    def document(self) -> dict[str, Any]:
        """Those that were given, as they are put by with the plan."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}

    @property
    def declares_traffic(self) -> bool:
        """One of those that are given says what is sent."""
        names = ("collective", "algorithm", "placement", "tenant", "hosts", "ranks", "root")
        return any(getattr(self, name) is not None for name in names)

    def policy(self, fabric: Fabric) -> Routing:
        """The routing that is given, or else the fabric's; no pins of a traffic that nobody has declared."""
        if self.routing:
            return self.routing
        is_declared = fabric.routing.is_declared or self.declares_traffic
        return fabric.routing.policy if is_declared else "ecmp"

    def jobs(self, fabric: Fabric) -> tuple[CollectiveJob, ...]:
        """The jobs whose flows are pinned: of a collective, on each of the scopes."""
        where = self.scopes(1 if self.seed is None else self.seed)
        name, terms = self.collective or "all_reduce", Terms(root=self.root)
        return tuple(find_job(fabric, name, self.algorithm, scope, terms, is_sent=False) for scope in where)

    def demand(self, fabric: Fabric) -> Demand | None:
        """The flows that the policy pins: a collective's, or none."""
        if self.policy(fabric) == "ecmp":
            return None
        return joined_demand([job.demand() for job in self.jobs(fabric)])

    def assumed(self, fabric: Fabric) -> str:
        """What was taken for granted of the traffic, in words; empty where it was all said."""
        if self.policy(fabric) == "pinned":
            if self.collective is not None:
                return ""
            job = self.jobs(fabric)[0]
            name = f"{job.collective.name} {job.algorithm.name}"
            return f"pins are those of {name} among {job.ranks} ranks, as no --collective says what is sent"
        if self.routing or fabric.routing.is_declared:
            return ""
        return "flows are hashed: no traffic is declared that could be pinned, as by --collective all_reduce"

    def plan(self, fabric: Fabric, earlier: Plan | None = None, progress: Progress = silent) -> Plan:
        """The plan; `earlier` comes in place of `keep`'s file."""
        old = earlier or (read_plan(self.keep, fabric.name) if self.keep else None)
        return make_plan(fabric, self.policy(fabric), self.demand(fabric), old, progress)

    def make(self, fabric: Fabric, earlier: Plan | None = None, progress: Progress = silent) -> HeldPlan:
        """The plan, to be kept with what it is made of."""
        return HeldPlan(self.plan(fabric, earlier, progress), fabric_digest(fabric), self.document)


PlanOption = Annotated[
    Path | None,
    typer.Option(
        "--plan", metavar="PLAN.json", help="This plan, which 'raddle plan -o' wrote, not a new one."
    ),
]

PUSHED_BY = "pushed_by"
"""Option of a plan that a run has pushed: the command line's words."""

DEFAULT_INVENTORY = Path("raddle-inventory.json")


def load_fabric(name: str, strict: bool = False, *, is_told: bool = True) -> Fabric:
    """Read the fabric that a FABRIC argument names; where `is_told`, say on stderr what dead links cut off.

    Raises:
        InputError: problems of the file; with `strict` also what is cut off.
    """
    fabric = load(find(name))
    if strict:
        refuse_cut_off(fabric)
    for each in fabric.warnings if is_told else ():
        typer.echo(str(each), err=True)
    if fabric.network and not split_network(name)[1]:
        here, others = fabric.network.name, ", ".join(fabric.network.among)
        typer.echo(f"note: ranks send over network '{here}' of {others}: {name}@{here}", err=True)
    if fabric.copies:
        typer.echo(f"note: {fabric.copies.text}: counts, sizes and rates are of this one", err=True)
    return fabric


def load_switches(inventory: Path, p4info: Path | None) -> Inventory:
    """Read an inventory; `p4info` comes before the file that it names."""
    found = load_inventory(inventory)
    return replace(found, p4info=p4info) if p4info else found


def plan_for(
    fabric: Fabric,
    options: PlanOptions,
    file: Path | None = None,
    progress: Progress = silent,
) -> HeldPlan:
    """The plan in a file, which must be one of this fabric, or else the one that the options describe.

    Raises:
        InputError: `plan-and-options`, both are given; those of `HeldPlan.require`.
    """
    if file is None:
        return options.make(fabric, progress=progress)
    if options.is_given:
        given = ", ".join(f"--{name}" for name in options.document)
        raise InputError.of(
            "plan-and-options",
            f"--plan says what the plan is, and {given} would make another",
            "give either",
        )
    held = _read_held(file)
    held.require(fabric, str(file))
    if not held.has_digest:
        raise InputError.of(
            "bad-plan",
            f"'{file}' has no digest of the plan: whether it is what was proven and reviewed cannot be told",
            f"make it anew: raddle plan FABRIC -o {file}",
        )
    return held


def plan_applied(
    fabric: Fabric, options: PlanOptions, file: Path | None, applied: Applied | None
) -> HeldPlan:
    """What switches are compared with: as `plan_for`, but where nothing is said, what was last applied.

    Where the fabric has changed since, it is planned anew with the options of then; what a run has pushed
    stays as it is, because its flows may be those of a file.
    """
    if file or options.is_given or applied is None:
        return plan_for(fabric, options, file)
    held = applied.held
    if held.fabric_digest == fabric_digest(fabric):
        return held
    if PUSHED_BY in held.options:
        print(
            f"note: the fabric file has changed since '{held.options[PUSHED_BY]}' of {applied.time}; "
            "compared with the plan of then",
            file=sys.stderr,
        )
        return held
    print(
        f"note: the fabric file has changed since the apply of {applied.time}; compared with its plan now",
        file=sys.stderr,
    )
    then = options_of(held)
    return then.make(fabric, held.plan if then.keep else None)


def options_of(held: HeldPlan) -> PlanOptions:
    """The options that a plan was made with."""
    return plan_options(held.options)


def plan_options(document: Mapping[str, Any]) -> PlanOptions:
    """Options as `PlanOptions.document` has put them by."""
    then = {each.name: document.get(each.name) for each in fields(PlanOptions)}
    keep = then.pop("keep")
    return PlanOptions(**then, keep=Path(keep) if keep else None)


def read_plan(path: Path, fabric: str) -> Plan:
    """A plan that `raddle plan -o` wrote for a fabric of this name."""
    return read_earlier(path, fabric).plan


def read_earlier(path: Path, fabric: str) -> HeldPlan:
    """The same with what it was made of; where it has no digest, that is told on stderr."""
    held = _read_held(path)
    if held.plan.fabric != fabric:
        raise InputError.of("wrong-fabric", f"'{path}' is a plan of '{held.plan.fabric}', not of '{fabric}'")
    if not held.has_digest:
        told = f"warning: '{path}' has no digest of the plan: whether it was changed by hand cannot be told"
        print(told, file=sys.stderr)
    return held


def _read_held(path: Path) -> HeldPlan:
    try:
        return held_from_json(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.unreadable("no-plan", path, error) from None


_SHOWN = 64
"""Names of switches in a message."""


def refuse_unknown(fabric: Fabric, switches: Iterable[str]) -> None:
    """Raises InputError: `unknown-switch`, the fabric lacks one of them."""
    for name in switches:
        if name not in fabric.switch_by_name:
            names = [each.name for each in fabric.switches]
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise InputError.of(
                "unknown-switch",
                f"fabric '{fabric.name}' has no switch '{name}'",
                f"switches: {', '.join(names[:_SHOWN])}{more}",
            )


def tell_of_others(fabric: Fabric, inventory: Inventory, consequence: str) -> None:
    """A note of switches that the inventory has and the fabric lacks.

    Args:
        consequence: `nothing is sent there`.
    """
    known = (*inventory.addresses, *inventory.datapaths)
    if others := [name for name in known if name not in fabric.switch_by_name]:
        has_no = f"fabric '{fabric.name}' has no switch {few(others)}"
        print(f"note: {has_no}, which the inventory has; {consequence}", file=sys.stderr)
