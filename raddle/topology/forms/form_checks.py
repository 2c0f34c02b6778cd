"""Checks of an intent that must pass before it is expanded: its form, its names, its ports, its size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from raddle.errors import Diagnostic, with_hint
from raddle.topology.forms.breakout_checks import check_breakout
from raddle.topology.forms.checks import check_model
from raddle.topology.forms.layout import layout_of, ports_per_plane
from raddle.topology.forms.names import ROLES, natural_host_names, natural_switch_names, resolve_names
from raddle.topology.forms.reserve import tiers_by_name, with_reserve
from raddle.topology.forms.size_checks import check_port_budget, check_size
from raddle.topology.forms.wiring import nic_count
from raddle.topology.model import SwitchModel
from raddle.topology.record import Record
from raddle.topology.yaml.parsers import parse_name
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema import FormSpec, HostsSpec, ReserveSpec, TierSpec
from raddle.topology.yaml.schema_devices import OverridesSpec
from raddle.topology.yaml.source import Place, Source

_NOT_IN_TWO_TIERS = ("pods", "superspines", "spine_uplinks", "rails")
"""Keys that a leaf-spine has not."""


def check_form(
    form: FormSpec,
    hosts: tuple[HostsSpec, ...],
    models: Mapping[str, SwitchModel],
    overrides: OverridesSpec,
    source: Source,
    reserve: ReserveSpec | None = None,
    record: Record | None = None,
) -> Iterator[Diagnostic]:
    """Problems of an intent, stage by stage: each stage relies on the ones before.

    Names, ports and size are those of the form with all that is reserved.
    """
    is_sound = True
    for stage in (
        chain(_check_keys(form, source), _check_tiers(form, models, source)),
        _check_division(form, hosts, source),
        _check_population(form, hosts, source),
        _check_reserve(form, hosts, reserve, source),
        check_size(form, hosts, reserve, source),
        _check_names(form, hosts, reserve, source),
        _check_devices(form, hosts, reserve, record, models, overrides, source),
        check_port_budget(form, hosts, reserve, record, models, overrides, source),
    ):
        problems = list(stage) if is_sound else []
        yield from problems
        is_sound = is_sound and not problems


def _check_keys(form: FormSpec, source: Source) -> Iterator[Diagnostic]:
    for key in _NOT_IN_TWO_TIERS if form.kind == "leaf-spine" else ():
        if key in form.model_fields_set and getattr(form, key) is not None:
            kind = "rail-optimized" if key == "rails" else "fat-tree"
            message = f"'{key}' belongs to kind '{kind}', this is 'leaf-spine'"
            hint = f"delete it, or set 'kind: {kind}'"
            yield source.error("wrong-form", message, ("fabric", key), hint, at_key=True)
    has_three = form.kind == "fat-tree" or form.superspines is not None or form.pods is not None
    if has_three and form.kind != "leaf-spine":
        for key in ("pods", "superspines"):
            if getattr(form, key) is None:
                message = f"'{key}' is missing in 'fabric'"
                yield source.error("missing-key", message, ("fabric",), "three tiers have both")
    elif "spine_uplinks" in form.model_fields_set and form.kind != "leaf-spine":
        message, hint = "'spine_uplinks' without superspines", "delete it, or give 'pods' and 'superspines'"
        yield source.error("wrong-form", message, ("fabric", "spine_uplinks"), hint, at_key=True)
    yield from _check_spines(form, has_three, source)
    for key, _ in ROLES:
        tier: TierSpec | None = getattr(form, key)
        if tier is not None:
            yield from _check_tier_keys(form, key, tier, source)


def _check_spines(form: FormSpec, has_three: bool, source: Source) -> Iterator[Diagnostic]:
    """Spines that are missing, and meshes that the form has not."""
    if form.spines is None and (has_three or form.kind != "leaf-spine"):
        hint = "without them the leaves must be a multiple of the rails" if not has_three else ""
        yield source.error("missing-key", "'spines' is missing in 'fabric'", ("fabric",), hint)
    if form.spines is None and "uplinks" in form.model_fields_set:
        place: Place = ("fabric", "uplinks")
        yield source.error("wrong-form", "'uplinks' without spines", place, "delete it", at_key=True)
    if form.uplinks.mesh == "rail" and (not has_three or (form.kind == "fat-tree" and not form.rails)):
        message = "spines of a rail alone need rails, and superspines through which rails meet"
        hint = "write 'planes' for rails that never meet, or give 'kind: rail-optimized' and 'superspines'"
        yield source.error("wrong-form", message, ("fabric", "uplinks", "mesh"), hint)


def _check_tier_keys(form: FormSpec, key: str, tier: TierSpec, source: Source) -> Iterator[Diagnostic]:
    place: Place = ("fabric", key)
    is_in_pods = form.kind == "fat-tree" or (form.kind != "leaf-spine" and form.pods is not None)
    if tier.per_pod is None:
        return
    if not is_in_pods or key == "superspines":
        message = f"'per_pod' in '{key}', which are in no pod"
        yield source.error("wrong-form", message, (*place, "per_pod"), "write 'count'", at_key=True)
    elif tier.count is not None:
        yield source.error(
            "key-conflict", "'count' beside 'per_pod'", (*place, "count"), "keep one", at_key=True
        )
    elif form.pods and len(tier.per_pod) > 1 and (key == "spines" or len(tier.per_pod) != form.pods):
        message = f"{len(tier.per_pod)} numbers of {key} for {form.pods} pods"
        hint = "give one number: superspines reach the same spines in all pods"
        hint = hint if key == "spines" else "give one for each pod, or one for all"
        yield source.error("uneven-form", message, (*place, "per_pod"), hint)


def _check_tiers(form: FormSpec, models: Mapping[str, SwitchModel], source: Source) -> Iterator[Diagnostic]:
    for key, _ in ROLES:
        tier: TierSpec | None = getattr(form, key)
        if tier is None:
            continue
        unknown = list(check_model(tier.model, models, ("fabric", key), source))
        yield from unknown
        if not unknown:
            yield from check_breakout(tier.breakout, models[tier.model], ("fabric", key), source)


def _check_division(
    form: FormSpec, hosts: tuple[HostsSpec, ...], source: Source, section: str = ""
) -> Iterator[Diagnostic]:
    """Whatever is shared out must come out even; `section` is where the numbers are from, if not the form."""

    def uneven(what: str, value: int, by: str, number: int, place: Place) -> Diagnostic:
        place = (section,) if section else place
        message = f"{what} ({value}) cannot be shared out evenly to {number} {by}"
        down = value // number * number
        hint = f"take {down} or {down + number}" if down else f"take {number}"
        return source.error("uneven-form", message, place, hint, at_key=bool(section))

    for i, spec in enumerate(hosts):
        ports = nic_count(spec.nics, spec.accelerators) * spec.nics.ports
        place: Place = ("hosts", i, "nics")
        if ports % form.planes:
            yield uneven("NIC ports of a host", ports, "planes", form.planes, place)
            return
    pods = form.pods or 1
    for key in ("leaves", "spines"):
        tier: TierSpec | None = getattr(form, key)
        if tier and tier.count and tier.count % pods:
            yield uneven(key, tier.count, "pods", pods, ("fabric", key, "count"))
            return
    layout = layout_of(form, hosts)
    for i, spec in enumerate(hosts):
        ports = ports_per_plane(form, spec)
        if ports % layout.leaves_per_group:
            place = ("hosts", i, "nics")
            what = "NIC ports of a host in a plane"
            yield uneven(what, ports, "leaves of its group", layout.leaves_per_group, place)
    key = "per_pod" if form.leaves.per_pod else "count"
    for leaves in dict.fromkeys(layout.leaves):
        if leaves % layout.leaves_per_group:
            by = "leaves of a group (rails, dual-ToR)"
            yield uneven("leaves", leaves, by, layout.leaves_per_group, ("fabric", "leaves", key))
    if layout.rail_spines and layout.spines_per_pod % layout.rails:
        yield uneven("spines", layout.spines_per_pod, "rails", layout.rails, ("fabric", "spines"))
    elif layout.superspines % layout.columns:
        place = ("fabric", "superspines", "count")
        yield uneven("superspines", layout.superspines, "spines of a pod", layout.columns, place)


def _check_population(form: FormSpec, hosts: tuple[HostsSpec, ...], source: Source) -> Iterator[Diagnostic]:
    """Hosts where there are no leaves, or for whom there is no room."""
    for i, spec in enumerate(hosts):
        if spec.pods is not None and form.pods is None:
            message = "'pods' belongs to three tiers, this has no pods"
            yield source.error(
                "wrong-form", message, ("hosts", i, "pods"), "delete it, or write 'groups'", at_key=True
            )
            return
    layout = layout_of(form, hosts)
    most = max(layout.leaves) // layout.leaves_per_group
    for i, spec in enumerate(hosts):
        for key, chosen, there in (("pods", spec.pods, layout.pods), ("groups", spec.groups, most)):
            if chosen and chosen[1] >= there:
                what = (
                    key if key == "pods" else "leaves of a pod" if layout.leaves_per_group == 1 else "groups"
                )
                message = f"{what} count from 0 to {there - 1}, and hosts are put on number {chosen[1]}"
                yield source.error("no-room-for-hosts", message, ("hosts", i, key), "take numbers that exist")
                return
        room = layout.room(i)
        if spec.pods and room == 0:  # smaller pods than others
            message = f"none of pods {spec.pods[0]}-{spec.pods[1]} has these groups"
            hint = "take groups that they have"
            yield source.error("no-room-for-hosts", message, ("hosts", i, "groups"), hint)
        elif spec.count is not None and spec.count > room:
            message = f"{spec.count} hosts where there is room for {room}"
            hint = "take more leaves, or more hosts per leaf"
            yield source.error("no-room-for-hosts", message, ("hosts", i, "count"), hint)


def _check_reserve(
    form: FormSpec, hosts: tuple[HostsSpec, ...], reserve: ReserveSpec | None, source: Source
) -> Iterator[Diagnostic]:
    """Room for less than there is, or that cannot be shared out."""
    if reserve is None:
        return
    rooms = reserve.hosts_per_leaf or ()
    if rooms and len(rooms) != len(hosts):
        message = f"{len(rooms)} numbers of hosts for {len(hosts)} kinds of hosts"
        hint = "give one number for each kind, in the order of 'hosts'"
        yield source.error("reserve-mismatch", message, ("reserve", "hosts_per_leaf"), hint, at_key=True)
        return
    for key in ("pods", "superspines"):
        if getattr(reserve, key) is not None and form.superspines is None:
            message = f"'{key}' belongs to three tiers, this has no superspines"
            yield source.error("wrong-form", message, ("reserve", key), "delete it", at_key=True)
            return
    if reserve.spines is not None and form.spines is None:
        message = "'spines' are reserved, and this has none"
        yield source.error("wrong-form", message, ("reserve", "spines"), "delete it", at_key=True)
        return
    there = {"pods": form.pods, "links_per_pair": form.uplinks.per_pair}
    for key, _ in ROLES:
        tier: TierSpec | None = getattr(form, key)
        there[key] = (max(tier.per_pod) if tier.per_pod else tier.count) if tier else None
    pairs = [(key, getattr(reserve, key), count) for key, count in there.items()]
    pairs += [("hosts_per_leaf", room, spec.per_leaf) for room, spec in zip(rooms, hosts, strict=False)]
    is_sound = True
    for key, room, count in pairs:
        if room is not None and count is not None and room < count:
            is_sound = False
            message = f"room for {room} of '{key}', and there are {count}"
            yield source.error("reserve-too-small", message, ("reserve", key), f"reserve {count} or more")
    if is_sound:
        yield from _check_division(*with_reserve(form, hosts, reserve), source, "reserve")


def _check_names(
    form: FormSpec, hosts: tuple[HostsSpec, ...], reserve: ReserveSpec | None, source: Source
) -> Iterator[Diagnostic]:
    form, hosts = with_reserve(form, hosts, reserve)
    layout = layout_of(form, hosts)
    seen: dict[str, Place] = {}
    told: set[Place] = set()
    places: list[tuple[Place, str]] = [
        (("fabric", key, "name"), name) for key, *_, name in natural_switch_names(form, layout)
    ]
    places += [(("hosts", kind, "name"), name) for kind, *_, name in natural_host_names(hosts, layout)]
    for place, name in places:
        if place in told:
            continue
        first = seen.setdefault(name, place)
        if first is not place:
            told.add(place)
            related = None if first == place else (source.span(first), "the other template is here")
            hint = "use {i} in the template, or {pod} with {n}, and {plane} where there are planes"
            message = f"two devices are named '{name}'"
            yield Diagnostic("duplicate-name", message, source.span(place), hint, related)
            continue
        try:
            parse_name(name)
        except ValueError as error:
            told.add(place)
            yield source.error("bad-name", with_hint(error)[0], place, "shorten the template")


def _check_devices(
    form: FormSpec,
    hosts: tuple[HostsSpec, ...],
    reserve: ReserveSpec | None,
    record: Record | None,
    models: Mapping[str, SwitchModel],
    overrides: OverridesSpec,
    source: Source,
) -> Iterator[Diagnostic]:
    """Overrides of devices that the form has not, or that change nothing."""
    if record or overrides.absent:
        full_form, full = with_reserve(form, hosts, reserve)
        names = resolve_names(full_form, full, layout_of(full_form, full), record)
        known = [*names.switches.values(), *names.hosts.values()]
        if len(set(known)) < len(known):
            message = "names of the record meet names that the templates make"
            yield source.error("duplicate-name", message, ("record",), "use {i} in the templates")
        for i, name in enumerate(overrides.absent):
            if name not in known:
                hint = did_you_mean(name, known)
                place: Place = ("overrides", "absent", i)
                yield source.error("unknown-device", f"no switch or host '{name}'", place, hint)
    if overrides.switches:
        tiers = tiers_by_name(form, hosts, reserve, record)
        yield from _check_switch_overrides(form, models, overrides, tiers, source)


def _check_switch_overrides(
    form: FormSpec,
    models: Mapping[str, SwitchModel],
    overrides: OverridesSpec,
    tiers: Mapping[str, str],
    source: Source,
) -> Iterator[Diagnostic]:
    seen: dict[str, Place] = {}
    for i, each in enumerate(overrides.switches):
        place: Place = ("overrides", "switches", i)
        if each.name not in tiers:
            hint = did_you_mean(each.name, tiers)
            yield source.error("unknown-device", f"no switch '{each.name}'", (*place, "name"), hint)
            continue
        first = seen.setdefault(each.name, place)
        if first != place:
            related = (source.span((*first, "name")), "first overridden here")
            message = f"switch '{each.name}' is overridden twice"
            span = source.span((*place, "name"))
            yield Diagnostic("duplicate-override", message, span, "join the two", related)
        if each.model is None and each.breakout is None:
            hint = "give 'model' or 'breakout'"
            yield source.error("empty-override", "this override changes nothing", place, hint)
        unknown = list(check_model(each.model, models, place, source)) if each.model else []
        yield from unknown
        if each.breakout and not unknown:
            model = models[each.model or getattr(form, tiers[each.name]).model]
            yield from check_breakout(each.breakout, model, place, source)
