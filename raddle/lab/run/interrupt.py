"""Interrupts that wait until nothing is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Holds Ctrl-C back; gives a function that tells whether one came.

    Only the main thread gets signals: in others this does nothing.
    """
    presses = 0

    def count(number: int, frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, count)
    try:
        yield lambda: presses > 0
    finally:
        signal.signal(signal.SIGINT, before)
