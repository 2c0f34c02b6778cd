"""Make switches what the plan says, or tell how they differ from it: one loop over drivers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from raddle.controller.plan.diff import Change
from raddle.controller.plan.model import Plan
from raddle.controller.rollout import Gate, Progressed, Rollout, open_gate, traced
from raddle.controller.southbound.channel import RefusedError
from raddle.controller.southbound.driver import Driver, RouteTable, Survey, Wire
from raddle.controller.southbound.p4runtime.fleet import p4_drivers
from raddle.controller.southbound.sonic.driver import SonicDriver
from raddle.controller.southbound.sonic.gnmi import APPL_DB_TABLES, GnmiClient
from raddle.controller.southbound.sonic.identity import planned
from raddle.controller.southbound.sonic.links import ports_without_link
from raddle.controller.southbound.sonic.ownership import Ownership
from raddle.controller.southbound.sonic.tables import Tables
from raddle.controller.southbound.workers import Progress, all_of, everywhere, silent
from raddle.controller.spans import NOT_TRACED, Span
from raddle.controller.strangers import ask_identities, find_strangers, refuse_strangers, stranger_text
from raddle.errors import InputError, UnreachableError
from raddle.inventory import Inventory

if TYPE_CHECKING:
    from raddle.controller.southbound.openflow.fleet import OpenFlowFleet

T = TypeVar("T")
State = Literal["in sync", "changes", "held back", "failed", "unknown", "unreachable"]


@dataclass(frozen=True, slots=True)
class SwitchResult:
    """What happened at one switch, or would.

    Attributes:
        address: where it is; of an OpenFlow switch its datapath id.
        changes: how the switch differed from the plan when it was read.
        sets: gNMI Sets, Writes of P4Runtime, or OpenFlow messages, that the switch accepted.
        error: why the switch is not known to be as planned; empty where it is.
        is_reached: the switch answered at least once.
        planned_sets: requests that the changes take.
        estimate_s: about how long SONiC hardware takes for them.
        flaps: ports that go down and up on the way.
        bootstrap: paths that no Set can change; they need a new config_db.json on the switch.
        foreign: entries that raddle has not written and leaves as they are.
        beside: entries of others beside which the plan's do not do what they say.
        held: why nothing was sent, although the switch would have taken it.
        identity: what stays with the box: MAC address, serial number.
        doubts: why it seems to be another switch than the plan's.
        waiting: by prefix of a route, or name of a port, that was left as it is, the switch that may
            still need it so.
        is_unknown: something was sent, and nobody knows what became of it.
        watched: what was looked at after the push, for `watched_s`.
        protocol: how the switch is programmed.
        hash_note: what its groups do not hash; empty where they do as the plan has it.
    """

    switch: str
    address: str
    changes: tuple[Change, ...]
    sets: int
    error: str
    is_reached: bool
    planned_sets: int = 0
    estimate_s: float = 0.0
    flaps: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    held: str = ""
    identity: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    waiting: Mapping[str, str] = field(default_factory=dict)
    is_unknown: bool = False
    watched: tuple[str, ...] = ()
    watched_s: float = 0.0
    protocol: Wire = "gnmi"
    hash_note: str = ""

    @property
    def is_in_sync(self) -> bool:
        is_done = not self.changes or self.sets > 0
        return is_done and not (self.error or self.held or self.bootstrap or self.waiting)

    @property
    def state(self) -> State:
        """In one word, the worst first."""
        if not self.is_reached:
            return "unreachable"
        if self.is_unknown:
            return "unknown"
        if self.error:
            return "failed"
        if self.held or self.waiting:
            return "held back"
        return "in sync" if self.is_in_sync else "changes"


@dataclass(frozen=True, slots=True)
class PushPolicy:
    """How careful a push is.

    Attributes:
        dry_run: only read, and report what would change.
        allow_flap: ports may go down and up, and pipelines be replaced; otherwise a switch that needs it
            gets nothing.
        confirm_s: watch the switches for so many seconds after the push, and put back those that are not
            well then; None: until they are well, at most `raddle.controller.rollout.SETTLE_S`.
        take_over: entries of the fabric's ports that raddle has not written are deleted, if not planned.
        accepted: switches that are programmed although they seem to be others.
        only: the switches that are looked at and written; None: all.
        at_once: at most so many are written at a time (see `raddle.controller.rollout.Rollout`); None: all.
        passes_strangers: a switch that seems to be another gets nothing, and the others are programmed.
        gate: holds the push up, or ends it, between two steps.
        span: what the push is a part of.
    """

    dry_run: bool = False
    allow_flap: bool = False
    confirm_s: float | None = None
    take_over: bool = False
    accepted: tuple[str, ...] = ()
    only: frozenset[str] | None = None
    at_once: int | None = None
    passes_strangers: bool = False
    gate: Gate = open_gate
    span: Span = NOT_TRACED

    def concerns(self, switch: str) -> bool:
        """Whether a switch takes part."""
        return self.only is None or switch in self.only


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a fabric's switches from earlier pushes.

    Attributes:
        routes: of switches as they were last known, for those that do not answer.
        written: by switch, the entries (`TABLE/KEY`) that raddle has written; None: all of the tables that it
            owns are its own.
        identities: by switch, what it said of itself.
    """

    routes: Mapping[str, RouteTable] = field(default_factory=dict)
    written: Mapping[str, Collection[str]] | None = None
    identities: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def apply_plan(
    plan: Plan,
    inventory: Inventory,
    policy: PushPolicy | None = None,
    progress: Progress = silent,
    past: Past | None = None,
    fleet: OpenFlowFleet | None = None,
) -> tuple[SwitchResult, ...]:
    """Push a plan to all its switches at the same time, read back and compare.

    Where routes that carry traffic change, what must come first goes first (see `raddle.controller.rollout`).
    A switch that cannot be reached or refuses does not stop the others, except for what they would take from
    under it: its result has the error, and applying once more does what is left. A switch that is as planned
    gets nothing. One that is not well after the push gets back what it held before.

    Args:
        past: what is known of the switches.
        fleet: connections of OpenFlow switches that last longer than this; None: they connect anew.

    Raises:
        InputError: `wrong-fabric`, the inventory is another fabric's; `wrong-switch`, a switch is another
            than the plan's, and nothing was sent to any; what a driver cannot carry out.
        UnreachableError: the port that OpenFlow switches connect to is taken.
    """
    if plan.fabric != inventory.fabric:
        raise InputError.of(
            "wrong-fabric",
            f"the plan is for fabric '{plan.fabric}', the inventory for '{inventory.fabric}'",
            "give the inventory of this fabric with --inventory",
        )
    how = policy or PushPolicy()
    with drivers_of(plan, inventory, how, past, fleet) as drivers:
        with how.span.child("survey", switches=len(drivers)) as step:
            found = everywhere(
                {name: partial(_itself, driver) for name, driver in drivers.items()},
                traced(step, lambda driver: driver.survey()),
                progress,
            )
        surveys = {name: each for name, each in found.items() if isinstance(each, Survey)}
        seen, _ = ask_identities(inventory, [name for name in surveys if name in inventory.addresses])
        before = past.identities if past else {}
        doubts = find_strangers(map(planned, plan.switches), seen, before, how.accepted)
        progressed: Mapping[str, Progressed] = {}
        if not how.dry_run:
            if not how.passes_strangers:
                refuse_strangers(inventory, doubts)
            known = {name: each for name, each in surveys.items() if name not in doubts}
            routes = past.routes if past else {}
            rollout = Rollout(plan, drivers, known, routes, progress, how.at_once, how.gate, how.span)
            progressed = rollout.run(how.confirm_s)
        results = {
            name: _result(driver, _address(inventory, driver), found[name], progressed.get(name))
            for name, driver in drivers.items()
        }
        for name, identity in seen.items():
            results[name] = replace(results[name], identity=identity.lasting)
        for name, reasons in doubts.items():
            results[name] = replace(
                results[name], error=stranger_text(inventory, name, reasons), doubts=reasons
            )
    return tuple(
        results.get(switch.name)
        or SwitchResult(switch.name, "", (), 0, f"{switch.name}: no address in the inventory", False)
        for switch in plan.switches
        if how.concerns(switch.name)
    )


