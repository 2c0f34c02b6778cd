"""Which collectives and algorithms there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from raddle.errors import InputError
from raddle.traffic.collectives.all_gather import ALL_GATHER
from raddle.traffic.collectives.all_reduce import ALL_REDUCE
from raddle.traffic.collectives.all_to_all import ALL_TO_ALL
from raddle.traffic.collectives.record import Algorithm, Collective
from raddle.traffic.collectives.reduce_scatter import REDUCE_SCATTER
from raddle.workload import Schedule

COLLECTIVES: tuple[Collective, ...] = (ALL_REDUCE, ALL_GATHER, REDUCE_SCATTER, ALL_TO_ALL)

MAX_FLOWS = 20_000_000
"""Flows of one schedule; each takes about 60 bytes here and as many in the engine."""


def algorithms() -> Mapping[str, tuple[str, ...]]:
    """The names of the algorithms of each collective, its default first."""
    return MappingProxyType(
        {each.name: tuple(algorithm.name for algorithm in each.algorithms) for each in COLLECTIVES}
    )


def find_collective(name: str) -> Collective:
    """A collective by its name; `alltoall` and `all-reduce` are understood.

    Raises:
        InputError: there is no such collective.
    """
    plain = _plain(name)
    for collective in COLLECTIVES:
        if plain in (collective.name, *collective.aliases):
            return collective
    raise _unknown("collective", name, plain, [collective.name for collective in COLLECTIVES])


def find_algorithm(collective: Collective, name: str | None) -> Algorithm:
    """An algorithm of the collective by its name; None is the usual one.

    Raises:
        InputError: the collective has no such algorithm.
    """
    if name is None:
        return collective.algorithms[0]
    for algorithm in collective.algorithms:
        if algorithm.name == _plain(name):
            return algorithm
    names = [algorithm.name for algorithm in collective.algorithms]
    raise _unknown(f"{collective.name} algorithm", name, _plain(name), names)


def check_ranks(collective: Collective, algorithm: Algorithm, ranks: int) -> None:
    """Raise InputError where a schedule for this number of ranks makes no sense, or does not fit memory."""
    if ranks < 2:
        raise InputError.of("bad-ranks", f"the number of ranks is {ranks}; a collective needs 2 or more")
    flows = algorithm.flows(ranks)
    if flows > MAX_FLOWS:
        others = [each.name for each in collective.algorithms if each.flows(ranks) <= MAX_FLOWS]
        raise InputError.of(
            "too-many-flows",
            f"{collective.name} {algorithm.name} of {ranks} ranks is {flows} flows; at most {MAX_FLOWS} fit"
            " memory",
            ", or ".join(["use fewer ranks", *others]),
        )


def build(collective: str, algorithm: str | None, ranks: int, size_bytes: int) -> Schedule:
    """The schedule of a collective among `ranks` ranks with buffers of `size_bytes`.

    Sizes are rounded as nccl-tests does (see `Collective.buffer`).

    Raises:
        InputError: no such collective or algorithm, fewer than two ranks, or more than MAX_FLOWS flows.
    """
    found = find_collective(collective)
    way = find_algorithm(found, algorithm)
    check_ranks(found, way, ranks)
    return way.schedule(ranks, size_bytes)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _unknown(what: str, written: str, name: str, names: Iterable[str]) -> InputError:
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}'?" if close else ""
    code = f"unknown-{what.split()[-1]}"
    return InputError.of(code, f"no {what} '{written}'; there is {', '.join(names)}", hint)
