"""Options of commands that drive the engine, and the settings that they turn into."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.options import (
    PUSHED_BY,
    P4InfoOption,
    QpsOption,
    RoutingOption,
    SeedOption,
    SplitDataOption,
    StrictOption,
)
from raddle.controller.ledger import Ledger
from raddle.controller.plan.held import HeldPlan, fabric_digest
from raddle.errors import InputError, with_hint
from raddle.inventory import load_inventory
from raddle.lab.run.checkpoint import Checkpoints
from raddle.lab.run.control import Control, ControllerDelays
from raddle.lab.run.faults import Fault, find_link_port, parse_failure, read_faults
from raddle.lab.run.settings import Fidelity, RunSettings, parse_fidelity
from raddle.lab.switches.prepared import PushRecord, SwitchSource
from raddle.lab.workloads.connections import with_qps
from raddle.sim import NEVER
from raddle.topology.model import Fabric
from raddle.topology.rate_control import CongestionControl
from raddle.units import parse_time_ps

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
ControllerOption = Annotated[
    bool, typer.Option("--controller", help="A controller leads routes around dead links, so much later.")
]
ControllerDelayOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STAGE=TIME",
        help="What a stage of it takes: notification, computation, push or hardware; repeatable.",
    ),
]
UntilOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="End at that simulated time, whatever is under way.")
]
ThreadsOption = Annotated[
    int, typer.Option(help="Threads that share the switches; the results are the same.", min=1, max=64)
]


def _fidelity(text: str) -> Fidelity:
    try:
        return parse_fidelity(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None


FidelityOption = Annotated[
    Fidelity,
    typer.Option(
        metavar="auto|packet|train:N|fluid",
        parser=_fidelity,
        help="packet: every packet moves; train:N: up to N of them at once; fluid: max-min fair rates; auto:"
        " packets, but equal steps are computed, and what takes long flows where that is as exact.",
    ),
]
UsedInventoryOption = Annotated[
    Path | None, typer.Option("--inventory", help="Running switches to use [default: start some]")
]
PushOption = Annotated[bool, typer.Option("--push", help="With --inventory: program the switches first.")]
SeriesOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Sample queues and rates that often: series*.csv.")
]
PageSeriesOption = Annotated[
    str | None,
    typer.Option("--series", metavar="TIME", help="Sample queues and rates that often, for --html."),
]
TraceOption = Annotated[
    list[str] | None,
    typer.Option(metavar="PORT", help="Record the frames on the link at a port: capture*.pcapng."),
]


CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint", metavar="FILE", help="Write the run there now and then, to go on after a kill."
    ),
]
CheckpointEveryOption = Annotated[
    str, typer.Option("--checkpoint-every", metavar="TIME", help="So much of the clock lies between two.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the file of --checkpoint.")]


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """What commands of one run take, so that it outlives a kill."""

    checkpoint: CheckpointOption = None
    checkpoint_every: CheckpointEveryOption = "60s"
    resume: ResumeOption = False

    def apply(self, settings: RunSettings) -> RunSettings:
        """The settings of a run with these checkpoints.

        Raises:
            InputError: `bad-option`.
        """
        every_s = _time_ps("--checkpoint-every", self.checkpoint_every) / 1e12
        if self.checkpoint is None:
            if self.resume or self.checkpoint_every != "60s":
                option = "--resume" if self.resume else "--checkpoint-every"
                raise InputError.of(
                    "bad-option", f"{option} needs the file to go on from", "give it with --checkpoint FILE"
                )
            return settings
        return replace(settings, checkpoints=Checkpoints(self.checkpoint, every_s, self.resume))


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What commands that drive the engine take, as it was given: the one place where these are declared."""

    routing: RoutingOption = None
    cc: CcOption = None
    qps_per_connection: QpsOption = None
    split_data: SplitDataOption = None
    seed: SeedOption = 1
    fail: FailOption = None
    faults: FaultsOption = None
    detection: DetectionOption = "1ms"
    controller: ControllerOption = False
    controller_delay: ControllerDelayOption = None
    until: UntilOption = None
    threads: ThreadsOption = 1
    fidelity: FidelityOption = "auto"
    inventory: UsedInventoryOption = None
    push: PushOption = False
    p4info: P4InfoOption = None
    strict: StrictOption = False

    def fabric_of(self, loaded: Fabric) -> Fabric:
        """The fabric of a file with what the options say of its hosts."""
        model = with_qps(loaded, self.qps_per_connection, self.split_data)
        if self.cc is None:
            return model
        return replace(model, roce=replace(model.roce, congestion_control=self.cc))

    def settings(
        self,
        fabric: Fabric,
        series: str | None = None,
        trace: Sequence[str] = (),
        *,
        has_page: bool = False,
    ) -> RunSettings:
        """The settings that they describe.

        Args:
            series, trace: what a command's own options ask to record.
            has_page: whether a page is to be written.

        Raises:
            InputError: one of them is not of its form, or names no part of the fabric.
        """
        faults = (
            *(read_faults(fabric, self.faults) if self.faults else ()),
            *(fault for text in self.fail or () for fault in parse_failure(fabric, text)),
        )
        return RunSettings(
            seed=self.seed,
            threads=self.threads,
            faults=faults,
            controller=self._controller(faults),
            detection_ps=_time_ps("--detection", self.detection),
            series_ps=_time_ps("--series", series) if series else 0,
            traced=tuple(find_link_port(fabric, "--trace", text) for text in trace),
            until_ps=_time_ps("--until", self.until) if self.until else NEVER,
            fidelity=self.fidelity,
            names_flows_of_links=has_page,
        )

    def _controller(self, faults: Sequence[Fault]) -> Control | None:
        """The controller; None where there is none."""
        if not self.controller:
            if self.controller_delay:
                raise InputError.of(
                    "bad-option", "--controller-delay is about --controller, which is not given"
                )
            return None
        if not {fault.what for fault in faults} & {"down", "flap"}:
            raise InputError.of(
                "bad-option",
                "--controller has nothing to do: no link dies in this run",
                "cut one with --fail leaf0:Ethernet64@20us, or in the file of --faults",
            )
        stages = {each.name.removesuffix("_ps"): each.name for each in fields(ControllerDelays)}
        given = {}
        for text in self.controller_delay or ():
            stage, _, time = text.partition("=")
            if stage not in stages:
                known = ", ".join(stages)
                raise InputError.of(
                    "bad-option", f"--controller-delay: '{text}' is no STAGE=TIME; stages are {known}"
                )
            given[stages[stage]] = _time_ps(f"--controller-delay {stage}", time, least_ps=0)
        return Control(replace(ControllerDelays(), **given))

    def switches(
        self, loaded: Fabric, work: str, held: HeldPlan | None = None, given: str = "--routing"
    ) -> SwitchSource:
        """The switches that the options name. Says so where switches that stay as they are have no use for
        what was given.

        Args:
            loaded: the fabric of the file.
            work: the command's words, for its record of what it pushes.
            held: the plan that is pushed, where it was made before.
            given: the option that says what would be pushed; empty if there is none.

        Raises:
            InputError: `no-inventory`, --push without --inventory, or the inventory cannot be read.
        """
        if self.inventory is None:
            if self.push:
                raise InputError.of(
                    "no-inventory",
                    "--push needs --inventory",
                    "without both, the command starts its own switches",
                )
            return SwitchSource(p4info=self.p4info)
        if given and not self.push:
            print(
                f"note: {given} has no effect without --push; the switches stay as they are", file=sys.stderr
            )
        digest, options = fabric_digest(loaded), {PUSHED_BY: work}
        if held:
            digest, options = held.fabric_digest, dict(held.options)
        record = PushRecord(Ledger(self.inventory), work, digest, options)
        return SwitchSource(load_inventory(self.inventory), self.push, self.p4info, record)


def page_series_ps(series: str | None, html: Path | None) -> int:
    """How often a run is sampled for its page; 0: not at all.

    Raises:
        InputError: `bad-option`, it is no time, or there is no page.
    """
    if series is None:
        return 0
    if html is None:
        raise InputError.of("bad-option", "--series is for a page", "give one with --html FILE")
    return _time_ps("--series", series)


def _time_ps(option: str, text: str, least_ps: int = 1) -> int:
    try:
        value = parse_time_ps(text)
    except ValueError as error:
        message, hint = with_hint(error)
        raise InputError.of("bad-option", f"{option}: {message}", hint) from None
    if value < least_ps:
        raise InputError.of("bad-option", f"{option}: '{text}' is not above 0")
    return value
