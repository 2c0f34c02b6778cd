"""An emulation from the fabric to the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from raddle.controller.plan.make import make_plan
from raddle.controller.plan.model import Plan
from raddle.lab.emulation.bmv2 import Bmv2
from raddle.lab.emulation.dataplane import Dataplane
from raddle.lab.emulation.failover import FailoverTest
from raddle.lab.emulation.iperf import tcp_mbps
from raddle.lab.emulation.layout import Layout, Nic, far_pair
from raddle.lab.emulation.network import Network
from raddle.lab.emulation.nics import HEADERS_BYTES, WHOLE_FRAME_BYTES, NicSocket, write_pcaps
from raddle.lab.emulation.open_vswitch import OpenVSwitch
from raddle.lab.emulation.presence import publish
from raddle.lab.emulation.repair import Repairer
from raddle.lab.emulation.result import EmulationResult, Iperf, Ping
from raddle.lab.emulation.roce_run import run_roce
from raddle.lab.switches.prepared import SwitchSource
from raddle.lab.workloads.demand import demand_of
from raddle.topology.model import Fabric
from raddle.workload import Demand, Workload

PING_ATTEMPTS = 3
_Pair = tuple[Nic, str, str]
"""Who is asked, from which address and at which."""


@dataclass(frozen=True, slots=True)
class EmulationRequest:
    """What to emulate, which tests to run, where captured packets go.

    `p4info` is of switches that run SONiC PINS, with whose simulation `roce` is compared. `planned` is a plan
    and the flows that it pins, in place of one that is made for the workload. `cuts` of each failure.
    """

    switch: Literal["ovs", "bmv2"]
    routing: Literal["ecmp", "pinned"]
    tests: tuple[str, ...]
    workload: Workload
    seed: int = 1
    pcap: Path | None = None
    p4info: Path | None = None
    cuts: int = 1
    planned: tuple[Plan, Demand | None] | None = None


@dataclass(frozen=True, slots=True)
class Emulation:
    """What was found, and the network, which lives on."""

    result: EmulationResult
    network: Network


def emulate(
    fabric: Fabric,
    request: EmulationRequest,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> Emulation:
    """Plan, start switches and hosts, program, test. Only inside a sandbox (see `enter_sandbox`).

    Raises:
        InputError: the fabric cannot be emulated.
        UnreachableError: a program failed, or a switch refused.
    """
    demand = (
        demand_of(fabric, request.workload.seats, request.workload.schedule)
        if request.routing == "pinned"
        else None
    )
    plan, demand = request.planned or (make_plan(fabric, request.routing, demand), demand)
    layout = Layout(fabric, plan)
    repairer = Repairer(fabric, plan, demand)
    progress("starting switches and hosts", 0.1)
    dataplane = _start(request.switch, layout, repairer)
    publish(dataplane.network.nodes())
    progress("programming", 0.2)
    result = EmulationResult(
        fabric=fabric.name,
        switch=dataplane.title,
        switches=len(fabric.switches),
        hosts=len(fabric.hosts),
        routing=request.routing,
        divisor=layout.divisor,
        fastest_mbps=max(map(layout.mbps, fabric.links)),
        messages=dataplane.push(plan),
        hash_note=dataplane.hash_note if plan.routing == "ecmp" else "",
    )
    repairer.start(dataplane)
    result = _test(request, layout, plan, dataplane, repairer, result, progress)
    if repairer.error and not result.failover:  # else it is the problem of a failure
        raise repairer.error
    return Emulation(result, dataplane.network)


def _start(switch: Literal["ovs", "bmv2"], layout: Layout, repairer: Repairer) -> Dataplane:
    if switch == "ovs":
        return OpenVSwitch(layout, repairer.hear)
    return Bmv2(layout, repairer.hear, repairer.lose)


def _test(
    request: EmulationRequest,
    layout: Layout,
    plan: Plan,
    dataplane: Dataplane,
    repairer: Repairer,
    result: EmulationResult,
    progress: Callable[[str, float], None],
) -> EmulationResult:
    network = dataplane.network
    if "ping" in request.tests:
        progress("all hosts ping each other", 0.3)
        result = replace(result, ping=ping_all(layout, network))
    if "iperf" in request.tests:
        progress("iperf3", 0.4)
        result = replace(result, iperf=tuple(run_iperf(layout, network)))
    if not {"roce", "failover"} & set(request.tests):
        return result
    nics = [NicSocket(nic, network.host(nic.host).pid, layout.addresses) for nic in layout.nics]
    if "roce" in request.tests:
        progress("RoCEv2 packets", 0.5)
        source = SwitchSource(p4info=request.p4info)
        snap_bytes = WHOLE_FRAME_BYTES if request.pcap else HEADERS_BYTES
        roce, sightings = run_roce(
            layout, plan, dataplane, nics, request.workload, request.seed, source, snap_bytes
        )
        result = replace(result, roce=roce)
        if request.pcap:
            names = {port: name for name, port in layout.interfaces.items()}
            files = write_pcaps(request.pcap, sightings, names)
            result = replace(result, pcaps=tuple(map(str, files)))
    if "failover" in request.tests:
        progress("failures", 0.8)
        src, dst = far_pair(layout.fabric, request.workload)
        result = replace(
            result,
            failover=tuple(FailoverTest(layout, network, repairer, nics, src, dst, request.cuts).run()),
        )
    return result


def ping_all(layout: Layout, network: Network) -> Ping:
    """Every endpoint asks every other over each family: all at the same time, each one after the other.

    Who has not answered within 2 s is asked again, up to twice: a busy machine is no hole.
    """
    left = {
        nic: [
            (other, own.address, far.address)
            for other in layout.nics
            if other.host != nic.host
            for own, far in zip(nic.addresses, other.addresses, strict=True)
        ]
        for nic in layout.nics
    }
    tried, attempts = sum(map(len, left.values())), 0
    while left and attempts < PING_ATTEMPTS:
        left, attempts = _unanswered(network, left), attempts + 1
    failed = [
        f"{nic.label} -> {other.label} ({own} -> {far})"
        for nic, pairs in left.items()
        for other, own, far in pairs
    ]
    families = tuple(f"IPv{own.version}" for own in layout.nics[0].addresses)
    return Ping(families, tried, tuple(failed), attempts)


def _unanswered(network: Network, asked: Mapping[Nic, Sequence[_Pair]]) -> dict[Nic, list[_Pair]]:
    """Those of the pairs that do not answer."""
    running = []
    for nic, pairs in asked.items():
        script = "; ".join(
            f"ping -n -q -c1 -W2 -I {own} {far} >/dev/null || echo {place}"
            for place, (_, own, far) in enumerate(pairs)
        )
        running.append((nic, pairs, network.popen(nic.host, ["sh", "-c", script])))
    said = [(nic, pairs, process.communicate()[0].split()) for nic, pairs, process in running]
    return {nic: [pairs[int(place)] for place in places] for nic, pairs, places in said if places}


def run_iperf(layout: Layout, network: Network) -> Sequence[Iperf]:
    """One TCP stream under a leaf and one between two leaves, over each family, one after the other."""
    first = layout.nics[0]
    near = [nic for nic in layout.nics if nic.leaf_port.device == first.leaf_port.device][1:2]
    far = [nic for nic in layout.nics if nic.leaf_port.device != first.leaf_port.device][-1:]
    rows = []
    for other in (*near, *far):
        rates = [layout.mbps(layout.fabric.link_by_port[nic.leaf_port]) for nic in (first, other)]
        for src, dst in zip(first.addresses, other.addresses, strict=True):
            mbps = tcp_mbps(network, (first.host, src.address), (other.host, dst.address))
            rows.append(Iperf(first.label, other.label, f"IPv{src.version}", mbps, min(rates)))
    return rows
