"""Which collectives and algorithms there are."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from raddle.errors import InputError
from raddle.traffic.collectives import halving_doubling, pairwise, ring
from raddle.workload import Schedule

_BUILDERS: Mapping[str, Mapping[str, Callable[[int, int], Schedule]]] = {
    "all_reduce": {"ring": ring.all_reduce, "halving_doubling": halving_doubling.all_reduce},
    "all_gather": {"ring": ring.all_gather},
    "reduce_scatter": {"ring": ring.reduce_scatter},
    "all_to_all": {"pairwise": pairwise.all_to_all},
}


def algorithms() -> Mapping[str, tuple[str, ...]]:
    """The algorithms of each collective, its default first."""
    return MappingProxyType({collective: tuple(builders) for collective, builders in _BUILDERS.items()})


def find_collective(name: str) -> str:
    """The collective's name as this package writes it; `alltoall` and `all-reduce` are understood.

    Raises:
        InputError: there is no such collective.
    """
    plain = name.lower().replace("-", "_")
    return _choose("collective", name, "all_to_all" if plain == "alltoall" else plain, _BUILDERS)


def find_algorithm(collective: str, name: str | None) -> str:
    """The algorithm's name as this package writes it; None is the collective's default.

    Raises:
        InputError: the collective has no such algorithm.
    """
    builders = _BUILDERS[find_collective(collective)]
    if name is None:
        return next(iter(builders))
    return _choose(f"{find_collective(collective)} algorithm", name, name.lower().replace("-", "_"), builders)


MAX_FLOWS = 20_000_000
"""Flows of one schedule; each takes about 60 bytes here and as many in the engine."""


def check_ranks(collective: str, algorithm: str, ranks: int) -> None:
    """Raise InputError where `build` would for this number of ranks."""
    if ranks < 2:
        raise InputError.of("bad-ranks", f"the number of ranks is {ranks}; a collective needs 2 or more")
    flows = ranks * (ranks - 1) * (2 if collective == "all_reduce" else 1)
    if algorithm in ("ring", "pairwise") and flows > MAX_FLOWS:
        raise InputError.of(
            "too-many-flows",
            f"{collective} {algorithm} of {ranks} ranks is {flows} flows; at most {MAX_FLOWS} fit memory",
            "use fewer ranks" + (", or halving_doubling" if collective == "all_reduce" else ""),
        )


def build(collective: str, algorithm: str | None, ranks: int, size_bytes: int) -> Schedule:
    """The schedule of a collective among `ranks` ranks with buffers of `size_bytes`.

    Sizes are rounded as nccl-tests does (see `raddle.traffic.sizes.buffer_size`).

    Raises:
        InputError: no such collective or algorithm, fewer than two ranks, or more than MAX_FLOWS flows.
    """
    collective = find_collective(collective)
    algorithm = find_algorithm(collective, algorithm)
    check_ranks(collective, algorithm, ranks)
    return _BUILDERS[collective][algorithm](ranks, size_bytes)


def _choose(what: str, written: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}'?" if close else ""
    raise InputError.of(
        f"unknown-{what.split()[-1]}", f"no {what} '{written}'; there is {', '.join(names)}", hint
    )
