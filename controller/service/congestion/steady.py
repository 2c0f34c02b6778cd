"""What counts as found: seen several times before it is told, and gone as often before it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from raddle.controller.service.congestion.finding import Finding, Kind

Key = tuple[Kind, str]

AFTER = 3
"""Looks in which it is seen, less those in which it is not, until it is held; as many until it is over."""


class Steady:
    """The findings that last.

    Attributes:
        held: by their keys, each as it was last seen.
    """

    def __init__(self) -> None:
        self.held: dict[Key, Finding] = {}
        self._counts: dict[Key, int] = {}
        self._frames: dict[Key, int] = {}

    def take(
        self,
        found: Iterable[Finding],
        clean_frames: Callable[[Finding], int | None] = lambda finding: finding.needs,
    ) -> tuple[list[Finding], list[Finding]]:
        """Take in what is found at a look: what is held from now on, and what is over.

        Args:
            clean_frames: how many this look has seen at the place of a finding; None: not all were clean.
        """
        seen = {each.key: each for each in found}
        for key in self._counts.keys() | seen.keys():
            step = 1 if key in seen else -self._is_absent(key, clean_frames)
            if step:
                self._frames.pop(key, None)
            self._counts[key] = min(AFTER, max(0, self._counts.get(key, 0) + step))
        begun = [each for key, each in seen.items() if self._counts[key] == AFTER and key not in self.held]
        over = [each for key, each in self.held.items() if not self._counts[key]]
        self.held |= {each.key: each for each in begun}
        self.held |= {key: each for key, each in seen.items() if key in self.held}
        for each in over:
            del self.held[each.key]
        self._counts = {key: count for key, count in self._counts.items() if count}
        return begun, over

    def _is_absent(self, key: Key, clean_frames: Callable[[Finding], int | None]) -> bool:
        """Whether enough was seen since the last look that counted to say that it is not there."""
        finding = self.held.get(key)
        if finding is None:
            return True
        clean = clean_frames(finding)
        if clean is None:
            self._frames.pop(key, None)
            return False
        self._frames[key] = self._frames.get(key, 0) + clean
        return self._frames[key] >= finding.needs
