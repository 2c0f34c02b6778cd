"""How a run is driven: seed, threads, what goes wrong, what is recorded, when it ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from raddle.lab.run.checkpoint import Checkpoints
from raddle.lab.run.control import Control
from raddle.lab.run.faults import Fault
from raddle.sim import NEVER
from raddle.topology.model import PortRef

Fidelity = str
"""`packet`: every packet moves. `train:N`: up to N packets of a queue pair move as one. `auto`: every packet,
but steps that are exactly alike are computed, and messages flow where packets take long and they end as these
do; a workload whose packets would take minutes flows. `fluid`: messages flow at max-min fair rates."""

FIDELITY_PATTERN = r"auto|packet|fluid|train:([2-9]|[12][0-9]|3[0-2])"


def parse_fidelity(text: str) -> Fidelity:
    """The fidelity of a name.

    Raises:
        ValueError: there is none of that name.
    """
    if not re.fullmatch(FIDELITY_PATTERN, text):
        raise ValueError(
            f"'{text}' is no fidelity; expected auto, packet, fluid, or train:N with N from 2 to 32"
        )
    return text


def train_frames(fidelity: Fidelity) -> int:
    """Most packets that move as one."""
    return int(fidelity.removeprefix("train:")) if fidelity.startswith("train:") else 1


DETECTION_PS = 10**9
"""Assumption: 1 ms from the loss of light to a switch that no longer sends there."""


def _unheard(piece: bytes) -> None:
    """Takes a piece of a capture that nobody asked for."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What is done to a run and what is kept of it.

    Attributes:
        seed: of queue pair numbers and ECN marking.
        fidelity: what the engine moves.
        threads: that share the switches; the results are the same for any number.
        faults: what goes wrong.
        detection_ps: from a link's loss or return of light to its ends' knowing of it.
        controller: leads routes around dead links, and does what it is told; None: nobody does.
        series_ps: interval of the samples; 0: none.
        traced: ports whose frames, both ways, are recorded.
        capture: takes the pieces of a pcapng file.
        checkpoints: where the run is written, to go on from after a kill; None: nowhere.
        until_ps: when the run ends, whatever has not ended then.
        watches_rates: what queue pairs have received by when is kept.
        names_flows_of_links: what went over each link is kept, for a page.
        needs_packets: what only packets have is asked for, so that messages do not flow by `auto`.
        watches_progress: for how long messages stand still is kept, from the first fault or order on.
    """

    seed: int = 1
    fidelity: Fidelity = "auto"
    threads: int = 1
    faults: tuple[Fault, ...] = ()
    detection_ps: int = DETECTION_PS
    controller: Control | None = None
    series_ps: int = 0
    traced: tuple[PortRef, ...] = ()
    capture: Callable[[bytes], object] = _unheard
    checkpoints: Checkpoints | None = None
    until_ps: int = NEVER
    needs_packets: bool = False
    watches_progress: bool = False
    watches_rates: bool = False
    names_flows_of_links: bool = True


DEFAULT_SETTINGS = RunSettings()
