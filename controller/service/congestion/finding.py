"""What congestion is called, and what would mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raddle.controller.service.congestion.jobs import JobFlow

Kind = Literal["bit-errors", "storm", "slow-receiver", "incast", "collision", "full"]
Remedy = Literal["drain", "isolate", "re-pin", "source-ports"]

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Mend:
    """`drain` a link of the network, `isolate` a host's port, `re-pin` the jobs' flows: by routes, or by
    `source-ports` that hosts take."""

    remedy: Remedy
    place: str = ""

    def __str__(self) -> str:
        return f"{self.remedy} {self.place}".rstrip()


@dataclass(frozen=True, slots=True)
class Finding:
    """Congestion at one place.

    Attributes:
        place: the port of a switch at which it is seen: whose queue grows, who is paused, who hears errors.
        link: as `leaf0:Ethernet0 - spine0:Ethernet8`.
        evidence: what was counted, in words.
        flows: queue pairs that may cross it, of the jobs that are known; those that are seen to be slow where
            some are.
        mend: what would be done about it; None where nothing in the network can.
        advice: what others can do, in words.
        needs: frames in which it would have shown again; of fewer its absence says nothing.
    """

    kind: Kind
    place: str
    link: str
    evidence: str
    flows: tuple[JobFlow, ...] = ()
    mend: Mend | None = None
    advice: str = ""
    needs: int = 0

    @property
    def key(self) -> tuple[Kind, str]:
        return self.kind, self.place

    @property
    def jobs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(flow.job for flow in self.flows))

    @property
    def seen(self) -> str:
        """What was found, without what would be done about it."""
        text = f"{self.kind} at {self.link}: {self.evidence}"
        if self.flows:
            more = f" and {len(self.flows) - _SHOWN} more" if len(self.flows) > _SHOWN else ""
            text += f"; queue pairs of {', '.join(map(str, self.flows[:_SHOWN]))}{more}"
        return text

    def __str__(self) -> str:
        text = self.seen
        return f"{text}; would {self.mend}" if self.mend else f"{text}; {self.advice}"
