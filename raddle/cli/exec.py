"""`raddle exec`: a program at a host or switch of an emulation that runs."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from raddle.errors import InputError
from raddle.lab.emulation.presence import find_running, run_at

CONTEXT_SETTINGS = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def exec(
    node: Annotated[str, typer.Argument(metavar="NODE", help="A host or a switch.")],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="What to run there.")],
    emulation: Annotated[
        str, typer.Option(metavar="NAME", help="Which, where several run.", show_default=False)
    ] = "",
) -> None:
    """Run a program at a host or switch of an emulation that another shell started (root).

    A host has a network of its own; all switches of an emulation share one.
    """
    if os.geteuid() != 0:
        raise InputError.of("not-root", "what runs in an emulation needs root", "run it with sudo")
    run_at(find_running(emulation), node, command)
