"""Make switches what the plan says, or tell how they differ from it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from raddle.controller.plan.diff import Change
from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.rollout import Stage, stages
from raddle.controller.southbound.outcome import Outcome
from raddle.controller.southbound.p4runtime import fleet as p4runtime
from raddle.controller.southbound.sonic.gnmi import APPL_DB_TABLES, GnmiClient
from raddle.controller.southbound.sonic.health import Health, read_health
from raddle.controller.southbound.sonic.links import ports_without_link
from raddle.controller.southbound.sonic.sets import Push, differences, plan_push, restored
from raddle.controller.southbound.sonic.tables import Tables, intended
from raddle.errors import InputError, UnreachableError
from raddle.inventory import Inventory

CONCURRENT_SWITCHES = 16
CONFIRM_S = 10.0
_CONFIRM_PAUSE_S = 0.5

T = TypeVar("T")
Progress = Callable[[str, float], None]
Protocol = Literal["gnmi", "p4runtime", "openflow"]


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
        held: why nothing was sent, although the switch would have taken it.
        protocol: how the switch is programmed.
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
    held: str = ""
    protocol: Protocol = "gnmi"

    @property
    def is_in_sync(self) -> bool:
        is_done = not self.changes or self.sets > 0
        return is_done and not (self.error or self.held or self.bootstrap)


@dataclass(frozen=True, slots=True)
class PushPolicy:
    """How careful a push is.

    Attributes:
        dry_run: only read, and report what would change.
        allow_flap: ports may go down and up; otherwise a switch that needs it gets nothing.
        confirm_s: seconds within which a switch must be well after a push, or is put back.
    """

    dry_run: bool = False
    allow_flap: bool = False
    confirm_s: float = CONFIRM_S


def apply_plan(
    plan: Plan,
    inventory: Inventory,
    policy: PushPolicy | None = None,
    progress: Progress = lambda what, share: None,
) -> tuple[SwitchResult, ...]:
    """Push a plan to all its switches at the same time, read back and compare.

    Where routes that carry traffic change, what must come first goes first (see `raddle.controller.rollout`).
    A switch that cannot be reached or refuses does not stop the others: its result has the error, and
    applying once more does what is left. A switch that is as planned gets no Set. One that is not well
    after the push gets back what it held before.

    Raises:
        InputError: `wrong-fabric`, the inventory is another fabric's; what a driver cannot carry out.
        UnreachableError: the port that OpenFlow switches connect to is taken.
    """
    if plan.fabric != inventory.fabric:
        raise InputError.of(
            "wrong-fabric",
            f"the plan is for fabric '{plan.fabric}', the inventory for '{inventory.fabric}'",
            "give the inventory of this fabric with --inventory",
        )
    how = policy or PushPolicy()
    switches = {switch.name: switch for switch in plan.switches}
    over_openflow = _push_openflow(plan, inventory, how) if inventory.datapaths else {}
    over_p4runtime = p4runtime.push_all(plan, inventory, how.dry_run, how.allow_flap)
    known = _only(inventory, (switch.name for switch in plan.switches if switch.nos == "sonic"))
    before = _concurrently(known, lambda client: _reading(client, switches[client.name], how))
    sets = Counter[str]()
    if not how.dry_run and any(each.push.requests for each in before.values()):
        ready = {name: each.current for name, each in before.items() if not (each.error or each.held)}
        for stage in stages(plan, ready):
            sets.update(_concurrently(_only(inventory, stage), partial(_send, stage)))
    results = _concurrently(
        known,
        lambda client: _apply(client, switches[client.name], how, before[client.name], sets[client.name]),
        progress,
    )
    for name, outcome in over_p4runtime.items():
        results[name] = _result(name, inventory.addresses[name], "p4runtime", outcome)
    for name, outcome in over_openflow.items():
        results[name] = _result(name, f"{inventory.datapaths[name]:016x}", "openflow", outcome)
    return tuple(
        results.get(name) or SwitchResult(name, "", (), 0, f"{name}: no address in the inventory", False)
        for name in switches
    )


def _push_openflow(plan: Plan, inventory: Inventory, policy: PushPolicy) -> dict[str, Outcome]:
    # Imported here: the OpenFlow library takes half a second that no other switch needs.
    from raddle.controller.southbound.openflow.fleet import push_all

    return push_all(plan, inventory, policy.dry_run)


def _result(name: str, address: str, protocol: Protocol, outcome: Outcome) -> SwitchResult:
    return SwitchResult(
        switch=name,
        address=address,
        changes=outcome.changes,
        sets=outcome.writes,
        error=outcome.error,
        is_reached=outcome.is_reached,
        planned_sets=outcome.planned,
        held=outcome.held,
        protocol=protocol,
    )


def check(plan: Plan, inventory: Inventory) -> tuple[SwitchResult, ...]:
    """Compare all switches with a plan and change nothing. Raises as `apply_plan` does."""
    return apply_plan(plan, inventory, PushPolicy(dry_run=True))


def read_links(plan: Plan, inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Ports without a link of all switches that tell over gNMI; the others are missing."""
    switches = {switch.name: switch for switch in plan.switches}
    found = _concurrently(
        _only(inventory, switches), lambda client: ports_without_link(client, switches[client.name])
    )
    return {name: ports for name, ports in found.items() if ports is not None}


