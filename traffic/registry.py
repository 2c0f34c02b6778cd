"""Which collectives and algorithms there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from raddle.errors import InputError
from raddle.traffic.auto import AUTO
from raddle.traffic.collectives.all_gather import ALL_GATHER
from raddle.traffic.collectives.all_reduce import ALL_REDUCE
from raddle.traffic.collectives.all_to_all import ALL_TO_ALL
from raddle.traffic.collectives.all_to_all_v import ALL_TO_ALL_V
from raddle.traffic.collectives.broadcast import BROADCAST
from raddle.traffic.collectives.gather import GATHER
from raddle.traffic.collectives.record import Algorithm, Collective
from raddle.traffic.collectives.reduce import REDUCE
from raddle.traffic.collectives.reduce_scatter import REDUCE_SCATTER
from raddle.traffic.collectives.scatter import SCATTER
from raddle.traffic.collectives.send_recv import SEND_RECV
from raddle.traffic.hccl.algorithm import from_text, is_hccl
from raddle.traffic.msccl.algorithm import from_file
from raddle.traffic.shape import Shape
from raddle.workload import Schedule

COLLECTIVES: tuple[Collective, ...] = (
    ALL_REDUCE,
    ALL_GATHER,
    REDUCE_SCATTER,
    ALL_TO_ALL,
    ALL_TO_ALL_V,
    BROADCAST,
    REDUCE,
    GATHER,
    SCATTER,
    SEND_RECV,
)

MAX_FLOWS = 20_000_000
"""Flows of one schedule."""

FLOW_BYTES = 120
"""Memory that a flow takes: about 60 bytes here and as many in the engine."""


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
    """An algorithm of the collective by its name, or as HCCL_ALGO says it, or one from a file `NAME.xml`;
    None is the usual one.

    Raises:
        InputError: the collective has no such algorithm, or the file is no schedule of it.
    """
    if name is None:
        return collective.algorithms[0]
    if is_hccl(name):
        return from_text(collective, name)
    if name.lower().endswith(".xml"):
        return from_file(collective, Path(name))
    for algorithm in collective.algorithms:
        if algorithm.name == _plain(name):
            return algorithm
    names = [AUTO, *(algorithm.name for algorithm in collective.algorithms)]
    raise _unknown(f"{collective.name} algorithm", name, _plain(name), names)


def check_ranks(
    collective: Collective, algorithm: Algorithm, shape: Shape, size_bytes: int = 0, *, is_sent: bool = True
) -> None:
    """Raise InputError where a schedule for these ranks makes no sense, or does not fit memory.

    Args:
        size_bytes: of the largest buffer, where it is known.
        is_sent: whether flows are to be made of it; else only its pairs have to fit.
    """
    if shape.ranks < 2:
        raise InputError.of(
            "bad-ranks",
            f"the number of ranks is {shape.ranks}; a collective needs 2 or more",
            "take a fabric, a tenant or hosts with more accelerators",
        )
    name = f"{collective.name} {algorithm.name}"
    if reason := algorithm.refuses(shape):
        others = _that_fit(collective, shape, size_bytes)
        raise InputError.of("bad-algorithm", f"{name} is not for these ranks: {reason}", f"use {others}")
    if not is_sent and algorithm.count_pairs:
        flows, what = algorithm.count_pairs(shape), "pairs"
    else:
        flows, what = algorithm.flows(shape, size_bytes), "flows"
    if flows > MAX_FLOWS:
        in_part = ""
        if algorithm.some_steps and is_sent:
            in_part = (
                "--fidelity fluid of one job alone, without faults and --until, which runs some of its steps"
            )
        raise InputError.of(
            "too-many-flows",
            f"{name} of {shape.ranks} ranks is {flows} {what}, {flows * FLOW_BYTES / 1e9:.1f} GB of memory;"
            f" at most {MAX_FLOWS} fit",
            ", or ".join(
                filter(None, ["use fewer ranks", in_part, _that_fit(collective, shape, size_bytes)])
            ),
        )


def _that_fit(collective: Collective, shape: Shape, size_bytes: int) -> str:
    """The algorithms of a collective that a shape can run."""
    return " or ".join(
        each.name
        for each in collective.algorithms
        if not each.refuses(shape) and each.flows(shape, size_bytes) <= MAX_FLOWS
    )


def build(collective: str, algorithm: str | None, shape: Shape | int, size_bytes: int) -> Schedule:
    """The schedule of a collective among the ranks of a shape (or that many of a flat one).

    Sizes, those of buffers, are rounded as nccl-tests does (see `Collective.buffer`).

    Raises:
        InputError: no such collective or algorithm, fewer than two ranks, an algorithm that is not for this
            shape, or more than MAX_FLOWS flows.
    """
    found = find_collective(collective)
    way = find_algorithm(found, algorithm)
    ranks = Shape.flat(shape) if isinstance(shape, int) else shape
    check_ranks(found, way, ranks, size_bytes)
    return way.schedule(ranks, size_bytes)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _unknown(what: str, written: str, name: str, names: Iterable[str]) -> InputError:
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}'?" if close else ""
    code = f"unknown-{what.split()[-1]}"
    return InputError.of(code, f"no {what} '{written}'; there is {', '.join(names)}", hint)
