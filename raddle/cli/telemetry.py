"""`raddle telemetry`: what packets meet in each P4 switch on their way, from postcards."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from ipaddress import ip_address
from statistics import median
from typing import Annotated

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.options import DEFAULT_INVENTORY, InventoryOption, JsonOption, load_fabric, load_switches
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.southbound.p4runtime.fleet import connector
from raddle.controller.southbound.p4runtime.postcards import Postcard, Watch, collect
from raddle.errors import InputError
from raddle.lab.explain.routing import endpoint_of
from raddle.topology.model import Fabric

_COLUMNS = ("switch", "from", "to", "queue", "packets", "depth", "queue us", "switch us", "marked")


def telemetry(
    fabric: FabricArg,
    src: Annotated[str, typer.Option(help="Endpoint or address that packets come from.")] = "",
    dst: Annotated[str, typer.Option(help="Endpoint or address that they go to.")] = "",
    source_port: Annotated[
        int | None, typer.Option(help="Their UDP or TCP source port.", min=0, max=65535, show_default=False)
    ] = None,
    qp: Annotated[
        int | None, typer.Option(help="Their destination QP.", min=0, max=2**24 - 1, show_default=False)
    ] = None,
    every: Annotated[
        int, typer.Option(help="Of a queue pair's packets every so many, a power of two.", min=1, max=2**23)
    ] = 1,
    packets: Annotated[int, typer.Option(help="How many packets are enough.", min=1)] = 20,
    seconds: Annotated[float, typer.Option(help="How long to wait for them.", min=0.1)] = 10.0,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    as_json: JsonOption = False,
) -> None:
    """Watch packets at all P4 switches: queue depth, time in the queue and in the switch, hop by hop.

    Each switch sends the controller a postcard of each watched packet: a copy of its head, and what it met.
    Exit code 1: none came.
    """
    if every & (every - 1):
        raise InputError.of("bad-option", f"--every {every} is no power of two", "give 1, 2, 4, 8, ...")
    model = load_fabric(fabric)
    where = load_switches(inventory, None)
    switches = [each for each in model.switches if each.model.nos == "p4" and each.name in where.addresses]
    if where.fabric != model.name or not switches:
        raise InputError.of(
            "no-postcards",
            f"the inventory has no switch of '{model.name}' that runs p4/fabric.p4",
            "give a switch model 'nos: p4'; other switches send no postcards",
        )
    names = {each.name: dict(enumerate((port.name for port in each.ports), 1)) for each in switches}
    watch = Watch(_address(model, src), _address(model, dst), source_port, qp, every)
    with ExitStack() as stack:
        sessions = [stack.enter_context(connector(where, each.name)()) for each in switches]
        cards = collect(sessions, names, watch, packets, seconds)
    if as_json:
        rows = [asdict(card) for card in sorted(cards, key=lambda card: (card.head, -card.ttl))]
        print(
            json.dumps(
                {"schema_version": 1, "fabric": model.name, "postcards": rows}, indent=2, sort_keys=True
            )
        )
    else:
        print("\n".join(_text(cards)))
    if not cards:
        print(
            f"no postcard came within {seconds:g} s\n"
            "  hint: is anything sent that is watched? 'raddle status' says what the switches hold",
            file=sys.stderr,
        )
        raise typer.Exit(1)


def _address(fabric: Fabric, text: str) -> str:
    """An endpoint's address in the first family, or the address itself; nothing stands for all."""
    if not text:
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        return str(ip_address(endpoint_addresses(fabric)[endpoint_of(fabric, text)]))


def _text(cards: Sequence[Postcard]) -> Iterator[str]:
    """A line for each way through a switch, in the order in which packets come there; median and most."""
    first = {card.head: max(each.ttl for each in cards if each.head == card.head) for card in cards}
    ways = defaultdict[tuple[int, str, str, str, int], list[Postcard]](list)
    for card in cards:
        hop = first[card.head] - card.ttl
        ways[hop, card.switch, card.ingress_port, card.egress_port, card.queue].append(card)
    yield f"{len(first)} packets, {len(cards)} postcards; median / most"
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for (_, *way, queue), met in sorted(ways.items()):
        rows.append(
            (
                *way,
                str(queue),
                str(len(met)),
                *(
                    _spread([getattr(each, name) for each in met])
                    for name in ("queue_depth", "queue_us", "hop_us")
                ),
                str(sum(each.is_marked for each in met)),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _spread(values: Sequence[int]) -> str:
    return f"{median(values):g} / {max(values)}"
