"""All P4Runtime switches of a fabric at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

from finsy.proto import p4r

from raddle.controller.plan.model import Plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.outcome import Outcome
from raddle.controller.southbound.p4runtime.driver import p4_target, push_p4, read_entities
from raddle.controller.southbound.p4runtime.pipelines import pins_pipeline, schema_of
from raddle.controller.southbound.p4runtime.session import P4Session
from raddle.errors import UnreachableError
from raddle.inventory import DEVICE_ID, Inventory

CONCURRENT_SWITCHES = 16

T = TypeVar("T")


def push_all(plan: Plan, inventory: Inventory, dry_run: bool, may_replace: bool) -> dict[str, Outcome]:
    """Make all P4Runtime switches of a plan that the inventory has as planned; outcomes by name.

    Raises:
        InputError: `no-p4info` or `bad-p4info`.
    """
    pins = pins_pipeline(inventory.p4info) if inventory.p4info else None
    macs = neighbour_macs(plan)
    over_p4 = [
        switch for switch in plan.switches if switch.nos != "sonic" and switch.name in inventory.addresses
    ]
    targets = {switch.name: p4_target(switch, macs, pins) for switch in over_p4}

    def push(session: P4Session) -> Outcome:
        try:
            return push_p4(session, targets[session.name], dry_run, may_replace)
        except UnreachableError as problem:
            return Outcome(error=str(problem), is_reached=False)

    return _concurrently(inventory, targets, push)


def read_all(
    inventory: Inventory, names: Iterable[str]
) -> dict[str, tuple[p4r.ForwardingPipelineConfig, list[p4r.Entity]]]:
    """Pipeline and entities of switches; those without a pipeline are missing.

    Raises:
        UnreachableError: a switch does not answer.
    """

    def read(session: P4Session) -> tuple[p4r.ForwardingPipelineConfig, list[p4r.Entity]] | None:
        config = session.read_pipeline()
        return None if config is None else (config, list(read_entities(session, schema_of(config)).values()))

    found = _concurrently(inventory, names, read)
    return {name: tables for name, tables in found.items() if tables}


def _concurrently(
    inventory: Inventory, names: Iterable[str], action: Callable[[P4Session], T]
) -> dict[str, T]:
    """Run an action on switches, so many at a time.

    An exception, Ctrl-C included, closes all sessions first, which ends the calls that threads wait in.
    """
    with ThreadPoolExecutor(CONCURRENT_SWITCHES) as pool, ExitStack() as opened:
        sessions = [opened.enter_context(_session(inventory, name)) for name in names]
        results = pool.map(action, sessions)
        return {session.name: result for session, result in zip(sessions, results, strict=True)}


def _session(inventory: Inventory, name: str) -> P4Session:
    device_id = inventory.device_ids.get(name, DEVICE_ID)
    return P4Session(name, inventory.addresses[name], device_id, inventory.access)
