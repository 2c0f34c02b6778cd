"""The simulated switches of a fabric: started, programmed over gNMI, and read back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from raddle.controller.locks import lock_switches
from raddle.controller.plan.model import Plan
from raddle.controller.reconcile import PushPolicy, SwitchResult, apply_plan, read_databases
from raddle.controller.southbound.p4runtime.fleet import read_all
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.sets import differences, plan_push
from raddle.controller.southbound.sonic.tables import Tables, bootstrap, intended
from raddle.controller.southbound.sonic.yang import yang_judge
from raddle.controller.southbound.workers import all_of, everywhere
from raddle.errors import UnreachableError
from raddle.inventory import DEVICE_ID, Inventory
from raddle.lab.switches.cabling import cabling
from raddle.lab.switches.reported import ReportedSwitch
from raddle.nos.boot import BootConfig, P4Boot
from raddle.nos.db.databases import ConfigDb
from raddle.nos.farm import ServerTls, SwitchFarm
from raddle.nos.p4rt.entity_tables import EntityTables
from raddle.nos.p4rt.pipeline import Pipeline
from raddle.state import SwitchState
from raddle.topology.model import Fabric
from raddle.topology.views.cable_truth import SeenCable

_CLIENT_ROLES = ("gnmi_readwrite", "gnmi_config_db_readwrite", "gnmi_p4rt_readwrite", "gnoi_readwrite")
"""SONiC judges a Set by the database that it opens; `gnmi_readwrite` says nothing of CONFIG_DB there."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Where simulated switches listen and whom they let in.

    Attributes:
        host: address to bind.
        tls: serve TLS with it.
        clients: common names of client certificates that may read and write.
        users: passwords by user name; if there are any, every call needs one.
        redis_folder: serve their databases from a redis-server for each, which works there.
        state_folder: keep what the switches are told there, and boot from it.
        tell: hears, in words, what goes wrong while they run.
        yang_models: SONiC's YANG models, by which Sets are judged where there are tables without a schema.
    """

    host: str = "127.0.0.1"
    tls: ServerTls | None = None
    clients: tuple[str, ...] = ()
    users: Mapping[str, str] = field(default_factory=dict)
    state_folder: Path | None = None
    redis_folder: Path | None = None
    tell: Callable[[str], None] = lambda text: None
    yang_models: Path | None = None

    def config(self) -> Tables | dict[str, dict[str, dict[str, list[str]]]]:
        """What this adds to a switch's CONFIG_DB."""
        if self.users:
            return {"GNMI": {"gnmi": {"user_auth": "password"}}}
        if self.clients:
            return {"GNMI_CLIENT_CERT": {name: {"role": list(_CLIENT_ROLES)} for name in self.clients}}
        # Nobody is named: whoever the TLS handshake lets in may do everything.
        return {"GNMI": {"gnmi": {"user_auth": "none"}}} if self.tls else {}


def switch_farm(
    fabric: Fabric,
    plan: Plan,
    ports: dict[str, int] | None = None,
    doors: Doors | None = None,
    cables: Iterable[SeenCable] | None = None,
) -> SwitchFarm:
    """All switches of a fabric with what they boot from: no address, no route, ECN at SONiC's defaults.

    `cables` are what is plugged in, if other than the fabric says. `ports` are the TCP ports of their gNMI
    endpoints by name; others take a free one.
    """
    entry = doors or Doors()
    boots = {}
    for switch in plan.switches:
        boot = bootstrap(switch)
        over_p4 = P4Boot(DEVICE_ID, is_pins=switch.nos == "pins") if switch.nos != "sonic" else None
        features = fabric.switch_by_name[switch.name].model.features
        config = {**boot.config_db, **entry.config()}
        boots[switch.name] = BootConfig(config, boot.switch_json, over_p4, features)
    plugged = cabling(fabric, plan, cables)
    return SwitchFarm(
        boots,
        plugged.carriers,
        entry.host,
        ports,
        tls=entry.tls,
        users=entry.users,
        state_folder=entry.state_folder,
        redis_folder=entry.redis_folder,
        cables=plugged.cables,
        neighbors=plugged.neighbors,
        tell=entry.tell,
        yang=yang_judge(entry.yang_models) if entry.yang_models else None,
    )


def program(plan: Plan, inventory: Inventory) -> int:
    """Push the plan to every switch; returns the number of Sets.

    Raises:
        InputError: `locked`. UnreachableError: a switch did not take it. It names all that did not.
    """
    with lock_switches(inventory, "push"):
        results = apply_plan(plan, inventory)
    require_all(results)
    return sum(result.sets for result in results)


def program_booted(plan: Plan, inventory: Inventory) -> None:
    """Push the plan to switches that have just booted from it and that nobody else knows.

    What a SONiC switch holds is known then, and nothing is lost on the way, so it gets its Sets and no more:
    no survey, no rounds, no look at its health. `require_planned` judges what they report afterwards. Others
    are programmed as running ones.

    Raises:
        UnreachableError: a switch did not take it.
    """
    others = frozenset(switch.name for switch in plan.switches if switch.nos != "sonic")
    if others:
        require_all(apply_plan(plan, inventory, PushPolicy(only=others)))
    addresses = inventory.addresses
    requests = {
        switch.name: plan_push(bootstrap(switch).config_db, intended(switch)).requests
        for switch in plan.switches
        if switch.name not in others
    }

    def send(client: GnmiClient) -> None:
        for request in requests[client.name]:
            client.push(request)

    all_of(everywhere({name: partial(GnmiClient, name, addresses[name]) for name in requests}, send))


def require_planned(plan: Plan, reported: Mapping[str, ReportedSwitch]) -> None:
    """Raise UnreachableError with the first difference of a SONiC switch from its plan, if there is one."""
    for switch in plan.switches:
        if switch.nos == "sonic":
            held = cast(Tables, reported[switch.name].config)
            for change in differences(switch.name, held, intended(switch)):
                raise UnreachableError(
                    f"{switch.name}: {change.path} is '{change.before}' after the push, not '{change.after}'"
                )


def require_all(results: Iterable[SwitchResult]) -> None:
    """Raise UnreachableError with the names of the switches that are not as planned."""
    failed = [result for result in results if not result.is_in_sync]
    if failed:
        raise UnreachableError(
            "\n".join(result.error or f"{result.switch}: {result.held}" for result in failed)
        )


def over_p4runtime(fabric: Fabric) -> tuple[str, ...]:
    """Names of the switches that are programmed over P4Runtime."""
    return tuple(switch.name for switch in fabric.switches if switch.model.nos != "sonic")


def read_switches(inventory: Inventory, over_p4: Collection[str] = ()) -> dict[str, ReportedSwitch]:
    """What every switch reports: over gNMI and, those in `over_p4`, over P4Runtime."""
    tables = read_all(inventory, over_p4)
    found = {}
    for name, databases in read_databases(inventory).items():
        pipeline, entities = None, EntityTables()
        if name in tables:
            pipeline = Pipeline(tables[name][0])
            entities = EntityTables.of(pipeline, tables[name][1])
        config = cast(ConfigDb, databases["CONFIG_DB"])
        is_p4 = name in over_p4
        found[name] = ReportedSwitch(name, config, databases["APPL_DB"], is_p4, pipeline, entities)
    return found


def read_states(inventory: Inventory, over_p4: Collection[str] = ()) -> dict[str, SwitchState]:
    """What every switch forwards with, derived from what it reports."""
    return {name: switch.state() for name, switch in read_switches(inventory, over_p4).items()}
