"""Checks of what the file says, before and apart from its wiring: form, models, RoCE policy, addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from itertools import combinations

from raddle.errors import Diagnostic
from raddle.topology.fields import parse_name
from raddle.topology.model import SwitchModel
from raddle.topology.reading import did_you_mean
from raddle.topology.schema import AddressingSpec, FabricFile, HostsSpec, LeafSpineSpec, RoceSpec
from raddle.topology.source import Place, Source
from raddle.topology.wiring import Wiring
from raddle.units import format_size

ROCE_HEADER_BYTES = 20 + 8 + 12 + 16 + 4
"""IPv4, UDP, BTH, RETH and ICRC (IBTA RoCEv2 annex A17, RFC 791, RFC 768): what a packet adds to the payload
within the IP MTU. RETH is in the first packet of a write only."""


def check_shape(spec: FabricFile, models: Mapping[str, SwitchModel], source: Source) -> Iterator[Diagnostic]:
    """Problems that keep the file from being expanded."""
    yield from _check_form(spec, source)
    if spec.fabric and spec.hosts:
        unknown = [
            problem
            for tier in ("leaves", "spines")
            for problem in _check_model(getattr(spec.fabric, tier).model, models, ("fabric", tier), source)
        ]
        yield from unknown or _check_port_budget(spec.fabric, spec.hosts, models, source)
    for name, device in (spec.devices or {}).items():
        place: Place = ("devices", name)
        yield from _check_name(name, place, source)
        if device.role == "host" and device.model:
            hint = "delete 'model'; it belongs to switches"
            yield source.error("wrong-role", f"host '{name}' has a switch model", (*place, "model"), hint)
        elif device.role != "host" and device.nics:
            hint = "delete 'nics'; they belong to hosts"
            yield source.error("wrong-role", f"{device.role} '{name}' has NICs", (*place, "nics"), hint)
        elif device.model:
            yield from _check_model(device.model, models, place, source)


def check_models(
    spec: FabricFile, builtin: Mapping[str, SwitchModel], source: Source
) -> Iterator[Diagnostic]:
    for name in spec.models:
        yield from _check_name(name, ("models", name), source)
        if name in builtin:
            message = f"switch model '{name}' is built in"
            yield source.error("model-exists", message, ("models", name), "choose another name", at_key=True)


def _check_form(spec: FabricFile, source: Source) -> Iterator[Diagnostic]:
    is_intent, is_explicit = spec.fabric is not None, spec.devices is not None
    if is_intent and is_explicit:
        hint = "keep 'fabric' and 'hosts' (an intent), or 'devices' and 'links' (explicit)"
        yield source.error("mixed-forms", "'devices' beside 'fabric'", ("devices",), hint)
    elif is_intent:
        if spec.hosts is None:
            yield source.error("missing-key", "'hosts' is missing beside 'fabric'", ("fabric",))
        if spec.links is not None:
            hint = "change an intent's links under 'overrides: links:'"
            yield source.error("mixed-forms", "'links' beside 'fabric'", ("links",), hint)
    elif is_explicit:
        if spec.hosts is not None:
            hint = "list hosts under 'devices' with 'role: host'"
            yield source.error("mixed-forms", "'hosts' beside 'devices'", ("hosts",), hint)
    else:
        hint = "give 'fabric' and 'hosts' (an intent), or 'devices' and 'links' (explicit)"
        yield source.error("missing-key", "the file describes no fabric", ("name",), hint, at_key=True)


def _check_name(name: str, place: Place, source: Source) -> Iterator[Diagnostic]:
    try:
        parse_name(name)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        yield source.error("bad-name", message, place, hint, at_key=True)


def _check_model(
    name: str, models: Mapping[str, SwitchModel], place: Place, source: Source
) -> Iterator[Diagnostic]:
    if name not in models:
        hint = did_you_mean(name, list(models), f"known models: {', '.join(models)}")
        yield source.error("unknown-model", f"no switch model '{name}'", (*place, "model"), hint)


def _check_port_budget(
    fabric: LeafSpineSpec, hosts: HostsSpec, models: Mapping[str, SwitchModel], source: Source
) -> Iterator[Diagnostic]:
    """An intent must fit its switches' ports; this also bounds what expansion makes."""
    per_pair = fabric.uplinks.per_pair
    down, up = hosts.per_leaf * hosts.nics.count, fabric.spines.count * per_pair
    leaf, spine = models[fabric.leaves.model], models[fabric.spines.model]
    if down + up > leaf.port_count:
        message = (
            f"a leaf needs {down + up} ports ({down} to hosts, {up} to spines); "
            f"'{leaf.name}' has {leaf.port_count}"
        )
        related = (source.span(("hosts", "per_leaf")), "hosts per leaf are given here")
        span = source.span(("fabric", "leaves"), at_key=True)
        yield Diagnostic("not-enough-ports", message, span, "take fewer hosts, NICs or spines", related)
    need = fabric.leaves.count * per_pair
    if need > spine.port_count:
        message = f"a spine needs {need} ports to leaves; '{spine.name}' has {spine.port_count}"
        related = (source.span(("fabric", "leaves", "count")), "leaves are counted here")
        span = source.span(("fabric", "spines"), at_key=True)
        yield Diagnostic("not-enough-ports", message, span, "take fewer leaves or links per pair", related)


