"""One finsy session against a P4Runtime switch, printed as JSON. Run: finsy_session.py ADDRESS FOLDER."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import finsy as fy

LLDP = bytes.fromhex("0180c200000e02000000000088cc") + bytes(50)


async def refused(switch: fy.Switch, *updates: Any) -> dict[int, str]:
    """Codes by place of the updates of a batch that were refused."""
    try:
        await switch.write(updates)
    except fy.P4ClientError as error:
        return {place: detail.canonical_code.name for place, detail in error.details.items()}
    return {}


def member(number: int, port: int) -> fy.P4ActionProfileMember:
    action = fy.Action("set_next_hop", port=port, dst_mac=f"02:00:00:00:00:{port:02x}")
    return fy.P4ActionProfileMember("next_hops", member_id=number, action=action)


def pin(address: int, port: int = 1) -> fy.P4TableEntry:
    action = fy.Action("set_next_hop", port=port, dst_mac="02:00:00:00:00:01")
    return fy.P4TableEntry("pin_dst", match=fy.Match(dst=address), action=action)


async def session(switch: fy.Switch) -> dict[str, Any]:
    seen: dict[str, Any] = {
        "primary": switch.is_primary,
        "api": str(switch.p4runtime_version),
        "pipeline": switch.p4info.name,
    }
    await switch.delete_all()
    members = [fy.P4Member(1, weight=(2, 1)), fy.P4Member(2, weight=(1, 2))]
    group = fy.P4ActionProfileGroup("next_hops", group_id=5, members=members, max_size=3)
    route = fy.P4TableEntry(
        "ipv4_route", match=fy.Match(dst="10.0.0.0/8"), action=fy.IndirectAction(group_id=5)
    )
    wide = fy.P4TableEntry(
        "ipv6_route", match=fy.Match(dst="2001:db8::/32"), action=fy.IndirectAction(member_id=1)
    )
    acl = fy.P4TableEntry(
        "acl", match=fy.Match(ether_type=(0x88CC, 0xFFFF)), priority=7, action=fy.Action("trap")
    )
    default = fy.P4TableEntry(
        "switch_config",
        is_default_action=True,
        action=fy.Action("configure", switch_mac=1, hash_seed=2, hash_on_qp=1, hash_offset=9),
    )
    entities = (member(1, 1), member(2, 2), group, route, wide, acl)
    for entity in entities:
        await switch.insert([entity])
    changed = member(2, 3)
    await switch.modify([default, changed])

    reader: Any = switch  # its read() is declared as a coroutine, and is an iterator

    def wire(each: Any) -> str:
        return str(each.encode(switch.p4info))

    async def texts(*wanted: Any) -> list[str]:
        return sorted([wire(each) async for each in reader.read(wanted)])

    held = [member(1, 1), changed, group, route, wide, acl]
    wildcard = (fy.P4TableEntry(), fy.P4ActionProfileMember(), fy.P4ActionProfileGroup())
    seen["holds_what_was_written"] = await texts(*wildcard) == sorted(map(wire, held))
    seen["default"] = await texts(fy.P4TableEntry("switch_config", is_default_action=True)) == [wire(default)]
    seen["insert_twice"] = await refused(switch, +pin(1), +pin(1), +pin(2))
    seen["missing"] = await refused(switch, -pin(9), ~pin(9))
    seen["in_use"] = await refused(switch, -member(1, 1))
    seen["counters"] = [
        each.packet_count async for each in reader.read([fy.P4CounterEntry("port_tx", index=3)])
    ]
    await switch.write([fy.P4PacketOut(LLDP, egress_port=3, port_event=0, pad=0)])
    await switch.delete_all()
    seen["left"] = await texts(*wildcard)
    hops = [((weight, weight), fy.Action("set_next_hop", port=weight, dst_mac=weight)) for weight in (2, 3)]
    set_of = fy.P4TableEntry("ipv4_route", match=fy.Match(dst="10.0.0.0/8"), action=fy.IndirectAction(hops))
    seen["group_without_size"] = await refused(switch, +member(1, 1))
    no_size = fy.P4ActionProfileGroup("next_hops", group_id=5, members=members[:1])
    seen["group_without_size"] |= await refused(switch, +no_size)
    seen["mixed"] = await refused(switch, +set_of)
    await switch.delete_all()
    await switch.insert([set_of])
    seen["one_shot"] = await texts(*wildcard) == [wire(set_of)]
    seen["member_beside"] = await refused(switch, +member(1, 1))
    await switch.delete_all()
    return seen


async def main(address: str, folder: Path) -> None:
    done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def ready(switch: fy.Switch) -> None:
        try:
            done.set_result(await session(switch))
        except Exception as error:
            done.set_exception(error)

    options = fy.SwitchOptions(
        p4info=folder / "fabric.p4info.txt", p4blob=folder / "fabric.json", ready_handler=ready
    )
    controller = fy.Controller([fy.Switch("leaf0", address, options)])
    async with controller:
        print(json.dumps(await asyncio.wait_for(done, 30)))


asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
