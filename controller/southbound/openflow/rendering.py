"""OpenFlow tables for the reader: what `raddle render` prints."""

from __future__ import annotations

from ipaddress import ip_address

from raddle.controller.southbound.openflow.tables import (
    CLASSIFY,
    COOKIE,
    FIRST_GROUP,
    FORWARD,
    Action,
    Admit,
    Continue,
    Drop,
    FailoverGroup,
    Group,
    Hop,
    Mark,
    Match,
    Queue,
    RuleKey,
    SelectGroup,
    Tables,
    Unknown,
)


def describe(tables: Tables) -> dict[str, object]:
    """The tables as JSON, groups numbered as an empty switch gets them."""
    ids = {group: number for number, group in enumerate(tables.groups, start=FIRST_GROUP)}

    def hop(to: Hop) -> list[str]:
        return [f"set_field:{tables.mac}->eth_src", f"set_field:{to.eth_dst}->eth_dst", "dec_nw_ttl",
                f"output:{to.port}"]  # fmt: skip

    def buckets(group: Group) -> list[dict[str, object]]:
        if isinstance(group, SelectGroup):
            return [
                {"weight": weight, "watch_port": to.port, "actions": hop(to)} for to, weight in group.buckets
            ]
        number = ids[group.otherwise]
        return [
            *({"watch_port": to.port, "actions": hop(to)} for to in group.hops),
            {"watch_group": number, "actions": [f"group:{number}"]},
        ]

    def actions(action: Action) -> list[str]:
        match action:
            case SelectGroup() | FailoverGroup():
                return [f"group:{ids[action]}"]
            case Hop():
                return hop(action)
            case Admit(pops):
                return [*(["pop_vlan"] if pops else []), f"goto_table:{CLASSIFY}"]
            case Queue(number):
                return [f"set_queue:{number}", f"goto_table:{FORWARD}"]
            case Mark(dscp, queue):
                chosen = [f"set_queue:{queue}"] if queue else []
                return [f"set_field:{dscp}->ip_dscp", *chosen, f"goto_table:{FORWARD}"]
            case Continue():
                return [f"goto_table:{FORWARD}"]
            case Drop():
                return []
            case Unknown(text):
                return [text]

    return {
        "groups": [
            {
                "group_id": number,
                "type": "select" if isinstance(group, SelectGroup) else "fast_failover",
                "buckets": buckets(group),
                **_selection(group),
            }
            for group, number in ids.items()
        ],
        "flows": [
            {
                "cookie": f"{COOKIE:#018x}",
                "table": key.table,
                "priority": key.priority,
                "match": match_fields(key.match),
                "actions": actions(action),
            }
            for key, action in sorted(tables.rules.items(), key=lambda rule: rule_order(rule[0]))
        ],
    }


def _selection(group: Group) -> dict[str, object]:
    """What ovs-ofctl(8) calls the hash over the 5-tuple and a seed; over OpenFlow 1.3 it is left out."""
    if not isinstance(group, SelectGroup) or group.seed is None:
        return {}
    return {"selection_method": "dp_hash", "selection_method_param": group.seed}


def match_fields(match: Match) -> dict[str, object]:
    """What a flow entry matches on, by OpenFlow's names."""
    fields: dict[str, object] = {"eth_type": f"0x{match.eth_type:04x}"} if match.eth_type else {}
    if match.eth_dst:
        fields |= {"eth_dst": match.eth_dst, "vlan_vid": match.vlan_vid}
    version = 4 if match.eth_type == 0x0800 else 6
    if match.destination:
        fields[f"ipv{version}_dst"] = match.destination
    if match.source:
        fields[f"ipv{version}_src"] = match.source
    if match.dscp is not None:
        fields["ip_dscp"] = match.dscp
    if match.udp_dst is not None:
        fields["udp_dst"] = match.udp_dst
    return fields | ({"other": match.text} if match.text else {})


def rule_order(key: RuleKey) -> tuple[object, ...]:
    """By table, then the highest priority, then address."""
    address, _, length = key.match.destination.partition("/")
    number = int(ip_address(address)) if address else 0
    return (
        key.table,
        -key.priority,
        key.match.eth_type,
        number,
        length,
        key.match.dscp or 0,
        key.match.vlan_vid or 0,
        key.match.source,
        key.match.text,
    )
