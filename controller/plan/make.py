"""Fabric -> Plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_network
from typing import Literal

from raddle.collector import collector_paused
from raddle.controller.plan.addresses import AddressPlan, address_families
from raddle.controller.plan.balance import balance_of, balanced, is_weighed
from raddle.controller.plan.buffers import plan_buffers, with_room
from raddle.controller.plan.graph import graph_of
from raddle.controller.plan.group_tables import check_group_tables, report_weights
from raddle.controller.plan.hashing import hash_offset, hash_seed
from raddle.controller.plan.lossless_check import check_lossless
from raddle.controller.plan.model import (
    AdaptivePlan,
    Balance,
    InterfacePlan,
    Plan,
    PortPlan,
    QosPlan,
    Route,
    SwitchPlan,
)
from raddle.controller.plan.other_routes import other_routes
from raddle.controller.plan.outside import bgp_neighbors
from raddle.controller.plan.paths import PathTable, find_paths
from raddle.controller.plan.pin_backups import PinBackups
from raddle.controller.plan.pins import plan_pins
from raddle.controller.plan.qos import plan_qos
from raddle.controller.plan.replan import without_drained
from raddle.controller.plan.routes import (
    LeafRoutes,
    SwitchRoutes,
    count_routes,
    leaf_routes,
    routes_of,
    routes_of_some,
)
from raddle.errors import InputError
from raddle.topology.model import Fabric, Link, Port, PortRef, Switch
from raddle.topology.record import mac_text
from raddle.topology.yaml.placing import in_file, placed, refused
from raddle.workload import Demand

Progress = Callable[[str, float], None]
"""Hears what is being done, and about which share of the whole is done."""

_PATHS_SHARE = 0.5
"""Of the time that a plan takes, about what paths and routes take."""


def silent(what: str, share: float) -> None:
    """No progress is shown."""


def make_plan(
    fabric: Fabric,
    routing: Literal["ecmp", "pinned"],
    demand: Demand | None = None,
    earlier: Plan | None = None,
    progress: Progress = silent,
) -> Plan:
    """Work out what every switch of a fabric must be.

    Args:
        routing: `ecmp` routes over all equal-cost paths; `pinned` adds host routes for `demand`.
        demand: the flows to pin, between endpoint indices; needed for `pinned` and unused for `ecmp`.
        earlier: a plan whose pins stay where they are as long as their links carry.

    Raises:
        InputError: `pool-too-small`, `table-too-small`, `headroom-exceeds-buffer`, `no-demand` where there is
            nothing to pin, `form-not-planned` for a fabric whose flows cannot be pinned, or those of
            `raddle.controller.plan.pins.plan_pins`.
    """
    _check_buffers(fabric)
    families = address_families(fabric)
    addresses = families[0]
    routed = without_drained(fabric)
    table, balance = _paths(fabric, routed, progress)
    with collector_paused():
        shared = routes_of(fabric, table, families)
    around = other_routes(routed, families, table)
    routes = tuple(each + own for each, own in zip(shared, around, strict=True))
    seeds = [hash_seed(fabric, switch) for switch in fabric.switches]
    pins = None
    if routing == "pinned":
        if demand is None:
            raise InputError.of("no-demand", "pinned routing needs the flows of a collective")
        if fabric.follower_leaves:
            hint = "take --routing ecmp; 'bond: false' gives each port an address that can be pinned"
            message = "flows to bonds cannot be pinned: their two ports share an address"
            raise refused(fabric, "form-not-planned", message, hint, ("hosts", "*", "nics", "bond"))
        progress("pinning flows", _PATHS_SHARE)
        with placed(fabric):
            pins = plan_pins(routed, addresses, demand, routes, seeds, earlier)
        routes = tuple(shared + own for shared, own in zip(routes, pins.routes, strict=True))
        routes = PinBackups(fabric, earlier).added(routes)
    plan = _without_pins(fabric, families, routes, table, balance, progress=progress)
    if pins is None:
        return plan
    switches = (replace(each, policies=own) for each, own in zip(plan.switches, pins.policies, strict=True))
    return replace(
        plan,
        routing=routing,
        switches=tuple(switches),
        pins=pins.report,
        source_ports=pins.source_ports,
    )


@dataclass(frozen=True)
class Outline:
    """An ECMP plan whose switches have no routes, and these by switch.

    A fabric of thousands of switches has millions of routes, which fill the memory.
    """

    plan: Plan
    fabric: Fabric
    families: tuple[AddressPlan, ...]
    table: PathTable
    around: SwitchRoutes

    def counts(self) -> list[int]:
        """How many routes every switch has."""
        shared = count_routes(self.table, self.families)
        return [count + len(own) for count, own in zip(shared, self.around, strict=True)]

    def leaf_routes(self) -> Iterator[tuple[LeafRoutes, ...]]:
        """Of every switch the routes to leaves' blocks; what else it has is in `around`."""
        every = range(len(self.fabric.switches))
        return leaf_routes(self.fabric, self.table, self.families, every, {})


