"""Checks of what the file says, apart from its wiring: devices, models, RoCE, addresses, AS numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import combinations

from raddle.errors import Diagnostic, with_hint
from raddle.topology.forms.breakout_checks import check_breakout
from raddle.topology.forms.wiring import Wiring
from raddle.topology.model import FIVE_TUPLE, HashField, Nos, SwitchModel
from raddle.topology.yaml.parsers import parse_name
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema import FabricFile
from raddle.topology.yaml.schema_devices import DEFAULT_MODEL, DeviceSpec
from raddle.topology.yaml.schema_policy import (
    AdaptiveSpec,
    AddressingSpec,
    AsNumbersSpec,
    EcnSpec,
    HashSpec,
    LoadSpec,
    RoceSpec,
    RoutingSpec,
    SpeedEcnSpec,
)
from raddle.topology.yaml.source import Place, Source
from raddle.units import format_rate, format_size, ip_text

ROCE_HEADER_BYTES = 20 + 8 + 12 + 16 + 4
"""IPv4, UDP, BTH, RETH and ICRC (IBTA RoCEv2 annex A17, RFC 791, RFC 768): what a packet adds to the payload
within the IP MTU. RETH is in the first packet of a write only."""

_PRIORITIES = 8
"""Priorities of IEEE 802.1Q, each of which PFC (802.1Qbb) can pause on its own."""

LAST_ASN = 4_294_967_294
"""RFC 7300 reserves the number above."""


def check_devices(
    devices: Mapping[str, DeviceSpec], models: Mapping[str, SwitchModel], source: Source
) -> Iterator[Diagnostic]:
    """Problems of an explicit file's devices that keep it from being expanded."""
    for name, device in devices.items():
        place: Place = ("devices", name)
        yield from _check_name(name, place, source)
        switch_only = [key for key in ("model", "breakout") if getattr(device, key) is not None]
        host_only = [key for key in ("nics", "accelerators") if getattr(device, key) is not None]
        if device.role == "host":
            for key in switch_only:
                what = "a switch model" if key == "model" else "a breakout"
                hint = f"delete '{key}'; it belongs to switches"
                yield source.error("wrong-role", f"host '{name}' has {what}", (*place, key), hint)
            continue
        for key in host_only:
            what = "NICs" if key == "nics" else key
            hint = f"delete '{key}'; they belong to hosts"
            yield source.error("wrong-role", f"{device.role} '{name}' has {what}", (*place, key), hint)
        unknown = list(check_model(device.model, models, place, source)) if device.model else []
        yield from unknown
        if device.breakout and not unknown:
            yield from check_breakout(device.breakout, models[device.model or DEFAULT_MODEL], place, source)


def check_models(
    spec: FabricFile, builtin: Mapping[str, SwitchModel], source: Source
) -> Iterator[Diagnostic]:
    for name in spec.models:
        yield from _check_name(name, ("models", name), source)
        if name in builtin:
            message = f"switch model '{name}' is built in"
            yield source.error("model-exists", message, ("models", name), "choose another name", at_key=True)


def check_kind(spec: FabricFile, source: Source) -> Iterator[Diagnostic]:
    """Whether the file is an intent or explicit, and not both."""
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
        message, hint = with_hint(error)
        yield source.error("bad-name", message, place, hint, at_key=True)


def check_model(
    name: str, models: Mapping[str, SwitchModel], place: Place, source: Source
) -> Iterator[Diagnostic]:
    if name not in models:
        hint = did_you_mean(name, list(models), f"known models: {', '.join(models)}")
        yield source.error("unknown-model", f"no switch model '{name}'", (*place, "model"), hint)


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
    if len({lossless.priority for lossless in roce.lossless}) == _PRIORITIES:
        message = f"all {_PRIORITIES} priorities are lossless, and none is left for other traffic"
        hint = (
            "SONiC switches have two lossless priorities (3 and 4) by default; leave one lossy at the least"
        )
        yield source.error("no-lossy-priority", message, ("roce", "lossless"), hint)
    yield from _ecn_problems(roce.ecn, source)
    need = roce.mtu + ROCE_HEADER_BYTES
    if roce.port_mtu < need:
        message = (
            f"port_mtu {roce.port_mtu} B cannot carry RoCE packets of {need} B ({roce.mtu} B of payload)"
        )
        yield source.error("mtu-too-small", message, ("roce", "port_mtu"), f"set port_mtu to {need} or more")
    room = roce.headroom
    if room.mtu is not None and room.mtu < need:
        message = (
            f"headroom for frames of {room.mtu} B, and RoCE packets have {need} B ({roce.mtu} B of payload)"
        )
        place: Place = ("roce", "headroom", "mtu")
        yield source.error("mtu-too-small", message, place, f"set it to {need} or more, or leave it out")
    if room.pool is not None and room.over_subscribe_ratio > 1:
        message = "'pool' beside 'over_subscribe_ratio'"
        yield source.error("key-conflict", message, ("roce", "headroom", "pool"), "keep one", at_key=True)


