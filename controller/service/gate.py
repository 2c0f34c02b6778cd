"""What holds an update up, or ends it: pause, abort, and the controller's own end."""

from __future__ import annotations

import threading


class AbortedError(Exception):
    """Somebody wants the update to be taken back: its text says who, and why."""


class StoppedError(Exception):
    """The controller ends; who comes after it finishes the update."""


class UpdateGate:
    """The gate of all updates (see `raddle.controller.rollout.Gate`). Calls may come from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_paused = self._is_stopped = False
        self._aborted_by = ""

    def __call__(self) -> None:
        """Wait until a step may be taken.

        Raises:
            AbortedError, StoppedError: none may.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._is_paused or self._aborted_by or self._is_stopped)
            if self._is_stopped:
                raise StoppedError
            if by := self._aborted_by:
                self._aborted_by = ""
                raise AbortedError(by)

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    @property
    def is_stopped(self) -> bool:
        return self._is_stopped

    def pause(self, is_paused: bool = True) -> None:
        with self._changed:
            self._is_paused = is_paused
            self._changed.notify_all()

    def abort(self, who: str, why: str) -> None:
        """The next step is not taken."""
        with self._changed:
            self._aborted_by = f"{who}: {why}" if why else who
            self._changed.notify_all()

    def forget_abort(self) -> None:
        """An abort that came too late is of no later update."""
        self._aborted_by = ""

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
