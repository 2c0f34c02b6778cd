"""One p4runtime-shell session against a P4Runtime switch; prints what it saw as JSON.

It runs in an environment of its own, whose protobuf is older. Run: p4runtime_shell_session.py ADDRESS FOLDER.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import p4runtime_sh.shell as sh
from p4runtime_sh.p4runtime import P4RuntimeWriteException

ADDRESS, FOLDER = sys.argv[1:3]


def code_of(action: Any) -> str:
    """What an update was refused with."""
    try:
        action()
    except P4RuntimeWriteException as error:
        return str(error)
    return "OK"


sh.setup(
    device_id=1,
    grpc_addr=ADDRESS,
    election_id=(0, 1),
    config=sh.FwdPipeConfig(f"{FOLDER}/fabric.p4info.txt", f"{FOLDER}/fabric.json"),
    verbose=False,
)
seen: dict[str, Any] = {}
try:
    for number in (1, 2):
        member = sh.ActionProfileMember("next_hops")(member_id=number, action="set_next_hop")
        member.action["port"] = str(number)
        member.action["dst_mac"] = f"02:00:00:00:00:0{number}"
        member.insert()
    group = sh.ActionProfileGroup("next_hops")(group_id=5)
    group.add(member_id=1, weight=2)
    group.add(member_id=2)
    seen["group_without_size"] = code_of(group.insert)
    group.max_size = 3
    group.insert()
    route = sh.TableEntry("ipv4_route")(group_id=5)
    route.match["dst"] = "10.0.0.0/8"
    route.insert()
    seen["again"] = code_of(route.insert)
    entry = sh.TableEntry("acl")(action="trap", priority=7)
    entry.match["ether_type"] = "0x88cc&&&0xffff"
    entry.insert()
    seen["entries"] = sorted(
        table for table in ("acl", "ipv4_route", "pin_dst") for _ in sh.TableEntry(table).read()
    )
    held = next(iter(sh.ActionProfileGroup("next_hops").read()))
    seen["group"] = [(each.member_id, each.weight) for each in held.members]
    default = sh.TableEntry("switch_config")(action="configure", is_default=True)
    default.action["switch_mac"] = "02:00:00:00:00:09"
    default.action["hash_seed"] = "17"
    default.action["hash_on_qp"] = "0"
    default.action["hash_offset"] = "0"
    default.modify()
    counter = sh.CounterEntry("port_tx")
    counter.index = 3
    counter.read(lambda found: seen.__setitem__("packets", found.packet_count))
    seen["in_use"] = code_of(group.delete)
    for each in (route, entry, group):
        each.delete()
    seen["missing"] = code_of(route.delete)
    one_shot = sh.TableEntry("ipv4_route")
    one_shot.match["dst"] = "10.0.0.0/8"
    actions = sh.Oneshot("ipv4_route")
    for port, weight in ((1, 2), (2, 1)):
        action = sh.Action("set_next_hop")
        action["port"], action["dst_mac"] = str(port), f"02:00:00:00:00:0{port}"
        actions.add(action, weight=weight, watch_port=bytes([port]))
    one_shot.oneshot = actions
    seen["one_shot_beside_members"] = code_of(one_shot.insert)
    for number in (1, 2):
        sh.ActionProfileMember("next_hops")(member_id=number).delete()
    one_shot.insert()
    (held,) = sh.TableEntry("ipv4_route").read()
    seen["one_shot"] = [
        (each.action.action_name.rpartition(".")[2], each.weight) for each in held.oneshot.actions
    ]
    seen["member_beside_one_shot"] = code_of(member.insert)
    one_shot.delete()
finally:  # The client's threads would keep a failed process alive.
    sh.teardown()
print(json.dumps(seen))