def _written(past: Past | None, name: str) -> Collection[str] | None:
    return None if past is None or past.written is None else past.written.get(name, ())


@contextmanager
def drivers_of(
    plan: Plan,
    inventory: Inventory,
    policy: PushPolicy,
    past: Past | None,
    fleet: OpenFlowFleet | None = None,
) -> Iterator[dict[str, Driver]]:
    """A driver for each switch of a plan that the inventory has and the policy concerns, by name."""
    drivers: dict[str, Driver] = {
        switch.name: SonicDriver(
            switch,
            inventory.addresses[switch.name],
            inventory.access,
            policy.allow_flap,
            Ownership(_written(past, switch.name), policy.take_over, plan.ignore),
            inventory.election_ids.get(switch.name, 0),
        )
        for switch in plan.switches
        if switch.nos == "sonic" and switch.name in inventory.addresses
    }
    drivers |= p4_drivers(plan, inventory, policy.allow_flap)
    with nullcontext(fleet) if fleet else openflow_fleet(plan, inventory, policy.dry_run) as connected:
        over_openflow = connected.drivers(plan) if connected else {}
        yield {name: each for name, each in (drivers | over_openflow).items() if policy.concerns(name)}


@contextmanager
def openflow_fleet(plan: Plan, inventory: Inventory, is_read_only: bool) -> Iterator[OpenFlowFleet | None]:
    """Connections of the plan's OpenFlow switches; None where it has none."""
    if not any(switch.name in inventory.datapaths for switch in plan.switches):
        yield None
        return
    # Imported here: the OpenFlow library takes half a second that no other switch needs.
    from raddle.controller.southbound.openflow.fleet import OpenFlowFleet

    with OpenFlowFleet(plan, inventory, is_read_only) as fleet:
        yield fleet


