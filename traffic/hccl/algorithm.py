"""HCCL_ALGO as an algorithm of a collective.

Source: cann/hccl, docs/zh/user_guide/hccl_env/HCCL_ALGO.md. `level0` is inside of a server, `level1` between
servers, `level2` between super nodes. Where a server's algorithm is NA, which is all that HCCL takes today,
it is the full mesh that its accelerators are connected as.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from raddle.errors import InputError
from raddle.traffic.collectives.record import Algorithm, Collective, Pairs
from raddle.traffic.hccl import hierarchy, pipeline, unequal
from raddle.traffic.hccl.families import FAMILIES
from raddle.traffic.hccl.levels import Ints, grid_of, servers_of
from raddle.traffic.hccl.rounds import Moves, assemble, pairs
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import split_elements
from raddle.workload import COPY, Schedule

AHC, PAIRWISE, PIPELINE = "AHC", "pairwise", "pipeline"

_OPERATIONS = {
    "all_reduce": "allreduce",
    "all_gather": "allgather",
    "reduce_scatter": "reducescatter",
    "all_to_all": "alltoall",
}
"""Of what is simulated, with HCCL_ALGO's names; it also knows broadcast, reduce and scatter."""

_LEVEL0 = {"na": "fullmesh", "fullmesh": "fullmesh", "ring": "ring"}
_BETWEEN = {each.lower(): each for each in (*(set(FAMILIES) - {"fullmesh"}), AHC, PAIRWISE, PIPELINE)}
_MOST_IN_MESH = 64
_LEVEL = re.compile(r"level[012]\s*:", re.IGNORECASE)


def is_hccl(text: str) -> bool:
    """Whether the text is one for HCCL_ALGO."""
    return bool(_LEVEL.search(text))


def from_text(collective: Collective, text: str) -> Algorithm:
    """The algorithm that a value of HCCL_ALGO gives the collective.

    Raises:
        InputError: `bad-hccl-algo`, it is no such value, or has nothing for this collective.
    """
    levels = _levels(collective, text)
    run = _Run(collective, *levels)
    return Algorithm(run.name, run.schedule, run.flows, run.pairs, run.refuses)


def _levels(collective: Collective, text: str) -> tuple[str, str, str]:
    """The names of the three levels; empty where nothing is said."""
    if collective.name not in _OPERATIONS:
        raise _wrong(
            f"HCCL's algorithms of {collective.name} are not simulated", f"there are {', '.join(_OPERATIONS)}"
        )
    found = _of_operation(text, _OPERATIONS[collective.name])
    levels = {}
    for part in found.split(";"):
        key, colon, name = (each.strip() for each in part.partition(":"))
        known = _LEVEL0 if key.lower() == "level0" else _BETWEEN
        if not colon or key.lower() not in ("level0", "level1", "level2") or key.lower() in levels:
            raise _wrong(
                f"'{part.strip()}' is not a level and its algorithm, once", "write level0:NA;level1:NHR"
            )
        if name.lower() not in known:
            raise _wrong(f"{key} has no algorithm '{name}'", f"there is {', '.join(_names(key))}")
        levels[key.lower()] = known[name.lower()]
    _check_operation(collective.name, levels)
    return levels.get("level0", "fullmesh"), levels.get("level1", ""), levels.get("level2", "")


def _of_operation(text: str, operation: str) -> str:
    """What is said of an operation, where each has its own, or of all."""
    if "=" not in text:
        return text
    entries = {key.strip(): levels for key, _, levels in (part.partition("=") for part in text.split("/"))}
    if operation not in entries:
        raise _wrong(f"nothing is said of {operation}", f"add {operation}=level0:NA;level1:NHR")
    return entries[operation]


def _names(key: str) -> list[str]:
    return ["NA", "fullmesh", "ring"] if key.lower() == "level0" else sorted(_BETWEEN.values())


def _check_operation(name: str, levels: dict[str, str]) -> None:
    is_all_to_all = name == "all_to_all"
    for level, family in levels.items():
        if level == "level0":
            continue
        if is_all_to_all != (family == PAIRWISE) and family != PIPELINE:
            fit = f"{PAIRWISE} or {PIPELINE}" if is_all_to_all else "ring, H-D_R, NHR, NB, AHC or pipeline"
            raise _wrong(f"{family} is not for {name}", f"use {fit}")
        if family == AHC and name != "all_reduce":
            raise _wrong(f"AHC of {name} is not simulated", "use NHR")
    if is_all_to_all and levels.get("level0", "fullmesh") != "fullmesh":
        raise _wrong("an all_to_all has a full mesh inside of servers", "use level0:NA")
    if ("level2" in levels and levels["level2"] in (AHC, PIPELINE)) or (is_all_to_all and "level2" in levels):
        raise _wrong(f"{levels['level2']} between super nodes is not simulated", "use ring, H-D_R, NHR or NB")


