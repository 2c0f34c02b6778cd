"""`raddle show`: what a fabric consists of, as tables, JSON or a drawing."""

from __future__ import annotations

import json
import sys
from collections import Counter
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from raddle.topology import find, load
from raddle.topology.capacity import cable_kinds, oversubscription, tiers
from raddle.topology.drawing import to_dot, to_mermaid
from raddle.topology.model import Fabric, Switch
from raddle.units import format_length, format_rate, format_size

SCHEMA_VERSION = 1
PIPE_WIDTH = 160
"""Columns of a table that is not printed on a terminal."""


class Drawing(StrEnum):
    dot = "dot"
    mermaid = "mermaid"


def show(
    fabric: Annotated[str, typer.Argument(metavar="FABRIC.yaml", help="Fabric file or bundled example.")],
    drawing: Annotated[Drawing | None, typer.Option("--format", help="Draw instead of tables.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a fabric's switches, tiers, capacity and cables."""
    model = load(find(fabric))
    if json_output:
        typer.echo(json.dumps(document_of(model), indent=2, sort_keys=True))
    elif drawing:
        typer.echo(to_dot(model) if drawing is Drawing.dot else to_mermaid(model))
    else:
        _print_tables(model)


def document_of(fabric: Fabric) -> dict[str, Any]:
    """The fabric as a JSON object; quantities carry their unit in their name."""
    cabled = _cabled(fabric)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": fabric.name,
        "switches": [_switch(switch, cabled[switch.name]) for switch in fabric.switches],
        "hosts": [
            {"name": host.name, "nics": list(host.nics), "nic_speed_bps": host.nic_model.speed_bps}
            for host in fabric.hosts
        ],
        "links": [
            {
                "ends": [str(link.a), str(link.b)],
                "speed_bps": link.speed_bps,
                "length_m": link.length_m,
                "is_up": link.is_up,
            }
            for link in fabric.links
        ],
        "tiers": [
            {"name": tier.name, "links": tier.links, "links_up": tier.links_up, "up_bps": tier.up_bps}
            for tier in tiers(fabric)
        ],
        "oversubscription": oversubscription(fabric),
    }


def _switch(switch: Switch, ports_cabled: int) -> dict[str, Any]:
    model = switch.model
    return {
        "name": switch.name,
        "role": switch.role,
        "model": model.name,
        "hwsku": model.hwsku,
        "ports": model.port_count,
        "ports_cabled": ports_cabled,
        "port_speed_bps": model.port_speed_bps,
        "buffer_bytes": model.buffer_bytes,
    }


def _cabled(fabric: Fabric) -> Counter[str]:
    return Counter(end.device for end in fabric.link_by_port)


def _print_tables(fabric: Fabric) -> None:
    ratio = oversubscription(fabric)
    capacity = "non-blocking" if ratio <= 1 else f"oversubscribed {ratio:.3g}:1"
    # A pipe has no width: cut nothing there.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(f"{fabric.name}: {len(fabric.endpoints)} endpoints, {capacity}", markup=False)
    for table in (_inventory(fabric), _tier_table(fabric), _cable_table(fabric)):
        console.print(table)


def _inventory(fabric: Fabric) -> Table:
    """One row for all switches of a role and model that have equally many cables."""
    table = Table("role", "count", "model", "HwSKU", "ports", "cabled", "buffer", title="switches")
    cabled = _cabled(fabric)
    rows = Counter((switch.role, switch.model, cabled[switch.name]) for switch in fabric.switches)
    for (role, model, used), count in rows.items():
        ports = f"{model.port_count} x {format_rate(model.port_speed_bps)}"
        buffer = format_size(model.buffer_bytes)
        table.add_row(role, str(count), model.name, model.hwsku, ports, str(used), buffer)
    return table


def _tier_table(fabric: Fabric) -> Table:
    table = Table("tier", "links", "up", "bandwidth each way", title="tiers")
    for tier in tiers(fabric):
        table.add_row(tier.name, str(tier.links), str(tier.links_up), format_rate(tier.up_bps))
    return table


def _cable_table(fabric: Fabric) -> Table:
    table = Table("tier", "speed", "length", "cables", title="cables")
    for kind in cable_kinds(fabric):
        length = format_length(kind.length_m)
        table.add_row(kind.tier, format_rate(kind.speed_bps), length, str(kind.count))
    return table
