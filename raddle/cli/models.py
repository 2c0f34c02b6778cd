"""`raddle models`: the switch models that come with raddle."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from typing import Annotated

import typer

from raddle.cli.options import JsonOption
from raddle.errors import InputError
from raddle.topology.catalog import builtin_models
from raddle.topology.model import SwitchModel
from raddle.topology.yaml.reading import did_you_mean
from raddle.units import format_rate, format_size

SCHEMA_VERSION = 1


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Show all that is known of one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the switch models that a fabric file may name; it can also describe others, under 'models'."""
    known = builtin_models()
    if name is not None and name not in known:
        hint = did_you_mean(name, known, f"known models: {', '.join(known)}")
        raise InputError.of("unknown-model", f"no switch model '{name}'", hint)
    chosen = [known[name]] if name else list(known.values())
    if as_json:
        document = {"schema_version": SCHEMA_VERSION, "models": [asdict(model) for model in chosen]}
        print(json.dumps(document, indent=2, sort_keys=True))
    elif name:
        print("\n".join(_details(known[name])))
    else:
        print("\n".join(_table(chosen)))


def _table(models: list[SwitchModel]) -> list[str]:
    rows = [("model", "ports", "capacity", "buffer", "features")]
    for model in models:
        capacity = format_rate(model.port_count * model.port_speed_bps)
        ports = f"{model.port_count} x {format_rate(model.port_speed_bps)}"
        buffer = f"{model.buffer_bytes / 2**20:.0f} MiB"
        rows.append((model.name, ports, capacity, buffer, ", ".join(model.features)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for *cells, features in rows:
        start = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        more = textwrap.wrap(features, max(20, 78 - len(start))) or [""]
        lines += [f"{start}  {more[0]}".rstrip(), *(" " * len(start) + "  " + text for text in more[1:])]
    return lines


def _details(model: SwitchModel) -> list[str]:
    switching = "cut-through" if model.is_cut_through else "store-and-forward"
    lanes = f"{model.lanes_per_port} lanes each"
    tables = {name.replace("_", " "): size for name, size in asdict(model.tables).items() if size}
    facts = {
        "model": model.name,
        "HwSKU": model.hwsku,
        "ports": f"{model.port_count} x {format_rate(model.port_speed_bps)}, {lanes}",
        "buffer": f"{format_size(model.buffer_bytes)} in cells of {model.cell_bytes} B",
        "latency": f"{model.pipeline_latency_ps / 1000:g} ns, {switching}",
        "programmed": {"sonic": "SONiC, over gNMI"}.get(model.nos, f"{model.nos}, over P4Runtime"),
        "features": ", ".join(model.features) or "none",
        "tables": ", ".join(f"{name} {size}" for name, size in tables.items()) or "sizes unknown",
        "source": " ".join(model.source.split()),
    }
    return [
        line
        for name, fact in facts.items()
        for line in textwrap.wrap(fact, 80, initial_indent=f"{name + ':':<12} ", subsequent_indent=" " * 13)
    ]