def check_roce(roce: RoceSpec, source: Source) -> Iterator[Diagnostic]:
    """Problems of the RoCE policy."""
    for i, j in combinations(range(len(roce.lossless)), 2):
        for key in ("priority", "dscp"):
            value = getattr(roce.lossless[j], key)
            if getattr(roce.lossless[i], key) == value:
                span = source.span(("roce", "lossless", j, key))
                related = (source.span(("roce", "lossless", i, key)), "first used here")
                message = f"two lossless classes have {key} {value}"
                yield Diagnostic(f"duplicate-{key}", message, span, "give each class its own", related)
    for i, lossless in enumerate(roce.lossless):
        if lossless.dscp == roce.cnp.dscp:
            span = source.span(("roce", "cnp", "dscp"))
            related = (source.span(("roce", "lossless", i, "dscp")), "the lossless class uses it here")
            message = f"CNPs and a lossless class both have DSCP {roce.cnp.dscp}"
            yield Diagnostic("cnp-clash", message, span, "give CNPs a DSCP of their own, such as 48", related)
    if roce.ecn.kmin > roce.ecn.kmax:
        span = source.span(("roce", "ecn", "kmin"))
        related = (source.span(("roce", "ecn", "kmax")), "kmax is set here")
        message = f"kmin {format_size(roce.ecn.kmin)} is above kmax {format_size(roce.ecn.kmax)}"
        yield Diagnostic("ecn-order", message, span, "swap them", related)
    need = roce.mtu + ROCE_HEADER_BYTES
    if roce.port_mtu < need:
        message = (
            f"port_mtu {roce.port_mtu} B cannot carry RoCE packets of {need} B ({roce.mtu} B of payload)"
        )
        yield source.error("mtu-too-small", message, ("roce", "port_mtu"), f"set port_mtu to {need} or more")


def check_addressing(pools: AddressingSpec, wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Pools too small for the fabric, or overlapping."""
    endpoints = sum(host.nics.count for host in wiring.hosts.values())
    fabric_links = sum(all(end.device in wiring.switches for end in cable.ends) for cable in wiring.cables)
    needs = {
        "hosts": (2 * endpoints, f"{endpoints} host links of /31"),
        "loopbacks": (len(wiring.switches), f"{len(wiring.switches)} switches"),
        "underlay": (2 * fabric_links, f"{fabric_links} fabric links of /31"),
    }
    networks = {name: IPv4Network(getattr(pools, name)) for name in needs}
    for name, (need, what) in needs.items():
        if need > networks[name].num_addresses:
            length = 32 - (need - 1).bit_length()
            message = (
                f"pool '{name}' {networks[name]} holds {networks[name].num_addresses} addresses, "
                f"{what} need {need}"
            )
            yield source.error(
                "pool-too-small", message, ("addressing", name), f"make it a /{length} or larger"
            )
    for first, second in combinations(networks, 2):
        if networks[first].overlaps(networks[second]):
            related = (source.span(("addressing", first)), f"pool '{first}' is set here")
            message = f"pool '{second}' {networks[second]} overlaps pool '{first}' {networks[first]}"
            span = source.span(("addressing", second))
            yield Diagnostic("pool-overlap", message, span, "separate them", related)
