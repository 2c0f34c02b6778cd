"""`raddle emulate`: a fabric with real packets, in namespaces of this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import (
    AlgorithmOption,
    CollectiveOption,
    JsonOption,
    P4InfoOption,
    PlanOption,
    PlanOptions,
    QpsOption,
    RoutingOption,
    ScopeOptions,
    SeedOption,
    SplitDataOption,
    load_fabric,
    options_of,
    plan_for,
)
from raddle.cli.progress import progress_bar
from raddle.errors import InputError
from raddle.lab.emulation.layout import far_pair
from raddle.lab.emulation.logs import keep_logs, make_folder
from raddle.lab.emulation.presence import find_running
from raddle.lab.emulation.presence import stop as end
from raddle.lab.emulation.programs import load_mininet, need
from raddle.lab.emulation.result import to_json, to_text
from raddle.lab.emulation.sandbox import enter_sandbox
from raddle.lab.workloads.collective import CollectiveJob, find_job
from raddle.lab.workloads.connections import with_qps
from raddle.lab.workloads.flow_file import read_flows
from raddle.lab.workloads.joined import joined, over_nics
from raddle.workload import Workload

_TESTS = ("ping", "iperf", "roce", "failover")
_PROGRAMS = ("mnexec", "ip", "tc", "ethtool", "ping")
_SWITCH_PROGRAMS = {"ovs": ("ovs-vswitchd", "ovsdb-server", "ovs-vsctl"), "bmv2": ("simple_switch_grpc",)}


@with_option_groups
def emulate(
    fabric: FabricArg,
    where: ScopeOptions,
    switch: Annotated[
        Literal["bmv2", "ovs"], typer.Option(help="Open vSwitch, or the P4 behavioral model.")
    ] = "ovs",
    test: Annotated[str, typer.Option(help="ping, iperf, roce, failover; several with commas.")] = "ping",
    flows: Annotated[
        Path | None, typer.Option(help="Flows to send, as for 'raddle simulate', not a collective's.")
    ] = None,
    packets: Annotated[int, typer.Option(help="Packets of each flow of the collective.", min=1, max=64)] = 2,
    cuts: Annotated[int, typer.Option(help="How often each failure is made.", min=1, max=1000)] = 20,
    pcap: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the RoCEv2 packets at each switch port there.")
    ] = None,
    logs: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep there what the switches' programs have said.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="End with Mininet's prompt.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Go on in the background after the tests, for 'raddle exec'.")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="End the fabric's emulation that was detached.")
    ] = False,
    plan_file: PlanOption = None,
    routing: RoutingOption = None,
    collective: CollectiveOption = "all_reduce",
    algorithm: AlgorithmOption = None,
    seed: SeedOption = 1,
    p4info: P4InfoOption = None,
    qps_per_connection: QpsOption = None,
    split_data: SplitDataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the fabric up with software switches and hosts in namespaces, program it, and test it (root).

    Everything runs in a sandbox of its own and is gone at the end, however it ends.
    """
    tests = _tests(test)
    loaded = load_fabric(fabric)
    if keep + detach + stop > 1:
        raise InputError.of("bad-option", "--keep, --detach and --stop exclude each other")
    if stop:
        end(find_running(loaded.name))
        return
    where.require(None if flows else collective)
    held = plan_for(loaded, PlanOptions(routing=routing), plan_file) if plan_file else None
    model = with_qps(loaded, qps_per_connection, split_data)
    work = (
        read_flows(model, flows)
        if flows
        else _short([find_job(model, collective, algorithm, each) for each in where.scopes(seed)], packets)
    )
    if "failover" in tests:
        far_pair(model, work)  # said before anything starts
    if logs:
        make_folder(logs)
    need((*_PROGRAMS, *_SWITCH_PROGRAMS[switch], *(["iperf3"] if "iperf" in tests else [])))
    sandbox = enter_sandbox(loaded.name, is_interactive=keep)
    load_mininet()
    # These import Mininet.
    from raddle.lab.emulation.prompt import prompt
    from raddle.lab.emulation.run import EmulationRequest, emulate

    policy = held.plan.routing if held else routing or model.routing.policy
    given = (held.plan, options_of(held).demand(loaded)) if held else None
    request = EmulationRequest(switch, policy, tests, work, seed, pcap, p4info, cuts, given)
    try:
        with progress_bar() as progress:
            emulation = emulate(model, request, progress)
        print(to_json(emulation.result) if as_json else to_text(emulation.result), end="", flush=True)
        if keep:
            prompt(emulation.network)
        if detach:
            print(
                f"'{sandbox.name}' goes on; 'raddle exec NODE COMMAND' runs there, --stop ends it",
                file=sys.stderr,
            )
            sys.stdout.flush()
            sandbox.detach(0 if emulation.result.is_good else 1)
    finally:
        if logs:
            keep_logs(logs)
    if not emulation.result.is_good:
        raise typer.Exit(1)


def _short(jobs: Sequence[CollectiveJob], packets: int) -> Workload:
    """What collectives send over NICs at the same time, in which every flow has about so many packets."""
    work, inside = over_nics(
        joined(
            [
                (job.scope.tenant or "", job.workload(packets * job.fabric.roce.mtu_bytes * job.ranks))
                for job in jobs
            ]
        )
    )
    if not work.schedule.flows:
        raise InputError.of(
            "no-flows",
            "all ranks share a scale-up domain: nothing goes over NICs",
            "take ranks of two domains",
        )
    if inside:
        print(
            f"note: {inside} flows inside scale-up domains are left out: real packets go over NICs only",
            file=sys.stderr,
        )
    return work


def _tests(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in _TESTS]
    if unknown:
        raise InputError.of("unknown-test", f"no test '{unknown[0]}'; there is {', '.join(_TESTS)}")
    return names
