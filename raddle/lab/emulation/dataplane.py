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
        """Program the switches whose part is not what was pushed last, and read them back.

        Returns the number of messages.

        Raises:
            UnreachableError: a switch refused, or holds something else afterwards.
        """

    def sent_frames(self) -> dict[PortRef, int]:
        """Frames that every cabled switch port has sent, by the switches' own counters."""
