"""Random numbers that are the same on every machine and with every version of every library."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_WORD = (1 << 64) - 1


def splitmix64(seed: int) -> Iterator[int]:
    """64-bit random words (Steele, Lea and Flood, OOPSLA 2014), the same on every machine.

    Our own because numpy does not promise the same permutation from one version to the next.
    """
    state = seed & _WORD
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _WORD
        word = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
        yield word ^ (word >> 31)


def first_words(seeds: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The first word of `splitmix64` of each seed."""
    state = seeds + np.uint64(0x9E3779B97F4A7C15)
    word = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
