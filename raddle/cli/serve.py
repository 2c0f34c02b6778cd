"""`raddle serve`: a page of a fabric's switches as they are now, and metrics for Prometheus."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from contextlib import closing, nullcontext
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import (
    DEFAULT_INVENTORY,
    InventoryOption,
    PlanOption,
    PlanOptions,
    load_fabric,
    load_switches,
    plan_applied,
)
from raddle.cli.server_options import ServerOptions
from raddle.controller.api.server import is_loopback
from raddle.controller.ledger import Ledger
from raddle.controller.reconcile import Past
from raddle.errors import InputError
from raddle.inventory import read_file, refuse_open_key

if TYPE_CHECKING:
    from uvicorn import Server

ADDRESS = "127.0.0.1:50582"
TOKEN_VARIABLE = "RADDLE_SERVE_TOKEN"
_LEAST_TOKEN = 16


@with_option_groups
def serve(
    fabric: FabricArg,
    options: PlanOptions,
    server: ServerOptions,
    plan_file: PlanOption = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Serve page and metrics there; port 0: a free one.")
    ] = ADDRESS,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help=f"Callers need the token in it [default: what {TOKEN_VARIABLE} holds]"
        ),
    ] = None,
    https_cert: Annotated[Path | None, typer.Option(metavar="PEM", help="Certificate of the page.")] = None,
    https_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    sample: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Between two samples of counters.")
    ] = 1.0,
    sweep: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Compare every switch that often.")
    ] = 300.0,
    controller: Annotated[
        bool, typer.Option("--controller", help="Take drift, events and updates from 'raddle controller'.")
    ] = False,
) -> None:
    """Serve a page of a fabric's switches as they are now, until interrupted.

    Topology and ports with live counters (gNMI), drift, events and updates; benches can be started from it.
    Prometheus finds the counters at /metrics. Off loopback callers need a token.
    """
    _require_libraries()
    host, port = _address(listen)
    token = _token(token_file)
    if not token and not is_loopback(host):
        raise InputError.of(
            "no-token",
            f"cannot serve everybody who reaches '{listen}'",
            f"use 127.0.0.1, or give a token with --token-file or {TOKEN_VARIABLE}",
        )
    if bool(https_cert) != bool(https_key):
        raise InputError.of(
            "half-tls", "HTTPS needs both --https-cert and --https-key", "give both, or neither"
        )
    for file in (https_cert, https_key):
        if file:
            read_file(file)
    refuse_open_key(https_key)
    if (server.server or server.ca or server.cert or server.key) and not controller:
        raise InputError.of("bad-option", "--server, --ca, --cert and --key are of --controller", "give that")
    where = load_switches(inventory, None)
    model = load_fabric(fabric)
    where.require(model.name, where.addresses)
    ledger = Ledger(inventory)
    applied = ledger.read(model.name)
    held = plan_applied(model, options, plan_file, applied)

    def past() -> Past:
        now = ledger.read(model.name)
        return now.past if now else Past(written={})

    # Imported here: what serves is an extra, and its import takes a while.
    from raddle.serve.app import make_app
    from raddle.serve.jobs import Jobs
    from raddle.serve.observer import Observer
    from raddle.serve.view import LiveView

    view = LiveView(model, [each.priority for each in model.roce.lossless])
    with (
        closing(_bound(host, port, listen)) as bound,
        TemporaryDirectory(prefix="raddle-serve-") as folder,
        server.client() if controller else nullcontext() as client,
        Observer(view, held, where, past, client, sample, sweep),
    ):
        jobs = Jobs(view, fabric, Path(folder))
        try:
            scheme = "https" if https_cert else "http"
            shown = f"[{host}]" if ":" in host else host
            print(f"{scheme}://{shown}:{bound.getsockname()[1]}/", flush=True)
            if token and not https_cert and not is_loopback(host):
                _tell("warning: the token crosses the network in plain text; --https-cert and --https-key")
            server_of_page = _server(https_cert, https_key)
            server_of_page.config.app = make_app(
                view, jobs, sample, token, lambda: server_of_page.should_exit
            )
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises it again at its end
            server_of_page.run(sockets=[bound])
        finally:
            jobs.stop()


def _server(cert: Path | None, key: Path | None) -> Server:
    """What serves until SIGINT or SIGTERM, as soon as it has an application."""
    import uvicorn

    config = uvicorn.Config(
        "",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
        ssl_certfile=cert,
        ssl_keyfile=key,
        server_header=False,
    )
    return uvicorn.Server(config)


def _require_libraries() -> None:
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise InputError.of(
            "no-web-server",
            f"'raddle serve' needs the Python package{'s' * (len(missing) > 1)} {' and '.join(missing)}",
            "pip install 'raddle[serve]'",
        )


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not (host and port.isascii() and port.isdecimal() and int(port) < 2**16):
        raise InputError.of("bad-option", f"--listen: '{listen}' is not HOST:PORT", f"write {ADDRESS}")
    return host.strip("[]"), int(port)


def _bound(host: str, port: int, listen: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()
    except OSError:
        bound.close()
        raise InputError.of("port-in-use", f"cannot listen on {listen}", "choose another --listen") from None
    return bound


def _token(file: Path | None) -> str:
    """The token; empty if there is none.

    Raises:
        InputError: others can read its file, or it can be guessed.
    """
    if file is None:
        token = os.environ.get(TOKEN_VARIABLE, "")
    else:
        if file.exists() and (mode := stat.S_IMODE(file.stat().st_mode)) & stat.S_IRWXO:
            raise InputError.of(
                "open-secrets", f"'{file}' holds a token and has mode {mode:03o}", f"chmod 600 '{file}'"
            )
        token = read_file(file).decode("utf-8", "replace").strip()
    if (file or token) and len(token) < _LEAST_TOKEN:
        raise InputError.of(
            "short-token",
            f"the token has {len(token)} characters; {_LEAST_TOKEN} are the least",
            "'openssl rand -hex 16' makes one",
        )
    return token


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