def read_databases(inventory: Inventory) -> dict[str, dict[str, Tables]]:
    """CONFIG_DB and the parts of APPL_DB that the switch itself has written, of every switch.

    Returns:
        By switch name and database: `{"leaf0": {"CONFIG_DB": ..., "APPL_DB": ...}}`.

    Raises:
        UnreachableError: a switch does not answer.
    """

    def read(client: GnmiClient) -> dict[str, Tables]:
        config = client.read_config()
        return {"CONFIG_DB": config, "APPL_DB": client.read_tables("APPL_DB", APPL_DB_TABLES)}

    return _concurrently(inventory, read)


def read_neighbours(inventory: Inventory) -> dict[str, dict[str, dict[str, str]]]:
    """LLDP_ENTRY_TABLE of every switch, by switch and port. Raises as `read_databases` does."""
    table = "LLDP_ENTRY_TABLE"
    return _concurrently(inventory, lambda client: client.read_tables("APPL_DB", (table,))[table])


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a switch held before anything was sent, how it was, and what the plan would send."""

    current: Tables
    health: Health
    push: Push
    changes: tuple[Change, ...]
    held: str
    error: str


def _reading(client: GnmiClient, switch: SwitchPlan, policy: PushPolicy) -> _Reading:
    wanted = intended(switch)
    try:
        current = client.read_config()
        push = plan_push(current, wanted)
        health = read_health(client) if push.requests and not policy.dry_run else Health()
    except UnreachableError as problem:
        return _Reading({}, Health(), Push(), (), "", str(problem))
    held = _would_flap(push) if push.flaps and not policy.allow_flap else ""
    return _Reading(current, health, push, tuple(differences(switch.name, current, wanted)), held, "")


def _send(stage: Stage, client: GnmiClient) -> int:
    """Push a stage; the number of Sets that the switch took. An error shows when the rest is pushed."""
    sets = 0
    with suppress(UnreachableError):
        for request in stage[client.name].requests:
            client.push(request)
            sets += 1
    return sets


def _apply(
    client: GnmiClient, switch: SwitchPlan, policy: PushPolicy, before: _Reading, staged: int
) -> SwitchResult:
    """Push what is left of a plan after `staged` Sets, and see that the switch is well."""
    wanted = intended(switch)
    sets, error = staged, before.error
    if before.push.requests and not (error or before.held or policy.dry_run):
        try:
            push = plan_push(client.read_config(), wanted) if staged else before.push
            took, error = _push(client, before, wanted, push, policy)
            sets += took
        except UnreachableError as problem:
            error = str(problem)
    return SwitchResult(
        switch=switch.name,
        address=client.address,
        changes=before.changes,
        sets=sets,
        error=error,
        is_reached=not before.error,
        planned_sets=len(before.push.requests),
        estimate_s=before.push.estimate_s,
        flaps=before.push.flaps,
        bootstrap=before.push.bootstrap,
        held=before.held,
    )


def _only(inventory: Inventory, switches: Iterable[str]) -> Inventory:
    """The inventory of some switches, those without an address left out."""
    known = {name: inventory.addresses[name] for name in switches if name in inventory.addresses}
    return Inventory(inventory.fabric, known, inventory.access)


def _would_flap(push: Push) -> str:
    ports = ", ".join(push.flaps[:4]) + (f" and {len(push.flaps) - 4} more" if len(push.flaps) > 4 else "")
    return f"{len(push.flaps)} port{'s' * (len(push.flaps) > 1)} would go down and up: {ports}"


def _push(
    client: GnmiClient, before: _Reading, wanted: Tables, push: Push, policy: PushPolicy
) -> tuple[int, str]:
    """Send the Sets and see that the switch is well, else put back what it held.

    Returns:
        Sets that the switch took for the plan, and what went wrong.
    """
    current = before.current
    sets = 0
    try:
        for request in push.requests:
            client.push(request)
            sets += 1
        error = _unwell(client, current, wanted, push, before.health, policy.confirm_s)
    except UnreachableError as problem:
        if sets == 0:
            raise
        error = str(problem)
    if not error:
        return sets, ""
    touched = [change.path for change in before.changes]
    return sets, f"{error}\n  {_restore(client, current, wanted, touched)}"


def _unwell(
    client: GnmiClient, current: Tables, wanted: Tables, push: Push, before: Health, confirm_s: float
) -> str:
    """What is wrong with a switch after a push, if it does not pass within the time; empty if it is well."""
    now = client.read_config()
    left = [change for change in differences(client.name, now, wanted) if change.path not in push.bootstrap]
    if left:
        text = (
            f"{client.name} ({client.address}): {len(left)} differences after the push; the first: "
            f"{left[0].path} is '{left[0].before}', not '{left[0].after}'"
        )
        if any(_entry(now, change.path) != _entry(current, change.path) for change in left):
            text += "\n  hint: another controller writes to this switch; stop it, then apply again"
        return text
    deadline = time.monotonic() + confirm_s
    while problem := before.worse(read_health(client), wanted):
        if time.monotonic() >= deadline:
            return f"{client.name} ({client.address}): {problem} {confirm_s:g} s after the push"
        time.sleep(min(_CONFIRM_PAUSE_S, confirm_s))
    return ""


def _entry(tables: Tables, path: str) -> dict[str, str] | None:
    table, _, key = path.partition("/")
    return tables.get(table, {}).get(key)


def _restore(client: GnmiClient, before: Tables, wanted: Tables, touched: list[str]) -> str:
    """Put back the entries that a push touched; returns what came of it."""
    try:
        now = client.read_config()
        tables = restored(before, now, wanted, touched)
        for request in plan_push(now, tables, tables).requests:
            client.push(request)
    except UnreachableError as problem:
        return f"and it could not be put back: {problem}; apply again when it answers"
    return "its earlier configuration is back in place; apply again to retry"


def _concurrently(
    inventory: Inventory,
    action: Callable[[GnmiClient], T],
    progress: Progress = lambda what, share: None,
) -> dict[str, T]:
    """Run an action on switches, so many at a time; results by name, in the inventory's order.

    An exception, Ctrl-C included, closes all sessions first, which ends the calls that threads wait in.
    """
    results: dict[str, T] = {}
    with ThreadPoolExecutor(CONCURRENT_SWITCHES) as pool, ExitStack() as sessions:
        clients = [
            sessions.enter_context(GnmiClient(name, address, inventory.access))
            for name, address in inventory.addresses.items()
        ]
        for client, result in zip(clients, pool.map(action, clients), strict=True):
            results[client.name] = result
            progress(client.name, len(results) / len(clients))
    return results
