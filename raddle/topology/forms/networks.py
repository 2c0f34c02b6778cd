"""Networks of one file: what tells them apart by default, and what they must not share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_interface, ip_network

from raddle.errors import Diagnostic
from raddle.topology.forms.externals import pools_of
from raddle.topology.forms.names import ROLES
from raddle.topology.forms.wiring import Wiring
from raddle.topology.yaml.schema import FabricFile, FormSpec
from raddle.topology.yaml.schema_policy import AddressingSpec, AsNumbersSpec
from raddle.topology.yaml.source import Source
from raddle.units import ip_text

Part = tuple[FabricFile, Wiring, Source]
"""A network: what its part of the file says, and its devices and cables."""


def set_apart(spec: FabricFile, network: str, index: int) -> FabricFile:
    """The network with names, address pools and AS numbers that no other has, where the file gives none."""
    update: dict[str, object] = {
        "addressing": _pools(spec.addressing, index),
        "routing": spec.routing.model_copy(
            update={"as_numbers": _as_numbers(spec.routing.as_numbers, index)}
        ),
    }
    if spec.fabric:
        update["fabric"] = _with_names(spec.fabric, network)
    if spec.hosts:  # numbers of a kind are the same in every network
        update["hosts"] = tuple(
            each if each.name else each.model_copy(update={"name": "host{k}"}) for each in spec.hosts
        )
    return spec.model_copy(update=update)


def _with_names(form: FormSpec, network: str) -> FormSpec:
    plane = "p{plane}-" if form.planes > 1 else ""
    tiers = {key: (getattr(form, key), role) for key, role in ROLES}
    return form.model_copy(
        update={
            key: tier.model_copy(update={"name": f"{network}-{plane}{role}{{i}}"})
            for key, (tier, role) in tiers.items()
            if tier is not None and tier.name is None
        }
    )


def _pools(spec: AddressingSpec, index: int) -> AddressingSpec:
    """Defaults beside those of the networks before: private addresses, from the fifth on also shared ones
    (RFC 6598) for links between switches."""
    underlay = f"172.{16 + 4 * index}.0.0/14" if index < 4 else f"100.{64 + 16 * (index - 4)}.0.0/12"
    pools = {"hosts": f"10.{index}.0.0/16", "loopbacks": f"10.255.{16 * index}.0/20", "underlay": underlay}
    pools6 = {name: f"fd00:0:{index}:{n}::/64" for n, name in enumerate(pools, 1)}
    ipv6 = spec.ipv6.model_copy(
        update={name: pool for name, pool in pools6.items() if name not in spec.ipv6.model_fields_set}
    )
    own = {name: pool for name, pool in pools.items() if name not in spec.model_fields_set}
    return spec.model_copy(update={**own, "ipv6": ipv6})


def _as_numbers(spec: AsNumbersSpec, index: int) -> AsNumbersSpec:
    """Defaults a million above those of the network before: a router outside that speaks with switches of two
    would take what the one announces for a loop of the other's (RFC 4271, 9.1.2)."""
    keys = spec.__class__.model_fields.keys() - spec.model_fields_set
    return spec.model_copy(update={key: getattr(spec, key) + 1_000_000 * index for key in keys})


def network_of_ranks(parts: Mapping[str, Part]) -> str:
    """The network whose hosts have accelerators, else the first."""
    with_accelerators = (
        name
        for name, (_, wiring, _) in parts.items()
        if any(host.accelerators for host in wiring.hosts.values())
    )
    return next(with_accelerators, next(iter(parts)))


def check_networks(parts: Mapping[str, Part]) -> Iterator[Diagnostic]:
    """Switches, hosts' accelerators and addresses that two networks have."""
    switches: dict[str, str] = {}
    computing: dict[str, str] = {}
    for name, (_, wiring, source) in parts.items():
        for switch, draft in wiring.switches.items():
            other = switches.setdefault(switch, name)
            if other != name:
                message = f"'{switch}' is a switch of network '{other}' and of '{name}'"
                hint = "give each its own; NICs that share switches are one network, as kinds of 'hosts'"
                yield source.error("shared-switch", message, draft.place, hint, at_key=True)
                break
        for host, inside in wiring.hosts.items():
            other = computing.setdefault(host, name) if inside.accelerators else name
            if other != name:
                message = f"accelerators of '{host}' in network '{other}' and in '{name}'"
                hint = "name them in the network over which ranks send"
                yield source.error(
                    "key-conflict", message, (*inside.place, "accelerators"), hint, at_key=True
                )
                break
    yield from _overlaps(parts)
    yield from _shared_outside(parts)


def _overlaps(parts: Mapping[str, Part]) -> Iterator[Diagnostic]:
    seen: list[tuple[str, str, str]] = []
    for name, (spec, _, source) in parts.items():
        pools = spec.addressing
        v4 = () if pools.families == "ipv6" else ((pools, ("addressing",)),)
        v6 = () if pools.families == "ipv4" else ((pools.ipv6, ("addressing", "ipv6")),)
        for holder, place in (*v4, *v6):
            for key in ("hosts", "loopbacks", "underlay"):
                pool = ip_network(getattr(holder, key))
                for other, other_key, text in seen:
                    network = ip_network(text)
                    if other != name and network.version == pool.version and pool.overlaps(network):
                        message = (
                            f"pool '{key}' {ip_text(pool)} of network '{name}' overlaps pool '{other_key}' "
                            f"{text} of network '{other}'"
                        )
                        hint = "give each network pools of its own"
                        yield source.error("pool-overlap", message, (*place, key), hint)
                seen.append((name, key, str(pool)))


def _shared_outside(parts: Mapping[str, Part]) -> Iterator[Diagnostic]:
    """Addresses of links to the outside that another network has, on such a link or in a pool."""
    links: dict[str, str] = {}
    for name, (spec, _, source) in parts.items():
        for i, k, text in (
            (i, k, text) for i, e in enumerate(spec.external) for k, text in enumerate(e.address)
        ):
            place, network = ("external", i, "address", k), ip_interface(text).network
            other = links.setdefault(str(network), name)
            if other != name:
                message = f"'{text}' is of the same link as an address of network '{other}'"
                yield source.error("bad-external", message, place, "give each link a /31 or /127 of its own")
            for other, (theirs, _, _) in parts.items():
                for key, pool in pools_of(theirs.addressing, network.version) if other != name else ():
                    if pool.overlaps(network):
                        message = f"'{text}' is in pool '{key}' {pool} of network '{other}'"
                        yield source.error("pool-overlap", message, place, "take an address outside of it")
