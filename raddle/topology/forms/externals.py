"""Links to the world outside: each is a host of one port that stands for the router at its far end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network

from raddle.errors import Diagnostic
from raddle.topology.devices import Outside
from raddle.topology.forms.wiring import Cable, HostDraft, Wiring, parse_port_ref
from raddle.topology.model import PortRef
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema import FabricFile
from raddle.topology.yaml.schema_border import ExternalSpec
from raddle.topology.yaml.schema_devices import NicSpec
from raddle.topology.yaml.schema_policy import AddressingSpec
from raddle.topology.yaml.source import Place, Source

Network = IPv4Network | IPv6Network

_ALL = {4: "0.0.0.0/0", 6: "::/0"}


def with_externals(wiring: Wiring, spec: FabricFile) -> Wiring:
    """The wiring with a host and a cable for each link to the outside that names a port of a switch."""
    hosts, cables = dict(wiring.hosts), list(wiring.cables)
    used = _used(wiring) if spec.external else frozenset()
    for i, each in enumerate(spec.external):
        place: Place = ("external", i)
        end = parse_port_ref(each.port)
        leaf = wiring.switches.get(end.device)
        if leaf is None or leaf.role != "leaf" or end.port not in leaf.native_bps or end in used:
            continue  # `check_externals` says so
        if each.name in wiring.switches or each.name in hosts:
            continue
        speed_bps = each.speed or leaf.native_bps[end.port]
        draft = HostDraft(each.name, NicSpec(speed=speed_bps), place, outside=_outside(each))
        hosts[each.name] = draft
        cables.append(
            Cable(
                ends=(PortRef(each.name, draft.ports[0]), end),
                speed_bps=each.speed,
                length_m=each.cable,
                is_up=each.state == "up",
                place=place,
                speed_place=(*place, "speed"),
                state_place=(*place, "state"),
                medium=each.medium,
            )
        )
    return replace(wiring, hosts=hosts, cables=tuple(cables)) if spec.external else wiring


def _outside(spec: ExternalSpec) -> Outside:
    versions = (ip_interface(address).version for address in spec.address)
    return Outside(
        spec.address, spec.prefixes or tuple(_ALL[version] for version in versions), spec.as_number or 0
    )


def check_externals(spec: FabricFile, wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Names, ports, addresses and prefixes of the links to the outside, and switches that cannot have them.

    Args:
        wiring: without these links.
    """
    if not spec.external:
        return
    others = sorted({draft.model.nos for draft in wiring.switches.values()} - {"sonic"})
    if others:
        message = (
            f"links to the outside are planned for SONiC switches alone, and there are some of '{others[0]}'"
        )
        hint = "leave 'external' out, or take models with 'nos: sonic'"
        yield source.error("external-not-supported", message, ("external",), hint, at_key=True)
    seen: dict[str, Place] = {}
    links: dict[Network, Place] = {}
    used = _used(wiring)
    for i, each in enumerate(spec.external):
        place: Place = ("external", i)
        first = seen.setdefault(each.name, (*place, "name"))
        if each.name in wiring.devices or first != (*place, "name"):
            message = f"two devices are named '{each.name}'"
            yield source.error("duplicate-name", message, (*place, "name"), "give the link a name of its own")
        yield from _check_port(each, wiring, used, place, source)
        yield from _check_addresses(each, spec.addressing, links, place, source)
        yield from _check_prefixes(each, spec.addressing, place, source)


def _used(wiring: Wiring) -> frozenset[PortRef]:
    return frozenset(end for cable in wiring.cables for end in cable.ends)


