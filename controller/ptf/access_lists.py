"""Packet tests of a switch's access lists, which are none of the plan's: of what the switch itself holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

from raddle.controller.ptf.verdicts import Packet, acts, fates, is_of, is_routed, narrow, span, verdict, wide
from raddle.state import AclField, ListedRule, ListedTable

Way = Mapping[str, Any]
"""A packet test of a route: where its packets come in, their addresses, and the ports that they leave by."""

Sent = dict[AclField, int]
"""As `Packet`, of a single one."""

_IPV4, _IPV6, _UDP, _TCP, _NO_PORTS, _ROCE, _TTL = 0x0800, 0x86DD, 17, 6, 253, 4791, 64
_WRITE_ONLY, _ACKNOWLEDGE = 0x0A, 0x11
_SOURCE_PORT, _OTHER_PORT, _QP = 0xC000, 5001, 0x11
_TRIED = 4096
"""Packets that are tried for one rule at one port."""

_OF_WAY, _FITTING = 4, 32
"""Packets of a rule that are looked at for one whose fate is the rule's alone, of a way and in all."""

_BESIDE = 256
"""Packets that are tried on each way to find one that no rule drops."""

_WAYS = 64
"""Ways that are tried for that."""

_WIDTHS: Mapping[AclField, int] = {
    "src_ip": 128, "dst_ip": 128, "l4_src_port": 16, "l4_dst_port": 16, "dscp": 6,
}  # fmt: skip
"""Fields whose edges are tested, and their bits."""

_NOTHING = ListedRule("", False, 0)


@dataclass(frozen=True, slots=True)
class AccessLists:
    """The access lists of a switch, and the ports (by name) that they index.

    Attributes:
        other_rules: rules of its configuration that its ASIC does not have, and why.
        absent_port: what rules see as the ports of packets that have none; None where nobody knows.
    """

    tables: tuple[ListedTable, ...]
    ports: tuple[str, ...]
    other_rules: tuple[tuple[str, str], ...] = ()
    absent_port: int | None = None


