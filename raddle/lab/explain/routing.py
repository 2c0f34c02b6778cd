"""Why a flow takes its path, and why a group has its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network

import numpy as np

from raddle import traffic
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.model import Plan, Route, SwitchPlan
from raddle.ecmp_hash import hashed_addresses, qp_hashes, qp_headers
from raddle.errors import InputError
from raddle.lab.explain.lines import Lines
from raddle.lab.planned_states import planned_state
from raddle.lab.run.drive import Run, set_up
from raddle.lab.run.settings import RunSettings
from raddle.report.explain import Explained, Given
from raddle.sim.switch_columns import hash_columns
from raddle.state import SwitchState
from raddle.topology.model import Fabric, PortRef
from raddle.units import format_rate
from raddle.workload import Schedule, Seats, Sent, Workload, first_flows


def endpoint_of(fabric: Fabric, text: str) -> int:
    """The index of an endpoint, or of a host's first.

    Raises:
        InputError: `no-such-part`, it is none.
    """
    for index, endpoint in enumerate(fabric.endpoints):
        host = fabric.hosts[endpoint.host].name
        if text in (endpoint.name, host, f"{host}:{endpoint.nic}"):
            return index
    raise InputError.of("no-such-part", f"'{text}' is no endpoint", "write it as host3 or host3:eth0")


def explain_path(fabric: Fabric, plan: Plan, source: str, target: str, seed: int) -> Explained:
    """The ports that a flow's first queue pair takes, and what decides at each switch."""
    ends = (endpoint_of(fabric, source), endpoint_of(fabric, target))
    if ends[0] == ends[1]:
        raise InputError.of("no-such-part", "a flow is between two endpoints", "name two of them")
    states = {switch.name: planned_state(fabric, plan, switch.name) for switch in plan.switches}
    run = set_up(fabric, states, _one_message(ends), RunSettings(seed=seed), plan)
    ports = [run.simulation.port_names[port] for port in run.simulation.trace(0).tolist()]
    addresses = endpoint_addresses(fabric)
    hashes, sport = _hash_of(run, addresses, ends, seed)
    steps = list(_hops(fabric, plan, states, ports, addresses[ends[1]], hashes))
    lines = Lines(fabric)
    inputs = (
        Given("source", str(ip_address(addresses[ends[0]])), "'raddle show' has addresses"),
        Given("destination", str(ip_address(addresses[ends[1]])), "addressing"),
        Given("UDP source port", str(sport), f"of the queue pair's numbers, seed {seed}"),
        _policy(fabric, plan),
        lines.given("hash", fabric.routing.hash_algorithm, ("routing", "hash", "algorithm")),
    )
    return Explained(
        f"path of a flow from {source} to {target}",
        " -> ".join([*map(str, ports), fabric.endpoints[ends[1]].name]),
        "longest prefix; of several next hops the one at rotr(hash xor seed, offset) mod members",
        tuple(steps), inputs,
        ("docs/models/paths.md, docs/models/pinning.md", "UDP port: Linux, rdma_flow_label_to_udp_sport"),
        ("the way that adaptive routing would choose",) if run.simulation.is_adaptive else (),
    )  # fmt: skip


def _policy(fabric: Fabric, plan: Plan) -> Given:
    places = [("routing", "policy")] if plan.routing == fabric.routing.policy else []
    return Lines(fabric).given(
        "policy", plan.routing, *places, otherwise="--routing" if not places else "default"
    )


def _one_message(ends: tuple[int, int]) -> Workload:
    endpoints = np.array(ends, np.int32)
    schedule: Schedule = traffic.build("send_recv", "direct", 2, 4)
    sent = first_flows(Sent.between(schedule, endpoints), 1)
    return Workload(sent.schedule, Seats.of_endpoints(endpoints))


def _hash_of(run: Run, addresses: tuple[int, ...], ends: tuple[int, int], seed: int) -> tuple[int, int]:
    """The hash of the data with seed 0, and its UDP source port."""
    given = run.simulation.qp_source_ports(0)
    ports = None if given is None else np.array([given], np.int64)
    fabric = run.fabric
    hashed = hashed_addresses(addresses, fabric.addressing.families == "ipv6")
    src, dst = (hashed[end : end + 1] for end in ends)
    data, _ = qp_hashes(src, dst, seed, fabric.routing.hash_algorithm, fabric.routing.hash_fields, ports)
    _, sports = qp_headers(1, seed, ports)
    return int(data[0]), int(sports[0, 0])


