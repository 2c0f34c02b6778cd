"""The last step: checked wiring becomes the Fabric, in the one order that its description has."""

from __future__ import annotations

import re
from functools import cache

from raddle.topology.model import (
    Addressing,
    Dcqcn,
    Ecn,
    Endpoint,
    Fabric,
    Host,
    Link,
    LosslessClass,
    NicModel,
    PfcWatchdog,
    Port,
    PortRef,
    RocePolicy,
    RoutingPolicy,
    Switch,
    SwitchModel,
)
from raddle.topology.schema import FabricFile, NicSpec, RoceSpec
from raddle.topology.wiring import Cable, HostDraft, SwitchDraft, Wiring, port_name


def build_fabric(spec: FabricFile, wiring: Wiring, file: str) -> Fabric:
    """The Fabric of a file whose checks have passed.

    Switches are ordered leaves then spines, each by name with numbers as numbers (leaf2 before leaf10),
    hosts by name; links are host links by (host, NIC), then fabric links by (leaf, spine, leaf port).
    """
    roles = ("leaf", "spine")
    drafts = sorted(
        wiring.switches.values(), key=lambda draft: (roles.index(draft.role), _natural(draft.name))
    )
    host_drafts = sorted(wiring.hosts.values(), key=lambda draft: _natural(draft.name))
    names = [draft.name for draft in host_drafts] + [draft.name for draft in drafts]
    rank = {name: i for i, name in enumerate(names)}
    links = _links(wiring, rank)
    speeds = {end: link.speed_bps for link in links for end in (link.a, link.b)}
    switches = tuple(_switch(draft, index, speeds) for index, draft in enumerate(drafts))
    hosts = tuple(_host(draft, index) for index, draft in enumerate(host_drafts))
    return Fabric(
        name=spec.name,
        switches=switches,
        hosts=hosts,
        links=links,
        endpoints=_endpoints(hosts, switches, links),
        roce=_roce(spec.roce),
        routing=RoutingPolicy(spec.routing.policy, spec.routing.hash.algorithm, spec.routing.hash.seed),
        addressing=Addressing(spec.addressing.hosts, spec.addressing.loopbacks, spec.addressing.underlay),
        file=file,
    )


def _natural(name: str) -> tuple[list[str | int], str]:
    """Sort key with numbers as numbers; texts and numbers alternate, so that they never meet."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def _links(wiring: Wiring, rank: dict[str, int]) -> tuple[Link, ...]:
    """Links in order. Hosts rank below leaves below spines, so the lower end is the lower rank."""

    def oriented(cable: Cable) -> tuple[PortRef, PortRef]:
        a, b = cable.ends
        return (a, b) if rank[a.device] < rank[b.device] else (b, a)

    def order(cable: Cable) -> tuple[int, int, int, tuple[list[str | int], str]]:
        a, b = oriented(cable)
        if a.device in wiring.hosts:
            return 0, rank[a.device], 0, _natural(a.port)
        return 1, rank[a.device], rank[b.device], _natural(a.port)

    links = []
    for index, cable in enumerate(sorted(wiring.cables, key=order)):
        a, b = oriented(cable)
        speed_bps = cable.speed_bps or _native_bps(a, wiring)
        links.append(Link(index, a, b, speed_bps, cable.length_m, cable.is_up))
    return tuple(links)


def _native_bps(end: PortRef, wiring: Wiring) -> int:
    if end.device in wiring.hosts:
        return wiring.hosts[end.device].nics.speed
    return wiring.switches[end.device].model.port_speed_bps


def _switch(draft: SwitchDraft, index: int, speeds: dict[PortRef, int]) -> Switch:
    """A cabled port has the speed of its link, a free one its native speed."""
    ports = tuple(
        Port(name, alias, i, lanes, speeds.get(PortRef(draft.name, name), draft.model.port_speed_bps))
        for i, (name, alias, lanes) in enumerate(_front_panel(draft.model))
    )
    return Switch(draft.name, draft.role, index, draft.model, ports)


@cache
def _front_panel(model: SwitchModel) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
    """Names, aliases (`etp1`, as SONiC device folders have them) and lanes, which count from 1."""
    lanes = model.lanes_per_port
    return tuple(
        (port_name(model, i), f"etp{i + 1}", tuple(range(i * lanes + 1, (i + 1) * lanes + 1)))
        for i in range(model.port_count)
    )


def _host(draft: HostDraft, index: int) -> Host:
    nics = tuple(f"eth{i}" for i in range(draft.nics.count))
    return Host(draft.name, index, nics, _nic_model(draft.nics))


def _nic_model(nics: NicSpec) -> NicModel:
    return NicModel(
        speed_bps=nics.speed,
        ack_interval=nics.ack_interval,
        rto_ps=nics.rto,
        retry_count=nics.retry_count,
        cnp_interval_ps=nics.cnp_interval,
        pfc_reaction_ps=nics.pfc_reaction,
    )


def _endpoints(
    hosts: tuple[Host, ...], switches: tuple[Switch, ...], links: tuple[Link, ...]
) -> tuple[Endpoint, ...]:
    link_of = {link.a: link for link in links}
    leaf_index = {switch.name: switch.index for switch in switches}
    endpoints: list[Endpoint] = []
    for host in hosts:
        for nic in host.nics:
            ref = PortRef(host.name, nic)
            link = link_of[ref]
            name = host.name if len(host.nics) == 1 else str(ref)
            leaf = leaf_index[link.b.device]
            endpoints.append(Endpoint(name, len(endpoints), host.index, nic, leaf, link.index))
    return tuple(endpoints)


def _roce(roce: RoceSpec) -> RocePolicy:
    watchdog, dcqcn = roce.watchdog, roce.dcqcn
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
        dcqcn=Dcqcn(
            g=dcqcn.g,
            alpha_timer_ps=dcqcn.alpha_timer,
            rate_timer_ps=dcqcn.rate_timer,
            byte_counter_bytes=dcqcn.byte_counter,
            fast_recovery_steps=dcqcn.fast_recovery_steps,
            rate_ai_bps=dcqcn.rate_ai,
            rate_hai_bps=dcqcn.rate_hai,
            min_rate_bps=dcqcn.min_rate,
            clamp_target_rate=dcqcn.clamp_target_rate,
        ),
        ecn=Ecn(roce.ecn.kmin, roce.ecn.kmax, roce.ecn.pmax),
        watchdog=PfcWatchdog(watchdog.detect, watchdog.restore, watchdog.action) if watchdog else None,
    )
