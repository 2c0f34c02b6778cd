"""All P4Runtime switches of a fabric."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from finsy.proto import p4r

from raddle.controller.plan.model import Plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.p4runtime.driver import P4Driver, read_entities
from raddle.controller.southbound.p4runtime.pipelines import pins_pipeline, schema_of
from raddle.controller.southbound.p4runtime.session import P4Session
from raddle.controller.southbound.p4runtime.target import p4_target
from raddle.controller.southbound.workers import all_of, everywhere
from raddle.inventory import DEVICE_ID, Inventory


def p4_drivers(plan: Plan, inventory: Inventory, may_replace: bool) -> dict[str, P4Driver]:
    """A driver for each P4Runtime switch of a plan that the inventory has, by name.

    Raises:
        InputError: `no-p4info`, `bad-p4info`, `adaptive-not-supported`, `carrier-not-supported`.
    """
    over_p4 = [
        switch for switch in plan.switches if switch.nos != "sonic" and switch.name in inventory.addresses
    ]
    pins = pins_pipeline(inventory.p4info) if inventory.p4info and over_p4 else None
    macs = neighbour_macs(plan)
    return {
        switch.name: P4Driver(
            switch.name,
            inventory.addresses[switch.name],
            p4_target(switch, macs, pins),
            connector(inventory, switch.name),
            may_replace,
        )
        for switch in over_p4
    }


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

    found = all_of(everywhere({name: connector(inventory, name) for name in names}, read))
    return {name: tables for name, tables in found.items() if tables}


def connector(inventory: Inventory, name: str) -> Callable[[], P4Session]:
    """What makes a session with a switch of an inventory."""
    device_id = inventory.device_ids.get(name, DEVICE_ID)
    return partial(
        P4Session, name, inventory.addresses[name], device_id, inventory.access,
        inventory.election_ids.get(name), inventory.roles.get(name, ""),
    )  # fmt: skip