def outline_plan(fabric: Fabric, progress: Progress = silent) -> Outline:
    """The ECMP plan with its routes apart.

    Raises:
        InputError: as `make_plan`.
    """
    _check_buffers(fabric)
    families = address_families(fabric)
    table, balance = _paths(fabric, without_drained(fabric), progress)
    routes: SwitchRoutes = ((),) * len(fabric.switches)
    plan = _without_pins(fabric, families, routes, table, balance, progress=progress)
    return Outline(plan, fabric, families, table, other_routes(without_drained(fabric), families, table))


def plan_around(fabric: Fabric, name: str) -> Plan:
    """The ECMP plan of one switch, and of its neighbours without their routes; no other switch is in it.

    Of a fabric too large for its shares to be balanced, the paths of that switch alone are worked out.

    Raises:
        InputError: as `make_plan`.
    """
    _check_buffers(fabric)
    families = address_families(fabric)
    table, balance = _paths(fabric, without_drained(fabric), name=name)
    links = (link for port, link in fabric.link_by_port.items() if port.device == name)
    near = {end.device for link in links for end in (link.a, link.b)} | {name}
    switches = [switch for switch in fabric.switches if switch.name in near]
    own = [switch.index for switch in switches if switch.name == name]
    found = dict(zip(own, routes_of_some(fabric, table, families, own, {}), strict=True))
    around = other_routes(without_drained(fabric), families, table)
    routes = tuple(
        (*found[switch.index], *around[switch.index]) if switch.index in found else () for switch in switches
    )
    return _without_pins(fabric, families, routes, table, balance, switches)


def _check_buffers(fabric: Fabric) -> None:
    """Say what `validate` says of the buffers, before anything that takes long."""
    if problems := check_lossless(fabric):
        raise InputError(in_file(fabric, problems))


def _paths(
    fabric: Fabric, routed: Fabric, progress: Progress = silent, name: str = ""
) -> tuple[PathTable, Balance | None]:
    """The paths over what is not drained, whose groups the switches can hold, and how they balance.

    Where a switch is named, and no other's paths decide about its own, only they.
    """
    progress("finding paths", 0)
    graph = graph_of(routed)
    wanted = [fabric.switch_by_name[name].index] if name and not is_weighed(graph) else None
    table = balanced(routed, find_paths(graph, wanted))
    if problems := tuple(check_group_tables(fabric, table)):
        raise InputError(in_file(fabric, problems))
    return table, balance_of(routed, table)


def _without_pins(
    fabric: Fabric,
    families: tuple[AddressPlan, ...],
    routes: SwitchRoutes,
    table: PathTable,
    balance: Balance | None,
    of: Sequence[Switch] | None = None,
    progress: Progress = silent,
) -> Plan:
    """The plan with these routes: of all switches, or those that it is to be `of`."""
    qos = plan_qos(fabric.roce)
    switches: list[SwitchPlan] = []
    chosen = of or fabric.switches
    with collector_paused():
        for switch, own in zip(chosen, routes, strict=True):
            done = _PATHS_SHARE + (1 - _PATHS_SHARE) * len(switches) / len(chosen)
            progress("planning switches", done)
            switches.append(_plan_switch(fabric, families, switch, own, qos))
    return Plan(
        fabric=fabric.name,
        routing="ecmp",
        switches=tuple(switches),
        endpoints=tuple(
            (endpoint.name, families[0].text(address))
            for endpoint, address in zip(fabric.endpoints, families[0].endpoints, strict=True)
        ),
        pins=None,
        weights=report_weights(fabric, table, balance),
        ignore=fabric.ignore,
    )


