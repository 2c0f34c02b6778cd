"""Named groups of ranks in a workload file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from raddle.errors import Diagnostic
from raddle.lab.graph.model import Ints
from raddle.topology.host_sets import expand_names
from raddle.topology.model import Fabric
from raddle.topology.yaml.fields import Count, HostSet, Name, Range
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema_devices import Spec
from raddle.topology.yaml.source import Place, Source
from raddle.workload import Seats


def _listed(value: object) -> object:
    """A lone value stands for a list of one."""
    return [value] if isinstance(value, str) else value


Ranges = Annotated[tuple[Range, ...], BeforeValidator(_listed, json_schema_input_type=Range | list[Range])]
Hosts = Annotated[
    tuple[HostSet, ...], BeforeValidator(_listed, json_schema_input_type=HostSet | list[HostSet])
]
Names = Annotated[tuple[Name, ...], BeforeValidator(_listed, json_schema_input_type=Name | list[Name])]


class GroupSpec(Spec):
    """Some ranks, as one group or as several of one size side by side."""

    ranks: Ranges | None = None
    """Numbers: `0-7`, or a list of such."""
    hosts: Hosts | None = None
    """Those on these hosts: `host[0-3]`, or a list of such."""
    size: Count | None = None
    """Ranks of each group; without it, all are one."""
    stride: Count = Field(default=1)
    """From one rank of a group to its next, counted in ranks of this list: 1 has neighbours together."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Groups that do the same side by side; each is int64, ranks in order."""

    name: str
    parts: tuple[Ints, ...]

    @property
    def ranks(self) -> Ints:
        return np.concatenate(self.parts)


EVERYONE = "all"
"""The group of all ranks, which every file has."""


def read_groups(
    fabric: Fabric, seats: Seats, specs: Mapping[str, GroupSpec], source: Source
) -> tuple[dict[str, Group], list[Diagnostic]]:
    """The groups by name, and what is wrong with them."""
    groups = {EVERYONE: Group(EVERYONE, (np.arange(seats.ranks),))}
    problems: list[Diagnostic] = []
    for name, spec in specs.items():
        place: Place = ("groups", name)
        ranks, found = _ranks(fabric, seats, spec, place, source)
        if not found:
            found = list(_shape_problems(name, spec, ranks, place, source))
        problems += found
        if not found:
            groups[name] = Group(name, split(ranks, spec.size or len(ranks), spec.stride))
    return groups, problems


def split(ranks: Ints, size: int, stride: int) -> tuple[Ints, ...]:
    """Groups of `size` ranks, each `stride` places from the one before; they cover all."""
    blocks = ranks.reshape(-1, size, stride)
    return tuple(blocks.transpose(0, 2, 1).reshape(-1, size))


def _ranks(
    fabric: Fabric, seats: Seats, spec: GroupSpec, place: Place, source: Source
) -> tuple[Ints, list[Diagnostic]]:
    if (spec.ranks is None) == (spec.hosts is None):
        message = f"'{place[-1]}' has {'neither' if spec.ranks is None else 'both'} of 'ranks' and 'hosts'"
        return np.zeros(0, np.int64), [
            source.error("bad-group", message, place, "give one of them", at_key=True)
        ]
    if spec.hosts is not None:
        return _on_hosts(fabric, seats, spec.hosts, place, source)
    found: list[Ints] = []
    for i, (first, last) in enumerate(spec.ranks or ()):
        if last >= seats.ranks:
            message = f"there is no rank {last}; ranks are 0..{seats.ranks - 1}"
            return np.zeros(0, np.int64), [source.error("bad-group", message, (*place, "ranks", i))]
        found.append(np.arange(first, last + 1))
    return np.concatenate([np.zeros(0, np.int64), *found]), []


def _on_hosts(
    fabric: Fabric, seats: Seats, hosts: Sequence[str], place: Place, source: Source
) -> tuple[Ints, list[Diagnostic]]:
    numbers = {host.name: host.index for host in fabric.hosts}
    host_of = fabric.accelerators.host[seats.accelerator]
    found: list[Ints] = []
    for i, text in enumerate(hosts):
        for name in expand_names(text):
            if name not in numbers:
                hint = did_you_mean(name, numbers)
                problem = source.error("unknown-device", f"no host '{name}'", (*place, "hosts", i), hint)
                return np.zeros(0, np.int64), [problem]
            found.append(np.flatnonzero(host_of == numbers[name]))
    return np.concatenate([np.zeros(0, np.int64), *found]), []


def _shape_problems(
    name: str, spec: GroupSpec, ranks: Ints, place: Place, source: Source
) -> list[Diagnostic]:
    if not len(ranks):
        return [source.error("bad-group", f"no rank is in '{name}'", place, at_key=True)]
    if len(np.unique(ranks)) < len(ranks):
        return [source.error("bad-group", f"a rank is in '{name}' twice", place, at_key=True)]
    size = spec.size or len(ranks)
    whole = size * spec.stride
    if spec.size is None and spec.stride > 1:
        return [source.error("bad-group", "a 'stride' without a 'size'", (*place, "stride"), at_key=True)]
    if len(ranks) % whole:
        apart = f", each {spec.stride} from the one before," if spec.stride > 1 else ""
        message = f"groups of {size}{apart} do not cover the {len(ranks)} ranks of '{name}'"
        hint = f"{whole} must divide {len(ranks)}"
        return [source.error("groups-do-not-cover", message, (*place, "size"), hint)]
    return []
