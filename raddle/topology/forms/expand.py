"""The forms: an intent becomes devices and cables.

All forms are one layout with other numbers (`raddle.topology.forms.layout`). With a reservation the form is
expanded at its full size, and what is not there yet is left out: so nothing moves when it comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from raddle.topology.forms.layout import Layout, layout_of
from raddle.topology.forms.names import ROLES, Names, resolve_names
from raddle.topology.forms.plugging import Wanted, plug
from raddle.topology.forms.reserve import with_reserve
from raddle.topology.forms.wiring import HostDraft, SwitchDraft, Wiring, domain_size, profile_of
from raddle.topology.model import PortRef, Role, SwitchModel
from raddle.topology.record import Record, Slot
from raddle.topology.yaml.schema import FormSpec, HostsSpec, LinksSpec, ReserveSpec, TierSpec
from raddle.topology.yaml.schema_devices import OverridesSpec, SwitchOverride
from raddle.topology.yaml.source import Place


@dataclass(frozen=True)
class Expansion:
    """What a form makes.

    Attributes:
        wiring: what is there.
        reserved: the wiring at the size that room is kept for; None where that is all there is.
        record: the record under the names that devices have now.
        unplugged: cables that find no port.
    """

    wiring: Wiring
    reserved: Wiring | None = None
    record: Record | None = None
    unplugged: tuple[Wanted, ...] = ()


def expand_form(
    form: FormSpec,
    hosts: tuple[HostsSpec, ...],
    models: Mapping[str, SwitchModel],
    overrides: OverridesSpec,
    reserve: ReserveSpec | None = None,
    record: Record | None = None,
    first_nics: Mapping[str, int] | None = None,
) -> Expansion:
    """Devices and cables of an intent.

    Ports are taken from 0 up: on a leaf hosts, then spines; on a spine leaves, then superspines. In a list
    of kinds of hosts the first kind of all comes first on each leaf. A cable of the record stays where it is.
    """
    actual = layout_of(form, hosts)
    full_form, full_hosts = with_reserve(form, hosts, reserve)
    layout = layout_of(full_form, full_hosts)
    names = resolve_names(full_form, full_hosts, layout, record)
    form_of = _Form(full_form, full_hosts, layout, names)
    switches = _switches(full_form, names, models, {each.name: each for each in overrides.switches})
    domains = _domains(sorted(names.hosts, key=lambda slot: (not actual.has_host(slot), slot)), hosts)
    drafts = {
        name: HostDraft(
            name,
            hosts[slot[2]].nics,
            ("hosts", slot[2]),
            hosts[slot[2]].accelerators,
            slot,
            domains[slot],
            (first_nics or {}).get(name, 0),
        )
        for slot, name in names.hosts.items()
    }
    absent = set(overrides.absent)
    there = {name for (role, slot), name in names.switches.items() if actual.has_switch(role, slot)}
    there |= {name for slot, name in names.hosts.items() if actual.has_host(slot)}
    there -= absent
    wanted = form_of.cables(drafts, names.record)
    links = {"uplinks": form.uplinks.per_pair, "spine_uplinks": form.spine_uplinks.per_pair}

    def is_there(each: Wanted) -> bool:
        per_pair = links.get(str(each.place[-1]), 1)
        return each.lower in there and each.upper in there and each.parallel < per_pair

    plugged = list(plug(wanted, switches, names.record, overrides.add, is_there))
    cables = tuple(cable for cable, _, is_present in plugged if cable and is_present)
    unplugged = tuple(each for cable, each, _ in plugged if cable is None)
    if reserve is None and not absent:
        return Expansion(Wiring(switches, drafts, cables), None, names.record, unplugged)
    connected = {end.device for cable in cables for end in cable.ends}
    wiring = Wiring(
        {name: draft for name, draft in switches.items() if name in there},
        # A host all of whose leaves are absent is so too.
        {name: draft for name, draft in drafts.items() if name in (there & connected if absent else there)},
        cables,
    )
    # Numbers are those of this wiring; a reserved host that finds no port has none.
    whole = tuple(cable for cable, _, _ in plugged if cable)
    ports = {end for cable in whole for end in cable.ends}
    lacking = {
        n for n, each in drafts.items() if not ports.issuperset(PortRef(n, port) for port in each.ports)
    }
    full = Wiring(
        switches,
        {name: draft for name, draft in drafts.items() if name not in lacking},
        tuple(cable for cable in whole if cable.ends[0].device not in lacking),
    )
    return Expansion(wiring, full, names.record, unplugged)


def _domains(slots: Sequence[Slot], hosts: tuple[HostsSpec, ...]) -> dict[Slot, tuple[int, int]]:
    """Kind and number of each host's scale-up domain: hosts of a kind share one in turn, absent ones too."""
    counts: Counter[int] = Counter()
    domains = {}
    for slot in slots:
        kind = slot[2]
        domains[slot] = (kind, counts[kind] // domain_size(hosts[kind].accelerators))
        counts[kind] += 1
    return domains


def _switches(
    form: FormSpec, names: Names, models: Mapping[str, SwitchModel], overrides: Mapping[str, SwitchOverride]
) -> dict[str, SwitchDraft]:
    """Switches by name: leaves, spines, superspines, each by plane and place."""
    keys = {role: key for key, role in ROLES}
    return {
        name: _switch(name, role, slot, keys[role], getattr(form, keys[role]), models, overrides.get(name))
        for (role, slot), name in names.switches.items()
    }


def _switch(
    name: str,
    role: Role,
    slot: Slot,
    key: str,
    spec: TierSpec,
    models: Mapping[str, SwitchModel],
    own: SwitchOverride | None,
) -> SwitchDraft:
    breakout = own.breakout if own and own.breakout is not None else spec.breakout
    return SwitchDraft(
        name=name,
        role=role,
        model=models[(own and own.model) or spec.model],
        place=("fabric", key),
        profile=profile_of(breakout),
        pod=slot[1] if role != "superspine" else 0,
        plane=slot[0],
        slot=slot,
    )


@dataclass(frozen=True)
class _Form:
    """A form with its devices named: which cables it has."""

    form: FormSpec
    hosts: tuple[HostsSpec, ...]
    layout: Layout
    names: Names

    def cables(self, drafts: Mapping[str, HostDraft], record: Record | None) -> Iterator[Wanted]:
        """Those of hosts group by group, then those between switches."""
        for slot, name in self.names.hosts.items():
            spec = self.hosts[slot[2]]
            place: Place = ("hosts", slot[2], "nics")
            leaves = self._leaves_of_ports(slot, drafts[name], record)
            for port, leaf in zip(drafts[name].ports, leaves, strict=True):
                yield Wanted(name, leaf, 0, spec.nics, place, port)
        for plane in range(self.layout.planes):
            yield from self._uplinks(plane)

    def _leaves_of_ports(self, slot: Slot, host: HostDraft, record: Record | None) -> list[str]:
        """A host's ports go round the planes, and in each plane round the group's leaves, or by blocks over
        them; those of the record stay on their leaves."""
        layout, each = self.layout, len(host.ports) // self.layout.leaves_per_group // self.layout.planes
        cells = []
        for number in range(len(host.ports)):
            turn, plane = divmod(number, layout.planes)
            if self.form.port_order == "block":  # the ports of a NIC still go to both of dual-ToR
                nic, tor = divmod(turn, self.form.tors)
                turn = nic // each * self.form.tors + tor
            cells.append((plane, *slot[:2], turn % layout.leaves_per_group))
        leaves = [self.names.switches["leaf", cell] for cell in cells]
        if record is None:
            return leaves
        free = Counter(leaves)
        kept: dict[str, str] = {}
        for leaf in free:
            for lower, _ in record.ends_by_pair.get((host.name, leaf), ()):
                if free[leaf] and lower.port in host.ports and lower.port not in kept:
                    kept[lower.port] = leaf
                    free[leaf] -= 1
        found = []
        for port, natural in zip(host.ports, leaves, strict=True):
            leaf = kept.get(port) or (natural if free[natural] else next(free.elements()))
            if port not in kept:
                free[leaf] -= 1
            found.append(leaf)
        return found

    def _uplinks(self, plane: int) -> Iterator[Wanted]:
        form, layout, names = self.form, self.layout, self.names.switches
        for i in range(layout.count("leaf")):
            leaf = layout.slot("leaf", plane, i)
            for spine in layout.spines_of(leaf):
                yield from _parallel(names["leaf", leaf], names["spine", spine], form.uplinks, "uplinks")
        for i in range(layout.count("spine") if layout.superspines else 0):
            spine = layout.slot("spine", plane, i)
            for upper in layout.superspines_of(spine):
                ends = names["spine", spine], names["superspine", upper]
                yield from _parallel(*ends, form.spine_uplinks, "spine_uplinks")


def _parallel(lower: str, upper: str, spec: LinksSpec, key: str) -> Iterator[Wanted]:
    place: Place = ("fabric", key)
    for n in range(spec.per_pair):
        yield Wanted(lower, upper, n, spec, place)
