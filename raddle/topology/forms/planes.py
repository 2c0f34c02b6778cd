"""Equal planes that are too large together: one is kept, the others are its copies by reference.

Planes share no switch, so a plane is a fabric of its own. Of what all planes of a host share (a NIC's and an
accelerator's bus, the scale-up network) the one that is kept has its equal part: messages that are cut into
equal parts, one for each plane, take the time there that whole ones take over all planes.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from raddle.errors import Diagnostic
from raddle.topology.forms.layout import layout_of
from raddle.topology.forms.names import ROLES
from raddle.topology.forms.pools import with_large_pools
from raddle.topology.forms.size_checks import MAX_LINKS, form_size
from raddle.topology.model import PlaneCopies
from raddle.topology.yaml.schema import FabricFile, FormSpec, HostsSpec
from raddle.topology.yaml.schema_devices import AcceleratorSpec
from raddle.topology.yaml.schema_policy import AddressingSpec
from raddle.topology.yaml.source import Source
from raddle.units import ip_text

_PLANE = re.compile(r"plane([0-9]{1,4})")
_FIELD = re.compile(r"\{plane(?::0?([0-9]+))?\}")


def is_by_reference(spec: FabricFile) -> bool:
    """Whether the planes of a form that is too large are alike, and none is too large alone."""
    form, hosts = spec.fabric, spec.hosts
    if not form or not hosts or form.planes == 1:
        return False
    if any(each.nics.ports % form.planes for each in hosts) or spec.reserve or spec.record or spec.external:
        return False
    if spec.overrides.model_fields_set or layout_of(form, hosts).planes != form.planes:
        return False
    return sum(form_size(form, hosts)) // form.planes <= MAX_LINKS


def plane_of(spec: FabricFile, name: str) -> PlaneCopies | None:
    """The plane that `plane3` names, or the first; None where there is no such one."""
    assert spec.fabric
    match = _PLANE.fullmatch(name or "plane0")
    if not match or int(match[1]) >= spec.fabric.planes:
        return None
    return PlaneCopies(spec.fabric.planes, int(match[1]))


def kept_plane(spec: FabricFile, copies: PlaneCopies, source: Source) -> tuple[FabricFile, list[Diagnostic]]:
    """The file's plane of this number, as a fabric that has no other, and problems of its address pools."""
    assert spec.fabric
    assert spec.hosts
    pools, problems = _pools(with_large_pools(spec.addressing), copies, source)
    return spec.model_copy(
        update={
            "name": f"{spec.name}-plane{copies.kept}",
            "fabric": _form(spec.fabric, copies),
            "hosts": tuple(_hosts(each, copies.planes) for each in spec.hosts),
            "addressing": pools,
        }
    ), problems


def _form(form: FormSpec, copies: PlaneCopies) -> FormSpec:
    tiers = {}
    for key, role in ROLES:
        tier = getattr(form, key)
        if tier is not None:
            template = tier.name or f"p{{plane}}-{role}{{i}}"
            if form.kind == "leaf-spine":  # ports go round the planes, and so the rails are
                template = template.replace("{rail", "{plane")
            name = _FIELD.sub(lambda field: f"{copies.kept:0{field[1] or 1}}", template)
            tiers[key] = tier.model_copy(update={"name": name})
    return form.model_copy(update={"planes": 1, **tiers})


def _hosts(hosts: HostsSpec, planes: int) -> HostsSpec:
    nics = hosts.nics
    part = {"ports": nics.ports // planes, "bus": nics.bus and nics.bus // planes}
    inside = hosts.accelerators and _accelerators(hosts.accelerators, planes)
    return hosts.model_copy(update={"nics": nics.model_copy(update=part), "accelerators": inside})


def _accelerators(inside: AcceleratorSpec, planes: int) -> AcceleratorSpec:
    network = inside.scale_up
    if network:
        part = {
            "bandwidth": network.bandwidth // planes,
            "in_network": network.in_network and network.in_network // planes,
        }
        network = network.model_copy(update=part)
    return inside.model_copy(update={"bus": inside.bus and inside.bus // planes, "scale_up": network})


def _pools(
    spec: AddressingSpec, copies: PlaneCopies, source: Source
) -> tuple[AddressingSpec, list[Diagnostic]]:
    """A plane's part of the pools of hosts and loopbacks; each numbers the links between switches alike."""
    bits = (copies.planes - 1).bit_length()
    problems: list[Diagnostic] = []

    def part(pool: str, key: str, *above: str) -> str:
        network: IPv4Network | IPv6Network = ip_network(pool)
        if network.prefixlen + bits > network.max_prefixlen:
            message = f"{key} is {ip_text(network)}, too small for {copies.planes} planes"
            place = ("addressing", *above, key)
            problems.append(source.error("pool-too-small", message, place, "take a larger pool"))
            return pool
        size = network.num_addresses >> bits
        first = type(network.network_address)(int(network.network_address) + copies.kept * size)
        return f"{first}/{network.prefixlen + bits}"

    own = {key: part(getattr(spec, key), key) for key in ("hosts", "loopbacks")}
    own6 = {key: part(getattr(spec.ipv6, key), key, "ipv6") for key in ("hosts", "loopbacks")}
    return spec.model_copy(update={**own, "ipv6": spec.ipv6.model_copy(update=own6)}), problems
