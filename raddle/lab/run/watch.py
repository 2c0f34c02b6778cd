"""Who looks on while something runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[str, float, float | None], None]
"""Told what is being done, the share of it that is done, 0..1, and the seconds that are left, if known."""


@dataclass(frozen=True, slots=True)
class Watch:
    """`progress` hears often, `notice` what a user should read before a long wait."""

    progress: Progress = lambda what, share, left_s: None
    notice: Callable[[str], None] = lambda line: None

    def tell(self, what: str) -> None:
        """Something is being done that has no measure."""
        self.progress(what, 0.0, None)


QUIET = Watch()