def _check_port(
    each: ExternalSpec, wiring: Wiring, used: frozenset[PortRef], place: Place, source: Source
) -> Iterator[Diagnostic]:
    end, at = parse_port_ref(each.port), (*place, "port")
    draft = wiring.switches.get(end.device)
    if draft is None:
        leaves = [name for name, switch in wiring.switches.items() if switch.role == "leaf"]
        ports = [f"{leaf}:{port}" for leaf in leaves[:1] for port in wiring.switches[leaf].native_bps]
        hint = did_you_mean(end.device, leaves, f"name a port of a leaf, such as '{ports[-1]}'")
        yield source.error("unknown-device", f"no switch '{end.device}'", at, hint)
    elif draft.role != "leaf":
        message = f"'{end.device}' is a {draft.role}; links to the outside are at leaves"
        hint = "take a leaf, perhaps one without hosts ('hosts: groups')"
        yield source.error("bad-external", message, at, hint)
    elif end.port not in draft.native_bps:
        names = list(draft.native_bps)
        hint = f"'{end.device}' has {names[0]} to {names[-1]}"
        yield source.error("unknown-port", f"no port '{end.port}' on '{end.device}'", at, hint)
    elif end in used:
        free = [port for port in draft.native_bps if PortRef(end.device, port) not in used]
        hint = f"'{end.device}:{free[0]}' is free" if free else f"no port of '{end.device}' is free"
        yield source.error("port-in-use", f"port '{end}' has a cable already", at, hint)
    elif _has_bonds(wiring, end.device):
        message = f"'{end.device}' has bonds, and announces what its twin does"
        yield source.error("bad-external", message, at, "take a leaf without bonds")


def _has_bonds(wiring: Wiring, leaf: str) -> bool:
    bonded = {name for name, host in wiring.hosts.items() if host.nics.bond}
    return any(
        leaf in (end.device for end in cable.ends) and any(end.device in bonded for end in cable.ends)
        for cable in (wiring.cables if bonded else ())
    )


def _check_addresses(
    each: ExternalSpec, pools: AddressingSpec, links: dict[Network, Place], place: Place, source: Source
) -> Iterator[Diagnostic]:
    versions = [ip_interface(address).version for address in each.address]
    wanted = {"ipv4": [4], "ipv6": [6], "dual": [4, 6]}[pools.families]
    at: Place = (*place, "address")
    if sorted(versions) != wanted:
        what = " and ".join(f"IPv{version}" for version in wanted)
        message = f"an address of {what} each is needed, as 'addressing: families' is {pools.families}"
        yield source.error("bad-external", message, at, "write one, or a list of two with both families")
        return
    for text in each.address:
        network = ip_interface(text).network
        around = network.supernet()
        for name, pool in pools_of(pools, network.version):
            if pool.overlaps(around):
                message = f"'{text}' is in pool '{name}' {pool}, whose addresses are given out"
                yield source.error("pool-overlap", message, at, "take an address outside of it")
        if links.setdefault(network, place) != place:
            message = f"'{text}' is of the same link as an address before"
            yield source.error("bad-external", message, at, "give each link a /31 or /127 of its own")


def _check_prefixes(
    each: ExternalSpec, pools: AddressingSpec, place: Place, source: Source
) -> Iterator[Diagnostic]:
    versions = {ip_interface(address).version for address in each.address}
    for k, text in enumerate(each.prefixes):
        prefix, at = ip_network(text), (*place, "prefixes", k)
        if prefix.version not in versions:
            message = f"{text} is reached over an address of IPv{prefix.version}, and the link has none"
            yield source.error("bad-external", message, at, "add one under 'address', or leave it out")
        elif any(_within(prefix, pool) for _, pool in pools_of(pools, prefix.version)):
            message = f"{text} is within the fabric's own pools"
            yield source.error("bad-external", message, at, "take another pool, or leave it out")
        elif text in each.prefixes[:k]:
            yield source.error("bad-external", f"{text} is named twice", at, "leave one out")


def _within(prefix: Network, pool: Network) -> bool:
    return prefix.overlaps(pool) and prefix.prefixlen >= pool.prefixlen


def pools_of(pools: AddressingSpec, version: int) -> Iterator[tuple[str, Network]]:
    """The pools of one family that addresses are given out from."""
    holder = pools if version == 4 else pools.ipv6
    for name in ("hosts", "loopbacks", *(("underlay",) if pools.links == "numbered" else ())):
        yield name, ip_network(getattr(holder, name))
