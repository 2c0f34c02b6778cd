"""Options of commands that drive the engine, and the settings that they turn into."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from raddle.errors import InputError
from raddle.inventory import load_inventory
from raddle.lab.run.faults import find_link_port, parse_failure, read_faults
from raddle.lab.run.settings import Fidelity, RunSettings
from raddle.lab.switches.prepared import SwitchSource
from raddle.sim import NEVER
from raddle.topology.model import Fabric
from raddle.units import parse_time_ps

CongestionControl = Literal["dcqcn", "none"]

CcOption = Annotated[
    CongestionControl | None, typer.Option(help="Congestion control [default: the fabric's]")
]
FailOption = Annotated[
    list[str] | None,
    typer.Option(metavar="PORT@TIME[..TIME]", help="Cut the link at a port: leaf0:Ethernet64@20us..1ms."),
]
FaultsOption = Annotated[
    Path | None, typer.Option(help="CSV with columns what,where,from,until,value: see the manual.")
]
DetectionOption = Annotated[str, typer.Option(metavar="TIME", help="From a cut to the routes that avoid it.")]
UntilOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="End at that simulated time, whatever is under way.")
]
ThreadsOption = Annotated[
    int, typer.Option(help="Threads that share the switches; the results are the same.", min=1, max=64)
]
FidelityOption = Annotated[
    Fidelity, typer.Option(help="packet: every packet moves; fluid: messages flow at max-min fair rates.")
]
UsedInventoryOption = Annotated[
    Path | None, typer.Option("--inventory", help="Running switches to use [default: start some]")
]
PushOption = Annotated[bool, typer.Option("--push", help="With --inventory: program the switches first.")]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the options of a run say, as written."""

    seed: int
    threads: int = 1
    fail: Sequence[str] = ()
    faults: Path | None = None
    detection: str = "1ms"
    series: str | None = None
    trace: Sequence[str] = ()
    until: str | None = None
    fidelity: Fidelity = "packet"

    def settings(self, fabric: Fabric) -> RunSettings:
        """The settings that they describe.

        Raises:
            InputError: one of them is not of its form, or names no part of the fabric.
        """
        return RunSettings(
            seed=self.seed,
            fidelity=self.fidelity,
            threads=self.threads,
            faults=(
                *(read_faults(fabric, self.faults) if self.faults else ()),
                *(parse_failure(fabric, text) for text in self.fail),
            ),
            detection_ps=_time_ps("--detection", self.detection),
            series_ps=_time_ps("--series", self.series) if self.series else 0,
            traced=tuple(find_link_port(fabric, "--trace", text) for text in self.trace),
            until_ps=_time_ps("--until", self.until) if self.until else NEVER,
        )


def with_congestion_control(fabric: Fabric, control: CongestionControl | None) -> Fabric:
    """The fabric with another congestion control at its hosts; None leaves what it says."""
    if control is None:
        return fabric
    return replace(fabric, roce=replace(fabric.roce, congestion_control=control))


def switch_source(inventory: Path | None, push: bool, p4info: Path | None) -> SwitchSource:
    """The switches that the options name.

    Raises:
        InputError: `no-inventory`, --push without --inventory, or the inventory cannot be read.
    """
    if push and inventory is None:
        raise InputError.of(
            "no-inventory", "--push needs --inventory", "without both, the command starts its own switches"
        )
    if inventory is None:
        return SwitchSource(p4info=p4info)
    return SwitchSource(load_inventory(inventory), push, p4info)


def _time_ps(option: str, text: str) -> int:
    try:
        value = parse_time_ps(text)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        raise InputError.of("bad-option", f"{option}: {message}", hint) from None
    if value <= 0:
        raise InputError.of("bad-option", f"{option}: '{text}' is not above 0")
    return value


def note_unused_routing(option: str, is_given: bool, source: SwitchSource) -> None:
    """Say that an option has no effect on switches that stay as they are."""
    if is_given and not source.push:
        print(f"note: {option} has no effect without --push; the switches stay as they are", file=sys.stderr)