def _wrong(message: str, hint: str) -> InputError:
    return InputError.of("bad-hccl-algo", message, hint)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """A collective by the algorithms of three levels."""

    collective: Collective
    inside: str
    between: str
    outside: str

    @property
    def name(self) -> str:
        levels = self.inside, self.between, self.outside
        return ";".join(f"level{number}:{name}" for number, name in enumerate(levels) if name)

    def schedule(self, shape: Shape, size_bytes: int) -> Schedule:
        size_bytes = self.collective.buffer(shape.ranks, size_bytes).size_bytes
        name = f"{self.collective.name} {self.name}"
        ranks = shape.ranks
        if self.between == AHC:
            chunk_bytes = unequal.chunk_bytes(self._servers(shape), size_bytes)
        elif self.collective.name == "all_to_all":
            chunk_bytes = np.full(ranks * ranks, size_bytes // ranks, np.int64)
        else:
            chunk_bytes = split_elements(size_bytes, ranks)
        return assemble(name, ranks, tuple(self._moves(shape)), chunk_bytes)

    def flows(self, shape: Shape, size_bytes: int) -> int:
        """At most: a message for each rank's share, twice in an all-reduce, and as many that pass shares
        on."""
        halves = 2 if self.collective.name == "all_reduce" else 1
        passes_on = {self.between, self.outside} & {"H-D_R", AHC} or self.collective.name == "all_to_all"
        return halves * shape.ranks * (shape.ranks - 1) * (2 if passes_on else 1)

    def pairs(self, shape: Shape) -> Iterator[Pairs]:
        yield from pairs(self._moves(shape), shape.ranks)

    def refuses(self, shape: Shape) -> str:
        nodes = servers_of(shape)
        servers = [server for node in nodes for server in node]
        largest = max(len(server) for server in servers)
        if self.inside == "fullmesh" and largest > _MOST_IN_MESH:
            return f"a server of {largest} has no full mesh; at most {_MOST_IN_MESH} have"
        if not self.between and len(servers) > 1:
            return "level1 is not said, and what HCCL takes by itself is not published"
        if self.between and len(servers) == 1:
            return "level1 is between servers, and there is one"
        if self.outside and len(nodes) == 1:
            return "level2 is between scale-up domains of several hosts, and there is one"
        if self.between == AHC:
            return "AHC is of two levels here, and there are super nodes" if len(nodes) > 1 else ""
        if len(nodes) > 1 and not self.outside and self.collective.name != "all_to_all":
            return "level2 is not said; HCCL takes H-D_R, or ring for fewer than 8 that are no power of two"
        if self.between == PIPELINE and (len(nodes) > 1 or largest == 1):
            return "a pipeline is of servers of several ranks, which are no super nodes"
        return "" if grid_of(shape) is not None else "servers differ; AHC is for those"

    def _servers(self, shape: Shape) -> list[Ints]:
        return [server for node in servers_of(shape) for server in node]

    def _moves(self, shape: Shape) -> Iterator[Moves]:
        if self.between == AHC:
            yield from unequal.moves(self._servers(shape))
            return
        grid = grid_of(shape)
        assert grid is not None
        flat = grid.reshape(-1, grid.shape[2])
        name = self.collective.name
        if name == "all_to_all":
            yield from pipeline.all_to_all_moves(flat) if self.between == PIPELINE else _pairwise(shape.ranks)
            return
        if self.between == PIPELINE:
            found = pipeline.moves(name, flat)
        else:
            found = hierarchy.moves(name, grid, (self.inside, self.between, self.outside))
        if name != "all_reduce":
            yield from found
            return
        # The shares of an all-reduce may stand in any order: so that messages are in a row.
        place = np.empty(grid.size, np.int64)
        place[grid.transpose(2, 1, 0).reshape(-1)] = np.arange(grid.size)
        for each in found:
            yield Moves(each.op, each.src, each.dst, place[each.chunk])


def _pairwise(ranks: int) -> Iterator[Moves]:
    """Step k = 1 .. n - 1: to rank r + k, from rank r - k, whatever server they are in."""
    src = np.arange(ranks)
    for distance in range(1, ranks):
        dst = (src + distance) % ranks
        yield Moves(COPY, src, dst, src * ranks + dst)
