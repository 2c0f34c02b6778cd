"""What access lists do with packets, as far as it is sure: to drop them, to let them go on, or open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from raddle.state import AclField, AclMatch, ListedRule, ListedTable

Packet = Mapping[AclField, int | range]
"""What access lists see of a packet; addresses as they have them. A range stands for many packets that have
its values; of a field that is not there, a switch may see anything."""

_MAPPED = 0xFFFF << 32


def fates(table: ListedTable, packet: Packet, place: int) -> set[bool | None]:
    """What a list may do with a packet at a port: drop it, let it go on, or (None) something else."""
    found: set[bool | None] = set()
    if place not in table.ports:
        return {False}
    taken_at: int | None = None
    for rule in table.rules:
        if taken_at is not None and rule.priority < taken_at:
            return found
        takes = is_of(rule, table.is_egress, packet, place)
        if takes is not False:
            found.add(rule.drops)
        if takes:
            taken_at = rule.priority
    return found if taken_at is not None else found | {False}


def acts(table: ListedTable, rule: ListedRule, packet: Packet, place: int) -> bool:
    """Whether it is surely this rule that acts on a packet at a port."""
    if place not in table.ports or not is_of(rule, table.is_egress, packet, place):
        return False
    return not any(
        is_of(other, table.is_egress, packet, place) is not False
        for other in table.rules
        if other is not rule and other.priority >= rule.priority
    )


def is_of(rule: ListedRule, is_egress: bool, packet: Packet, place: int) -> bool | None:
    """Whether a rule is for a packet at a port; None where that is open."""
    ports = rule.out_ports if is_egress else rule.in_ports
    if ports is not None and place not in ports:
        return False
    fits = [_fits(match, packet) for match in rule.matches]
    if False in fits:
        return False
    return None if None in fits or rule.is_unsure else True


def verdict(tables: Sequence[ListedTable], packet: Packet, into: int, egress: Sequence[int]) -> bool | None:
    """Whether lists drop a packet, whatever of the ports `egress` it takes; None where that is open."""
    found: set[bool | None] = set()
    for leaves in egress or [-1]:
        by_list = [fates(table, packet, leaves if table.is_egress else into) for table in tables]
        is_known = not any(None in each for each in by_list)
        if is_known and {True} in by_list:
            found.add(True)
        else:
            found.add(False if all(each == {False} for each in by_list) else None)
    return found.pop() if len(found) == 1 else None


def _fits(match: AclMatch, packet: Packet) -> bool | None:
    value = packet.get(match.field)
    if value is None:
        return None
    if isinstance(value, int):
        return _has(match, value)
    return _of_many(match, value)


@lru_cache(maxsize=65536)
def _of_many(match: AclMatch, values: range) -> bool | None:
    found = {_has(match, value) for value in values}
    return found.pop() if len(found) == 1 else None


def _has(match: AclMatch, value: int) -> bool:
    if match.last is not None:
        return match.value <= value <= match.last
    return (value ^ match.value) & match.mask == 0


def span(match: AclMatch, bits: int) -> tuple[int, int] | None:
    """The first and last value of a match of a field of so many bits; None where there are gaps between."""
    if match.last is not None:
        return match.value, match.last
    every = (1 << bits) - 1
    free = ~match.mask & every
    if free & (free + 1):
        return None
    low = match.value & ~free & every
    return low, low | free


def wide(address: str) -> int:
    """An address as access lists have it: IPv4 in its mapped form."""
    own = ip_address(address)
    return int(own) | _MAPPED if own.version == 4 else int(own)


def narrow(value: int) -> str:
    own = IPv6Address(value)
    return str(own.ipv4_mapped or own)


def is_routed(packet: Mapping[AclField, int]) -> bool:
    """All switches route such a packet, and none sends it to its own processor.

    It is of one family, has hosts' addresses (RFC 1812, section 5.3.7; RFC 4291) and TTL enough; what is
    behind its header is no extension, and no DHCP, which SONiC traps.
    """
    ports = {packet.get("l4_src_port"), packet.get("l4_dst_port")}
    return (
        _are_hosts(packet["src_ip"], packet["dst_ip"])
        and packet["ip_protocol"] not in _HEADERS
        and not ports & _DHCP
        and packet["ttl"] > 1
    )


@lru_cache(maxsize=65536)
def _are_hosts(*ends: int) -> bool:
    source, target = (ip_address(narrow(end)) for end in ends)
    return (
        source.version == target.version
        and source != target
        and not any(
            each.is_multicast
            or each.is_loopback
            or each.is_unspecified
            or each.is_link_local
            or each.is_reserved
            or (each.version == 4 and int(each) >> 24 == 0)
            for each in (source, target)
        )
    )


_HEADERS = frozenset({0, 43, 44, 51, 60, 135, 139, 140})
"""IPv6 extension headers that are none of routed packets' payload here, AH, HIP and Shim6 among them."""

_DHCP = frozenset({67, 68, 546, 547})
