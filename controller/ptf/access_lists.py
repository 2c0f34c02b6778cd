"""Packet tests of a switch's access lists, which are none of the plan's: of what the switch itself holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from itertools import islice, product
from typing import Any

from raddle.state import AclField, AclMatch, AclRule, AclTable

Packet = dict[AclField, int]
"""What access lists see of a packet; addresses as they have them, and no field that it does not have."""

Way = Mapping[str, Any]
"""A packet test of a route: where its packets come in, their addresses, and the ports that they leave by."""

_IPV4, _IPV6, _UDP, _TCP, _ROCE, _TTL = 0x0800, 0x86DD, 17, 6, 4791, 64
_WRITE_ONLY, _ACKNOWLEDGE, _MAPPED = 0x0A, 0x11, 0xFFFF << 32
_SOURCE_PORT, _OTHER_PORT, _QP = 0xC000, 5001, 0x11
_TRIED = 4096
"""Packets that are tried for one rule at one port."""

_BESIDE = 256
"""Packets that are tried on each way to find one that no rule drops."""

_NOTHING = AclRule("", drops=False)


@dataclass(frozen=True, slots=True)
class AccessLists:
    """The access lists of a switch, and the ports (by name) that they index.

    Attributes:
        other_rules: rules of its configuration that its ASIC does not have, and why.
    """

    tables: tuple[AclTable, ...]
    ports: tuple[str, ...]
    other_rules: tuple[tuple[str, str], ...] = ()


class ListTests:
    """The tests of the rules of access lists, and which rules no packet shows.

    Args:
        numbers: of the ports with cables, by name.
        ways: tests of routes, whose packets are changed until a rule is for them.
        way_to: the way that packets to an address take; None where they take none.
    """

    def __init__(
        self,
        lists: AccessLists,
        numbers: Mapping[str, int],
        ways: Sequence[Way],
        way_to: Callable[[str], Way | None],
    ) -> None:
        self._lists, self._ways, self._way_to = lists, ways, way_to
        self._places = {numbers[name]: at for at, name in enumerate(lists.ports) if name in numbers}
        self.left_out = [f"access list rule {name}: {why}" for name, why in lists.other_rules]

    def tests(self) -> Iterator[dict[str, Any]]:
        """A test of each rule: its packets at each port that it is at, and others that it is not for."""
        for table in self._lists.tables:
            seen: dict[str, int] = {}
            for rule in table.rules:
                seen[rule.name] = seen.get(rule.name, 0) + 1
                again = f" {seen[rule.name]}" if seen[rule.name] > 1 else ""
                name = f"{table.name} {rule.name}{again}"
                packets = list(self._packets(table, rule))
                if packets:
                    yield {"kind": "acl", "name": f"acl {name}", "packets": packets}
                else:
                    self.left_out.append(f"access list rule {name}: {self._why_none(table, rule)}")

    def _packets(self, table: AclTable, rule: AclRule) -> Iterator[dict[str, Any]]:
        """The packets of a rule's test, by the port that the rule is bound to."""
        bound = rule.out_ports if table.is_egress else rule.in_ports
        for number, place in self._places.items():
            if place not in table.ports or (bound is not None and place not in bound):
                continue
            found = next(self._of_rule(table, rule, number), None)
            if found is not None:
                way, packet = found
                yield self._sent(way, packet)
                if (True in self._verdicts(way, packet)) and (
                    other := self._unharmed(table, way)
                ) is not None:
                    yield other

    def dropping(self, test: Way) -> bool:
        """Whether some rule may drop packets of another test."""
        sources = {test["source"], test.get("spread") or test["source"]}
        target = _wide(test["destination"])
        return any(
            True in self._verdicts(test, _udp(_wide(source), target, test.get("dscp", 0)))
            for source in sources
        )

    def _of_rule(self, table: AclTable, rule: AclRule, number: int) -> Iterator[tuple[Way, Packet]]:
        """Packets that a rule is for, and no earlier one of its list."""
        for way, packet in self._tried(table, rule, number):
            at = self._places[int(next(iter(way["egress"]))) if table.is_egress else way["ingress"]]
            if _first(table, packet, at) is rule and len(self._verdicts(way, packet)) == 1:
                yield way, packet

    def _tried(self, table: AclTable, rule: AclRule, number: int) -> Iterator[tuple[Way, Packet]]:
        left = _TRIED
        for base in self._ways:
            target = _wanted(rule, "dst_ip", _wide(base["destination"]))
            way = base if target == _wide(base["destination"]) else self._way_to(_narrow(target))
            if way is None or (table.is_egress and set(way["egress"]) != {str(number)}):
                continue
            if not table.is_egress:
                if str(number) in way["egress"]:
                    continue  # some switches never send back
                way = dict(way) | {"ingress": number}
            for packet in _variants(rule, way, target):
                left -= 1
                if left < 0:
                    return
                if all(_fits(match, packet) for match in rule.matches) and _can_be(packet):
                    yield way, packet

    def _unharmed(self, table: AclTable, way: Way) -> dict[str, Any] | None:
        """A packet at the same port that no rule drops."""
        into = way["ingress"]
        others = [dict(each) | {"ingress": into} for each in self._ways if str(into) not in each["egress"]]
        for each in [way] if table.is_egress else [way, *others]:
            for packet in islice(_variants(_NOTHING, each, _wide(each["destination"])), _BESIDE):
                if self._verdicts(each, packet) == {False}:
                    return self._sent(each, packet)
        return None

    def _verdicts(self, way: Way, packet: Packet) -> set[bool]:
        """Whether lists drop a packet, by each of the ports that it may leave by."""
        return {
            any(
                (rule := _first(table, packet, self._places.get(at, -1))) is not None and rule.drops
                for table in self._lists.tables
                for at in [int(leaves) if table.is_egress else way["ingress"]]
            )
            for leaves in way["egress"]
        }

    def _sent(self, way: Way, packet: Packet) -> dict[str, Any]:
        payload = bytearray(24)
        payload[0] = packet["bth_opcode"]
        payload[5:8] = packet["bth_qp"].to_bytes(3, "big")
        payload[12] = packet.get("aeth_syndrome", 0)
        return {
            "ingress": way["ingress"],
            "source": _narrow(packet["src_ip"]),
            "destination": _narrow(packet["dst_ip"]),
            "protocol": packet["ip_protocol"],
            "source_port": packet.get("l4_src_port", 0),
            "destination_port": packet.get("l4_dst_port", 0),
            "dscp": packet["dscp"],
            "ecn": packet["ecn"],
            "ttl": packet["ttl"],
            "payload": payload.hex(),
            "egress": {} if True in self._verdicts(way, packet) else way["egress"],
        }

    def _why_none(self, table: AclTable, rule: AclRule) -> str:
        if not any(place in table.ports for place in self._places.values()):
            return "its list is at no port with a cable"
        if not any(next(self._tried(table, rule, number), None) for number in self._places):
            return "no routed UDP or TCP packet that was tried fits it"
        return "earlier rules of its list take every packet of it that was tried"


