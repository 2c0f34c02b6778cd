"""The last step: checked wiring becomes the Fabric, in the one order that its description has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from operator import itemgetter
from typing import Any, Literal, get_args

from raddle.topology.allocation import allocate
from raddle.topology.forms.base import base_of, management_of
from raddle.topology.forms.bonds import bonded_leaves
from raddle.topology.forms.checks import LAST_ASN
from raddle.topology.forms.names import templates_of
from raddle.topology.forms.tenants import Owner
from raddle.topology.forms.wiring import HostDraft, SwitchDraft, Wiring
from raddle.topology.model import (
    Accelerators,
    AdaptiveRouting,
    Addressing,
    Ecn,
    Endpoint,
    Fabric,
    HashField,
    HeadroomPolicy,
    Host,
    Link,
    LoadBands,
    LosslessClass,
    NicModel,
    PfcWatchdog,
    Phy,
    Port,
    PortRef,
    RocePolicy,
    RoutingPolicy,
    Switch,
    SwitchModel,
    Tenant,
)
from raddle.topology.naming import natural
from raddle.topology.ports import Profile, front_panel
from raddle.topology.rate_control import DCQCN_SETS, Dcqcn
from raddle.topology.record import AdoptedEntry, Record, mac_number
from raddle.topology.yaml.schema import FabricFile
from raddle.topology.yaml.schema_devices import AcceleratorSpec, NicSpec
from raddle.topology.yaml.schema_policy import (
    AdaptiveSpec,
    AddressingSpec,
    AsNumbersSpec,
    DcqcnSpec,
    RoceSpec,
    RoutingSpec,
)


def build_fabric(
    spec: FabricFile,
    wiring: Wiring,
    owners: tuple[Owner, ...],
    file: str,
    record: Record | None = None,
    reserved: Fabric | None = None,
    record_file: str = "",
    index: int = 0,
) -> Fabric:
    """The Fabric of a file whose checks have passed; numbers are those of the record and of what is reserved.
    `index` is that of a network among those of the file.

    Switches are ordered leaves, spines, superspines, each by plane and name with numbers as numbers (leaf2
    before leaf10), hosts by name, routers outside behind all others; links are host links by (host, NIC),
    then links between switches by (lower, upper, lower port).
    """
    drafts = sorted(
        wiring.switches.values(), key=lambda draft: (draft.tier, draft.plane, natural(draft.name))
    )
    host_drafts = sorted(
        wiring.hosts.values(), key=lambda draft: (draft.outside is not None, natural(draft.name))
    )
    names = [draft.name for draft in host_drafts] + [draft.name for draft in drafts]
    rank = {name: i for i, name in enumerate(names)}
    links = _links(wiring, rank)
    asns, macs = _numbers(drafts, spec.routing.as_numbers, record, reserved, index)
    bonded = bonded_leaves(wiring)
    macs |= {later: macs[earlier] for later, earlier in bonded.items()}
    switches = _switches(drafts, links, asns, macs, record)
    cnp_interval_ps = DCQCN_SETS[spec.roce.dcqcn.set].cnp_interval_ps
    domains = _domains(host_drafts)
    hosts = tuple(
        _host(draft, index, cnp_interval_ps, domains[draft.domain]) for index, draft in enumerate(host_drafts)
    )
    endpoints = _endpoints(hosts, host_drafts, switches, links)
    managed = management_of(spec)
    return Fabric(
        name=spec.name,
        switches=switches,
        hosts=hosts,
        links=links,
        endpoints=endpoints,
        roce=_roce(spec.roce),
        routing=_routing(spec.routing, switches, is_hashed=bool(bonded) or _is_meshed(spec)),
        addressing=_addressing(spec.addressing),
        file=file,
        tenants=_tenants(owners, hosts, endpoints),
        phy=Phy(spec.phy.fec_latency, spec.phy.bit_errors, spec.phy.autoneg),
        ignore=spec.ignore,
        base={draft.name: base_of(spec, draft.name) for draft in drafts} if spec.base or managed else {},
        management=managed,
        first_boot=tuple(name for name, given in (("base", spec.base), ("management", managed)) if given),
        reserved=reserved,
        record=record,
        record_file=record_file,
        templates=tuple(templates_of(spec.fabric, spec.hosts or ()).items()) if spec.fabric else (),
    )


def _routing(spec: RoutingSpec, switches: tuple[Switch, ...], is_hashed: bool) -> RoutingPolicy:
    return RoutingPolicy(
        spec.policy or ("ecmp" if spec.adaptive or is_hashed else "pinned"),
        spec.hash.algorithm,
        spec.hash.seed,
        spec.pins,
        tuple(name for name in get_args(HashField) if name in spec.hash.fields),
        _hash_offset(spec.hash.offset, switches),
        _adaptive(spec.adaptive) if spec.adaptive else None,
        spec.pin_backups,
        is_declared=spec.policy is not None or spec.adaptive is not None or is_hashed,
    )


def _is_meshed(spec: FabricFile) -> bool:
    """Spines of a pod share superspines, so that no flow over them can be pinned."""
    return spec.fabric is not None and spec.fabric.spine_uplinks.mesh == "full"


def _adaptive(spec: AdaptiveSpec) -> AdaptiveRouting:
    loads = (
        LoadBands(load.min, load.max, load.weight)
        for load in (spec.past_load, spec.future_load, spec.current_load)
    )
    return AdaptiveRouting(spec.mode == "packet", spec.idle, spec.max_flows, spec.sampling, *loads)


def _hash_offset(
    offset: int | Literal["per-tier", "sonic"] | None, switches: tuple[Switch, ...]
) -> int | Literal["sonic"] | None:
    """What the file says; if nothing, other bits for each of three tiers, which SONiC PINS is not told."""
    if offset is None:
        has_three_tiers = any(switch.role == "superspine" for switch in switches)
        offset = "per-tier" if has_three_tiers and all(s.model.nos != "pins" for s in switches) else 0
    return None if offset == "per-tier" else offset


def _links(wiring: Wiring, rank: dict[str, int]) -> tuple[Link, ...]:
    """Links in order. Hosts rank below leaves below spines, so the lower end is the lower rank."""

    oriented = []
    for cable in wiring.cables:
        a, b = cable.ends
        if rank[a.device] > rank[b.device]:
            a, b = b, a
        is_uplink = a.device not in wiring.hosts
        # A host's links are in the order of its NICs, a switch's in that of the upper switches.
        order = (is_uplink, rank[a.device], rank[b.device] if is_uplink else 0, natural(a.port))
        oriented.append((order, a, b, cable))
    oriented.sort(key=itemgetter(0))
    links = []
    for index, (_, a, b, cable) in enumerate(oriented):
        speed_bps = cable.speed_bps or _native_bps(a, wiring)
        state = cable.is_up, cable.medium, cable.is_drained, cable.per_cable
        links.append(Link(index, a, b, speed_bps, cable.length_m, *state))
    return tuple(links)


def _native_bps(end: PortRef, wiring: Wiring) -> int:
    if end.device in wiring.hosts:
        return wiring.hosts[end.device].nics.speed
    return wiring.switches[end.device].native_bps[end.port]


def _numbers(
    drafts: Sequence[SwitchDraft],
    firsts: AsNumbersSpec,
    record: Record | None,
    reserved: Fabric | None,
    network: int,
) -> tuple[dict[str, int], dict[str, int]]:
    """AS number and MAC address of each switch by name: leaves have an AS number each, spines of a pod and
    superspines of a plane share one."""
    known: list[dict[str, tuple[int, int]]] = []
    if record:
        known.append({name: (each.asn, mac_number(each.mac)) for name, each in record.switches.items()})
    if reserved:
        known.append({each.name: (each.asn, each.mac) for each in reserved.switches})
    # The second bit of the first octet marks a locally administered address (IEEE 802, 8.2); the second octet
    # is the network's.
    room = range((0x02 << 40) + (network << 32), 0x03 << 40)
    names = [draft.name for draft in drafts]
    mac_sources = [{name: mac for name, (_, mac) in source.items()} for source in known]
    macs = allocate(names, mac_sources, room)
    if record:  # switches may have MAC addresses of their own, which somebody has entered
        macs |= {name: mac_sources[0][name] for name in names if name in record.switches}
    group_of: dict[str, Hashable] = {draft.name: _as_group(draft, i) for i, draft in enumerate(drafts)}
    asns: dict[Hashable, int] = {}
    firsts_of = {"leaf": firsts.leaves, "spine": firsts.spines, "superspine": firsts.superspines}
    for role, first in firsts_of.items():
        groups = dict.fromkeys(_as_group(draft, i) for i, draft in enumerate(drafts) if draft.role == role)
        sources: list[dict[Hashable, int]] = [
            {group_of.get(name, name): asn for name, (asn, _) in reversed(source.items())} for source in known
        ]
        if role == "superspine":
            sources.append({group: first + group[1] for group in groups})
        asns |= allocate(sorted(groups), [*sources, asns], range(first, LAST_ASN + 1))
    # Switches of one pod may have numbers of their own, which were adopted.
    own = {name: each.asn for name, each in record.switches.items()} if record else {}
    found = {
        draft.name: own[draft.name]
        if firsts_of[draft.role] <= own.get(draft.name, 0) <= LAST_ASN
        else asns[group_of[draft.name]]
        for draft in drafts
    }
    return found, macs


def _as_group(draft: SwitchDraft, index: int) -> tuple[int, ...]:
    """What shares an AS number with a switch."""
    if draft.role == "leaf":
        return draft.tier, index
    return (draft.tier, draft.plane) + ((draft.pod,) if draft.role == "spine" else ())


def _switches(
    drafts: Sequence[SwitchDraft],
    links: tuple[Link, ...],
    asns: dict[str, int],
    macs: dict[str, int],
    record: Record | None,
) -> tuple[Switch, ...]:
    speeds: dict[str, dict[str, int]] = {draft.name: {} for draft in drafts}
    for link in links:
        for end in (link.a, link.b):
            if end.device in speeds:
                speeds[end.device][end.port] = link.speed_bps
    switches = []
    for index, draft in enumerate(drafts):
        cabled = speeds[draft.name]
        lit = tuple(cabled.get(shape.name, shape.native_bps) for shape in draft.panel)
        ports = _ports(draft.model, draft.profile, lit)
        if record and draft.name in record.adopted_by_switch:
            ports = _with_aliases(ports, record.adopted_by_switch[draft.name])
        switches.append(
            Switch(
                draft.name,
                draft.role,
                index,
                draft.model,
                ports,
                draft.pod,
                draft.plane,
                asns[draft.name],
                macs[draft.name],
                draft.slot,
            )
        )
    return tuple(switches)


@cache
def _ports(model: SwitchModel, profile: Profile, speeds: tuple[int, ...]) -> tuple[Port, ...]:
    """A cabled port has the speed of its link, a free one its native speed. Alike switches share them."""
    return tuple(
        Port(shape.name, shape.alias, shape.number, shape.lanes, speed_bps, shape.autoneg)
        for shape, speed_bps in zip(front_panel(model, profile), speeds, strict=True)
    )


def _with_aliases(ports: tuple[Port, ...], adopted: Mapping[str, AdoptedEntry]) -> tuple[Port, ...]:
    """The ports with the aliases that the switch has for them."""
    held = {port.name: adopted.get(f"PORT|{port.name}") for port in ports}
    aliases = {
        name: str(entry.held["alias"])
        for name, entry in held.items()
        if entry and entry.held and "alias" in entry.held
    }
    return tuple(replace(port, alias=aliases.get(port.name, port.alias)) for port in ports)


def _domains(drafts: Sequence[HostDraft]) -> dict[tuple[str | int, int] | None, int]:
    """Numbers of the scale-up domains, in the order of their first hosts; -1 where there is no network."""
    numbers: dict[tuple[str | int, int] | None, int] = {}
    known = 0
    for draft in drafts:
        if draft.domain not in numbers:
            has_one = draft.accelerators is not None and draft.accelerators.scale_up is not None
            numbers[draft.domain] = known if has_one else -1
            known += has_one
    return numbers


def _host(draft: HostDraft, index: int, cnp_interval_ps: int, domain: int) -> Host:
    inside = _accelerators(draft.accelerators)
    nic = _nic_model(draft.nics, cnp_interval_ps)
    return Host(draft.name, index, draft.ports, nic, inside, domain, draft.slot, draft.outside)


@cache
def _accelerators(spec: AcceleratorSpec | None) -> Accelerators | None:
    if spec is None:
        return None
    bus_bps = spec.bus or 0
    if spec.scale_up is None:
        return Accelerators(spec.kind, spec.model, spec.count, bus_bps=bus_bps)
    inside = spec.scale_up
    return Accelerators(
        kind=spec.kind,
        model=spec.model,
        count=spec.count,
        scale_up=inside.kind,
        scale_up_bps=inside.bandwidth,
        scale_up_latency_ps=inside.latency,
        topology=inside.topology,
        domain_hosts=inside.hosts,
        in_network_bps=inside.in_network or 0,
        bus_bps=bus_bps,
    )


@cache
def _nic_model(nics: NicSpec, cnp_interval_ps: int) -> NicModel:
    return NicModel(
        speed_bps=nics.speed,
        ack_interval=nics.ack_interval,
        rto_ps=nics.rto,
        retry_count=nics.retry_count,
        cnp_interval_ps=cnp_interval_ps if nics.cnp_interval is None else nics.cnp_interval,
        pfc_reaction_ps=nics.pfc_reaction,
        window_bytes=nics.window,
        messages=nics.messages,
        burst_packets=nics.burst,
        class_weights=nics.class_weights,
        qps_per_connection=nics.qps_per_connection,
        splits_data=nics.split_data,
        loss_recovery=nics.retransmission,
        reorder_packets=nics.reorder,
        bus_bps=nics.bus or 0,
    )


def _endpoints(
    hosts: tuple[Host, ...],
    drafts: Sequence[HostDraft],
    switches: tuple[Switch, ...],
    links: tuple[Link, ...],
) -> tuple[Endpoint, ...]:
    link_of = {link.a: link for link in links}
    switch_index = {switch.name: switch.index for switch in switches}
    endpoints: list[Endpoint] = []
    for host, draft in zip(hosts, drafts, strict=True):
        nics = len(host.nics) // draft.nics.ports
        before: Counter[int] = Counter()
        serves: dict[int, int] = {}
        for number, port in enumerate(host.nics):
            ref = PortRef(host.name, port)
            link = link_of[ref]
            leaf = switches[switch_index[link.b.device]]
            nic = number // draft.nics.ports
            if nic not in serves:
                # Without accelerators, NICs on different planes serve one rank, those on one plane several.
                named = host.accelerators
                serves[nic] = nic * named.count // nics if named else before[leaf.plane]
                before[leaf.plane] += 1
            endpoints.append(
                Endpoint(
                    name=host.name if len(host.nics) == 1 else str(ref),
                    index=len(endpoints),
                    host=host.index,
                    nic=port,
                    leaf=leaf.index,
                    link=link.index,
                    rail=nic,
                    plane=leaf.plane,
                    accelerator=serves[nic],
                    twin=len(endpoints) + (1 if number % 2 == 0 else -1) if draft.nics.bond else None,
                )
            )
    return tuple(endpoints)


def _tenants(
    owners: tuple[Owner, ...], hosts: tuple[Host, ...], endpoints: tuple[Endpoint, ...]
) -> tuple[Tenant, ...]:
    index = {host.name: host.index for host in hosts}
    first: dict[tuple[int, int], int] = {}
    for endpoint in endpoints:
        first.setdefault((endpoint.host, endpoint.accelerator), endpoint.index)
    tenants = []
    for owner in owners:
        accelerators = tuple(
            (index[host], number)
            for host, number in owner.accelerators
            if hosts[index[host]].accelerators or (index[host], number) in first
        )
        ranks = tuple(_endpoint_of(each, first) for each in accelerators)
        tenants.append(Tenant(owner.name, accelerators, ranks))
    return tuple(tenants)


def _endpoint_of(accelerator: tuple[int, int], first: dict[tuple[int, int], int]) -> int:
    """The endpoint of an accelerator; one without a NIC of its own shares that of the one before."""
    host, number = accelerator
    while (host, number) not in first:
        number -= 1
    return first[host, number]


def _addressing(spec: AddressingSpec) -> Addressing:
    has_ipv6 = spec.families != "ipv4"
    return Addressing(
        hosts=spec.hosts,
        loopbacks=spec.loopbacks,
        underlay=spec.underlay,
        families=spec.families,
        ipv6_hosts=spec.ipv6.hosts if has_ipv6 else "",
        ipv6_loopbacks=spec.ipv6.loopbacks if has_ipv6 else "",
        ipv6_underlay=spec.ipv6.underlay if has_ipv6 else "",
        is_numbered=spec.links == "numbered",
    )


def _dcqcn(spec: DcqcnSpec) -> Dcqcn:
    """The named set with what the file gives instead."""
    given = {
        "g": spec.g,
        "alpha_timer_ps": spec.alpha_timer,
        "rate_timer_ps": spec.rate_timer,
        "byte_counter_bytes": spec.byte_counter,
        "fast_recovery_steps": spec.fast_recovery_steps,
        "rate_ai_bps": spec.rate_ai,
        "rate_hai_bps": spec.rate_hai,
        "min_rate_bps": spec.min_rate,
        "clamp_target_rate": spec.clamp_target_rate,
        "decrease_timer_ps": spec.decrease_timer,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(DCQCN_SETS[spec.set].dcqcn, **changes)


def _roce(roce: RoceSpec) -> RocePolicy:
    watchdog = roce.watchdog
    return RocePolicy(
        mtu_bytes=roce.mtu,
        port_mtu_bytes=roce.port_mtu,
        lossless=tuple(
            LosslessClass(item.priority, item.dscp)
            for item in sorted(roce.lossless, key=lambda c: c.priority)
        ),
        pfc=roce.pfc,
        dynamic_th=roce.dynamic_th,
        cnp=LosslessClass(roce.cnp.priority, roce.cnp.dscp),
        congestion_control=roce.congestion_control,
        dcqcn=_dcqcn(roce.dcqcn),
        ecn=Ecn(roce.ecn.kmin, roce.ecn.kmax, roce.ecn.pmax),
        watchdog=PfcWatchdog(watchdog.detect, watchdog.restore, watchdog.action) if watchdog else None,
        pause_quanta=roce.pause_quanta,
        headroom=HeadroomPolicy(
            roce.headroom.over_subscribe_ratio,
            roce.headroom.pool or 0,
            roce.headroom.small_packets,
            roce.headroom.mtu or 0,
        ),
        ecn_speeds=tuple((each.speed, Ecn(each.kmin, each.kmax, each.pmax)) for each in roce.ecn.speeds),
    )
