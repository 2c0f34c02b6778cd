"""How the members of one level exchange slices, family by family.

Members and slices are numbered 0 to n - 1; in a reduce-scatter member i ends with the sum of slice i, in an
all-gather it begins with slice i. Sources: HCCL's documentation (cann/hccl,
docs/zh/user_guide/coll_algo_intro) and, where that and the code differ, the code (NB's all-gather).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sends:
    """Slices that members send at the same time, one entry each: int64, all of a length.

    `is_result`: in a reduce-scatter, they are sums already, which take the place of what is there.
    """

    src: Ints
    dst: Ints
    slice: Ints
    is_result: bool = False


Steps = tuple[Sends, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Steps among so many members.

    Attributes:
        folded: an all-reduce's first and last steps, of whole buffers, beside `reduce_scatter` and
        `all_gather`
            of those that remain; None: there are none, and all members remain.
    """

    reduce_scatter: Callable[[int], Steps]
    all_gather: Callable[[int], Steps]
    folded: Callable[[int], Steps] | None = None


def _levels(members: int) -> int:
    return (members - 1).bit_length()


def _round(members: int, shift: int, first: int, stride: int, count: int) -> Sends:
    """Each member r sends to r + shift the slices r + first, r + first + stride, ..., so many."""
    src = np.repeat(np.arange(members), count)
    offset = np.tile(first + stride * np.arange(count), members)
    return Sends(src, (src + shift) % members, (src + offset) % members)


def _ring_reduce_scatter(members: int) -> Steps:
    return tuple(_round(members, 1, -1 - step, 0, 1) for step in range(members - 1))


def _ring_all_gather(members: int) -> Steps:
    return tuple(_round(members, 1, -step, 0, 1) for step in range(members - 1))


def _count(members: int, step: int) -> int:
    """Slices of a message of NHR and NB."""
    return int((members - 1 + (1 << step)) >> (step + 1))


def _nhr_reduce_scatter(members: int) -> Steps:
    """The receiver's slice and every 2^(k+1)th below it."""
    return tuple(
        _round(members, -(1 << k), -(1 << k), -(2 << k), _count(members, k)) for k in range(_levels(members))
    )


def _nhr_all_gather(members: int) -> Steps:
    return tuple(
        _round(members, 1 << k, 0, -(2 << k), _count(members, k)) for k in reversed(range(_levels(members)))
    )


def _nb_reduce_scatter(members: int) -> Steps:
    """The receiver's slice and every 2^(k+1)th above it."""
    return tuple(_round(members, 1 << k, 1 << k, 2 << k, _count(members, k)) for k in range(_levels(members)))


def _nb_all_gather(members: int) -> Steps:
    """All that a member has, or all that is missing."""
    return tuple(
        _round(members, 1 << k, 0, -1, min(1 << k, members - (1 << k))) for k in range(_levels(members))
    )


def _mesh_reduce_scatter(members: int) -> Steps:
    src, dst = np.nonzero(~np.eye(members, dtype=bool))
    return (Sends(src, dst, dst),)


def _mesh_all_gather(members: int) -> Steps:
    src, dst = np.nonzero(~np.eye(members, dtype=bool))
    return (Sends(src, dst, src),)


def _pairs(members: int) -> tuple[Ints, Ints]:
    """Those that stay out of halving and doubling, and those that stand in for them."""
    extra = members - (1 << (members.bit_length() - 1))
    out = np.arange(0, 2 * extra, 2)
    return out, out + 1


def _owners(members: int) -> list[Ints]:
    """Who takes part, in order, each with the slices that it stands for."""
    out, _ = _pairs(members)
    paired = [np.array([first, first + 1]) for first in out.tolist()]
    return [*paired, *(np.array([one]) for one in range(2 * len(out), members))]


def _halving(members: int) -> Steps:
    """With the one half of all away first; each sends what the other half stands for."""
    owners = _owners(members)
    count = len(owners)
    steps = []
    distance = count // 2
    while distance:
        sends = []
        for place, slices in enumerate(owners):
            peer = place ^ distance
            block = peer // distance * distance
            kept = np.concatenate(owners[block : block + distance])
            sends.append((slices[-1], owners[peer][-1], kept))
        steps.append(_joined(sends))
        distance //= 2
    return tuple(steps)


def _doubling(members: int) -> Steps:
    """The same backwards: each sends all that its half of them has."""
    return tuple(Sends(each.dst, each.src, each.slice) for each in reversed(_halving(members)))


def _joined(sends: list[tuple[int, int, Ints]]) -> Sends:
    count = [len(slices) for _, _, slices in sends]
    src, dst = (np.repeat(np.array([each[end] for each in sends]), count) for end in (0, 1))
    return Sends(src, dst, np.concatenate([slices for _, _, slices in sends]))


def _whole(src: Ints, dst: Ints, members: int) -> Steps:
    """A message of all slices; nothing where nobody sends."""
    if not len(src):
        return ()
    every = np.tile(np.arange(members), len(src))
    return (Sends(np.repeat(src, members), np.repeat(dst, members), every),)


def _halving_reduce_scatter(members: int) -> Steps:
    """Beyond a power of two, a pair's first sends its buffer, and gets its slice at the end."""
    out, stand_in = _pairs(members)
    last = (Sends(stand_in, out, out, is_result=True),) if len(out) else ()
    return (*_whole(out, stand_in, members), *_halving(members), *last)


def _halving_all_gather(members: int) -> Steps:
    """Beyond a power of two, a pair's first sends its slice, and gets all others at the end."""
    out, stand_in = _pairs(members)
    first = (Sends(out, stand_in, out),) if len(out) else ()
    return (*first, *_doubling(members), *_whole(stand_in, out, members))


def _fold(members: int) -> Steps:
    out, stand_in = _pairs(members)
    return _whole(out, stand_in, members)


def all_reduce(family: Family, members: int) -> tuple[Steps, Steps]:
    """Steps that sum, and steps that copy the sums."""
    if family.folded is None:
        return family.reduce_scatter(members), family.all_gather(members)
    fold = family.folded(members)
    unfold = tuple(Sends(each.dst, each.src, each.slice) for each in fold)
    return (*fold, *_halving(members)), (*_doubling(members), *unfold)


FAMILIES: Mapping[str, Family] = {
    "fullmesh": Family(_mesh_reduce_scatter, _mesh_all_gather),
    "ring": Family(_ring_reduce_scatter, _ring_all_gather),
    "H-D_R": Family(_halving_reduce_scatter, _halving_all_gather, _fold),
    "NHR": Family(_nhr_reduce_scatter, _nhr_all_gather),
    "NB": Family(_nb_reduce_scatter, _nb_all_gather),
}
"""By HCCL_ALGO's names."""
