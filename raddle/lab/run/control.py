"""What the controller of a run is: what its stages take, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raddle.workload import Demand


@dataclass(frozen=True, slots=True)
class ControllerDelays:
    """What passes between a switch's knowing of a dead link and others' forwarding around it.

    Attributes:
        notification_ps: from the switch to the controller.
        computation_ps: what is to be written is found; the next link that changes waits for that.
        push_ps: from the controller into the databases of the switches, and back that they hold it: a repair,
            or a round of an update.
        hardware_ps: from there into the ASIC.
    """

    notification_ps: int = 15 * 10**9
    computation_ps: int = 5 * 10**9
    push_ps: int = 25 * 10**9
    hardware_ps: int = 10 * 10**9


@dataclass(frozen=True, slots=True)
class Order:
    """Something that the controller is told at a time.

    Attributes:
        where: what to `drain` or to `undrain`, as `Drain.switch`; the `tenant` that is added.
        demand: the flows that its plan pins from then on, where they are others than before.
    """

    time_ps: int
    what: Literal["drain", "undrain", "tenant", "replan"]
    where: str = ""
    demand: Demand | None = None

    def __str__(self) -> str:
        return f"{self.what} {self.where}".rstrip()


@dataclass(frozen=True, slots=True)
class Control:
    """A controller.

    Attributes:
        repairs: it leads routes around dead links by itself; else only when it is told something.
        orders: in order of time.
    """

    delays: ControllerDelays = ControllerDelays()
    repairs: bool = True
    orders: tuple[Order, ...] = ()
