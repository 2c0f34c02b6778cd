"""Fabric -> Plan."""

from __future__ import annotations

import zlib
from typing import Literal

from controller.plan.addresses import AddressPlan, dotted, plan_addresses
from controller.plan.buffers import plan_buffers
from controller.plan.model import InterfacePlan, Plan, PortPlan, QosPlan, Route, SwitchPlan
from controller.plan.pins import plan_pins
from controller.plan.qos import plan_qos
from controller.plan.routes import fabric_routes
from controller.plan.wiring import wire
from raddle.errors import InputError
from raddle.topology.model import Fabric, PortRef, Switch
from raddle.workload import Demand


def make_plan(fabric: Fabric, routing: Literal["ecmp", "pinned"], demand: Demand | None = None) -> Plan:
    """Work out what every switch of a fabric must be.

    Args:
        routing: `ecmp` routes over all equal-cost paths; `pinned` adds host routes for `demand`.
        demand: the flows to pin, between endpoint indices; needed for `pinned` and unused for `ecmp`.

    Raises:
        InputError: `pool-too-small`, `headroom-exceeds-buffer`, `no-demand` where there is nothing to pin, or
            `form-not-planned` for a fabric that the planner cannot route.
    """
    refuse_unplanned(fabric)
    addresses = plan_addresses(fabric)
    wiring = wire(fabric, addresses)
    routes = fabric_routes(wiring, addresses)
    report = None
    if routing == "pinned":
        if demand is None:
            raise InputError.of("no-demand", "pinned routing needs the flows of a collective")
        pins, report = plan_pins(fabric, wiring, addresses, demand)
        routes = tuple(shared + own for shared, own in zip(routes, pins, strict=True))
    qos = plan_qos(fabric.roce)
    in_order = (*fabric.leaves, *fabric.spines)
    return Plan(
        fabric=fabric.name,
        routing=routing,
        switches=tuple(
            _plan_switch(fabric, addresses, switch, own, qos)
            for switch, own in zip(in_order, routes, strict=True)
        ),
        endpoints=tuple(
            (endpoint.name, dotted(address))
            for endpoint, address in zip(fabric.endpoints, addresses.endpoints, strict=True)
        ),
        pins=report,
    )


def unplanned(fabric: Fabric) -> list[str]:
    """What keeps a fabric from being planned: two tiers, one plane and numbered IPv4 can be planned."""
    addressing = fabric.addressing
    reasons = {
        "superspines (three tiers)": bool(fabric.superspines),
        f"{fabric.planes} planes": fabric.planes > 1,
        f"addressing families '{addressing.families}'": addressing.families != "ipv4",
        "unnumbered links": not addressing.is_numbered,
    }
    return [reason for reason, applies in reasons.items() if applies]


def refuse_unplanned(fabric: Fabric) -> None:
    """Raise InputError `form-not-planned` for a fabric that `make_plan` cannot plan."""
    found = unplanned(fabric)
    if found:
        raise InputError.of(
            "form-not-planned",
            f"no plan can be made yet for a fabric with {' and '.join(found)}",
            "two tiers of leaves and spines in one plane with IPv4 addresses can be planned",
        )


def _plan_switch(
    fabric: Fabric, addresses: AddressPlan, switch: Switch, routes: tuple[Route, ...], qos: QosPlan
) -> SwitchPlan:
    assert switch.role != "superspine"
    ports, interfaces = _ports(fabric, addresses, switch)
    seed = fabric.routing.hash_seed
    loopback = InterfacePlan("Loopback0", f"{dotted(addresses.loopbacks[switch.index])}/32")
    peer_reaction_ps = max((host.nic_model.pfc_reaction_ps for host in fabric.hosts), default=0)
    return SwitchPlan(
        name=switch.name,
        role=switch.role,
        hwsku=switch.model.hwsku,
        platform=switch.model.platform,
        # The second bit of the first octet marks a locally administered address (IEEE 802, 8.2).
        mac=f"02:00:00:00:{switch.index >> 8 & 255:02x}:{switch.index & 255:02x}",
        hash_seed=zlib.crc32(switch.name.encode()) if seed is None else seed,
        ports=ports,
        interfaces=(*interfaces, loopback),
        routes=tuple(sorted(routes, key=_route_order)),
        qos=qos,
        buffers=plan_buffers(switch.name, switch.model, ports, fabric.roce, peer_reaction_ps),
    )


def _ports(
    fabric: Fabric, addresses: AddressPlan, switch: Switch
) -> tuple[tuple[PortPlan, ...], tuple[InterfacePlan, ...]]:
    """All ports of the model, and the addresses of the cabled ones."""
    ports, interfaces = [], []
    for port in switch.ports:
        end = PortRef(switch.name, port.name)
        link = fabric.link_by_port.get(end)
        if link:
            is_lower = link.a == end
            address = addresses.link_ends[link.index][0 if is_lower else 1]
            interfaces.append(InterfacePlan(port.name, f"{dotted(address)}/31"))
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
            )
        )
    return tuple(ports), tuple(interfaces)


def _route_order(route: Route) -> tuple[int, ...]:
    address, _, length = route.prefix.partition("/")
    return (*map(int, address.split(".")), int(length))
