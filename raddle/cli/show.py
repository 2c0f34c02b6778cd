"""`raddle show`: what a fabric consists of, as tables, CSV, JSON or a drawing."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from raddle.cli.fabric_argument import FabricArg
from raddle.topology import find, load
from raddle.topology.model import Fabric, Host, Switch
from raddle.topology.views.bisection import bisection_bps, bisection_is_estimate, bisection_text
from raddle.topology.views.capacity import cable_kinds, capacity_text, oversubscription, tiers
from raddle.topology.views.drawing import to_dot, to_mermaid
from raddle.topology.views.rows import Row, cable_rows, host_rows, switch_rows
from raddle.topology.views.svg import to_svg
from raddle.units import counted, format_length, format_rate, format_size

SCHEMA_VERSION = 1
PIPE_WIDTH = 160
"""Columns of a table that is not printed on a terminal."""


class Output(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    dot = "dot"
    mermaid = "mermaid"
    svg = "svg"


class Part(StrEnum):
    switches = "switches"
    hosts = "hosts"
    cables = "cables"


_ROWS: dict[Part, Callable[[Fabric], Iterator[Row]]] = {
    Part.switches: switch_rows,
    Part.hosts: host_rows,
    Part.cables: cable_rows,
}
_DRAWINGS = {Output.dot: to_dot, Output.mermaid: to_mermaid, Output.svg: to_svg}


def show(
    fabric: FabricArg,
    output: Annotated[Output, typer.Option("--format", help="Table, list or drawing.")] = Output.table,
    part: Annotated[
        Part | None, typer.Argument(metavar="[switches|hosts|cables]", help="List each of these.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a fabric's switches, tiers, capacity and cables."""
    model = load(find(fabric))
    if output in _DRAWINGS:
        typer.echo(_DRAWINGS[output](model))
    elif output is Output.csv:
        _print_csv(_ROWS[part or Part.cables](model))
    elif part is not None and not json_output and output is Output.table:
        _print_list(part, _ROWS[part](model))
    elif json_output or output is Output.json:
        document = document_of(model)
        if part:
            document = {"schema_version": SCHEMA_VERSION, part.value: list(_ROWS[part](model))}
        typer.echo(json.dumps(document, indent=2, sort_keys=True))
    else:
        _print_tables(model)


def document_of(fabric: Fabric) -> dict[str, Any]:
    """The fabric as a JSON object; quantities carry their unit in their name."""
    cabled = _cabled(fabric)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": fabric.name,
        "switches": [_switch(switch, cabled[switch.name]) for switch in fabric.switches],
        "hosts": [_host(host) for host in fabric.hosts],
        "links": [
            {
                "ends": [str(link.a), str(link.b)],
                "speed_bps": link.speed_bps,
                "length_m": link.length_m,
                "is_up": link.is_up,
                "is_drained": link.is_drained,
                "medium": link.medium,
                "links_per_cable": link.per_cable,
            }
            for link in fabric.links
        ],
        "tiers": [
            {"name": tier.name, "links": tier.links, "links_up": tier.links_up, "up_bps": tier.up_bps}
            for tier in tiers(fabric)
            if tier.links
        ],
        "oversubscription": oversubscription(fabric),
        "bisection_bps": bisection_bps(fabric),
        "planes": fabric.planes,
        "tenants": [
            {
                "name": tenant.name,
                "accelerators": [f"{fabric.hosts[host].name}/{n}" for host, n in tenant.accelerators],
                "ranks": [fabric.endpoints[index].name for index in tenant.endpoints],
            }
            for tenant in fabric.tenants
        ],
    }


def _switch(switch: Switch, ports_cabled: int) -> dict[str, Any]:
    model = switch.model
    return {
        "name": switch.name,
        "role": switch.role,
        "pod": switch.pod,
        "plane": switch.plane,
        "asn": switch.asn,
        "model": model.name,
        "hwsku": model.hwsku,
        "ports": len(switch.ports),
        "ports_cabled": ports_cabled,
        "port_speed_bps": model.port_speed_bps,
        "buffer_bytes": model.buffer_bytes,
    }


def _host(host: Host) -> dict[str, Any]:
    inside = host.accelerators
    return {
        "name": host.name,
        "nics": list(host.nics),
        "nic_speed_bps": host.nic_model.speed_bps,
        "nic_bus_bps": host.nic_model.bus_bps,
        "scale_up_domain": host.domain,
        "accelerators": inside
        and {
            "kind": inside.kind,
            "model": inside.model,
            "count": inside.count,
            "scale_up": inside.scale_up,
            "scale_up_bps": inside.scale_up_bps,
            "scale_up_latency_ps": inside.scale_up_latency_ps,
            "scale_up_topology": inside.topology,
            "scale_up_in_network_bps": inside.in_network_bps,
            "bus_bps": inside.bus_bps,
        },
    }


