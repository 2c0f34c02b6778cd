"""The layout of a form: planes of pods of groups of leaves, and the place of each device in it.

A group is what one host connects to: a leaf, the two leaves of dual-ToR, the leaves of all rails. A column is
the superspines that one spine of each pod connects to, or one of each rail where rails have their own spines.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from raddle.topology.forms.wiring import nic_count
from raddle.topology.model import Role
from raddle.topology.record import Slot
from raddle.topology.yaml.schema import FormSpec, HostsSpec, TierSpec

Fields = dict[str, int]
"""Values of the fields of a naming template."""


Range = tuple[int, int]
"""First and last number; None in its place: all."""


@dataclass(frozen=True, slots=True)
class Population:
    """Where hosts of a kind are: so many in each group, `count` in all, in some groups of some pods."""

    per_group: int
    count: int | None
    groups: Range | None
    pods: Range | None

    def room(self, groups: tuple[int, ...]) -> int:
        """Hosts that find room; `groups` are those of each pod."""
        here = sum(_within(self.groups, count) for count in groups[_part(self.pods, len(groups))])
        return here * self.per_group

    def total(self, groups: tuple[int, ...]) -> int:
        """Hosts in all."""
        room = self.room(groups)
        return room if self.count is None else min(self.count, room)

    def by_group(self, groups: tuple[int, ...]) -> Iterator[int]:
        """Hosts of each group, through all pods: the groups that they may be in are filled in turn."""
        left = self.total(groups)
        for pod, count in enumerate(groups):
            for group in range(count):
                is_here = _is_in(self.pods, pod) and _is_in(self.groups, group)
                here = min(self.per_group, left) if is_here else 0
                left -= here
                yield here


def _part(chosen: Range | None, count: int) -> slice:
    return slice(0, count) if chosen is None else slice(chosen[0], chosen[1] + 1)


def _within(chosen: Range | None, count: int) -> int:
    """How many of so many numbers from 0 are chosen."""
    return len(range(count)[_part(chosen, count)])


def _is_in(chosen: Range | None, number: int) -> bool:
    return chosen is None or chosen[0] <= number <= chosen[1]


@dataclass(frozen=True)
class Layout:
    """The numbers of a form; all but `planes` are of one plane.

    Attributes:
        leaves: of each pod.
        spines_per_pod: 0 in a single tier.
        columns: of superspines; a full mesh is one.
        rail_spines: whether the spines of a pod are shared out to its rails.
        populations: the hosts, by kind.
    """

    planes: int
    leaves: tuple[int, ...]
    spines_per_pod: int
    superspines: int
    columns: int
    leaves_per_group: int
    rails: int
    rail_spines: bool
    populations: tuple[Population, ...]

    @cached_property
    def _groups(self) -> tuple[int, ...]:
        """Of each pod."""
        return tuple(leaves // self.leaves_per_group for leaves in self.leaves)

    @cached_property
    def hosts(self) -> tuple[tuple[int, ...], ...]:
        """By kind, and in it by group, through all pods; of a form whose size has been checked."""
        return tuple(tuple(each.by_group(self._groups)) for each in self.populations)

    def room(self, kind: int) -> int:
        """Hosts of a kind that find room, however many there are."""
        return self.populations[kind].room(self._groups)

    def host_count(self, kind: int) -> int:
        """Hosts of a kind."""
        return self.populations[kind].total(self._groups)

    @property
    def pods(self) -> int:
        return len(self.leaves)

    @cached_property
    def _first_leaf(self) -> tuple[int, ...]:
        """Of each pod, and how many there are in all."""
        return (0, *accumulate(self.leaves))

    @property
    def groups(self) -> int:
        return sum(self.leaves) // self.leaves_per_group

    @property
    def spines_per_leaf(self) -> int:
        """Spines that a leaf connects to."""
        return self.spines_per_pod // self.rails if self.rail_spines else self.spines_per_pod

    @property
    def leaves_per_spine(self) -> int:
        """Leaves that a spine of the largest pod connects to."""
        return max(self.leaves) // self.rails if self.rail_spines else max(self.leaves)

    @property
    def supers_per_spine(self) -> int:
        """Superspines that a spine connects to."""
        return self.superspines // self.columns

    @property
    def spines_per_super(self) -> int:
        """Spines that a superspine connects to, of all pods."""
        return self.pods * self.spines_per_pod // self.columns

    def count(self, role: Role) -> int:
        """Switches of a tier in one plane."""
        if role == "superspine":
            return self.superspines
        return sum(self.leaves) if role == "leaf" else self.pods * self.spines_per_pod

    def pod_of(self, role: Role, i: int) -> tuple[int, int]:
        """The pod of the i-th leaf or spine of a plane, and its number there."""
        if role == "spine":
            return divmod(i, self.spines_per_pod)
        pod = bisect_right(self._first_leaf, i) - 1
        return pod, i - self._first_leaf[pod]

    def slot(self, role: Role, plane: int, i: int) -> Slot:
        """Where the i-th switch of a tier in a plane is."""
        if role == "superspine":
            return (plane, *divmod(i, self.supers_per_spine))
        pod, n = self.pod_of(role, i)
        return (plane, pod, *divmod(n, self.leaves_per_group)) if role == "leaf" else (plane, pod, n)

    def fields(self, role: Role, plane: int, i: int) -> Fields:
        """What a naming template may say of the i-th switch of a tier in a plane."""
        pod, n = self.pod_of(role, i) if role != "superspine" else (0, i)
        group, rail = divmod(i, self.leaves_per_group)
        rail //= max(1, self.leaves_per_group // self.rails)
        if role == "spine" and self.rail_spines:
            rail = n // self.spines_per_leaf
        if self.rails == 1:
            rail = plane  # ports go round the planes
        return {"i": i, "n": n, "pod": pod, "plane": plane, "rail": rail, "group": group}

    def switches(self, role: Role) -> Iterator[tuple[Slot, Fields]]:
        for plane in range(self.planes):
            for i in range(self.count(role)):
                yield self.slot(role, plane, i), self.fields(role, plane, i)

    def spines_of(self, leaf: Slot) -> Iterator[Slot]:
        """The spines that a leaf connects to."""
        plane, pod, _, member = leaf
        rail = member // max(1, self.leaves_per_group // self.rails) if self.rail_spines else 0
        for n in range(self.spines_per_leaf):
            yield (plane, pod, rail * self.spines_per_leaf + n)

    def superspines_of(self, spine: Slot) -> Iterator[Slot]:
        """The superspines that a spine connects to."""
        plane, _, n = spine
        for w in range(self.supers_per_spine):
            yield (plane, n % self.columns, w)

    def host_slots(self) -> Iterator[tuple[Slot, Fields]]:
        """Hosts group by group, in each the first kind first."""
        number = 0
        of_kind = [0] * len(self.hosts)
        for group in range(self.groups):
            pod, leaf = self.pod_of("leaf", group * self.leaves_per_group)
            for kind, by_group in enumerate(self.hosts):
                for n in range(by_group[group]):
                    yield (
                        (pod, leaf // self.leaves_per_group, kind, n),
                        {"i": number, "n": number, "k": of_kind[kind], "group": group},
                    )
                    number += 1
                    of_kind[kind] += 1

    def has_switch(self, role: Role, slot: Slot) -> bool:
        if role == "superspine":
            bounds = (self.planes, self.columns, self.supers_per_spine)
        elif role == "spine":
            bounds = (self.planes, self.pods, self.spines_per_pod)
        else:
            groups = self.leaves[slot[1]] // self.leaves_per_group if slot[1] < self.pods else 0
            return slot[0] < self.planes and slot[2] < groups and slot[3] < self.leaves_per_group
        return all(number < bound for number, bound in zip(slot, bounds, strict=True))

    def has_host(self, slot: Slot) -> bool:
        pod, group, kind, n = slot
        if pod >= self.pods or group >= self._groups[pod]:
            return False
        return n < self.hosts[kind][self._first_leaf[pod] // self.leaves_per_group + group]


def layout_of(form: FormSpec, hosts: tuple[HostsSpec, ...]) -> Layout:
    """The layout of a form whose shape `raddle.topology.forms.form_checks` passed."""
    pods = form.pods or 1
    rails = rails_of(form, hosts[0])
    leaves, spines = (
        leaves_by_pod(form.leaves, pods),
        leaves_by_pod(form.spines, pods)[0] if form.spines else 0,
    )
    rail_spines = form.uplinks.mesh == "rail"
    columns = 1 if form.spine_uplinks.mesh == "full" else spines // (rails if rail_spines else 1)
    return Layout(
        planes=form.planes,
        leaves=leaves,
        spines_per_pod=spines,
        superspines=(form.superspines.count or 0) if form.superspines else 0,
        columns=max(1, columns),
        leaves_per_group=rails * form.tors,
        rails=rails,
        rail_spines=rail_spines,
        populations=tuple(Population(each.per_leaf, each.count, each.groups, each.pods) for each in hosts),
    )


def rails_as_planes(form: FormSpec, hosts: tuple[HostsSpec, ...]) -> FormSpec:
    """Rails without spines above them are planes, and are made so."""
    if form.kind != "rail-optimized" or form.spines or not hosts or form.superspines or form.pods:
        return form
    rails, count = rails_of(form, hosts[0]), form.leaves.count or 0
    if count % rails:
        return form
    leaves = form.leaves.model_copy(update={"count": count // rails})
    return form.model_copy(
        update={"kind": "leaf-spine", "planes": form.planes * rails, "rails": None, "leaves": leaves}
    )


def rails_of(form: FormSpec, hosts: HostsSpec) -> int:
    """Rails of a plane; 1 in a form without."""
    if form.kind == "rail-optimized":
        return form.rails or max(1, ports_per_plane(form, hosts) // form.tors)
    return form.rails or 1


def leaves_by_pod(tier: TierSpec, pods: int) -> tuple[int, ...]:
    """Switches of a tier in each pod."""
    if tier.per_pod is not None:
        return tier.per_pod if len(tier.per_pod) > 1 else tier.per_pod * pods
    return ((tier.count or 0) // pods,) * pods


def ports_per_plane(form: FormSpec, hosts: HostsSpec) -> int:
    """Ports of a host in each plane."""
    return nic_count(hosts.nics, hosts.accelerators) * hosts.nics.ports // form.planes
