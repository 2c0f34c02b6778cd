"""`raddle init`: a commented fabric file to start from."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from raddle.errors import InputError
from raddle.topology import loads
from raddle.topology.starter import StarterRequest, starter
from raddle.topology.starter_networks import with_networks
from raddle.topology.yaml.formatting import format_text
from raddle.topology.yaml.parsers import parse_breakout
from raddle.units import parse_rate_bps

T = TypeVar("T")


class FormKind(StrEnum):
    leaf_spine = "leaf-spine"
    rail_optimized = "rail-optimized"
    fat_tree = "fat-tree"


def init(
    file: Annotated[Path, typer.Argument(metavar="FABRIC.yaml", help="File to write; '-' is stdout.")],
    kind: Annotated[FormKind | None, typer.Option(help="Form of the fabric.")] = None,
    accelerators: Annotated[
        int | None, typer.Option(min=1, max=10**6, help="Accelerators that it must hold.")
    ] = None,
    per_server: Annotated[int | None, typer.Option(min=1, max=64, help="Accelerators of a server.")] = None,
    model: Annotated[str | None, typer.Option(help="Switch model.")] = None,
    nic_speed: Annotated[
        str | None, typer.Option(metavar="RATE", help="Speed of a NIC [default: of a switch port]")
    ] = None,
    breakout: Annotated[
        str | None, typer.Option(metavar="MODE", help="Port profile: 2x400G [default: as NICs need]")
    ] = None,
    leaves: Annotated[
        int | None, typer.Option(min=1, max=10**5, help="Leaves [default: as few as do]")
    ] = None,
    spines: Annotated[
        int | None, typer.Option(min=1, max=10**5, help="Spines [default: as few as do]")
    ] = None,
    planes: Annotated[
        int, typer.Option(min=1, max=64, help="Copies of the switches that a server's ports go round.")
    ] = 1,
    nic_ports: Annotated[int, typer.Option(min=1, max=8, help="Ports of each NIC, of --nic-speed each.")] = 1,
    tors: Annotated[
        int, typer.Option(min=1, max=2, help="Leaves that the two ports of a NIC are on: 2 is dual-ToR.")
    ] = 1,
    bond: Annotated[bool, typer.Option("--bond", help="The two ports have one address.")] = False,
    storage: Annotated[
        str | None, typer.Option(metavar="RATE", help="A storage network, too, with a NIC of each server.")
    ] = None,
    front_end: Annotated[
        str | None, typer.Option(metavar="RATE", help="A front-end network, too, with a NIC of each server.")
    ] = None,
    oversubscription: Annotated[
        str, typer.Option(metavar="RATIO", help="Most bandwidth below a leaf over that above it: 3:1.")
    ] = "1:1",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """Write a commented fabric file to start from; asks for what no option says, on a terminal."""
    if str(file) != "-" and file.exists() and not force:
        raise InputError.of("file-exists", f"'{file}' exists", "choose another name, or add --force")
    kind = kind or FormKind(
        _ask("form (leaf-spine, rail-optimized, fat-tree)", "leaf-spine", str, list(FormKind))
    )
    request = StarterRequest(
        name=file.stem if str(file) != "-" else "fabric",
        kind=kind.value,
        accelerators=accelerators or _ask("accelerators", 64, int),
        per_server=per_server or _ask("accelerators of a server", 8, int),
        model=model or _ask("switch model", "tomahawk4-64x400g", str),
        nic_bps=_parsed("--nic-speed", parse_rate_bps, nic_speed),
        breakout=_parsed("--breakout", parse_breakout, breakout),
        leaves=leaves,
        spines=spines,
        oversubscription=_ratio(oversubscription),
        nic_ports=nic_ports,
        planes=planes,
        tors=tors,
        bond=bond,
    )
    beside = {
        name: rate_bps
        for name, option, text in (("storage", "--storage", storage), ("frontend", "--front-end", front_end))
        if (rate_bps := _parsed(option, parse_rate_bps, text)) is not None
    }
    text = format_text(with_networks(request, beside) if beside else starter(request), str(file))
    loads(
        text, str(file)
    )  # of networks the first; a starter that does not load is a mistake here, not the reader's
    _write(file, text)


def _parsed(option: str, parse: Callable[[str], T], text: str | None) -> T | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise InputError.of("bad-option", f"{option}: {error}") from None


def _ratio(text: str) -> float:
    """`3:1`, `3` or `1.5` -> how many times more bandwidth below than above."""
    match = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,3})?)(?::1)?", text)
    if not match or float(match[1]) < 1:
        raise InputError.of(
            "bad-option", f"--oversubscription: '{text}' is not a ratio of 1:1 or more", "write it as 3:1"
        )
    return float(match[1])


def _ask(what: str, default: T, kind: type[T], choices: Sequence[str] = ()) -> T:
    """The answer to a question on a terminal, else the default."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return default
    while True:
        answer: T = typer.prompt(what, default=default, type=kind, err=True)
        if not choices or answer in choices:
            return answer


def _write(file: Path, text: str) -> None:
    if str(file) == "-":
        typer.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError.of("cannot-write", f"cannot write '{file}': {error.strerror}") from None
    typer.echo(f"wrote {file}", err=True)
