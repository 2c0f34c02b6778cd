"""What a P4Runtime switch must be: its pipeline, and everything that its tables hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from finsy import P4Schema
from finsy.proto import p4r

from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.only_sonic import refuse_what_is_sonics
from raddle.controller.southbound.p4runtime.fabric import fabric_entities
from raddle.controller.southbound.p4runtime.middleblock import middleblock_entities
from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, schema_of
from raddle.controller.southbound.p4runtime.text import describe_key, describe_value
from raddle.controller.southbound.p4runtime.updates import Entities, by_key, plan_batches
from raddle.errors import InputError


@dataclass(frozen=True)
class P4Target:
    """What a switch must be: its pipeline and all that its tables hold; `ports` are its ports by number, each
    of which may send `cpu_packets` a second up to the controller.

    `in_groups` makes the same for a switch that lacks one-shot groups; None where there is no other way.
    """

    config: p4r.ForwardingPipelineConfig
    schema: P4Schema
    entities: Entities
    is_pins: bool
    ports: Mapping[int, str]
    cpu_packets: int
    in_groups: Callable[[], P4Target] | None = None

    def size(self, profile: int) -> int:
        """How much of an action profile the entities fill: the weights of all one-shot groups."""
        profiles = {each.preamble.id: each for each in self.config.p4info.action_profiles}
        tables = set(profiles[profile].table_ids)
        return sum(
            each.weight
            for entity in self.entities.values()
            if entity.table_entry.table_id in tables
            for each in entity.table_entry.action.action_profile_action_set.action_profile_actions
        )


def p4_target(
    switch: SwitchPlan,
    macs: Mapping[str, str],
    pins: p4r.ForwardingPipelineConfig | None = None,
    is_watching: bool = True,
    with_groups: bool = False,
) -> P4Target:
    """What a switch must be.

    Args:
        macs: MAC address of every switch and endpoint by name.
        pins: the pipeline of SONiC PINS, for the switches that run it.
        is_watching: the switch skips members of groups whose port is down.
        with_groups: next hops of routes are members and groups, not one-shot groups.

    Raises:
        InputError: `no-p4info`, the switch runs SONiC PINS and its P4Info was not given;
            `adaptive-not-supported`; `carrier-not-supported`, it runs SONiC PINS and its pins have backups.
    """
    ports = {number: port.name for number, port in enumerate(switch.ports, 1)}
    refuse_what_is_sonics(switch, "P4Runtime")
    if switch.nos == "pins":
        if pins is None:
            raise InputError.of(
                "no-p4info",
                f"{switch.name} runs SONiC PINS, whose P4Info does not come with raddle",
                "give middleblock.p4info.pb.txt of sonic-pins with --p4info",
            )
        if any(route.next_hops[-1].distance > 1 for route in switch.routes if route.next_hops):
            raise InputError.of(
                "carrier-not-supported",
                f"{switch.name} has next hops in reserve for pins, which SONiC PINS does not hold",
                "leave 'pin_backups' out, or let it run p4/fabric.p4 or SONiC",
                ("routing", "pin_backups"),
            )
        schema = schema_of(pins)
        return P4Target(
            pins, schema, by_key(middleblock_entities(schema, switch, macs)), True, ports, switch.cpu_packets
        )
    config = fabric_pipeline()
    schema = schema_of(config)
    made = [entity.encode(schema) for entity in fabric_entities(switch, macs, is_watching, with_groups)]
    for entity in made:
        if entity.HasField("action_profile_group"):
            group = entity.action_profile_group
            group.max_size = schema.action_profiles[group.action_profile_id].max_group_size
    other = None if with_groups else partial(p4_target, switch, macs, pins, is_watching, with_groups=True)
    return P4Target(config, schema, by_key(made), False, ports, switch.cpu_packets, other)


def describe_target(target: P4Target) -> dict[str, object]:
    """What would be sent to an empty switch: the pipeline's name, and the entities of each batch in order."""
    schema = target.schema
    return {
        "pipeline": target.config.p4info.pkg_info.name,
        "writes": [
            [
                {
                    "update": p4r.Update.Type.Name(update.type),
                    "entity": describe_key(schema, update.entity),
                    "value": describe_value(schema, update.entity),
                }
                for update in batch
            ]
            for batch in plan_batches(schema, {}, target.entities)
        ],
    }