def _cabled(fabric: Fabric) -> Counter[str]:
    return Counter(end.device for end in fabric.link_by_port)


def _print_csv(rows: Iterator[Row]) -> None:
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)


def _console() -> Console:
    # A pipe has no width unless COLUMNS says so.
    has_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if has_width else PIPE_WIDTH)


_WHOLE = ("label", "a", "b", "name", "model", "hwsku", "HwSKU", "asn")
"""Columns of names, which are searched for and copied: others break first."""


def _table(title: str, *headings: str) -> Table:
    """A table that breaks what does not fit and cuts nothing off."""
    columns = (Column(heading, overflow="fold", no_wrap=heading in _WHOLE) for heading in headings)
    return Table(*columns, title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))


def _print_list(part: Part, rows: Iterator[Row]) -> None:
    """A row for each, without columns that say nothing of any."""
    shown = [_as_shown(row) for row in rows]
    if shown:
        keys = [key for key in shown[0] if any(row[key] not in ("", "0") for row in shown)]
        table = _table(part.value, *(key.replace("_", " ") for key in keys))
        for row in shown:
            table.add_row(*(row[key] for key in keys))
        _console().print(table)


def _as_shown(row: Row) -> Row:
    """A cable's ends and kind in a column each, so that a row of a table fits a line."""
    if "a_device" not in row:
        return row
    ends = {end: f"{row[f'{end}_device']}:{row[f'{end}_port']}" for end in "ab"}
    cable = f"{row['length']} {row['medium']}".strip()
    return {"label": row["label"], **ends, "tier": row["tier"], "speed": row["speed"], "cable": cable,
            "state": row["state"]}  # fmt: skip


def _print_tables(fabric: Fabric) -> None:
    bisection = bisection_text(bisection_bps(fabric), bisection_is_estimate(fabric))
    console = _console()
    endpoints = counted(fabric.server_endpoints, "endpoint", "endpoints")
    console.print(f"{fabric.name}: {endpoints}, {capacity_text(fabric)}", markup=False)
    console.print(f"bisection {bisection}", markup=False)
    if fabric.copies:
        console.print(fabric.copies.text, markup=False)
    for table in (_inventory(fabric), _host_table(fabric), _tier_table(fabric), _cable_table(fabric)):
        console.print()
        console.print(table)


def _host_table(fabric: Fabric) -> Table:
    """One row for all hosts that are alike."""
    table = _table("hosts", "count", "accelerators", "scale-up", "ports", "speed", "tenant")
    rows = Counter(tuple(list(row.values())[1:]) for row in host_rows(fabric))
    for values, count in rows.items():
        table.add_row(str(count), *values)
    return table


def _inventory(fabric: Fabric) -> Table:
    """One row for all switches of a role and model that have equally many cables."""
    table = _table("switches", "role", "count", "model", "HwSKU", "ports", "cabled", "buffer")
    cabled = _cabled(fabric)
    rows = Counter(
        (switch.role, switch.model, _panel(switch), cabled[switch.name]) for switch in fabric.switches
    )
    for (role, model, ports, used), count in rows.items():
        buffer = format_size(model.buffer_bytes)
        table.add_row(role, str(count), model.name, model.hwsku, ports, str(used), buffer)
    return table


def _panel(switch: Switch) -> str:
    """The ports of a switch by speed: `16 x 400G, 32 x 100G`."""
    speeds = Counter(port.speed_bps for port in switch.ports)
    return ", ".join(f"{count} x {format_rate(bps)}" for bps, count in sorted(speeds.items(), reverse=True))


def _tier_table(fabric: Fabric) -> Table:
    table = _table("tiers", "tier", "links", "up", "bandwidth each way")
    for tier in (each for each in tiers(fabric) if each.links):
        table.add_row(tier.name, str(tier.links), str(tier.links_up), format_rate(tier.up_bps))
    return table


def _cable_table(fabric: Fabric) -> Table:
    table = _table("cables", "tier", "speed", "length", "medium", "cables")
    for kind in cable_kinds(fabric):
        length = format_length(kind.length_m)
        table.add_row(kind.tier, kind.speed, length, kind.medium, str(kind.count))
    return table