def _first(table: AclTable, packet: Packet, place: int) -> AclRule | None:
    """The rule of a list that acts on a packet at a port."""
    if place not in table.ports:
        return None
    for rule in table.rules:
        ports = rule.out_ports if table.is_egress else rule.in_ports
        if (ports is None or place in ports) and all(_fits(match, packet) for match in rule.matches):
            return rule
    return None


def _fits(match: AclMatch, packet: Packet) -> bool:
    value = packet.get(match.field)
    if value is None:
        return False
    if match.last is not None:
        return match.value <= value <= match.last
    return (value ^ match.value) & match.mask == 0


def _wanted(rule: AclRule, field: AclField, otherwise: int) -> int:
    """A value of a field that a rule is for, as near to another one as it goes."""
    value = otherwise
    for match in rule.matches:
        if match.field == field and match.last is not None:
            value = value if match.value <= value <= match.last else match.value
        elif match.field == field:
            value = (match.value & match.mask) | (value & ~match.mask)
    return value


def _variants(rule: AclRule, way: Way, target: int) -> Iterator[Packet]:
    """RoCE packets, and others, with what a rule asks for."""
    protocols, ports = (_UDP, _TCP), (_ROCE, _OTHER_PORT)
    opcodes = (_WRITE_ONLY, _ACKNOWLEDGE)
    free = product(protocols, ports, opcodes, (0, *range(26, 64), *range(1, 26)), (_SOURCE_PORT, 1024))
    for protocol, port, opcode, dscp, source_port in free:
        packet: Packet = {
            "ether_type": _IPV4 if target >> 32 == 0xFFFF else _IPV6,
            "src_ip": _wanted(rule, "src_ip", _wide(way["source"])),
            "dst_ip": target,
            "ip_protocol": _wanted(rule, "ip_protocol", protocol),
            "dscp": _wanted(rule, "dscp", dscp),
            "ecn": _wanted(rule, "ecn", 0),
            "ttl": _wanted(rule, "ttl", _TTL),
            "bth_opcode": _wanted(rule, "bth_opcode", opcode),
            "bth_qp": _wanted(rule, "bth_qp", _QP),
        }
        if packet["ip_protocol"] in (_UDP, _TCP):
            packet["l4_src_port"] = _wanted(rule, "l4_src_port", source_port)
            packet["l4_dst_port"] = _wanted(rule, "l4_dst_port", port)
        if packet["bth_opcode"] == _ACKNOWLEDGE:
            packet["aeth_syndrome"] = _wanted(rule, "aeth_syndrome", 0x1F)
        yield packet


def _udp(source: int, target: int, dscp: int) -> Packet:
    """A packet of the tests of routes and queues."""
    return {
        "ether_type": _IPV4 if target >> 32 == 0xFFFF else _IPV6,
        "src_ip": source,
        "dst_ip": target,
        "ip_protocol": _UDP,
        "l4_src_port": _SOURCE_PORT,
        "l4_dst_port": _ROCE,
        "dscp": dscp,
        "ecn": 0,
        "ttl": _TTL,
        "bth_opcode": 0,
        "bth_qp": 0,
    }


def _can_be(packet: Packet) -> bool:
    """Switches route such a packet: of one family, its source some host's, its TTL enough."""
    source = ip_address(_narrow(packet["src_ip"]))
    is_host = not (source.is_multicast or source.is_loopback or source.is_unspecified or source.is_link_local)
    return is_host and source.version == ip_address(_narrow(packet["dst_ip"])).version and packet["ttl"] > 1


def _wide(address: str) -> int:
    """An address as access lists have it: IPv4 in its mapped form."""
    own = ip_address(address)
    return int(own) | _MAPPED if own.version == 4 else int(own)


def _narrow(value: int) -> str:
    own = IPv6Address(value)
    return str(own.ipv4_mapped or own)
