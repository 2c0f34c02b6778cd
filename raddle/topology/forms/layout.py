"""The layout of a form: planes of pods of groups of leaves, and the place of each device in it.

A group is what one host connects to: a leaf, the two leaves of dual-ToR, the leaves of all rails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from raddle.topology.forms.wiring import nic_count
from raddle.topology.model import Role
from raddle.topology.record import Slot
from raddle.topology.yaml.schema import FormSpec, HostsSpec, ReserveSpec

Fields = dict[str, int]
"""Values of the fields of a naming template."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of a form; all but `planes` are of one plane. `hosts` are per group, by kind."""

    planes: int
    pods: int
    leaves_per_pod: int
    spines_per_pod: int
    superspines: int
    leaves_per_group: int
    rails: int
    hosts: tuple[int, ...]

    @property
    def groups_per_pod(self) -> int:
        return self.leaves_per_pod // self.leaves_per_group

    @property
    def groups(self) -> int:
        return self.pods * self.groups_per_pod

    @property
    def supers_per_spine(self) -> int:
        """Superspines that a spine connects to; the n-th spines of all pods share them."""
        return self.superspines // self.spines_per_pod

    def count(self, role: Role) -> int:
        """Switches of a tier in one plane."""
        if role == "superspine":
            return self.superspines
        return self.pods * (self.leaves_per_pod if role == "leaf" else self.spines_per_pod)

    def slot(self, role: Role, plane: int, i: int) -> Slot:
        """Where the i-th switch of a tier in a plane is."""
        if role == "leaf":
            pod, n = divmod(i, self.leaves_per_pod)
            return (plane, pod, *divmod(n, self.leaves_per_group))
        return (plane, *divmod(i, self.spines_per_pod if role == "spine" else self.supers_per_spine))

    def fields(self, role: Role, plane: int, i: int) -> Fields:
        """What a naming template may say of the i-th switch of a tier in a plane."""
        per_pod = self.count(role) // self.pods
        pod, n = divmod(i, per_pod) if role != "superspine" else (0, i)
        group, rail = divmod(i, self.leaves_per_group)
        rail //= max(1, self.leaves_per_group // self.rails)
        return {"i": i, "n": n, "pod": pod, "plane": plane, "rail": rail, "group": group}

    def switches(self, role: Role) -> Iterator[tuple[Slot, Fields]]:
        for plane in range(self.planes):
            for i in range(self.count(role)):
                yield self.slot(role, plane, i), self.fields(role, plane, i)

    def host_slots(self) -> Iterator[tuple[Slot, Fields]]:
        """Hosts group by group, in each the first kind first."""
        number = 0
        for group in range(self.groups):
            for kind, per_group in enumerate(self.hosts):
                for n in range(per_group):
                    yield (
                        (*divmod(group, self.groups_per_pod), kind, n),
                        {"i": number, "n": number, "group": group},
                    )
                    number += 1

    def has_switch(self, role: Role, slot: Slot) -> bool:
        bounds = {
            "leaf": (self.planes, self.pods, self.groups_per_pod, self.leaves_per_group),
            "spine": (self.planes, self.pods, self.spines_per_pod),
            "superspine": (self.planes, self.spines_per_pod, self.supers_per_spine),
        }[role]
        return all(number < bound for number, bound in zip(slot, bounds, strict=True))

    def has_host(self, slot: Slot) -> bool:
        pod, group, kind, n = slot
        return pod < self.pods and group < self.groups_per_pod and n < self.hosts[kind]


def layout_of(form: FormSpec, hosts: tuple[HostsSpec, ...]) -> Layout:
    """The layout of a form whose shape `raddle.topology.forms.form_checks` passed."""
    pods = form.pods or 1
    rails = 1
    if form.kind == "rail-optimized":
        rails = form.rails or max(1, ports_per_plane(form, hosts[0]) // form.tors)
    return Layout(
        planes=form.planes,
        pods=pods,
        leaves_per_pod=form.leaves.per_pod or (form.leaves.count or 0) // pods,
        spines_per_pod=form.spines.per_pod or (form.spines.count or 0) // pods,
        superspines=(form.superspines.count or 0) if form.superspines else 0,
        leaves_per_group=rails * form.tors,
        rails=rails,
        hosts=tuple(spec.per_leaf for spec in hosts),
    )


def ports_per_plane(form: FormSpec, hosts: HostsSpec) -> int:
    """Ports of a host in each plane."""
    return nic_count(hosts.nics, hosts.accelerators) * hosts.nics.ports // form.planes


def with_reserve(
    form: FormSpec, hosts: tuple[HostsSpec, ...], reserve: ReserveSpec | None
) -> tuple[FormSpec, tuple[HostsSpec, ...]]:
    """The form and hosts at the size that room is kept for.

    What `reserve` does not name grows with the pods: a fat-tree of more pods has as many leaves and spines in
    each, and each spine as many superspines.
    """
    if reserve is None:
        return form, hosts
    pods = reserve.pods or form.pods
    ratio = (pods or 1) / (form.pods or 1)

    def tier(key: str, room: int | None) -> object:
        spec = getattr(form, key)
        if spec.per_pod is not None:
            return spec.model_copy(update={"per_pod": room or spec.per_pod})
        return spec.model_copy(update={"count": room or round((spec.count or 0) * ratio)})

    update: dict[str, object] = {"pods": pods}
    update["leaves"], update["spines"] = tier("leaves", reserve.leaves), tier("spines", reserve.spines)
    if reserve.links_per_pair:
        update["uplinks"] = form.uplinks.model_copy(update={"per_pair": reserve.links_per_pair})
    full = form.model_copy(update=update)
    if form.superspines:
        here, there = (layout_of(each, hosts).spines_per_pod for each in (form, full))
        width = (form.superspines.count or 0) // max(1, here)
        room = reserve.superspines or width * there
        full = full.model_copy(update={"superspines": form.superspines.model_copy(update={"count": room})})
    rooms = reserve.hosts_per_leaf or tuple(spec.per_leaf for spec in hosts)
    grown = (spec.model_copy(update={"per_leaf": room}) for spec, room in zip(hosts, rooms, strict=False))
    return full, tuple(grown)
