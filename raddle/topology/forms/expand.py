"""The forms: an intent becomes devices and cables.

All forms are one layout with other numbers: planes of pods of groups of leaves. A group is what one host
connects to: a leaf, the two leaves of dual-ToR, the leaves of all rails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from raddle.topology.forms.wiring import Cable, HostDraft, SwitchDraft, Wiring, nic_count, profile_of
from raddle.topology.model import PortRef, Role, SwitchModel
from raddle.topology.naming import name_of
from raddle.topology.yaml.schema import FormSpec, HostsSpec, TierSpec, UplinkSpec
from raddle.topology.yaml.schema_devices import SwitchOverride
from raddle.topology.yaml.source import Place


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of a form; all but `planes` are of one plane."""

    planes: int
    pods: int
    leaves_per_pod: int
    spines_per_pod: int
    superspines: int
    leaves_per_group: int
    rails: int

    @property
    def groups_per_pod(self) -> int:
        return self.leaves_per_pod // self.leaves_per_group

    @property
    def supers_per_spine(self) -> int:
        """Superspines that a spine connects to; the n-th spines of all pods share them."""
        return self.superspines // self.spines_per_pod


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
    )


def ports_per_plane(form: FormSpec, hosts: HostsSpec) -> int:
    """Ports of a host in each plane."""
    return nic_count(hosts.nics, hosts.accelerators) * hosts.nics.ports // form.planes


def expand_form(
    form: FormSpec,
    hosts: tuple[HostsSpec, ...],
    models: Mapping[str, SwitchModel],
    overrides: tuple[SwitchOverride, ...],
) -> Wiring:
    """Devices and cables of an intent.

    Ports are taken from 0 up: on a leaf hosts, then spines; on a spine leaves, then superspines. In a list
    of kinds of hosts the first kind of all comes first on each leaf.
    """
    layout = layout_of(form, hosts)
    by_tier = _switches(form, layout, models, {each.name: each for each in overrides})
    drafts: dict[str, HostDraft] = {}
    free = _FreePorts(by_tier)
    cables: list[Cable] = []
    for group in range(layout.pods * layout.groups_per_pod):
        for kind, spec in enumerate(hosts):
            for _ in range(spec.per_leaf):
                fields = {"i": len(drafts), "n": len(drafts), "group": group}
                name = name_of(spec.name or "host{i}", fields)
                host = HostDraft(name, spec.nics, ("hosts", kind), spec.accelerators)
                drafts[name] = host
                cables += _host_cables(host, kind, spec, group, layout, by_tier["leaf"], free)
    cables += _uplinks(form, layout, by_tier, free)
    switches = {draft.name: draft for planes in by_tier.values() for plane in planes for draft in plane}
    return Wiring(switches, drafts, tuple(cables))


class _FreePorts:
    """The next free port of every switch."""

    def __init__(self, by_tier: Mapping[str, list[list[SwitchDraft]]]) -> None:
        drafts = [draft for planes in by_tier.values() for plane in planes for draft in plane]
        self._names = {draft.name: iter(draft.panel) for draft in drafts}

    def take(self, switch: str) -> PortRef:
        return PortRef(switch, next(self._names[switch]).name)


def _switches(
    form: FormSpec, layout: Layout, models: Mapping[str, SwitchModel], overrides: Mapping[str, SwitchOverride]
) -> dict[str, list[list[SwitchDraft]]]:
    """Switches by tier, then by plane, then in order."""
    tiers: list[tuple[Role, TierSpec | None, str, int]] = [
        ("leaf", form.leaves, "leaves", layout.leaves_per_pod),
        ("spine", form.spines, "spines", layout.spines_per_pod),
        ("superspine", form.superspines, "superspines", 0),
    ]
    result: dict[str, list[list[SwitchDraft]]] = {}
    for role, spec, key, per_pod in tiers:
        count = layout.pods * per_pod if per_pod else layout.superspines
        if spec is None or not count:
            result[role] = [[] for _ in range(layout.planes)]
            continue
        result[role] = [
            [_switch(role, spec, key, layout, plane, i, per_pod, models, overrides) for i in range(count)]
            for plane in range(layout.planes)
        ]
    return result


