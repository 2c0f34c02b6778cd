"""Options that say where a controller is, and who asks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from raddle.controller.api.client import ADDRESS, ControllerClient
from raddle.errors import InputError
from raddle.inventory import ClientTls, read_file, refuse_open_key

LONGEST_S = 366 * 86_400.0
"""Of options in seconds: a leap year."""
SERVER_VARIABLE = "RADDLE_CONTROLLER"


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where the controller is; with any of the files the connection is TLS."""

    server: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help=f"Where it is [default: {SERVER_VARIABLE}, or {ADDRESS}]",
            show_default=False,
        ),
    ] = None
    ca: Annotated[Path | None, typer.Option(metavar="PEM", help="CA of its certificate.")] = None
    cert: Annotated[Path | None, typer.Option(metavar="PEM", help="Your certificate.")] = None
    key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None

    def client(self) -> ControllerClient:
        """A connection.

        Raises:
            InputError: the files cannot be used.
        """
        address = self.server or os.environ.get(SERVER_VARIABLE) or ADDRESS
        port = address.rpartition(":")[2]
        if ":" not in address or not port.isdecimal() or not 0 < int(port) < 65_536:
            name = "--server" if self.server else SERVER_VARIABLE
            raise InputError.of("bad-option", f"{name}: '{address}' is not HOST:PORT", f"write {ADDRESS}")
        if not (self.ca or self.cert or self.key):
            return ControllerClient(address)
        if not (self.cert and self.key):
            raise InputError.of("half-tls", "TLS needs both --cert and --key", "give both, or neither")
        refuse_open_key(self.key)
        authority = read_file(self.ca) if self.ca else None
        return ControllerClient(address, ClientTls(authority, read_file(self.cert), read_file(self.key)))
