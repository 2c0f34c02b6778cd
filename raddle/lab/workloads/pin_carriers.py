"""What brings the flows of a pin file onto their paths: host routes, policy routes, or UDP source ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.addresses import address_families
from raddle.controller.plan.assignment import HOPS, Flows, Paths
from raddle.controller.plan.make import route_order
from raddle.controller.plan.model import Carrier, NextHop, Plan, PolicyRoute, Route, SwitchPlan
from raddle.controller.plan.pin_backups import PinBackups
from raddle.controller.plan.source_ports import choose_ports
from raddle.errors import Diagnostic, InputError
from raddle.lab.workloads.connections import connect
from raddle.lab.workloads.pin_file import Pin
from raddle.topology.model import Fabric, PortRef
from raddle.workload import Workload


@dataclass(frozen=True, slots=True, eq=False)
class CarriedPins:
    """The plan, with entries for the pins or without, and what carries them.

    `ports` are the UDP source ports of queue pairs as `raddle.lab.workloads.source_ports` gives them; None:
    the NICs choose all.
    """

    plan: Plan
    carrier: Carrier = "host-route"
    ports: NDArray[np.int64] | None = None


def carry_pins(fabric: Fabric, plan: Plan, table: Workload, pins: Sequence[Pin]) -> CarriedPins:
    """Bring pinned flows onto their paths, by what `routing: {pins: ...}` says.

    `auto`: by host routes, and where these cannot part flows to one destination, by UDP source ports.

    Raises:
        InputError: `pin-conflict`, the carrier cannot tell two flows apart that part; `bad-path`, no route
            uses a link of a path, because it is drained; `carrier-not-supported`; `pin-not-expressible`.
    """
    carrier = fabric.routing.pins
    if carrier == "policy-route":
        return CarriedPins(_with_policies(fabric, plan, table, pins), carrier)
    if carrier == "udp-source-port":
        return CarriedPins(*_by_ports(fabric, plan, table, pins))
    try:
        return CarriedPins(_with_backups(fabric, with_pins(plan, table, pins)))
    except InputError as error:
        is_only = carrier == "host-route" or fabric.routing.pin_backups
        if is_only or any(each.code != "pin-conflict" for each in error.diagnostics):
            raise
        conflicts = error.diagnostics
    try:
        return CarriedPins(*_by_ports(fabric, plan, table, pins))
    except InputError as error:
        raise InputError([*conflicts, *error.diagnostics]) from None


def _by_ports(
    fabric: Fabric, plan: Plan, table: Workload, pins: Sequence[Pin]
) -> tuple[Plan, Carrier, NDArray[np.int64]]:
    """The ports that make the switches' own hash take the paths; the routes stay as they are."""
    _refuse_shared(table, pins)
    schedule = table.schedule
    of = np.array([pin.flow for pin in pins], np.int64)
    flows = Flows(schedule.src[of].astype(np.int64), schedule.dst[of].astype(np.int64), np.zeros_like(of))
    link = np.full((HOPS, len(pins)), -1, np.int64)
    turning = [pin for pin in pins if not _goes_up_then_down(fabric, pin)]
    if turning:
        hint = (
            "a hash chooses among shortest paths, which go up and then down: 'pins: host-route' takes others"
        )
        raise InputError(
            [Diagnostic("bad-path", "a source port cannot keep it", pin.span, hint) for pin in turning]
        )
    for column, pin in enumerate(pins):
        for place, port in zip(_places(len(pin.ports)), pin.ports, strict=True):
            link[place, column] = fabric.link_by_port[port].index
    is_open = np.where((link >= 0).any(axis=0), 0, -1)
    chosen = choose_ports(
        fabric,
        address_families(fabric)[0],
        tuple(switch.routes for switch in plan.switches),
        [switch.hash_seed for switch in plan.switches],
        flows,
        Paths(is_open, is_open, link, "given"),
    )
    port_of = dict(zip((int(schedule.qp[pin.flow]) for pin in pins), chosen.tolist(), strict=True))
    of_flow = np.array([port_of.get(qp, -1) for qp in schedule.qp.tolist()], np.int64)
    sent, stripes = connect(fabric, table.seats, schedule)
    ports = np.full((len(sent.qp_src), 2), -1, np.int64)
    ports[sent.schedule.qp, 0] = of_flow[stripes.message]
    return replace(plan, routing="pinned"), "udp-source-port", ports


def _places(hops: int) -> Sequence[int]:
    """Which of the hops of `Paths` those of a path are: up, then as many down."""
    half = hops // 2
    return (*range(half), *range(HOPS - half, HOPS))


def _goes_up_then_down(fabric: Fabric, pin: Pin) -> bool:
    """Whether a path climbs for its first half, and descends then, as those do that switches hash over."""
    half, odd = divmod(len(pin.ports), 2)
    climbs = [fabric.link_by_port[port].a == port for port in pin.ports]
    return not odd and half <= HOPS // 2 and climbs == [True] * half + [False] * half


def _refuse_shared(table: Workload, pins: Sequence[Pin]) -> None:
    """See that no queue pair, all of whose flows have one source port, has two paths."""
    first: dict[int, Pin] = {}
    problems = []
    for pin in pins:
        other = first.setdefault(int(table.schedule.qp[pin.flow]), pin)
        if other.ports != pin.ports:
            names = table.names[pin.flow], table.names[other.flow]
            message = f"flows '{names[0]}' and '{names[1]}' share a queue pair, and have two paths"
            hint, related = "give them one path", (other.span, f"the path of flow '{names[1]}'")
            problems.append(Diagnostic("pin-conflict", message, pin.span, hint, related))
    if problems:
        raise InputError(problems)


