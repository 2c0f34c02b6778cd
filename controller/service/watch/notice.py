"""What a watched switch has told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["connected", "gone", "changed", "ports"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that a switch has told.

    Attributes:
        kind: it answers, does not any more, holds something that nobody has planned, or its ports have
            changed.
        text: what it was, in words.
        down: of `ports`, all that have no link.
        heard_s: when, on the clock of `time.monotonic`.
    """

    switch: str
    kind: Kind
    text: str = ""
    down: frozenset[str] = frozenset()
    heard_s: float = 0.0


Sink = Callable[[Notice], None]
"""Hears notices, in the threads of those who watch; must not block."""


class Watch(Protocol):
    """Watches one switch, or all of one kind, until stopped."""

    def start(self) -> None: ...

    def look(self, now_s: float) -> None:
        """Called now and then: see that what should be heard is."""
        ...

    def stop(self) -> None: ...
