"""What a push over P4Runtime or OpenFlow came to."""

from __future__ import annotations

from dataclasses import dataclass

from raddle.controller.plan.diff import Change


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a push to a switch found and did.

    Attributes:
        changes: how the switch differed when it was read.
        planned: messages (of P4Runtime: Write requests) that they take.
        writes: those that the switch accepted.
        error: why the switch is not known to be as planned; empty where it is.
        held: why nothing was sent, although the switch would have taken it.
        is_reached: the switch answered at least once.
    """

    changes: tuple[Change, ...] = ()
    planned: int = 0
    writes: int = 0
    error: str = ""
    held: str = ""
    is_reached: bool = True
