"""Orders from any thread, carried out one after the other by the controller's own."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from raddle.controller.service.gate import StoppedError
from raddle.controller.service.store import StoreError
from raddle.errors import InputError, RaddleError

T = TypeVar("T")


class OrderQueue:
    """What is to be carried out; each order gives back a future.

    Args:
        wake: called when there is one more.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._orders: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._is_over = False

    def add(self, action: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._orders.put((future, action))
        self._wake()
        if self._is_over:
            self._refuse()
        return future

    def carry_out(self) -> None:
        """Carry out all that are there.

        Raises:
            StoppedError, StoreError: of one of them, whose future has it too.
        """
        while not self._orders.empty():
            future, action = self._orders.get_nowait()
            try:
                future.set_result(action())
            except StoppedError:
                future.set_exception(InputError.of("stopped", "the controller ends; the next start goes on"))
                raise
            except RaddleError as error:
                future.set_exception(error)
                if isinstance(error, StoreError):
                    raise

    def close(self) -> None:
        """Nobody is left who could carry them out."""
        self._is_over = True
        self._refuse()

    def _refuse(self) -> None:
        with suppress(queue.Empty):
            while True:
                future, _ = self._orders.get_nowait()
                future.set_exception(InputError.of("stopped", "the controller ends; give the order again"))