def _with_policies(fabric: Fabric, plan: Plan, table: Workload, pins: Sequence[Pin]) -> Plan:
    """The plan with policy routes, which know source and destination."""
    hops = {switch.name: _hops(switch) for switch in plan.switches}
    address = [ends[1] for ends in plan.endpoints]
    chosen: dict[tuple[str, int, int], tuple[PortRef, Pin]] = {}
    problems: list[Diagnostic] = []
    for pin in pins:
        src, dst = (int(column[pin.flow]) for column in (table.schedule.src, table.schedule.dst))
        for port in pin.ports:
            other, first = chosen.setdefault((port.device, src, dst), (port, pin))
            if other != port:
                problems.append(_conflict(table, plan, pin, port, first, other, _BY_PAIR))
            if (ip_address(address[dst]).version, port.port) not in hops[port.device]:
                problems.append(Diagnostic("bad-path", f"no route uses {port}: it is drained", pin.span))
    lacking = sorted({name for name, _, _ in chosen} & _without_policies(fabric))
    if lacking:
        model = fabric.switch_by_name[lacking[0]].model.name
        message = f"pins cannot be policy routes: {model} does not declare 'policy-routing'"
        hint = (
            "add it to the model's 'features' where the chip has it, or choose other 'routing: {pins: ...}'"
        )
        problems.append(Diagnostic("carrier-not-supported", message, hint=hint, place=("routing", "pins")))
    if problems:
        raise InputError(problems)
    added: dict[str, list[PolicyRoute]] = {}
    for (switch, src, dst), (port, _) in sorted(chosen.items(), key=lambda each: each[0]):
        hop = hops[switch][ip_address(address[dst]).version, port.port]
        added.setdefault(switch, []).append(PolicyRoute(address[src], address[dst], hop))
    switches = tuple(replace(each, policies=tuple(added.get(each.name, ()))) for each in plan.switches)
    return replace(plan, routing="pinned", switches=switches)


def _without_policies(fabric: Fabric) -> set[str]:
    return {switch.name for switch in fabric.switches if "policy-routing" not in switch.model.features}


def with_pins(plan: Plan, table: Workload, pins: Sequence[Pin]) -> Plan:
    """The plan with host routes that send the pinned flows along their paths.

    A host route's key is the destination, so flows to one destination that meet at a switch share its port;
    that holds for flows without a pin too.

    Raises:
        InputError: `pin-conflict`, two flows to one destination would leave a switch by different ports;
            `bad-path`, no route uses a link of a path, because it is drained.
    """
    if not pins:
        return plan
    hops = {switch.name: _hops(switch) for switch in plan.switches}
    chosen: dict[tuple[str, int], tuple[PortRef, Pin]] = {}
    problems: list[Diagnostic] = []
    for pin in pins:
        target = int(table.schedule.dst[pin.flow])
        for port in pin.ports:
            other, first = chosen.setdefault((port.device, target), (port, pin))
            if other != port:
                problems.append(_conflict(table, plan, pin, port, first, other))
            if (ip_address(plan.endpoints[target][1]).version, port.port) not in hops[port.device]:
                problems.append(Diagnostic("bad-path", f"no route uses {port}: it is drained", pin.span))
    if problems:
        raise InputError(problems)
    added: dict[str, list[Route]] = {}
    for (switch, target), (port, _) in chosen.items():
        host = ip_network(plan.endpoints[target][1])
        added.setdefault(switch, []).append(Route(str(host), (hops[switch][host.version, port.port],), "pin"))
    switches = tuple(
        replace(switch, routes=_joined(switch.routes, added.get(switch.name, ()))) for switch in plan.switches
    )
    return replace(plan, routing="pinned", switches=switches)


def _with_backups(fabric: Fabric, plan: Plan) -> Plan:
    """The plan with backups for its pins, where the fabric has them."""
    routes = PinBackups(fabric).added(tuple(switch.routes for switch in plan.switches))
    switches = (replace(each, routes=own) for each, own in zip(plan.switches, routes, strict=True))
    return replace(plan, switches=tuple(switches))


def _hops(switch: SwitchPlan) -> dict[tuple[int, str], NextHop]:
    """The next hop behind each port in each family."""
    return {
        (ip_network(route.prefix).version, hop.port): replace(hop, weight=1, distance=1)
        for route in switch.routes
        for hop in route.next_hops
    }


def _joined(routes: Sequence[Route], pinned: Sequence[Route]) -> tuple[Route, ...]:
    """Routes with those to hosts put in, in the plan's order."""
    prefixes = {route.prefix for route in pinned}
    kept = [route for route in routes if route.prefix not in prefixes]
    return tuple(sorted([*kept, *pinned], key=route_order))


_BY_DESTINATION = "a host route knows the destination only: give both flows the same path from there on"
_BY_PAIR = "a policy route knows source and destination only: give both flows the same path from there on"


def _conflict(
    table: Workload,
    plan: Plan,
    pin: Pin,
    port: PortRef,
    first: Pin,
    other: PortRef,
    hint: str = _BY_DESTINATION,
) -> Diagnostic:
    target = plan.endpoints[int(table.schedule.dst[pin.flow])][0]
    return Diagnostic(
        "pin-conflict",
        f"flow '{table.names[pin.flow]}' to {target} would leave {port.device} by {port.port}, "
        f"flow '{table.names[first.flow]}' to {target} by {other.port}",
        pin.span,
        hint,
        (first.span, f"the path of flow '{table.names[first.flow]}'"),
    )