def _hops(
    fabric: Fabric,
    plan: Plan,
    states: Mapping[str, SwitchState],
    ports: list[PortRef],
    address: int,
    hashed: int,
) -> Iterator[tuple[str, str]]:
    switches = {switch.name: switch for switch in plan.switches}
    for port in ports:
        if port.device not in switches:
            yield str(port), "the NIC's link"
            continue
        switch = switches[port.device]
        route = route_to(switch, address)
        if route is None:
            yield str(port), "its own cable: the endpoint is attached here"
            continue
        members = [hop.port for hop in route.used for _ in range(hop.weight)]
        named = f"{route.prefix} ({'pin' if route.origin == 'pin' else 'ECMP'})"
        if port.port not in members:
            yield str(port), f"a policy route of this pair goes before {named}"
        elif len(members) == 1:
            yield str(port), f"{named}: its only next hop"
        else:
            columns = hash_columns(states[port.device], fabric.addressing.families == "ipv6")
            mixed, turn = hashed ^ columns["hash_seed"], columns["hash_offset"]
            bits = (mixed >> turn | mixed << (32 - turn)) & 0xFFFFFFFF if turn else mixed
            count = len(members)
            yield str(port), f"{named}: hash 0x{bits:08x} mod {count} next hops = {bits % count}"


def route_to(switch: SwitchPlan, address: int) -> Route | None:
    """The route with the longest prefix that holds an address."""
    wanted = ip_address(address)
    fitting = [route for route in switch.routes if wanted in ip_network(route.prefix)]
    return max(fitting, key=lambda route: ip_network(route.prefix).prefixlen, default=None)


def explain_weight(fabric: Fabric, plan: Plan, name: str, target: str) -> Explained:
    """The weights of the group with which a switch sends to an endpoint."""
    switch = next((each for each in plan.switches if each.name == name), None)
    if switch is None:
        raise InputError.of("no-such-part", f"'{name}' is no switch", "'raddle show' has their names")
    address = endpoint_addresses(fabric)[endpoint_of(fabric, target)]
    route = route_to(switch, address)
    if route is None:
        message = f"{name} has no route to {target}: it is attached there"
        raise InputError.of("no-such-part", message, "name another switch")
    total = sum(hop.weight for hop in route.used)
    steps, inputs = [], []
    for hop in route.used:
        link = fabric.link_by_port[PortRef(name, hop.port)]
        far = link.b if link.a.device == name else link.a
        speed = format_rate(link.speed_bps)
        steps.append(
            (f"{hop.port} to {far.device}", f"weight {hop.weight} of {total}, {hop.weight / total:.1%}")
        )
        inputs.append(Given(f"{hop.port}, {speed}", "drained" if link.is_drained else "up", str(link.b)))
    is_equal = len({hop.weight for hop in route.used}) == 1
    formula = (
        "1 each: whichever way, as much can go on behind every next hop"
        if is_equal
        else "shares with which uniform traffic loads the busiest link least, in whole numbers"
    )
    inputs += [*_group_limit(fabric, name, len(route.used)), _policy(fabric, plan)]
    weights = ":".join(str(hop.weight) for hop in route.used)
    return Explained(
        f"weights of {name} to {target} ({route.prefix})", weights, formula,
        tuple(steps), tuple(inputs), ("docs/models/paths.md",),
    )  # fmt: skip


def _group_limit(fabric: Fabric, name: str, hops: int) -> Iterator[Given]:
    """The most members of a group of the switch, where its uplinks are more and leaves take turns at them."""
    switch = fabric.switch_by_name[name]
    uplinks = sum(link.is_up and link.a.device == name for link in fabric.links)
    most = switch.model.tables.most_of_group
    if hops <= most < uplinks:
        given = f"{most} of {uplinks} uplinks, leaves take turns"
        place = ("models", switch.model.name, "tables", "group_size")
        yield Lines(fabric).given("most of a group", given, place, otherwise=f"model {switch.model.name}")
