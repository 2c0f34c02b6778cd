"""`raddle controller`: the controller that stays, and orders to it."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict

from raddle.cli.controller_run import run
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import JsonOption
from raddle.cli.server_options import LONGEST_S, ServerOptions
from raddle.controller.api.client import ControllerClient, ControllerError
from raddle.errors import InputError
from raddle.units import counted, few

SCHEMA_VERSION = 1
_POLL_S = 0.3
_MOST = 2**32 - 1
"""Of numbers in the API's messages."""
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}

WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the audit log.")]
SwitchArg = Annotated[str, typer.Argument(metavar="SWITCH", help="Name of a switch.")]

GROUP = typer.Typer(
    name="controller",
    help="Hold a fabric's switches at what is wanted: repair, history, roll back.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
GROUP.command()(run)


def _command(function: Callable[..., None]) -> Callable[..., None]:
    GROUP.command(name=function.__name__.rstrip("_"))(with_option_groups(function))
    return function


@_command
def status(
    server: ServerOptions,
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="Until all are in sync, at most so long.",
            min=0,
            max=LONGEST_S,
        ),
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """What is wanted, and how each switch stands to it.

    Exit code 1: a switch is not as planned, hosts are cut off, or the controller is paused; 3: it cannot be
    reached.
    """
    with server.client() as client:
        found = _settled(client, wait)
    if as_json:
        print(_json(status=_document(found)))
    else:
        print(*_status_lines(found), sep="\n")
    if not _is_settled(found):
        raise typer.Exit(1)


def _is_settled(found: Any) -> bool:
    is_going = found.revision and not (found.is_paused or found.under_way or found.cut_off or found.apart)
    return bool(is_going) and all(switch.state == "in sync" for switch in found.switches)


def _settled(client: ControllerClient, wait_s: float) -> Any:
    """The status once all is as planned, or when the time is over."""
    end_s = time.monotonic() + wait_s
    while True:
        try:
            found = client.status()
        except ControllerError:
            if time.monotonic() >= end_s:
                raise
        else:
            if _is_settled(found) or time.monotonic() >= end_s:
                return found
        time.sleep(_POLL_S)


@_command
def apply(
    server: ServerOptions,
    why: WhyOption = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change of the plan; change nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the desired state again and bring it to the switches.

    Exit code 1: something is left, or the update was taken back.
    """
    if not dry_run:
        _ordered(server, as_json, lambda client: client.apply(why))
        return
    with server.client() as client:
        changes = client.preview()
    if as_json:
        print(_json(changes=changes))
    else:
        print(f"{counted(len(changes), 'change', 'changes')} of the plan")
        print(*changes, sep="\n", end="\n" if changes else "")


@_command
def rollback(
    server: ServerOptions,
    number: Annotated[
        int, typer.Argument(metavar="N", help="Number of a revision ('history').", min=1, max=_MOST)
    ],
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Bring back an earlier revision, as a new one.

    The fabric file stays as it is: the next 'apply' brings it to the switches again.
    """
    _ordered(server, as_json, lambda client: client.rollback(number, why))


@_command
def drain(
    server: ServerOptions,
    switch: SwitchArg,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="For so long: 30min, 2h, 1d.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until then (ISO 8601 with its zone).")
    ] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Lead traffic around a switch, or one link of it (leaf0:Ethernet32), until 'undrain' or a time."""
    if for_ and until:
        raise InputError.of("bad-option", "--for and --until both say how long", "give one of them")
    end = _after(for_) if for_ else until or ""
    _ordered(server, as_json, lambda client: client.drain(switch, why, end))


@_command
def undrain(
    server: ServerOptions, switch: SwitchArg, why: WhyOption = "", as_json: JsonOption = False
) -> None:
    """Let a drained switch carry traffic again."""
    _ordered(server, as_json, lambda client: client.undrain(switch, why))


@_command
def replace(server: ServerOptions, switch: SwitchArg, why: WhyOption = "") -> None:
    """Take another box for a switch, if it fits.

    Its hostname, HwSKU, platform and LLDP neighbours must be those of the plan; serial number and MAC address
    are the new ones from then on.
    """
    with server.client() as client, _events(client):
        outcome = client.replace(switch, why)
    print(f"{switch}: {outcome}")
    if outcome != "done":
        raise typer.Exit(1)


@_command
def history(
    server: ServerOptions,
    limit: Annotated[int, typer.Option(help="At most so many, the newest; 0: all.", min=0, max=_MOST)] = 20,
    audit: Annotated[
        bool, typer.Option("--audit", help="The audit log: who did what, why, outcome.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Revisions, the newest first; with --audit all that was done, the newest last."""
    with server.client() as client:
        if audit:
            entries = client.audit()[-limit if limit else None :]
        else:
            revisions = client.history(limit)
    if audit:
        print(_json(audit=[_document(each) for each in entries]) if as_json else _audit_text(entries))
    elif as_json:
        print(_json(revisions=[_document(each) for each in revisions]))
    else:
        for each in revisions:
            why = f" ({each.why})" if each.why else ""
            print(f"{each.number:>4}  {each.time[:19]}  {each.who}: {each.what}{why}: {each.outcome}")


@_command
def watch(
    server: ServerOptions,
    count: Annotated[int, typer.Option(metavar="N", help="End after so many; 0: never.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Print what happens, as it happens; with --json an object on each line."""
    with server.client() as client:
        for number, event in enumerate(client.watch(), 1):
            print(json.dumps(_document(event), sort_keys=True) if as_json else _event_text(event), flush=True)
            if number == count:
                return


@_command
def pause(server: ServerOptions, why: WhyOption = "") -> None:
    """Take no further step, also within an update, until 'resume'."""
    with server.client() as client:
        client.pause(why)
    print("paused")


@_command
def resume(server: ServerOptions, why: WhyOption = "") -> None:
    """Go on."""
    with server.client() as client:
        client.resume(why)
    print("goes on")


@_command
def abort(server: ServerOptions, why: WhyOption = "") -> None:
    """Take back the update that is under way."""
    with server.client() as client:
        client.abort(why)
    print("the update is taken back")


def _ordered(server: ServerOptions, as_json: bool, order: Callable[[ControllerClient], Any]) -> None:
    """Give an order that makes a revision; show what happens meanwhile, and what came of it."""
    with server.client() as client, _events(client):
        revision = order(client)
    if as_json:
        print(_json(revision=_document(revision)))
    else:
        print(f"revision {revision.number}, {revision.what}: {revision.outcome}")
    if revision.outcome != "done":
        raise typer.Exit(1)


@contextmanager
def _events(client: ControllerClient) -> Iterator[None]:
    """Events on stderr while the context is open."""
    stream = client.watch()

    def show() -> None:
        try:
            for event in stream:
                if event.kind != "switch":
                    print(_event_text(event), file=sys.stderr, flush=True)
        except Exception:
            return

    threading.Thread(target=show, daemon=True).start()
    yield


def _after(span: str) -> str:
    match = _SPAN.fullmatch(span)
    if match is None:
        raise InputError.of("bad-option", f"--for: '{span}' is no span of time", "write 30min, 2h or 1d")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds < 1:
        raise InputError.of("bad-option", f"--for: '{span}' is over at once", "give a second or more")
    try:
        return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
    except OverflowError:
        raise InputError.of(
            "bad-option", f"--for: '{span}' ends behind the year 9999", "leave it out: then 'undrain' ends it"
        ) from None


def _status_lines(found: Any) -> Iterator[str]:
    yield f"{found.fabric}: revision {found.revision} of {found.origin}"
    if found.under_way:
        yield f"revision {found.under_way} is under way"
    if found.is_paused:
        yield "paused; 'raddle controller resume' goes on"
    for each in found.drains:
        yield f"drained: {each.switch}" + (f" until {each.until}" if each.until else "")
    for each in found.dead_links:
        yield f"routes lead around {each}"
    if found.cut_off:
        yield f"cut off: {few(found.cut_off)}"
    if found.apart:
        yield f"no way between hosts of {few(found.apart)}"
    for each in found.congestion:
        mend = f"would {each.mend}" if each.mend else each.advice
        flows = f"; queue pairs of {', '.join(each.flows)}" if each.flows else ""
        yield f"{each.kind} at {each.link}: {each.evidence}{flows}; {mend}"
    for switch in found.switches:
        dark = f"; no link at {', '.join(switch.ports_down)}" if switch.ports_down else ""
        yield f"{switch.name:<12} {switch.state}" + (f": {switch.text}" if switch.text else "") + dark


def _audit_text(entries: Iterable[Any]) -> str:
    lines = []
    for each in entries:
        why = f" ({each.why})" if each.why else ""
        of = f" [of {each.began}]" if each.began else ""
        lines.append(f"{each.number:>5}  {each.time[:23]}  {each.who}: {each.what}{why}: {each.outcome}{of}")
        lines += [f"         {line}" for line in each.diff]
    return "\n".join(lines)


def _event_text(event: Any) -> str:
    where = f"{event.switch}: " if event.switch else ""
    took = f" ({event.seconds:.3f} s)" if event.seconds else ""
    return f"{event.time[11:23]} {event.kind}: {where}{event.text}{took}"


def _document(message: Any) -> dict[str, Any]:
    """A message as JSON has it, with the names of the .proto and all fields."""
    found: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return found


def _json(**parts: Any) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, **parts}, indent=1, sort_keys=True)