def switch_name(role: Role, spec: TierSpec, layout: Layout, plane: int, i: int, per_pod: int) -> str:
    """Name of the i-th switch of a tier in a plane; `per_pod` 0 is a tier above the pods."""
    pod, n = divmod(i, per_pod) if per_pod else (0, i)
    group, rail = divmod(i, layout.leaves_per_group)
    rail //= max(1, layout.leaves_per_group // layout.rails)
    default = role + "{i}" if layout.planes == 1 else "p{plane}-" + role + "{i}"
    fields = {"i": i, "n": n, "pod": pod, "plane": plane, "rail": rail, "group": group}
    return name_of(spec.name or default, fields)


def _switch(
    role: Role,
    spec: TierSpec,
    key: str,
    layout: Layout,
    plane: int,
    i: int,
    per_pod: int,
    models: Mapping[str, SwitchModel],
    overrides: Mapping[str, SwitchOverride],
) -> SwitchDraft:
    name = switch_name(role, spec, layout, plane, i, per_pod)
    own = overrides.get(name)
    breakout = own.breakout if own and own.breakout is not None else spec.breakout
    return SwitchDraft(
        name=name,
        role=role,
        model=models[(own and own.model) or spec.model],
        place=("fabric", key),
        profile=profile_of(breakout),
        pod=i // per_pod if per_pod else 0,
        plane=plane,
    )


def _host_cables(
    host: HostDraft,
    kind: int,
    spec: HostsSpec,
    group: int,
    layout: Layout,
    leaves: list[list[SwitchDraft]],
    free: _FreePorts,
) -> Iterator[Cable]:
    """A host's ports go round the planes, and in each plane round the group's leaves."""
    place: Place = ("hosts", kind, "nics")
    nics, speed_place = spec.nics, (*place, "speed")
    for number, port in enumerate(host.ports):
        turn, plane = divmod(number, layout.planes)
        leaf = leaves[plane][group * layout.leaves_per_group + turn % layout.leaves_per_group]
        ends = (PortRef(host.name, port), free.take(leaf.name))
        yield Cable(ends, nics.speed, nics.cable, True, place, speed_place, place, nics.medium)


def _uplinks(
    form: FormSpec, layout: Layout, by_tier: Mapping[str, list[list[SwitchDraft]]], free: _FreePorts
) -> Iterator[Cable]:
    for plane in range(layout.planes):
        leaves, spines, supers = (by_tier[role][plane] for role in ("leaf", "spine", "superspine"))
        for pod in range(layout.pods):
            pod_spines = spines[pod * layout.spines_per_pod : (pod + 1) * layout.spines_per_pod]
            for leaf in leaves[pod * layout.leaves_per_pod : (pod + 1) * layout.leaves_per_pod]:
                for spine in pod_spines:
                    yield from _parallel(leaf, spine, form.uplinks, ("fabric", "uplinks"), free)
        width = layout.supers_per_spine
        for i, spine in enumerate(spines if supers else ()):
            first = i % layout.spines_per_pod * width
            for upper in supers[first : first + width]:
                yield from _parallel(spine, upper, form.spine_uplinks, ("fabric", "spine_uplinks"), free)


def _parallel(
    lower: SwitchDraft, upper: SwitchDraft, spec: UplinkSpec, place: Place, free: _FreePorts
) -> Iterator[Cable]:
    speed_place = (*place, "speed")
    for _ in range(spec.per_pair):
        ends = (free.take(lower.name), free.take(upper.name))
        yield Cable(ends, spec.speed, spec.cable, True, place, speed_place, place, spec.medium)
