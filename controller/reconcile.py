"""Make switches what the plan says, or tell how they differ from it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from controller.plan.diff import Change
from controller.plan.model import Plan, SwitchPlan
from controller.southbound.gnmi import APPL_DB_TABLES, GnmiClient, differences, set_request
from controller.southbound.sonic import OWNED_TABLES, Tables, pushed
from raddle.errors import InputError, UnreachableError
from raddle.inventory import Inventory

CONCURRENT_SWITCHES = 16

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SwitchResult:
    """What happened at one switch, or would.

    Attributes:
        changes: how the switch differed from the plan when it was read.
        sets: Set requests that the switch accepted.
        error: why the switch is not known to be as planned; empty where it is.
        is_reached: the switch answered at least once.
    """

    switch: str
    address: str
    changes: tuple[Change, ...]
    sets: int
    error: str
    is_reached: bool

    @property
    def is_in_sync(self) -> bool:
        return not self.error and (not self.changes or self.sets > 0)


def apply_plan(plan: Plan, inventory: Inventory, dry_run: bool = False) -> tuple[SwitchResult, ...]:
    """Push a plan to all its switches at the same time, read back and compare.

    A switch that cannot be reached or refuses does not stop the others: its result has the error. A switch
    that is as planned gets no Set.

    Args:
        dry_run: only read, and report what would change.

    Raises:
        InputError: `wrong-fabric`, the inventory is another fabric's.
    """
    if plan.fabric != inventory.fabric:
        raise InputError.of(
            "wrong-fabric",
            f"the plan is for fabric '{plan.fabric}', the inventory for '{inventory.fabric}'",
            "give the inventory of this fabric with --inventory",
        )
    switches = {switch.name: switch for switch in plan.switches}
    known = {name: inventory.addresses[name] for name in switches if name in inventory.addresses}
    results = _concurrently(known, lambda client: _apply(client, switches[client.name], dry_run))
    return tuple(
        results.get(name) or SwitchResult(name, "", (), 0, f"{name}: no address in the inventory", False)
        for name in switches
    )


def check(plan: Plan, inventory: Inventory) -> tuple[SwitchResult, ...]:
    """Compare all switches with a plan and change nothing. Raises as `apply_plan` does."""
    return apply_plan(plan, inventory, dry_run=True)


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

    return _concurrently(inventory.addresses, read)


def _apply(client: GnmiClient, switch: SwitchPlan, dry_run: bool) -> SwitchResult:
    wanted = pushed(switch)
    changes: tuple[Change, ...] = ()
    sets, error, is_reached = 0, "", False
    try:
        current = client.read_config()
        is_reached = True
        changes = tuple(differences(switch.name, current, wanted, OWNED_TABLES))
        request = set_request(current, wanted, OWNED_TABLES)
        if request and not dry_run:
            client.push(request)
            sets = 1
            left = tuple(differences(switch.name, client.read_config(), wanted, OWNED_TABLES))
            error = _left_over(client, left) if left else ""
    except UnreachableError as problem:
        error = str(problem)
    return SwitchResult(switch.name, client.address, changes, sets, error, is_reached)


def _left_over(client: GnmiClient, left: tuple[Change, ...]) -> str:
    first = left[0]
    return (
        f"{client.name} ({client.address}): {len(left)} differences after the push; the first: "
        f"{first.path} is '{first.before}', not '{first.after}'"
    )


def _concurrently(addresses: dict[str, str], action: Callable[[GnmiClient], T]) -> dict[str, T]:
    """Run an action on switches, so many at a time; results by name, in the order of the addresses.

    An exception, Ctrl-C included, closes all sessions first, which ends the calls that threads wait in.
    """
    with ThreadPoolExecutor(CONCURRENT_SWITCHES) as pool, ExitStack() as sessions:
        clients = [sessions.enter_context(GnmiClient(*item)) for item in addresses.items()]
        return dict(zip(addresses, pool.map(action, clients), strict=True))
