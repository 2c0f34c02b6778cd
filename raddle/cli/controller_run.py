"""`raddle controller run`: the controller itself."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.controller_turns import Doors, hear_signals, run_in_turn, serve, settle_objects
from raddle.cli.desired_state import FileSource
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import DEFAULT_INVENTORY, InventoryOption, PlanOptions, StrictOption
from raddle.cli.server_options import LONGEST_S
from raddle.controller.api import monitor, server
from raddle.controller.api.journal import Journal, LogFormat
from raddle.controller.api.roles import Role
from raddle.controller.api.server import ServerTls
from raddle.controller.api.tracing import tracing
from raddle.controller.service.core import Controller
from raddle.controller.service.etcd import EtcdStore, EtcdTls
from raddle.controller.service.events import Bus
from raddle.controller.service.settings import Drift, Replacement, Settings
from raddle.controller.service.store import SqliteStore
from raddle.controller.service.watch.gnmi import SAMPLE_S
from raddle.controller.spans import NOT_TRACED
from raddle.errors import InputError
from raddle.inventory import read_file, refuse_open_key

_LEAST_SAMPLE_S = 1.0
"""Of a gNMI SAMPLE subscription (sonic-gnmi, MinSampleInterval)."""

_NAMES = Annotated[list[str] | None, typer.Option(metavar="CN", help="Common name of one; repeatable.")]


@with_option_groups
def run(
    fabric: Annotated[
        str, typer.Argument(metavar="FABRIC", help="Fabric file, or a folder or git checkout with one.")
    ],
    options: PlanOptions,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|etcd://",
            help="History and state: a file, or etcd://HOST:PORT/PREFIX [default: beside the inventory]",
        ),
    ] = None,
    store_ca: Annotated[Path | None, typer.Option(help="CA of etcd's servers (PEM).")] = None,
    store_cert: Annotated[Path | None, typer.Option(help="Certificate for etcd.")] = None,
    store_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Serve the API there.")] = server.ADDRESS,
    metrics: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Serve /healthz and /metrics there.")
    ] = monitor.ADDRESS,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate of the API (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    client_ca: Annotated[Path | None, typer.Option(help="CA of clients' certificates.")] = None,
    viewer: _NAMES = None,
    operator: _NAMES = None,
    admin: _NAMES = None,
    drift: Annotated[Drift, typer.Option(help="What to do about what nobody planned.")] = "mend",
    replacement: Annotated[
        Replacement,
        typer.Option(help="Program a box with another serial number: after 'replace', or always."),
    ] = "ask",
    repair: Annotated[
        bool, typer.Option("--repair/--no-repair", help="Plan routes anew when a link dies.")
    ] = True,
    back: Annotated[
        bool, typer.Option("--back/--no-back", help="Take an update back that a switch refuses.")
    ] = True,
    at_once: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Write at most so many switches at a time.")
    ] = None,
    sweep: Annotated[
        float,
        typer.Option(min=1, max=LONGEST_S, metavar="SECONDS", help="Compare every switch that often."),
    ] = 300.0,
    sample: Annotated[
        float,
        typer.Option(min=1, max=LONGEST_S, metavar="SECONDS", help="Between two samples of a switch."),
    ] = SAMPLE_S,
    congestion: Annotated[
        float,
        typer.Option(
            min=0,
            max=LONGEST_S,
            metavar="SECONDS",
            help="Look for congestion that often; 0: never.",
        ),
    ] = 10.0,
    jobs: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Who sends to whom: columns job,src,dst.")
    ] = None,
    act: Annotated[
        bool, typer.Option("--act", help="Mend congestion: re-pin the jobs, drain a link, isolate a storm.")
    ] = False,
    moves: Annotated[
        int, typer.Option(min=1, metavar="N", help="With --act: at most so many moves in an hour.")
    ] = 4,
    source_ports: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Write there which UDP source ports hosts are to take."),
    ] = None,
    confirm: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=LONGEST_S,
            metavar="SECONDS",
            help="Watch switches so long after an update.",
        ),
    ] = None,
    allow_flap: Annotated[
        bool, typer.Option("--allow-flap", help="Ports may go down and up where SONiC needs that.")
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Delete what raddle has not written, too.")
    ] = False,
    log: Annotated[LogFormat, typer.Option(help="Form of the log on stderr.")] = "text",
    traces: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Send traces of updates to this collector (OTLP over HTTP)."),
    ] = None,
    strict: StrictOption = False,
) -> None:
    """Hold a fabric's switches at what is wanted, until SIGTERM.

    SIGHUP reads the fabric and the inventory again, as 'apply' does. What is under way when it ends goes on
    with the next start. Exit code 3: the store cannot be written.
    """
    if options.keep:
        raise InputError.of("bad-option", "--keep: the controller keeps pins by itself", "leave it out")
    if 0 < congestion < _LEAST_SAMPLE_S:
        raise InputError.of(
            "bad-option",
            f"--congestion {congestion:g}: SONiC samples no more often than every second",
            "give 1, or 0",
        )
    if act and not congestion:
        raise InputError.of("bad-option", "--act has nothing to act on with --congestion 0", "leave one out")
    settings = Settings(
        inventory=inventory,
        drift=drift,
        replacement=replacement,
        repairs=repair,
        goes_back=back,
        at_once=at_once,
        sweep_s=sweep,
        sample_s=sample,
        congestion_s=congestion,
        acts=act,
        moves=moves,
        source_ports=source_ports,
        confirm_s=confirm,
        allow_flap=allow_flap,
        take_over=take_over,
    )
    names: list[tuple[Role, list[str] | None]] = [
        ("viewer", viewer),
        ("operator", operator),
        ("admin", admin),
    ]
    roles = _roles(names)
    tls = _tls(tls_cert, tls_key, client_ca)
    if roles and not tls:
        raise InputError.of(
            "half-tls", "roles are those of certificates", "give --tls-cert, --tls-key, --client-ca"
        )
    source = FileSource(fabric, options, strict, jobs)
    doors = Doors(listen, metrics, tls, roles)
    bus = Bus()
    bus.hear(Journal(log))
    bus.hear(settle_objects)
    with tracing(traces) if traces else nullcontext(NOT_TRACED) as spans:
        if store and store.startswith("etcd:"):
            etcd_tls = EtcdTls(store_ca, store_cert, store_key) if store_ca or store_cert else None
            run_in_turn(EtcdStore(store, etcd_tls), source, settings, doors, bus, spans)
            return
        file = Path(store) if store else inventory.with_suffix(".controller.db")
        with closing(SqliteStore(file)) as opened:
            controller = Controller(opened, source, settings, bus, spans=spans)
            hear_signals(controller.stop, controller.reload)
            serve(controller, doors)


def _roles(names: Iterable[tuple[Role, list[str] | None]]) -> dict[str, Role]:
    """Roles by common name."""
    roles: dict[str, Role] = {}
    for role, given in names:
        for name in given or ():
            if roles.setdefault(name, role) != role:
                raise InputError.of(
                    "bad-option",
                    f"--{roles[name]} and --{role} both name '{name}'",
                    "name everybody once: an operator may what a viewer may, an admin all",
                )
    return roles


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    given = [each for each in (certificate, key, client_ca) if each]
    if not given:
        return None
    if not (certificate and key and client_ca):
        raise InputError.of(
            "half-tls", "TLS needs --tls-cert, --tls-key and --client-ca", "give all three, or none"
        )
    refuse_open_key(key)
    return ServerTls(read_file(certificate), read_file(key), read_file(client_ca))
