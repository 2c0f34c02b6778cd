"""Switches that a run uses: started or found, programmed with a plan, and read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from raddle.controller.plan.model import Plan
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import (
    ReportedSwitch,
    over_p4runtime,
    program,
    read_switches,
    switch_farm,
)
from raddle.state import SwitchState
from raddle.topology.model import Fabric


@dataclass(frozen=True, slots=True)
class SwitchSource:
    """Which switches a run uses.

    Attributes:
        inventory: running ones; None starts the fabric's own for as long as it takes to read them back.
        push: False leaves them as they are.
        p4info: of those that run SONiC PINS; None: the inventory's.
    """

    inventory: Inventory | None = None
    push: bool = True
    p4info: Path | None = None


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
        InputError: `wrong-fabric`, running switches are of another fabric, or the inventory lacks some.
        UnreachableError: a switch does not answer or does not take the plan.
    """
    with _switches(fabric, plan, source.inventory) as found:
        switches = dataclasses.replace(found, p4info=source.p4info or found.p4info)
        if source.push:
            tell(f"programming {len(switches.addresses)} switches")
            # Nobody else has written to switches that we have just started.
            program(plan if source.inventory else dataclasses.replace(plan, ignore=()), switches)
        tell(f"reading {len(switches.addresses)} switches")
        reported = read_switches(switches, over_p4runtime(fabric))
    states = {name: switch.state() for name, switch in reported.items()}
    _check_ports(fabric, states)
    return PreparedSwitches(fabric, reported, states, plan if source.push else None)


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