def _itself(driver: Driver) -> Driver:
    return driver


def _address(inventory: Inventory, driver: Driver) -> str:
    return driver.address or f"{inventory.datapaths[driver.name]:016x}"


def _result(
    driver: Driver, address: str, found: Survey | UnreachableError, progressed: Progressed | None
) -> SwitchResult:
    if isinstance(found, UnreachableError):
        has_answered = isinstance(found, RefusedError)
        return SwitchResult(driver.name, address, (), 0, str(found), has_answered, protocol=driver.wire)
    done = progressed or Progressed()
    return SwitchResult(
        switch=driver.name,
        address=address,
        changes=found.changes,
        sets=driver.sent,
        error=found.error or done.error,
        is_reached=True,
        planned_sets=found.planned,
        estimate_s=found.estimate_s,
        flaps=found.flaps,
        bootstrap=found.bootstrap,
        foreign=found.foreign,
        beside=found.beside,
        held=found.held,
        waiting=done.waiting,
        is_unknown=done.is_unknown,
        watched=driver.watched if done.watched_s else (),
        watched_s=round(done.watched_s, 3),
        protocol=driver.wire,
        hash_note=found.hash_note,
    )


def check(plan: Plan, inventory: Inventory, past: Past | None = None) -> tuple[SwitchResult, ...]:
    """Compare all switches with a plan and change nothing. Raises as `apply_plan` does."""
    return apply_plan(plan, inventory, PushPolicy(dry_run=True), past=past)


def read_links(plan: Plan, inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Ports without a link of all switches that tell over gNMI; the others are missing."""
    found = {}
    for switch in plan.switches:
        if switch.name in inventory.addresses:
            found[switch.name] = switch
    links = _everywhere(
        inventory, lambda client: ports_without_link(client, found[client.name]), tuple(found)
    )
    return {name: ports for name, ports in all_of(links).items() if ports is not None}


def read_databases(inventory: Inventory, neighbours: bool = False) -> dict[str, dict[str, Tables]]:
    """CONFIG_DB and the parts of APPL_DB that the switch itself has written, of every switch.

    Args:
        neighbours: what they hear over LLDP and how they hash, instead of those parts.

    Returns:
        By switch name and database: `{"leaf0": {"CONFIG_DB": ..., "APPL_DB": ...}}`.

    Raises:
        UnreachableError: a switch does not answer.
    """

    def read(client: GnmiClient) -> dict[str, Tables]:
        config = client.read_config()
        tables = ("LLDP_ENTRY_TABLE", "SWITCH_TABLE") if neighbours else APPL_DB_TABLES
        return {"CONFIG_DB": config, "APPL_DB": client.read_tables("APPL_DB", tables)}

    return all_of(_everywhere(inventory, read))


def read_neighbours(inventory: Inventory) -> dict[str, dict[str, dict[str, str]]]:
    """LLDP_ENTRY_TABLE of every switch, by switch and port. Raises as `read_databases` does."""
    table = "LLDP_ENTRY_TABLE"
    return all_of(_everywhere(inventory, lambda client: client.read_tables("APPL_DB", (table,))[table]))


def read_appl(inventory: Inventory, tables: tuple[str, ...]) -> dict[str, Tables]:
    """Tables of APPL_DB of every switch, by its name. Raises as `read_databases` does."""
    return all_of(_everywhere(inventory, lambda client: client.read_tables("APPL_DB", tables)))


def _everywhere(
    inventory: Inventory, action: Callable[[GnmiClient], T], names: tuple[str, ...] = ()
) -> dict[str, T | UnreachableError]:
    """Run an action on switches over gNMI; on all of the inventory's where no names are given."""
    return everywhere(
        {
            name: partial(GnmiClient, name, inventory.addresses[name], inventory.access)
            for name in names or inventory.addresses
        },
        action,
    )