class ListTests:
    """The tests of the rules of access lists, and which rules no packet shows.

    Args:
        numbers: of the ports with cables, by name.
        ways: tests of routes, whose packets are changed until a rule is for them.
        way_to: the way that packets to an address take; None where they take none.
        pinned: pairs of addresses whose packets take another way.
    """

    def __init__(
        self,
        lists: AccessLists,
        numbers: Mapping[str, int],
        ways: Sequence[Way],
        way_to: Callable[[str], Way | None],
        pinned: Collection[tuple[str, str]] = (),
    ) -> None:
        self._lists, self._ways, self._way_to = lists, ways, way_to
        self._pinned = {tuple(each.partition("/")[0] for each in pair) for pair in pinned}
        self._places = {numbers[name]: at for at, name in enumerate(lists.ports) if name in numbers}
        self._names = {number: name for name, number in numbers.items()}
        self.left_out = [f"access list rule {name}: {why}" for name, why in lists.other_rules]

    def tests(self) -> Iterator[dict[str, Any]]:
        """A test of each rule: its packets at each port that it is at, and others that it is not for."""
        for table in self._lists.tables:
            seen: dict[str, int] = {}
            for rule in table.rules:
                seen[rule.name] = seen.get(rule.name, 0) + 1
                again = f" {seen[rule.name]}" if seen[rule.name] > 1 else ""
                name = f"{table.name} {rule.name}{again}"
                packets = [] if rule.why_untested else self._packets(table, rule, name)
                if packets:
                    yield {"kind": "acl", "name": f"acl {name}", "packets": packets}
                else:
                    self._leave_out(name, rule.why_untested or self._why_none(table, rule))

    def dropping(self, test: Way) -> bool | None:
        """Whether lists drop all packets of another test; None where they drop some, or it is open."""
        flows = test["flows"]
        is_spread = len(test["egress"]) > 1 and test["kind"] != "queue"
        first = wide(test["spread"] if is_spread else test["source"])
        target = wide(test["destination"])
        packet: Packet = {
            "ether_type": _IPV4 if target >> 32 == 0xFFFF else _IPV6,
            "src_ip": range(first, first + flows) if is_spread else first,
            "dst_ip": target,
            "ip_protocol": _UDP,
            "l4_src_port": range(test["source_port"], test["source_port"] + flows),
            "l4_dst_port": _ROCE,
            "dscp": test.get("dscp", 0),
            "ecn": 0,
            "ttl": _TTL,
            "bth_opcode": 0,
            "bth_qp": 0,
        }
        return self._verdict(test, packet)

    def may_go_elsewhere(self, test: Way) -> bool:
        """Whether rules may do something else than drop packets of a test that must come out of no port."""
        target = wide(test["destination"])
        packet: Packet = {"dst_ip": target, "ether_type": _IPV4 if target >> 32 == 0xFFFF else _IPV6}
        place = self._places.get(test["ingress"], -1)
        return any(None in fates(table, packet, place) for table in self._lists.tables if not table.is_egress)

    def _leave_out(self, name: str, why: str) -> None:
        line = f"access list rule {name}: {why}"
        if line not in self.left_out:
            self.left_out.append(line)

    def _packets(self, table: ListedTable, rule: ListedRule, name: str) -> list[dict[str, Any]]:
        """The packets of a rule's test: by the port that it is bound to, and at its edges."""
        bound = rule.out_ports if table.is_egress else rule.in_ports
        found: list[tuple[Way, Sent]] = []
        packets = []
        alone = []
        for number, place in self._places.items():
            if place not in table.ports or (bound is not None and place not in bound):
                continue
            fitting = [*islice(self._of_rule(table, rule, number), _FITTING)]
            showing = (one for one in fitting if self._shows(table, rule, *one))
            one = next(showing, fitting[0] if fitting else None)
            if one is None:
                continue
            found.append(one)
            packets.append(self._sent(*one))
            if not packets[-1]["egress"]:
                beside = self._unharmed(table, one[0])
                packets += [beside] if beside else []
                alone += [] if beside else [self._names[number]]
        if alone:
            why = "no packet beside those that are dropped was found that surely comes out"
            self._leave_out(name, f"{why}, with {', '.join(alone)}")
        untested = []
        for field, value, is_inside in _edges(rule) if found else ():
            tried = (self._edge(table, rule, one, field, value, is_inside) for one in found)
            edges = [edge for edge in tried if edge is not None]
            # What is beside a rule that drops shows more where it comes out.
            shows = (edge for edge in edges if bool(edge["egress"]) != is_inside)
            edge = next(shows, edges[0]) if edges else None
            if edge is None:
                shown = narrow(value) if field in ("src_ip", "dst_ip") else str(value)
                untested.append(f"{field} {shown}")
            elif edge not in packets:
                packets.append(edge)
        if untested:
            self._leave_out(
                name, f"no routed packet whose way is sure was found at its edges {', '.join(untested)}"
            )
        return packets

    def _edge(
        self,
        table: ListedTable,
        rule: ListedRule,
        one: tuple[Way, Sent],
        field: AclField,
        value: int,
        is_inside: bool,
    ) -> dict[str, Any] | None:
        """A packet of a rule with another value of a field: the first or last of the rule, or one beside."""
        way, packet = one[0], dict(one[1])
        if field not in packet:
            return None
        packet[field] = value
        if field == "dst_ip":
            other = self._way_to(narrow(value))
            if other is None or (table.is_egress and set(other["egress"]) != set(way["egress"])):
                return None
            if str(way["ingress"]) in other["egress"]:
                return None
            way = dict(other) | {"ingress": way["ingress"]}
        packet = self._seen(packet)
        place = self._place(table, way)
        is_right = (
            acts(table, rule, packet, place)
            if is_inside
            else (is_of(rule, table.is_egress, packet, place) is False)
        )
        is_fit = (
            is_right
            and packet.get(field) == value
            and self._can_be(packet)
            and self._verdict(way, packet) is not None
        )
        return self._sent(way, packet) if is_fit else None

    def _shows(self, table: ListedTable, rule: ListedRule, way: Way, packet: Sent) -> bool:
        """Whether a packet has another fate without the rule."""
        others = tuple(each for each in table.rules if each is not rule)
        tables = [replace(each, rules=others) if each is table else each for each in self._lists.tables]
        without = self._verdict(way, packet, tables)
        return without is not None and without != self._verdict(way, packet)

    def _place(self, table: ListedTable, way: Way) -> int:
        return self._places.get(int(next(iter(way["egress"]))) if table.is_egress else way["ingress"], -1)

    def _of_rule(self, table: ListedTable, rule: ListedRule, number: int) -> Iterator[tuple[Way, Sent]]:
        """Packets that a rule is surely for, and no other of its list; a few of each way."""
        on: dict[str, int] = {}
        for way, packet in self._tried(table, rule, number, on):
            if acts(table, rule, packet, self._place(table, way)) and self._verdict(way, packet) is not None:
                on[way["name"]] = on.get(way["name"], 0) + 1
                yield way, packet

    def _tried(
        self, table: ListedTable, rule: ListedRule, number: int, on: Mapping[str, int]
    ) -> Iterator[tuple[Way, Sent]]:
        """Packets that fit a rule, of each way until `on` has enough of it."""
        left = _TRIED
        for base in self._ways:
            target = _wanted(rule, "dst_ip", wide(base["destination"]))
            way = base if target == wide(base["destination"]) else self._way_to(narrow(target))
            if way is None or (table.is_egress and set(way["egress"]) != {str(number)}):
                continue
            if not table.is_egress:
                if str(number) in way["egress"]:
                    continue  # some switches never send back
                way = dict(way) | {"ingress": number}
            place = self._place(table, way)
            for packet in self._variants(rule, way, target):
                left -= 1
                if left < 0:
                    return
                if is_of(rule, table.is_egress, packet, place) and self._can_be(packet):
                    yield way, packet
                if on.get(way["name"], 0) >= _OF_WAY:
                    break

    def _can_be(self, packet: Sent) -> bool:
        if not is_routed(packet):
            return False
        return not self._pinned or (narrow(packet["src_ip"]), narrow(packet["dst_ip"])) not in self._pinned

    def _unharmed(self, table: ListedTable, way: Way) -> dict[str, Any] | None:
        """A packet at the same port that surely no rule drops."""
        into = way["ingress"]
        others = [dict(each) | {"ingress": into} for each in self._ways if str(into) not in each["egress"]]
        for each in [way] if table.is_egress else [way, *others[:_WAYS]]:
            for packet in islice(self._variants(_NOTHING, each, wide(each["destination"])), _BESIDE):
                if self._can_be(packet) and self._verdict(each, packet) is False:
                    return self._sent(each, packet)
        return None

    def _verdict(self, way: Way, packet: Packet, tables: Sequence[ListedTable] = ()) -> bool | None:
        egress = [self._places.get(int(leaves), -1) for leaves in way["egress"]]
        return verdict(tables or self._lists.tables, packet, self._places.get(way["ingress"], -1), egress)

    def _variants(self, rule: ListedRule, way: Way, target: int) -> Iterator[Sent]:
        """RoCE packets, and others, with what a rule asks for."""

        def choices(field: AclField, *values: int) -> list[int]:
            return list(dict.fromkeys(_wanted(rule, field, value) for value in values))

        free = product(
            choices("dscp", 0, *range(26, 64), *range(1, 26)),
            choices("l4_src_port", _SOURCE_PORT, 1024),
            choices("bth_opcode", _WRITE_ONLY, _ACKNOWLEDGE),
            choices("l4_dst_port", _ROCE, _OTHER_PORT),
            choices("ip_protocol", _UDP, _TCP, _NO_PORTS),
        )
        for dscp, source_port, opcode, port, protocol in free:
            yield self._seen(
                {
                    "ether_type": _IPV4 if target >> 32 == 0xFFFF else _IPV6,
                    "src_ip": _wanted(rule, "src_ip", wide(way["source"])),
                    "dst_ip": target,
                    "ip_protocol": protocol,
                    "l4_src_port": source_port,
                    "l4_dst_port": port,
                    "dscp": dscp,
                    "ecn": _wanted(rule, "ecn", 0),
                    "ttl": _wanted(rule, "ttl", _TTL),
                    "bth_opcode": opcode,
                    "bth_qp": _wanted(rule, "bth_qp", _QP),
                    "aeth_syndrome": _wanted(rule, "aeth_syndrome", 0x1F),
                }
            )

    def _seen(self, packet: Sent) -> Sent:
        """What lists surely see of it: ports of UDP and TCP, a BTH of RoCE."""
        seen = dict(packet)
        if seen["ip_protocol"] not in (_UDP, _TCP):
            for field in ("l4_src_port", "l4_dst_port"):
                seen.pop(field, None)
                if self._lists.absent_port is not None:
                    seen[field] = self._lists.absent_port
        is_roce = (seen["ip_protocol"], seen.get("l4_dst_port")) == (_UDP, _ROCE)
        if not is_roce:
            seen.pop("bth_opcode", None)
            seen.pop("bth_qp", None)
        if seen.get("bth_opcode") != _ACKNOWLEDGE:
            seen.pop("aeth_syndrome", None)
        return seen

    def _sent(self, way: Way, packet: Sent) -> dict[str, Any]:
        payload = bytearray(24)
        payload[0] = packet.get("bth_opcode", _WRITE_ONLY)
        payload[5:8] = packet.get("bth_qp", _QP).to_bytes(3, "big")
        payload[12] = packet.get("aeth_syndrome", 0)
        return {
            "ingress": way["ingress"],
            "source": narrow(packet["src_ip"]),
            "destination": narrow(packet["dst_ip"]),
            "protocol": packet["ip_protocol"],
            "source_port": packet.get("l4_src_port", 0),
            "destination_port": packet.get("l4_dst_port", 0),
            "dscp": packet["dscp"],
            "ecn": packet["ecn"],
            "ttl": packet["ttl"],
            "payload": payload.hex(),
            "egress": {} if self._verdict(way, packet) else way["egress"],
        }

    def _why_none(self, table: ListedTable, rule: ListedRule) -> str:
        if not any(place in table.ports for place in self._places.values()):
            return "its list is at no port with a cable"
        if not any(next(self._tried(table, rule, number, {}), None) for number in self._places):
            return "no routed packet that was tried surely fits it"
        return "other rules of its list, of no lower priority, take or may take every packet that was tried"


def _edges(rule: ListedRule) -> Iterator[tuple[AclField, int, bool]]:
    """The first and last values that a rule is for, and those beside them that it is not for."""
    for match in rule.matches:
        bits = _WIDTHS.get(match.field)
        ends = span(match, bits) if bits else None
        if not bits or ends is None:
            continue
        low, high = ends
        is_ipv4 = bits == 128 and high >> 32 == 0xFFFF
        least, most = (0xFFFF << 32, (1 << 48) - 1) if is_ipv4 else (0, (1 << bits) - 1)
        if ends == (least, most):
            continue
        for value in dict.fromkeys(ends):
            yield match.field, value, True
        yield from ((match.field, value, False) for value in (low - 1, high + 1) if least <= value <= most)


def _wanted(rule: ListedRule, field: AclField, otherwise: int) -> int:
    """A value of a field that a rule is for, as near to another one as it goes."""
    value = otherwise
    for match in rule.matches:
        if match.field == field and match.last is not None:
            value = value if match.value <= value <= match.last else match.value
        elif match.field == field:
            value = (match.value & match.mask) | (value & ~match.mask)
    return value
