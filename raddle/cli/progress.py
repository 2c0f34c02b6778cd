"""Progress on stderr: a bar where that is a terminal, else a line now and then, as in the log of a CI job."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from raddle.lab.run.watch import Watch
from raddle.units import format_span

_FIRST_LINE_S = 10.0
_LINE_SPACING = 1.5
_LONGEST_SILENCE_S = 120.0
_TELLING = 0.02  # share of a whole that says how long the whole takes


class Shown(Protocol):
    """What shows progress."""

    def __call__(self, what: str, share: float, left_s: float | None = None) -> None:
        """Show what is being done, the share of it that is done (0..1), and the seconds that are left."""

    def say(self, text: str, *, is_result: bool = False) -> None:
        """Print a line for good: on stdout if it is a result, else on stderr."""


class Lines:
    """A line at first after 10 s, then ever less often, up to every 2 minutes."""

    def __init__(
        self, write: Callable[[str], object] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._clock = write or (lambda line: print(line, file=sys.stderr, flush=True)), clock
        self._silence_s = _FIRST_LINE_S
        self._due_s = clock() + self._silence_s

    def __call__(self, what: str, share: float, left_s: float | None = None) -> None:
        now_s = self._clock()
        if now_s < self._due_s:
            return
        self._silence_s = min(self._silence_s * _LINE_SPACING, _LONGEST_SILENCE_S)
        self._due_s = now_s + self._silence_s
        left = _left(left_s)
        parts = [f"{share:.0%}" if share else "", left]
        self._write(": ".join([what, ", ".join(part for part in parts if part)]).removesuffix(": "))

    def say(self, text: str, *, is_result: bool = False) -> None:
        print(text, file=sys.stdout if is_result else sys.stderr, flush=True)


class _Bar:
    def __init__(self, bar: Progress) -> None:
        self._bar, self._task = bar, bar.add_task("", total=1.0, left="")
        self._began_s = time.monotonic()

    def __call__(self, what: str, share: float, left_s: float | None = None) -> None:
        left = _left(_guess_s(self._began_s, share) if left_s is None else left_s)
        self._bar.update(self._task, description=what, completed=share, left=left)

    def say(self, text: str, *, is_result: bool = False) -> None:
        # The bar is on the same screen, though maybe not in the same stream.
        self._bar.stop()
        print(text, file=sys.stdout if is_result else sys.stderr, flush=True)
        self._bar.start()


def _guess_s(began_s: float, share: float) -> float | None:
    """The seconds left of something that goes on as fast as it did; None while too little tells."""
    return (time.monotonic() - began_s) * (1 / share - 1) if share > _TELLING else None


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{format_span(seconds)} left" if seconds >= 1 else "nearly done"


@contextmanager
def progress_bar() -> Iterator[Shown]:
    """What shows progress while the context is open."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        yield _Bar(bar)


def watching(shown: Shown) -> Watch:
    """Progress that goes to `shown`, and notices beside it."""
    return Watch(shown, shown.say)
