"""What a fabric was given, as the allocation record keeps it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from raddle.controller.plan.addresses import AddressPlan, address_families
from raddle.topology.allocation import overlaps
from raddle.topology.model import Fabric, Link, Switch
from raddle.topology.record import (
    CableEntry,
    HostEntry,
    Record,
    SwitchEntry,
    cable_key,
    ends_of,
    mac_text,
)


def record_of(fabric: Fabric) -> Record:
    """The record of a fabric: what every device and cable has, and, marked, what those had that are gone.

    What is gone is forgotten where something that stands has its port, address or name.
    """
    families = address_families(fabric)
    prefixes = dict(zip((leaf.index for leaf in fabric.leaves), _host_prefixes(families), strict=True))
    outside = {host.name for host in fabric.hosts if host.outside}  # which the file numbers
    standing = Record(
        fabric.name,
        dict(fabric.templates),
        {each.name: _switch(each, families, prefixes.get(each.index, ())) for each in fabric.switches},
        {host.name: HostEntry(host.slot) for host in fabric.hosts if not host.outside},
        {
            cable_key(link.a, link.b): _cable(fabric, link, families)
            for link in fabric.links
            if link.a.device not in outside
        },
    )
    return _with_gone(standing, fabric.record) if fabric.record else standing


def _host_prefixes(families: tuple[AddressPlan, ...]) -> list[tuple[str, ...]]:
    """The blocks of every leaf, those of all families."""
    by_family = zip(*(family.leaf_prefixes for family in families), strict=True)
    return [tuple(str(block) for own in of_leaf for block in own) for of_leaf in by_family]


def _switch(switch: Switch, families: tuple[AddressPlan, ...], hosts: tuple[str, ...]) -> SwitchEntry:
    loopbacks = tuple(family.text(family.loopbacks[switch.index]) for family in families)
    return SwitchEntry(switch.role, switch.slot, mac_text(switch.mac), switch.asn, loopbacks, hosts)


def _cable(fabric: Fabric, link: Link, families: tuple[AddressPlan, ...]) -> CableEntry:
    if not fabric.addressing.is_numbered and link.a.device in fabric.switch_by_name:
        return CableEntry(())
    ends = [(family, *family.link_ends[link.index]) for family in families]
    prefixes = tuple(f"{family.text(min(a, b))}/{family.bits - 1}" for family, a, b in ends)
    return CableEntry(prefixes, lower_is_even=ends[0][1] < ends[0][2])


def _with_gone(new: Record, old: Record) -> Record:
    """The new record with the entries of the old one that are no longer there and in nobody's way."""
    addresses = {text for each in new.switches.values() for text in (each.mac, *each.loopbacks)}
    numbers = {each.asn for each in new.switches.values()}
    switches = {
        name: replace(entry, is_gone=True)
        for name, entry in old.switches.items()
        if name not in new.switches
        and addresses.isdisjoint((entry.mac, *entry.loopbacks))
        and not (entry.role == "leaf" and entry.asn in numbers)
    }
    hosts = {name: replace(entry, is_gone=True) for name, entry in old.hosts.items() if name not in new.hosts}
    ports = {end for key in new.cables for end in ends_of(key)} if old.cables.keys() - new.cables else set()
    prefixes = {prefix for each in new.cables.values() for prefix in each.prefixes}
    cables = {
        key: replace(entry, is_gone=True)
        for key, entry in old.cables.items()
        if key not in new.cables
        and prefixes.isdisjoint(entry.prefixes)
        and not ports.intersection(end for end in ends_of(key) if end.device in new.switches)
    }
    return replace(
        new,
        switches=new.switches | _apart(new, switches),
        hosts=new.hosts | hosts,
        cables=new.cables | cables,
        adopted=old.adopted,
    )


def _apart(new: Record, gone: dict[str, SwitchEntry]) -> dict[str, SwitchEntry]:
    """The gone switches whose host prefixes nobody has now."""
    networks = [ip_network(prefix) for each in new.switches.values() for prefix in each.hosts]
    blocks = {
        version: sorted((int(each[0]), each.num_addresses) for each in networks if each.version == version)
        for version in (4, 6)
    }

    def is_free(prefix: str) -> bool:
        network = ip_network(prefix)
        return not overlaps((int(network[0]), network.num_addresses), blocks[network.version])

    return {name: entry for name, entry in gone.items() if all(map(is_free, entry.hosts))}