def _plan_switch(
    fabric: Fabric,
    families: tuple[AddressPlan, ...],
    switch: Switch,
    routes: tuple[Route, ...],
    qos: QosPlan,
) -> SwitchPlan:
    ports, interfaces = _ports(fabric, families, switch)
    adopted = fabric.record.adopted_by_switch.get(switch.name, {}) if fabric.record else {}
    loopbacks = [
        InterfacePlan("Loopback0", f"{family.text(family.loopbacks[switch.index])}/{family.bits}")
        for family in families
    ]
    return SwitchPlan(
        name=switch.name,
        role=switch.role,
        hwsku=switch.model.hwsku,
        platform=switch.model.platform,
        mac=mac_text(switch.mac),
        hash_seed=hash_seed(fabric, switch),
        asn=switch.asn,
        ports=ports,
        interfaces=(*interfaces, *loopbacks),
        routes=tuple(sorted(routes, key=route_order)),
        qos=qos,
        buffers=plan_buffers(
            switch.name,
            switch.model,
            with_room(fabric, switch.name, ports),
            fabric.roce,
            fabric.pfc_reaction_ps,
            fabric.phy.fec_latency_ps,
        ),
        nos=switch.model.nos,
        hash_algorithm=fabric.routing.hash_algorithm,
        hash_fields=fabric.routing.hash_fields,
        hash_offset=hash_offset(fabric, switch),
        cpu_packets=switch.model.cpu_packets,
        adaptive=_plan_adaptive(fabric, switch),
        adopted=tuple(adopted.items()),
        bgp=bgp_neighbors(fabric, families, switch),
    )


def _plan_adaptive(fabric: Fabric, switch: Switch) -> AdaptivePlan | None:
    if fabric.routing.adaptive is None:
        return None
    links = ((port.name, fabric.link_by_port.get(PortRef(switch.name, port.name))) for port in switch.ports)
    ports = tuple(name for name, link in links if link and link.a.device in fabric.switch_by_name)
    return AdaptivePlan(ports, fabric.routing.adaptive)


def _ports(
    fabric: Fabric, families: tuple[AddressPlan, ...], switch: Switch
) -> tuple[tuple[PortPlan, ...], tuple[InterfacePlan, ...]]:
    """All ports of the model, and the addresses of the cabled ones."""
    ports: list[PortPlan] = []
    interfaces: list[InterfacePlan] = []
    for port in switch.ports:
        end = PortRef(switch.name, port.name)
        link = fabric.link_by_port.get(end)
        if link:
            is_lower = link.a == end
            interfaces += _addresses_of(fabric, families, link, is_lower, port.name)
        ports.append(
            PortPlan(
                name=port.name,
                alias=port.alias,
                index=port.index,
                lanes=port.lanes,
                speed_bps=link.speed_bps if link else port.speed_bps,
                mtu_bytes=fabric.roce.port_mtu_bytes,
                is_enabled=link is not None and link.is_up,
                peer=str(link.b if is_lower else link.a) if link else "",
                cable_m=link.length_m if link else 0.0,
                medium=(link.medium if link else None) or "",
                autoneg=_autoneg(fabric, port, link),
            )
        )
    return tuple(ports), tuple(interfaces)


def _autoneg(fabric: Fabric, port: Port, link: Link | None) -> str:
    """Whether a port negotiates: by its cable where the file says so, else by its switch's HwSKU."""
    if fabric.phy.autoneg is None or link is None:
        return port.autoneg
    return "on" if link.medium in fabric.phy.autoneg else "off"


def _addresses_of(
    fabric: Fabric, families: tuple[AddressPlan, ...], link: Link, is_lower: bool, port: str
) -> list[InterfacePlan]:
    """The addresses of one end of a link; an unnumbered link has a single entry without one."""
    if not fabric.addressing.is_numbered and link.a.device in fabric.switch_by_name:
        return [InterfacePlan(port, "")]
    ends = [(family, family.link_ends[link.index][not is_lower]) for family in families]
    return [InterfacePlan(port, f"{family.text(address)}/{family.bits - 1}") for family, address in ends]


def route_order(route: Route) -> tuple[int, int, int]:
    """Key that sorts a switch's routes as a plan has them."""
    return _prefix_order(route.prefix)


@lru_cache(maxsize=1 << 18)
def _prefix_order(prefix: str) -> tuple[int, int, int]:
    network = ip_network(prefix)
    return network.version, int(network.network_address), network.prefixlen
