"""What an emulation needs of a software switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from raddle.controller.plan.model import Plan
from raddle.lab.emulation.network import Network
from raddle.topology.model import PortRef

PortEvent = Callable[[PortRef, bool], None]
"""Told a port and whether it is live; called from another thread."""


class Dataplane(Protocol):
    """A fabric's switches, started and connected.

    Attributes:
        title: name, version and kind.
        hash_note: how ECMP chooses otherwise than the simulated switches do; empty where it does not.
    """

    title: str
    hash_note: str
    network: Network

    def push(self, plan: Plan) -> int:
        """Program the switches and read them back; returns the number of messages.

        Raises:
            UnreachableError: a switch refused, or holds something else afterwards.
        """

    def prepare(self, plan: Plan) -> None:
        """Compute what switches must hold for a plan that may have to be repaired to."""

    def repair(self, plan: Plan) -> None:
        """Send each switch whose part has changed what makes the last plan this one, until it has all of it.

        Nothing is read before; `read_back` looks afterwards.

        Raises:
            UnreachableError: a switch refused.
        """

    def read_back(self) -> None:
        """See that the switches that were repaired hold what they should.

        Raises:
            UnreachableError: one holds something else.
        """

    def sent_frames(self) -> dict[PortRef, int]:
        """Frames that every cabled switch port has sent, by the switches' own counters."""
