"""In which order ranks take the endpoints, or accelerators, that there are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from raddle.errors import InputError
from raddle.splitmix import splitmix64

PLACEMENTS = ("linear", "strided", "random", "rail")


def place(
    kind: str, endpoints_per_leaf: Sequence[Sequence[int]], ranks: int | None, seed: int
) -> NDArray[np.int32]:
    """The endpoint of each rank, int32; no endpoint is taken twice.

    Args:
        kind: `linear` takes endpoints in the order of their index, `strided` one from each leaf in turn (so
            that consecutive ranks are on different leaves), `random` a permutation drawn from `seed`, `rail`
            one rail after the other.
        endpoints_per_leaf: indices by leaf; for `rail` by rail.
        ranks: how many ranks; None takes every endpoint.
        seed: for `random`; the same seed gives the same placement on every machine and version.

    Raises:
        InputError: no such placement, or more ranks than endpoints.
    """
    if kind not in PLACEMENTS:
        raise InputError.of("unknown-placement", f"no placement '{kind}'; there is {', '.join(PLACEMENTS)}")
    order = sorted(endpoint for leaf in endpoints_per_leaf for endpoint in leaf)
    if ranks is not None and not 1 <= ranks <= len(order):
        raise InputError.of(
            "bad-ranks",
            f"{ranks} ranks do not fit {len(order)} endpoints, one rank on each",
            "leave ranks out",
        )
    if kind == "strided":
        turns = zip_longest(*endpoints_per_leaf)
        order = [endpoint for turn in turns for endpoint in turn if endpoint is not None]
    elif kind == "rail":
        order = [endpoint for rail in endpoints_per_leaf for endpoint in rail]
    elif kind == "random":
        order = _shuffle(order, seed)
    return np.array(order[:ranks], np.int32)


def _shuffle(items: list[int], seed: int) -> list[int]:
    """A random permutation (Fisher and Yates; Knuth, TAOCP vol. 2, 3.4.2, algorithm P)."""
    shuffled = list(items)
    words = splitmix64(seed)
    for last in range(len(shuffled) - 1, 0, -1):
        # A 64-bit word scaled to 0..last favours no value by more than (last + 1) / 2**64.
        pick = next(words) * (last + 1) >> 64
        shuffled[last], shuffled[pick] = shuffled[pick], shuffled[last]
    return shuffled
