"""The simulated switches of a fabric: started, programmed over gNMI, and read back."""

from __future__ import annotations

import dataclasses
from typing import cast

from controller.plan.model import Plan
from controller.reconcile import apply_plan, read_databases
from controller.southbound.sonic import bootstrap
from nos.db.databases import ConfigDb
from nos.farm import SwitchFarm
from nos.orch import derive
from nos.switch import BootConfig
from raddle.errors import UnreachableError
from raddle.inventory import Inventory
from raddle.state import SwitchState
from raddle.topology.model import Fabric


def switch_farm(fabric: Fabric, plan: Plan, ports: dict[str, int] | None = None) -> SwitchFarm:
    """All switches of a fabric with what they boot from: no address, no route, ECN at SONiC's defaults.

    `ports` are the TCP ports of their gNMI endpoints by name; others take a free one.
    """
    boots = {}
    for switch in plan.switches:
        boot = bootstrap(switch)
        boots[switch.name] = BootConfig(boot.config_db, boot.switch_json)
    lit: dict[str, set[str]] = {switch.name: set() for switch in fabric.switches}
    for link in fabric.links:
        for end in (link.a, link.b):
            if link.is_up and end.device in lit:
                lit[end.device].add(end.port)
    return SwitchFarm(boots, {name: frozenset(names) for name, names in lit.items()}, ports=ports)


def program(plan: Plan, inventory: Inventory) -> int:
    """Push the plan to every switch; returns the number of Sets.

    Raises:
        UnreachableError: a switch did not take it. It names all that did not.
    """
    results = apply_plan(plan, inventory)
    failed = [result for result in results if not result.is_in_sync]
    if failed:
        raise UnreachableError("\n".join(result.error for result in failed))
    return sum(result.sets for result in results)


def read_states(inventory: Inventory) -> dict[str, SwitchState]:
    """What every switch forwards with, derived from the databases that it reports over gNMI."""
    return {
        name: dataclasses.replace(
            derive(cast(ConfigDb, databases["CONFIG_DB"]), databases["APPL_DB"]), name=name
        )
        for name, databases in read_databases(inventory).items()
    }
