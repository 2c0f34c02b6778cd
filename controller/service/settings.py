"""How a controller behaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from raddle.controller.service.watch.gnmi import SAMPLE_S

Drift = Literal["mend", "tell"]
Replacement = Literal["ask", "allow"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a controller behaves.

    Attributes:
        inventory: the file with the switches' addresses; the record and the lock are beside it.
        drift: what nobody planned is mended, or only told of.
        replacement: a switch with another serial number or MAC address is programmed after `replace` alone,
            or whenever hostname, HwSKU, platform and neighbours fit.
        repairs: routes are planned anew for the links that are left.
        goes_back: an update that a switch refuses, or after which one is not well, is taken back everywhere.
        at_once: at most so many switches are written at a time; None: as many as the update allows.
        sweep_s: every switch is compared with the plan that often, even if it has told of nothing.
        sample_s: between two samples of a switch.
        congestion_s: between two looks at the switches' counters for congestion; 0: none.
        acts: what is found is mended where it can be, and taken back where that does not help.
        moves, moves_window_s: at most so many of these moves in so many seconds.
        source_ports: the file that says which UDP source ports hosts are to take; None: there is none.
        confirm_s: how long switches are watched after an update; None: until they are well.
        allow_flap, take_over: as options of `raddle apply`.
    """

    inventory: Path
    drift: Drift = "mend"
    replacement: Replacement = "ask"
    repairs: bool = True
    goes_back: bool = True
    at_once: int | None = None
    sweep_s: float = 300.0
    sample_s: float = SAMPLE_S
    congestion_s: float = 0.0
    acts: bool = False
    moves: int = 4
    moves_window_s: float = 3600.0
    source_ports: Path | None = None
    confirm_s: float | None = None
    allow_flap: bool = False
    take_over: bool = False
