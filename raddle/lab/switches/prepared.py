"""Switches that a run uses: started or found, programmed with a plan, and read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raddle.collector import collector_paused
from raddle.controller.ledger import Ledger, apply_recorded
from raddle.controller.plan.held import HeldPlan
from raddle.controller.plan.model import Plan
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import (
    over_p4runtime,
    program,
    program_booted,
    read_switches,
    require_all,
    require_planned,
    switch_farm,
)
from raddle.lab.switches.reported import ReportedSwitch
from raddle.state import SwitchState
from raddle.topology.model import Fabric


@dataclass(frozen=True, slots=True)
class PushRecord:
    """Where it is put by what a run has pushed to running switches, so that others know and wait.

    Attributes:
        ledger: of the switches' inventory.
        work: the command's words.
        fabric_digest, options: of the plan, as `HeldPlan` has them.
    """

    ledger: Ledger
    work: str
    fabric_digest: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SwitchSource:
    """Which switches a run uses.

    Attributes:
        inventory: running ones; None starts the fabric's own for as long as it takes to read them back.
        push: False leaves them as they are.
        p4info: of those that run SONiC PINS; None: the inventory's.
        record: of what is pushed; None: nobody else has to do with these switches.
    """

    inventory: Inventory | None = None
    push: bool = True
    p4info: Path | None = None
    record: PushRecord | None = None


OWN_SWITCHES = SwitchSource()


@dataclass(frozen=True, slots=True)
class PreparedSwitches:
    """The switches of a fabric, read back.

    Attributes:
        reported: what each of them reports; states: what it forwards with.
        plan: what they were programmed with; None: they were left as found.
    """

    fabric: Fabric
    reported: Mapping[str, ReportedSwitch]
    states: Mapping[str, SwitchState]
    plan: Plan | None


def prepare_switches(
    fabric: Fabric, plan: Plan, source: SwitchSource, tell: Callable[[str], None] = lambda what: None
) -> PreparedSwitches:
    """Start or find a fabric's switches, program them with the plan, and read them back.

    Args:
        tell: hears what is being done.

    Raises:
        InputError: `wrong-fabric`, running switches are of another fabric, or the inventory lacks some; those
            of `apply_recorded`.
        UnreachableError: a switch does not answer or does not take the plan.
    """
    with collector_paused(), _switches(fabric, plan, source.inventory) as found:
        switches = dataclasses.replace(found, p4info=source.p4info or found.p4info)
        if source.push:
            tell(f"programming {len(switches.addresses)} switches")
            _push(plan, switches, source)
        tell(f"reading {len(switches.addresses)} switches")
        reported = read_switches(switches, over_p4runtime(fabric))
    with collector_paused():
        if source.push and source.inventory is None:
            require_planned(plan, reported)
        states = {name: switch.state() for name, switch in reported.items()}
    _check_ports(fabric, states)
    return PreparedSwitches(fabric, reported, states, plan if source.push else None)


def _push(plan: Plan, switches: Inventory, source: SwitchSource) -> None:
    if source.inventory is None:
        # Nobody else has written to switches that we have just started.
        program_booted(dataclasses.replace(plan, ignore=()), switches)
    elif source.record is None:
        program(plan, switches)
    else:
        record = source.record
        held = HeldPlan(plan, record.fabric_digest, record.options)
        require_all(apply_recorded(record.ledger, held, switches, record.work))


@contextmanager
def _switches(fabric: Fabric, plan: Plan, inventory: Inventory | None) -> Iterator[Inventory]:
    if inventory is None:
        with switch_farm(fabric, plan) as farm:
            yield Inventory(fabric.name, dict(farm.addresses))
        return
    inventory.require(fabric.name, (switch.name for switch in fabric.switches))
    known = {switch.name: inventory.addresses[switch.name] for switch in fabric.switches}
    yield dataclasses.replace(inventory, addresses=known)


def _check_ports(fabric: Fabric, states: Mapping[str, SwitchState]) -> None:
    """Running switches may be of another fabric of the same name."""
    for switch in fabric.switches:
        if [port.name for port in states[switch.name].ports] != [port.name for port in switch.ports]:
            raise InputError.of(
                "wrong-fabric",
                f"{switch.name} has other ports than '{fabric.name}' gives it",
                "start this fabric's switches with 'raddle up'",
            )
