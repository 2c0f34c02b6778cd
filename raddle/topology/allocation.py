"""Numbers given once: what is known stays, what is new takes what nobody has had."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def allocate(keys: Sequence[K], known: Sequence[Mapping[K, int]], room: Sequence[int]) -> dict[K, int]:
    """A number of `room` for every key, no two the same.

    A key keeps the number that the first of `known` has for it, if it is in `room` and no other's there.
    Other keys take, in order, the lowest numbers that no key of `known` has, present or gone; only when there
    are none left, those of keys that are gone.

    Raises:
        ValueError: there are more keys than numbers.
    """
    given: dict[K, int] = {}
    spoken: set[int] = set()
    for source in known:
        for key in keys:
            number = source.get(key)
            if number is not None and key not in given and number in room and number not in spoken:
                given[key] = number
        spoken.update(source.values())
        spoken.update(given.values())
    taken = set(given.values())
    fresh = (number for number in room if number not in spoken)
    freed = (number for number in room if number in spoken and number not in taken)
    numbers = chain(fresh, freed)
    for key in keys:
        if key not in given:
            number = next(numbers, None)
            if number is None:
                raise ValueError(f"more than {len(given)} numbers are needed")
            given[key] = number
    return given


Block = tuple[int, int]
"""First number and size of a block; the size is a power of two that divides the first number."""


class Blocks:
    """The free parts of a range of numbers, from which blocks are cut."""

    def __init__(self, first: int, size: int, standing: Iterable[Block], gone: Iterable[Block]) -> None:
        """`standing` blocks are never given out, those of `gone` when nothing else is free."""
        self._first, self._size = first, size
        self._standing = sorted(standing)
        self._free = list(_gaps(first, size, sorted(chain(self._standing, gone))))
        self._reuses = False

    def take(self, bits: int) -> int | None:
        """The first number of a block of 2**bits, aligned; None where there is none left."""
        size = 1 << bits
        for place, (start, end) in enumerate(self._free):
            base = -(-start // size) * size
            if base + size <= end:
                rest = [part for part in ((start, base), (base + size, end)) if part[0] < part[1]]
                self._free[place : place + 1] = rest
                self._standing.append((base, size))
                return base
        if self._reuses:
            return None
        self._reuses = True
        self._free = list(_gaps(self._first, self._size, sorted(self._standing)))
        return self.take(bits)


def _gaps(first: int, size: int, blocks: Iterable[Block]) -> Iterator[tuple[int, int]]:
    """(start, end) of what sorted blocks leave of a range."""
    at, end = first, first + size
    for start, length in blocks:
        if start > at:
            yield at, min(start, end)
        at = max(at, start + length)
        if at >= end:
            return
    if at < end:
        yield at, end


def overlaps(block: Block, others: Sequence[Block]) -> bool:
    """Whether a block meets one of some sorted blocks that do not overlap."""
    place = bisect_right(others, (block[0], 1 << 130))
    before = others[place - 1 : place]
    after = others[place : place + 1]
    return any(start + size > block[0] for start, size in before) or any(
        start < block[0] + block[1] for start, _ in after
    )
