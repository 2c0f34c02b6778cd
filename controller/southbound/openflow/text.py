"""What a switch does that no plan asks for, in the words of ovs-ofctl(8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raddle.controller.southbound.openflow.codec import of
from raddle.controller.southbound.openflow.group_parts import watched, weight_of

_RESERVED = {
    getattr(of, f"OFPP_{name}"): name
    for name in ("IN_PORT", "TABLE", "NORMAL", "FLOOD", "ALL", "CONTROLLER", "LOCAL", "ANY")
}


def instructions_text(instructions: Iterable[Any]) -> str:
    """`set_field:02:..->eth_dst,output:3,goto_table:2`; `drop` for none."""
    return ",".join(map(_instruction, instructions)) or "drop"


def buckets_text(buckets: Iterable[Any]) -> str:
    """`bucket(watch_port:3,output:3), bucket(...)`; `no bucket` for none."""
    return ", ".join(map(_bucket, buckets)) or "no bucket"


def _bucket(bucket: Any) -> str:
    port, group = watched(bucket)
    words = [] if port == of.OFPP_ANY else [f"watch_port:{_port(port)}"]
    words += [] if group == of.OFPG_ANY else [f"watch_group:{group}"]
    words += [f"weight:{weight_of(bucket)}"] if weight_of(bucket) > 1 else []
    return f"bucket({','.join((*words, *map(_action, bucket.actions)))})"


def _instruction(each: Any) -> str:
    match type(each).__name__:
        case "OFPInstructionGotoTable":
            return f"goto_table:{each.table_id}"
        case "OFPInstructionWriteMetadata":
            return f"write_metadata:{each.metadata:#x}/{each.metadata_mask:#x}"
        case "OFPInstructionMeter":
            return f"meter:{each.meter_id}"
        case "OFPInstructionActions" if each.type == of.OFPIT_CLEAR_ACTIONS:
            return "clear_actions"
        case "OFPInstructionActions" if each.type == of.OFPIT_WRITE_ACTIONS:
            return f"write_actions({','.join(map(_action, each.actions))})"
        case "OFPInstructionActions":
            return ",".join(map(_action, each.actions)) or "drop"
        case _:
            return str(each)


def _action(each: Any) -> str:
    match type(each).__name__:
        case "OFPActionOutput":
            return f"output:{_port(each.port)}"
        case "OFPActionGroup":
            return f"group:{each.group_id}"
        case "OFPActionSetField":
            return f"set_field:{each.value}->{each.key}"
        case "OFPActionSetQueue":
            return f"set_queue:{each.queue_id}"
        case "OFPActionDecNwTtl":
            return "dec_ttl"
        case "OFPActionPopVlan":
            return "pop_vlan"
        case "OFPActionPushVlan":
            return f"push_vlan:{each.ethertype:#06x}"
        case _:
            return str(each)


def _port(number: int) -> str:
    return str(_RESERVED.get(number, number))
