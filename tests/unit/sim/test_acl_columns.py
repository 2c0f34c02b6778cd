"""Access lists as the engine takes them, against a matcher that looks at one packet after the other."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from raddle.ecmp_hash import qp_numbers, udp_source_port
from raddle.sim.acl_columns import RuleCounters, acl_columns
from raddle.sim.acl_headers import KINDS, AclHeaders
from raddle.state import AclMatch, AclRule, AclTable

PORTS = 5
SEED = 3
QPS = 24
MAPPED = 0xFFFF << 32
ALL = (1 << 128) - 1
DATA, ACK, NAK, CNP = range(KINDS)
CNP_DSCP = 48


@dataclass(frozen=True)
class Packet:
    """The headers of one packet, made here from the standards and not by the code under test."""

    qp: int
    kind: int
    fields: dict[str, int]


def packets(is_ipv6: bool, draw: random.Random) -> tuple[AclHeaders, list[Packet]]:
    base = 0xFD00 << 112 if is_ipv6 else 0x0A000000
    addresses = [base + number for number in range(8)]
    ends = [draw.sample(range(len(addresses)), 2) for _ in range(QPS)]
    dscps = [draw.choice((0, 26, 46)) for _ in range(QPS)]
    src, dst = np.array(ends, np.uint32).T
    headers = AclHeaders(addresses, is_ipv6, src, dst, SEED, None, np.array(dscps, np.uint8), CNP_DSCP)
    made = []
    for qp, (a, b) in enumerate(ends):
        for kind in range(KINDS):
            there, back = (a, b) if kind == DATA else (b, a)
            fields = {
                "ether_type": 0x86DD if is_ipv6 else 0x0800,
                "ip_protocol": 17,
                "src_ip": addresses[there] if is_ipv6 else MAPPED | addresses[there],
                "dst_ip": addresses[back] if is_ipv6 else MAPPED | addresses[back],
                "l4_src_port": udp_source_port(*qp_numbers(qp, SEED)),
                "l4_dst_port": 4791,
                "dscp": CNP_DSCP if kind == CNP else dscps[qp],
                "ttl": draw.choice((64, 63, 1)),
                "ecn": draw.choice((2, 3)),
                "bth_opcode": draw.choice((0x00, 0x01, 0x02, 0x04))
                if kind == DATA
                else (0x11, 0x11, 0x81)[kind - 1],
            }
            if kind in (ACK, NAK):
                fields["aeth_syndrome"] = 0x1F if kind == ACK else 0x60
            made.append(Packet(qp, kind, fields))
    return headers, made


def random_match(packet: Packet, draw: random.Random) -> AclMatch:
    """A condition on some field, near to what a packet has."""
    name: Any = draw.choice(sorted(packet.fields))
    value = packet.fields[name]
    if name in ("src_ip", "dst_ip"):
        return AclMatch(name, value, ALL ^ (1 << draw.randrange(4)) + 1 if draw.random() < 0.7 else ALL >> 3)
    if name.startswith("l4") and draw.random() < 0.5:
        return AclMatch(name, value - draw.randrange(3000), last=value + draw.randrange(3000))
    mask = draw.choice((0xFF, 0x3F, 0x07, 0xF0, 0)) if value < 256 else draw.choice((0xFFFF, 0xFF, 0x0F00))
    return AclMatch(name, value ^ draw.choice((0, 0, 0, 1)), mask)


def random_tables(made: list[Packet], draw: random.Random) -> tuple[AclTable, ...]:
    tables = []
    for number in range(4):
        is_egress = draw.random() < 0.5
        rules = []
        for place in range(draw.randrange(9)):
            packet = draw.choice(made)
            matches = {
                match.field: match for match in (random_match(packet, draw) for _ in range(draw.randrange(4)))
            }
            chosen = tuple(sorted(draw.sample(range(PORTS), 2))) if draw.random() < 0.3 else None
            rules.append(
                AclRule(
                    f"R{place // 2}", draw.random() < 0.5, tuple(matches.values()),
                    None if is_egress else chosen, chosen if is_egress else None,
                )
            )  # fmt: skip
        bound = tuple(sorted(draw.sample(range(PORTS), draw.randrange(PORTS + 1))))
        tables.append(AclTable(f"T{number}", is_egress, bound, tuple(rules)))
    return tuple(tables)


def fulfils(packet: Packet, match: AclMatch) -> bool:
    if match.field not in packet.fields:
        return False
    value = packet.fields[match.field]
    if match.last is not None:
        return match.value <= value <= match.last
    return (value & match.mask) == (match.value & match.mask)


def expected(
    tables: tuple[AclTable, ...], packet: Packet, port: int, is_egress: bool
) -> list[tuple[str, str, bool]]:
    """(table, rule, whether it drops) that the packet meets at a port, read off the rules one by one."""
    met = []
    for table in tables:
        if table.is_egress != is_egress or port not in table.ports:
            continue
        for rule in table.rules:
            ports = rule.out_ports if is_egress else rule.in_ports
            if (ports is None or port in ports) and all(fulfils(packet, match) for match in rule.matches):
                met.append((table.name, rule.name, rule.drops))
                break
    return met


def looked_up(
    columns: dict[str, Any], rules: list[tuple[str, str]], packet: Packet, port: int, is_egress: bool
) -> list[tuple[str, str, bool]]:
    """The same, as the engine goes through its columns."""
    stage = "egress" if is_egress else "ingress"
    port_class = columns[f"{stage}_port_class"]
    if not len(port_class):
        return []
    header_class = int(columns["header_class"][packet.qp * KINDS + packet.kind])
    cell = header_class * (int(port_class.max()) + 1) + int(port_class[port])
    first, end = columns[f"{stage}_offsets"][cell : cell + 2]
    met, is_met = [], False
    place = {0x00: 1, 0x01: 2, 0x02: 4, 0x04: 8}.get(packet.fields["bth_opcode"], 0)
    for rule, ttl, ttl_mask, ecn, ecn_mask, places, drops, ends in columns[f"{stage}_entries"][
        first:end
    ].tolist():
        fits = (
            not is_met
            and (packet.fields["ttl"] ^ ttl) & ttl_mask == 0
            and (packet.fields["ecn"] ^ ecn) & ecn_mask == 0
            and (packet.kind != DATA or place & places != 0)
        )
        if fits:
            met.append((*rules[rule], bool(drops)))
        is_met = (is_met or fits) and not ends
    return met


@pytest.mark.parametrize("is_ipv6", [False, True])
def test_every_packet_meets_the_rules_that_a_look_at_its_headers_finds(is_ipv6: bool) -> None:
    hits = drops = 0
    for seed in range(25):
        draw = random.Random(seed)
        headers, made = packets(is_ipv6, draw)
        tables = random_tables(made, draw)
        counters = RuleCounters()
        columns = acl_columns(tables, PORTS, headers, counters)
        for packet in made:
            for port in range(PORTS):
                for is_egress in (False, True):
                    found = looked_up(columns, counters.rules, packet, port, is_egress)
                    assert found == expected(tables, packet, port, is_egress), (seed, packet, port)
                    hits += len(found)
                    drops += any(each[2] for each in found)
    assert hits > 4_000
    assert drops > 2_000


def rule(name: str, value: int) -> AclTable:
    return AclTable("T", False, (0,), (AclRule(name, True, (AclMatch("dscp", value, 0x3F),)),))


def test_rule_keeps_its_counter_until_it_is_changed_or_goes() -> None:
    counters = RuleCounters()
    counters.renew([rule("A", 1), rule("B", 1)])
    assert counters.numbers == {("T", "A"): 0, ("T", "B"): 1}
    counters.renew([rule("B", 1), rule("A", 2)])
    assert counters.numbers == {("T", "B"): 1, ("T", "A"): 2}
    counters.renew([])
    counters.renew([rule("B", 1)])
    assert counters.numbers == {("T", "B"): 3}
    assert counters.rules[2] == ("T", "A")


def test_rules_of_one_name_share_a_counter() -> None:
    counters = RuleCounters()
    both = rule("A", 1).rules + rule("A", 2).rules
    counters.renew([AclTable("T", False, (0,), both)])
    assert counters.rules == [("T", "A")]
