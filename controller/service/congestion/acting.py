"""When something is done about congestion, and when it is taken back: few moves, each of them judged."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from raddle.controller.service.congestion.finding import Finding, Mend
from raddle.controller.service.congestion.steady import AFTER, Key

SETTLE_LOOKS = 2 * AFTER + 1
"""After a move, until it is judged: what it mended is over by then, and what it brought about is held."""
HOLD_S = 600.0
"""A move that did not help is not tried again for that long; twice as long each further time."""


@dataclass(slots=True)
class Trial:
    """A move that is being judged.

    Attributes:
        alike: findings of its kind that were held before.
        looks: since it was made.
    """

    finding: Finding
    mend: Mend
    alike: int
    looks: int = 0

    def has_helped(self, held: Mapping[Key, Finding]) -> bool:
        """What it was for is over; where it has moved flows, also no more of the kind has come up for it."""
        if self.finding.key in held:
            return False
        return bool(self.mend.place) or _alike(held, self.finding) < self.alike


@dataclass(slots=True)
class Acting:
    """Chooses moves.

    Attributes:
        moves: at most so many in `window_s` seconds; the way back counts, too.
        trial: the move that is not judged yet.
    """

    moves: int = 4
    window_s: float = 3600.0
    trial: Trial | None = None
    _made_s: deque[float] = field(default_factory=deque)
    _held_off: dict[Mend, tuple[int, float]] = field(default_factory=dict)

    def next(self, held: Mapping[Key, Finding], now_s: float) -> Finding | None:
        """What is to be mended now: what loses packets first, then storms, then collisions."""
        if self.trial or self.is_spent(now_s):
            return None
        due = [
            each
            for each in held.values()
            if each.mend and self._held_off.get(each.mend, (0, now_s))[1] <= now_s
        ]
        return min(due, key=lambda each: (_URGENCY[each.kind], each.key), default=None)

    def made(self, finding: Finding, held: Mapping[Key, Finding], now_s: float) -> None:
        """The move was made; from now on it is judged."""
        assert finding.mend
        self._made_s.append(now_s)
        self.trial = Trial(finding, finding.mend, _alike(held, finding))

    def refused(self, mend: Mend, now_s: float) -> None:
        """The move could not be made, or has been taken back: not again for a while."""
        times = self._held_off.get(mend, (0, 0.0))[0] + 1
        self._held_off[mend] = times, now_s + HOLD_S * 2.0 ** (times - 1)

    def judge(self, held: Mapping[Key, Finding], now_s: float) -> tuple[Trial, bool] | None:
        """The move that can be judged at this look, and whether it has helped."""
        if self.trial is None:
            return None
        self.trial.looks += 1
        if self.trial.looks < SETTLE_LOOKS:
            return None
        trial, self.trial = self.trial, None
        has_helped = trial.has_helped(held)
        if not has_helped:
            self._made_s.append(now_s)  # the way back
            self.refused(trial.mend, now_s)
        return trial, has_helped

    def is_spent(self, now_s: float) -> bool:
        """Whether no move is left in this window."""
        while self._made_s and now_s - self._made_s[0] >= self.window_s:
            self._made_s.popleft()
        return len(self._made_s) >= self.moves


_URGENCY = {"bit-errors": 0, "storm": 1, "slow-receiver": 2, "incast": 3, "collision": 4, "full": 5}


def _alike(held: Mapping[Key, Finding], finding: Finding) -> int:
    return sum(each.kind == finding.kind for each in held.values())
