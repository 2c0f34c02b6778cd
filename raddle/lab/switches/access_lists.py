"""The access lists that switches hold, for packet tests of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from raddle.controller.ptf.access_lists import AccessLists
from raddle.controller.reconcile import read_databases
from raddle.controller.southbound.p4runtime.fleet import read_all
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.lab.switches.reported import ReportedSwitch
from raddle.nos.db.databases import ConfigDb
from raddle.nos.orch.acl import NO_RULE, listed_acl, read_acl
from raddle.topology.model import Fabric

Tables = Mapping[str, Mapping[str, Mapping[str, Any]]]

_CONTROL_PLANE = "CTRLPLANE"


def lists_of_config(name: str, config: Tables) -> AccessLists:
    """Those of a SONiC switch's CONFIG_DB, and why rules of it are not in its ASIC.

    Raises:
        InputError: `bad-config`, its access lists, or its ports, are not such that SONiC takes them.
    """
    held = cast(ConfigDb, config)
    for key, entry in config.get("ACL_RULE", {}).items():
        priority = str(entry.get("PRIORITY", ""))
        if not priority.isdecimal():
            raise InputError.of(
                "bad-config",
                f"the configuration of '{name}': ACL_RULE {key}: PRIORITY '{priority}' is no number",
                "SONiC takes a number from 0, the highest of which acts first",
            )
    try:
        state = ReportedSwitch(name, held, {}, is_p4=False).state()
        tables = listed_acl(held, state.ports)
        others = tuple(_others(held, {(table.name, rule.name) for table in tables for rule in table.rules}))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError.of(
            "bad-config",
            f"the configuration of '{name}' cannot be read: {type(error).__name__}: {error}",
            "'raddle import sonic' and 'config load' of SONiC say more of it",
        ) from None
    return AccessLists(tables, tuple(port.name for port in state.ports), others)


def _others(config: ConfigDb, listed: Collection[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Rules that are not among those listed, as no packet meets them, and why."""
    tables = config.get("ACL_TABLE", {})
    known = set()
    for table in read_acl(config):
        is_control = str(tables[table.name].get("type")) == _CONTROL_PLANE
        for rule in table.rules:
            known.add(f"{table.name}|{rule.name}")
            if (table.name, rule.name) in listed:
                continue
            if is_control:
                yield f"{table.name} {rule.name}", "it is for packets to the switch itself"
            elif rule.rule is not None and not table.ports:
                yield f"{table.name} {rule.name}", "its list is at no port"
            else:
                yield f"{table.name} {rule.name}", NO_RULE
    for key in config.get("ACL_RULE", {}):
        if key not in known:
            yield key.replace("|", " "), "ACL_TABLE has no such list"


def lists_of_running(fabric: Fabric, inventory: Inventory, names: Collection[str]) -> dict[str, AccessLists]:
    """Those of running switches, over gNMI or, on P4 switches, P4Runtime. OpenFlow switches tell of none.

    Raises:
        InputError: as `lists_of_config`. UnreachableError: a switch does not answer.
    """
    from raddle.nos.orch.p4_acl import listed_p4_acl  # with P4Runtime's libraries
    from raddle.nos.p4rt.entity_tables import EntityTables
    from raddle.nos.p4rt.pipeline import Pipeline

    inventory.require(fabric.name, ())
    models = {switch.name: switch for switch in fabric.switches if switch.name in names}
    there = [name for name in models if name in inventory.addresses]
    over_p4 = [name for name in there if models[name].model.nos == "p4"]
    found = {}
    for name, (config, entities) in read_all(inventory, over_p4).items():
        ports = tuple(port.name for port in models[name].ports)
        tables = listed_p4_acl(EntityTables.of(Pipeline(config), entities), ports)
        # fabric.p4 sees port 0 where there is none; other programs and chips do not say.
        absent = 0 if "acl" in {table.name for table in tables} else None
        found[name] = AccessLists(tables, ports, absent_port=absent)
    others = {name: inventory.addresses[name] for name in there if name not in over_p4}
    for name, databases in read_databases(replace(inventory, addresses=others)).items():
        found[name] = lists_of_config(name, databases["CONFIG_DB"])
    return found