def _ecn_problems(ecn: EcnSpec, source: Source) -> Iterator[Diagnostic]:
    at: Place = ("roce", "ecn")
    rows: list[tuple[EcnSpec | SpeedEcnSpec, Place]] = [(ecn, at)]
    rows += [(row, (*at, "speeds", i)) for i, row in enumerate(ecn.speeds)]
    for each, place in rows:
        if each.kmin > each.kmax:
            span = source.span((*place, "kmin"))
            related = (source.span((*place, "kmax")), "kmax is set here")
            message = f"kmin {format_size(each.kmin)} is above kmax {format_size(each.kmax)}"
            yield Diagnostic("ecn-order", message, span, "swap them", related)
    for (i, first), (j, second) in combinations(enumerate(ecn.speeds), 2):
        if first.speed == second.speed:
            span = source.span((*at, "speeds", j, "speed"))
            related = (source.span((*at, "speeds", i, "speed")), "first given here")
            message = f"two rows of thresholds are for {format_rate(second.speed)}"
            yield Diagnostic("duplicate-speed", message, span, "leave one out", related)


def check_addressing(pools: AddressingSpec, wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Pools too small for the fabric, or overlapping."""
    endpoints = sum(len(host.ports) for host in wiring.hosts.values())
    fabric_links = 0
    if pools.links == "numbered":
        switches = wiring.switches
        fabric_links = sum(
            c.ends[0].device in switches and c.ends[1].device in switches for c in wiring.cables
        )
    needs = {
        "hosts": (2 * endpoints, f"{endpoints} host links"),
        "loopbacks": (len(wiring.switches), f"{len(wiring.switches)} switches"),
        "underlay": (2 * fabric_links, f"{fabric_links} fabric links"),
    }
    if pools.families != "ipv6":
        place: Place = ("addressing",)
        yield from _check_pools(
            {name: ip_network(getattr(pools, name)) for name in needs}, needs, place, source
        )
    if pools.families != "ipv4":
        place = ("addressing", "ipv6")
        networks = {name: ip_network(getattr(pools.ipv6, name)) for name in needs}
        yield from _check_pools(networks, needs, place, source)


def _check_pools(
    networks: Mapping[str, IPv4Network | IPv6Network],
    needs: Mapping[str, tuple[int, str]],
    place: Place,
    source: Source,
) -> Iterator[Diagnostic]:
    lengths = {
        name: network.max_prefixlen - (needs[name][0] - 1).bit_length()
        for name, network in networks.items()
        if needs[name][0] > network.num_addresses
    }
    larger = {name: f"make it a /{length} or larger" for name, length in lengths.items()}
    missing = [name for name in lengths if source.span((*place, name)) == source.span(place)]
    if missing:  # they are the defaults
        keys = ", ".join(f"{name}: a /{lengths[name]} or larger" for name in missing)
        hint = f"write '{': {'.join((*map(str, place), keys))}{'}' * len(place)}'"
        larger |= dict.fromkeys(missing, hint)
    for name in lengths:
        (need, what), network = needs[name], networks[name]
        links = "" if name == "loopbacks" else f" of /{network.max_prefixlen - 1}"
        message = (
            f"pool '{name}' {ip_text(network)} holds {network.num_addresses} addresses, "
            f"{what}{links} need {need}"
        )
        yield source.error("pool-too-small", message, (*place, name), larger[name])
    for first, second in combinations(networks, 2):
        if networks[first].overlaps(networks[second]):
            related = (source.span((*place, first)), f"pool '{first}' is set here")
            one, other = (f"pool '{name}' {ip_text(networks[name])}" for name in (first, second))
            message = f"{other} overlaps {one}"
            span = source.span((*place, second))
            hint = f"separate them, and {larger[second]}" if second in larger else "separate them"
            yield Diagnostic("pool-overlap", message, span, hint, related)


def check_as_numbers(numbers: AsNumbersSpec, wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Ranges of AS numbers that meet, or leave the numbers there are."""
    drafts = list(wiring.switches.values())
    counts = {
        "superspines": len({draft.plane for draft in drafts if draft.role == "superspine"}),
        "spines": len({(draft.plane, draft.pod) for draft in drafts if draft.role == "spine"}),
        "leaves": sum(draft.role == "leaf" for draft in drafts),
    }
    ranges = {
        key: range(getattr(numbers, key), getattr(numbers, key) + count) for key, count in counts.items()
    }
    for key, numbered in ranges.items():
        if numbered.stop - 1 > LAST_ASN:
            message = (
                f"AS numbers of {len(numbered)} {key} end at {numbered.stop - 1}; the last is {LAST_ASN}"
            )
            hint = "start lower"
            yield source.error("asn-out-of-range", message, ("routing", "as_numbers", key), hint)
    for first, second in combinations(ranges, 2):
        a, b = ranges[first], ranges[second]
        if a and b and a.start < b.stop and b.start < a.stop:
            span = source.span(("routing", "as_numbers", second))
            related = (source.span(("routing", "as_numbers", first)), f"those of the {first} are set here")
            message = f"AS numbers {b.start}-{b.stop - 1} of the {second} meet {a.start}-{a.stop - 1}"
            yield Diagnostic("asn-clash", message, span, "move one range away", related)


_PROGRAMMED_HASHES: dict[Nos, tuple[set[HashField], str]] = {
    "p4": (set(), "crc32 over the 5-tuple, with or without 'bth_qp'"),
    "pins": ({"bth_qp"}, "crc32 over the 5-tuple"),
}
"""Of switches whose program has the hash: fields it cannot have, and what there is to have."""


def check_hash(spec: HashSpec, wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Hashes that a switch cannot have: a P4 program has its own, on SONiC the queue pair is a feature."""
    is_usual = (spec.algorithm, spec.offset or 0) == ("crc32", 0) and set(FIVE_TUPLE) <= set(spec.fields)
    if not spec.fields:
        message = "a hash over no field sends everything one way"
        yield source.error(
            "hash-not-supported", message, ("routing", "hash", "fields"), "name some, or leave it out"
        )
    for draft in wiring.switches.values():
        model = draft.model
        if model.nos in _PROGRAMMED_HASHES:
            lacking, known = _PROGRAMMED_HASHES[model.nos]
            if not is_usual or lacking & set(spec.fields):
                message = f"{draft.name} runs {model.nos}, whose hash is {known}"
                hint = "leave out algorithm and offset, and fields other than these"
                yield source.error("hash-not-supported", message, ("routing", "hash"), hint)
                return
        elif "bth_qp" in spec.fields and "hash-on-qp" not in model.features:
            message = f"{draft.name} (model {model.name}) cannot hash over 'bth_qp'"
            hint = "leave it out, or give the model 'features: [hash-on-qp]'"
            yield source.error("hash-not-supported", message, ("routing", "hash", "fields"), hint)
            return


def check_pin_backups(spec: RoutingSpec, wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Next hops in reserve for pins that are no host routes, or on switches that hold none."""
    if not spec.pin_backups:
        return
    place: Place = ("routing", "pin_backups")
    draft = next((each for each in wiring.switches.values() if each.model.nos == "pins"), None)
    if draft:
        message = f"{draft.name} runs SONiC PINS, whose pins have no next hop in reserve"
        hint = "leave it out: packets of a pin whose link is dead go by the route of their leaf"
        yield source.error("backups-not-supported", message, place, hint, at_key=True)
    if spec.pins not in ("auto", "host-route"):
        message = f"pins by {spec.pins} have no next hop in reserve, host routes have"
        hint = "set 'pins: host-route', or leave 'pin_backups' out"
        yield source.error("backups-not-supported", message, place, hint, at_key=True)


def check_adaptive(spec: AdaptiveSpec | None, wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Adaptive routing on switches that have none, and loads whose limits are the wrong way round."""
    if spec is None:
        return
    place: Place = ("routing", "adaptive")
    for key in ("past_load", "future_load", "current_load"):
        load: LoadSpec = getattr(spec, key)
        if load.max < load.min:
            message = f"{key} counts from {load.min} to {load.max}"
            yield source.error("load-order", message, (*place, key, "max"), f"take at least {load.min}")
    for draft in wiring.switches.values():
        model = draft.model
        if model.nos != "sonic":
            message = f"{draft.name} runs {model.nos}, which cannot route adaptively"
        elif "adaptive-routing" not in model.features:
            message = f"{draft.name} (model {model.name}) cannot route adaptively"
        else:
            continue
        hint = "leave it out, or take models of SONiC switches with 'features: [adaptive-routing]'"
        yield source.error("adaptive-not-supported", message, place, hint, at_key=True)
        return
