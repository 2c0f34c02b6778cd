"""Passwords, and the brake on guessing them."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import grpc

from raddle.nos.server.clients import site_of
from raddle.nos.server.paths import RpcError

TRIES = 5
"""Wrong passwords that an address has in store."""
TRY_S = 2.0
"""Seconds after which it has one more."""

_SITES = 10_000
_GUESSES = 1000


@dataclass(slots=True)
class _Site:
    """An address that has guessed: when all of its tries are back, and what it tried."""

    free_s: float
    guesses: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class Passwords:
    """Passwords by user name, for all switches of a machine together.

    An address that has sent `TRIES` wrong ones is not listened to, with a right one either, until `TRY_S`
    have passed for each more: otherwise the answer would tell right from wrong. The same wrong password
    again, as from a tool that calls many switches, is no new guess.
    """

    users: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _sites: dict[str, _Site] = field(default_factory=dict)
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def check(self, user: str, password: str, host: str) -> None:
        """Let a user in.

        Raises:
            RpcError: UNAUTHENTICATED, or RESOURCE_EXHAUSTED for an address that has guessed too often.
        """
        name, now_s = site_of(host), self.clock()
        site = self._sites.get(name)
        guess = hashlib.blake2b(f"{user}\0{password}".encode(), key=self._salt, digest_size=16).digest()
        if site and guess in site.guesses:
            raise _wrong()
        if site and (wait_s := site.free_s + TRY_S - now_s - TRIES * TRY_S) > 0:
            raise RpcError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"too many wrong passwords from {host}; try again in {math.ceil(wait_s)} s",
            )
        known = self.users.get(user)
        # Compared also for a user who does not exist, so that the time does not tell.
        is_right = hmac.compare_digest((known or "").encode(), password.encode())
        if known is None or not is_right:
            self._note(name, guess, now_s)
            raise _wrong()

    def _note(self, name: str, guess: bytes, now_s: float) -> None:
        if name not in self._sites and len(self._sites) >= _SITES:
            self._sites = {each: site for each, site in self._sites.items() if site.free_s > now_s}
            if len(self._sites) >= _SITES:
                del self._sites[next(iter(self._sites))]
        site = self._sites.setdefault(name, _Site(now_s))
        if site.free_s <= now_s or len(site.guesses) >= _GUESSES:
            site.guesses.clear()
        site.guesses.add(guess)
        site.free_s = max(site.free_s, now_s) + TRY_S


def _wrong() -> RpcError:
    return RpcError(grpc.StatusCode.UNAUTHENTICATED, "Invalid Username or Password")
