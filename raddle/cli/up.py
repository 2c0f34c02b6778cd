"""`raddle up`: the simulated switches of a fabric, until interrupted."""

from __future__ import annotations

import gc
import signal
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import (
    DEFAULT_INVENTORY,
    AlgorithmOption,
    InventoryOption,
    P4InfoOption,
    QpsOption,
    ScopeOptions,
    SeedOption,
    SplitDataOption,
    StrictOption,
    load_fabric,
)
from raddle.cli.run_options import ThreadsOption
from raddle.controller.ledger import Ledger
from raddle.controller.locks import lock_file
from raddle.controller.plan import make_plan
from raddle.controller.southbound.p4runtime.pipelines import pins_pipeline
from raddle.errors import InputError
from raddle.inventory import Inventory, read_file, read_secrets
from raddle.lab.live import LiveTraffic, check_size
from raddle.lab.run.faults import Fault, read_faults
from raddle.lab.run.settings import RunSettings
from raddle.lab.switches.programmed import Doors, switch_farm
from raddle.lab.switches.scratch import scratch_folder
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.connections import with_qps
from raddle.lab.workloads.flow_file import read_flows
from raddle.lab.workloads.joined import joined
from raddle.lab.workloads.ranks import Scope
from raddle.nos.farm import ServerTls, SwitchFarm, is_loopback
from raddle.topology.model import Fabric
from raddle.topology.views.cable_truth import planned_names, read_cables
from raddle.units import parse_message_bytes
from raddle.workload import Workload

_SWITCH_S = 0.001
_COLLECT_S = 60.0
_NEVER = 10**6
_OTHERS = stat.S_IRGRP | stat.S_IROTH


@with_option_groups
def up(
    fabric: FabricArg,
    where: ScopeOptions,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    host: Annotated[
        str, typer.Option(help="Address to serve at; loopback unless there is TLS.")
    ] = "127.0.0.1",
    tls_cert: Annotated[Path | None, typer.Option(help="Serve TLS with this certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    tls_ca: Annotated[
        Path | None,
        typer.Option(help="CA of that certificate, which the inventory names [default: the certificate]"),
    ] = None,
    client_ca: Annotated[Path | None, typer.Option(help="Ask clients for a certificate of this CA.")] = None,
    client_name: Annotated[
        list[str] | None, typer.Option(help="Common name of a client that may read and write; repeatable.")
    ] = None,
    users: Annotated[
        Path | None, typer.Option(help='Ask for a password: JSON {"user": "password"}, mode 600.')
    ] = None,
    with_redis: Annotated[
        bool, typer.Option("--redis", help="Serve the databases of each switch from a redis-server.")
    ] = False,
    flows: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Flows to run on the switches once they have routes.")
    ] = None,
    collective: Annotated[
        str | None, typer.Option(help="Or a collective to run: all_reduce, all_to_all, ...")
    ] = None,
    size: Annotated[str, typer.Option(help="Its size (powers of 1024).")] = "1G",
    repeat: Annotated[int, typer.Option(help="So many times in a row.", min=1, max=1000)] = 1,
    algorithm: AlgorithmOption = None,
    qps_per_connection: QpsOption = None,
    split_data: SplitDataOption = None,
    threads: ThreadsOption = 1,
    pace: Annotated[
        float,
        typer.Option(metavar="N", help="Simulated seconds in a second of wall time.", min=1e-9, max=1.0),
    ] = 1e-3,
    seed: SeedOption = 1,
    faults: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Faults of that traffic, as simulate's: errors, storm, slow, slow-link."
        ),
    ] = None,
    cables: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="What is plugged in, if other than the fabric says ('show cables')."
        ),
    ] = None,
    p4info: P4InfoOption = None,
    strict: StrictOption = False,
    state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep what the switches are told, and boot from it.")
    ] = None,
    sonic_yang: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Judge tables that are only held by SONiC's YANG models in DIR (yanglint)."
        ),
    ] = None,
) -> None:
    """Start all switches of a fabric, each with its own gNMI endpoint on this machine, and stay.

    With --flows or --collective, traffic runs on them as soon as all have routes, and their counters live.
    With --p4info the inventory names the P4Info, and later commands need not.
    They boot without addresses and routes ('raddle apply' brings those), or with what --state has. The
    inventory file is written when all of them answer, and removed at the end, by Ctrl-C, SIGTERM or SIGHUP.
    """
    model = with_qps(load_fabric(fabric, strict), qps_per_connection, split_data)
    if p4info:
        pins_pipeline(p4info)  # A file that cannot be used is told before anything starts.
    doors = Doors(
        host,
        _tls(tls_cert, tls_key, client_ca),
        tuple(client_name or ()),
        read_secrets(users) if users else {},
        state,
        tell=_tell,
        yang_models=sonic_yang,
    )
    _warn_of_strangers(doors)
    seen = planned_names(model, read_cables(cables)) if cables else None
    where.require(collective)
    sent = _traffic(model, flows, collective, algorithm, where.scopes(seed), size, repeat)
    if sent:
        check_size(model, sent)
    happening = _faults(model, faults, sent)
    # Threads give way sooner than by default, so that long work of one client delays others less.
    sys.setswitchinterval(_SWITCH_S)
    _end_by_signals()
    with (
        _alone(model.name, inventory, state),
        scratch_folder("raddle-redis-") if with_redis else nullcontext() as scratch,
        switch_farm(
            model, make_plan(model, "ecmp"), doors=replace(doors, redis_folder=scratch), cables=seen
        ) as farm,
        _seldom_collected(),
    ):
        authority = tls_ca or tls_cert
        ca_file = str(authority.resolve()) if authority else ""
        written = Inventory(model.name, dict(farm.addresses), p4info=p4info, ca_file=ca_file)
        written.save(inventory)
        try:
            for name, address in farm.addresses.items():
                redis = f"  redis 127.0.0.1:{farm.redis_ports[name]}" if with_redis else ""
                print(f"{name:<12} gNMI {address}{redis}")
            _tell_of_held(farm, sonic_yang is not None)
            print(f"inventory in {inventory}; Ctrl-C stops the switches", file=sys.stderr, flush=True)
            sys.stdout.flush()
            if sent is None:
                signal.pause()
            else:
                settings = RunSettings(seed=seed, threads=threads, faults=happening)
                with LiveTraffic(model, farm.switches, sent, pace, settings, _tell) as live:
                    live.wait()
        finally:
            written.remove(inventory)


