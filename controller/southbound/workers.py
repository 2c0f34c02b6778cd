"""Work on many switches at a time: the one place where the controller starts threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from raddle.errors import UnreachableError

CONCURRENT_SWITCHES = 16

S = TypeVar("S")
T = TypeVar("T")
Progress = Callable[[str, float], None]


def silent(what: str, share: float) -> None:
    """Progress that nobody sees."""


def everywhere(
    sessions: Mapping[str, Callable[[], AbstractContextManager[S]]],
    action: Callable[[S], T],
    progress: Progress = silent,
) -> dict[str, T | UnreachableError]:
    """Run an action in a session with each switch; results or errors by name, in the order given.

    Sessions are opened by the workers, so that no more of them are open than switches are worked on. Any
    other exception, Ctrl-C included, closes those first, which ends the calls that threads wait in.
    """
    opened: dict[str, AbstractContextManager[S]] = {}

    def work(name: str) -> T | UnreachableError:
        try:
            session = sessions[name]()
            with session as entered:
                opened[name] = session
                return action(entered)
        except UnreachableError as problem:
            return problem
        finally:
            opened.pop(name, None)

    results: dict[str, T | UnreachableError] = {}
    with ThreadPoolExecutor(CONCURRENT_SWITCHES) as pool:
        try:
            for name, result in zip(sessions, pool.map(work, sessions), strict=True):
                results[name] = result
                progress(name, len(results) / len(sessions))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for session in list(opened.values()):
                session.__exit__(None, None, None)
            raise
    return results


def all_of(results: Mapping[str, T | UnreachableError]) -> dict[str, T]:
    """The results of all switches.

    Raises:
        UnreachableError: the first switch's that has one.
    """
    done: dict[str, T] = {}
    for name, result in results.items():
        if isinstance(result, UnreachableError):
            raise result
        done[name] = result
    return done