def _faults(model: Fabric, path: Path | None, sent: Workload | None) -> tuple[Fault, ...]:
    """What goes wrong with live traffic."""
    if path is None:
        return ()
    if sent is None:
        what = "--faults are those of traffic, and there is none"
        raise InputError.of("bad-option", what, "give --flows or --collective")
    found = read_faults(model, path)
    for each in found:
        if each.what not in ("errors", "storm", "slow", "slow-link"):
            raise InputError.of(
                "bad-option",
                f"--faults: '{each.what}' at {each.port} does not happen to live traffic",
                f"pull the cable: raddle switch {each.port.device} cable pull {each.port.port}"
                if each.what in ("down", "flap")
                else "'raddle simulate --faults' has it",
            )
    return found


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Look for garbage among old objects once a minute, as all clients wait meanwhile.

    What lives as long as the switches do is not looked at again at all.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*usual[:2], _NEVER)
    is_over = threading.Event()

    def collect() -> None:
        while not is_over.wait(_COLLECT_S):
            gc.collect()

    threading.Thread(target=collect, name="collect", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
        gc.set_threshold(*usual)
        gc.unfreeze()


@contextmanager
def _alone(fabric: str, inventory: Path, state: Path | None) -> Iterator[None]:
    """Be the only one whose switches are in an inventory, and who writes to a state folder.

    Switches that boot afresh hold nothing of what was applied to those before them.
    """
    hint = "stop it, or give this one an --inventory of its own"
    with ExitStack() as held:
        held.enter_context(lock_file(inventory.with_suffix(".up.lock"), f"up {fabric}", hint))
        if state:
            hint = "stop it, or give another --state"
            with suppress(OSError):  # said by the next line, or by who writes there first
                state.mkdir(parents=True, exist_ok=True)
            held.enter_context(lock_file(state / "up.lock", f"up {fabric}", hint))
        else:
            Ledger(inventory).forget()
        yield


def _traffic(
    fabric: Fabric,
    flows: Path | None,
    collective: str | None,
    algorithm: str | None,
    scopes: Sequence[Scope],
    size: str,
    repeat: int,
) -> Workload | None:
    if flows and collective:
        raise InputError.of("two-traffics", "--flows and --collective exclude each other", "give one of them")
    if flows:
        return replace(read_flows(fabric, flows), repeat=repeat)
    if not collective:
        if repeat > 1:
            raise InputError.of("bad-option", "--repeat is of --flows or --collective", "give one of them")
        return None
    jobs = [find_job(fabric, collective, algorithm, scope) for scope in scopes]
    sent = joined([(job.scope.tenant or "", job.workload(_size(size))) for job in jobs])
    return replace(sent, repeat=repeat)


def _size(text: str) -> int:
    try:
        return parse_message_bytes(text)
    except ValueError as error:
        raise InputError.of("bad-size", f"--size: {error}") from None


def _tell_of_held(farm: SwitchFarm, is_judged: bool) -> None:
    """Say which tables a switch keeps as they are, and what is wrong with them."""
    for name, switch in farm.switches.items():
        if held := switch.held_tables:
            how = "judged by the YANG models" if is_judged else "not checked"
            _tell(f"{name} holds without acting on them, {how}: {', '.join(held)}")
        for problem in switch.held_problems():
            _tell(f"{name}: YANG: {problem}")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    if certificate and key:
        if (mode := stat.S_IMODE(key.stat().st_mode) if key.exists() else 0) & _OTHERS:
            _tell(f"warning: others on this machine can read the key '{key}' (mode {mode:03o}); chmod 600 it")
        return ServerTls(read_file(certificate), read_file(key), read_file(client_ca) if client_ca else None)
    if certificate or key or client_ca:
        raise InputError.of("half-tls", "TLS needs both --tls-cert and --tls-key", "give both, or neither")
    return None


def _warn_of_strangers(doors: Doors) -> None:
    if doors.tls and not doors.tls.client_ca and not doors.users and not is_loopback(doors.host):
        _tell(
            f"warning: anybody who reaches {doors.host} reads these switches, as they ask nobody for a name; "
            "secrets and all changes are for callers on this machine. --client-ca with --client-name, or "
            "--users, names callers"
        )


def _end_by_signals() -> None:
    """End in order by SIGTERM, and with the terminal (SIGHUP) unless nohup has it ignored."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
