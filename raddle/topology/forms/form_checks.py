"""Checks of an intent that must pass before it is expanded: its form, its names, its ports, its size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from raddle.errors import Diagnostic
from raddle.topology.forms.breakout_checks import check_breakout
from raddle.topology.forms.checks import check_model
from raddle.topology.forms.layout import Layout, layout_of, ports_per_plane, with_reserve
from raddle.topology.forms.names import ROLES, natural_host_names, natural_switch_names, resolve_names
from raddle.topology.forms.wiring import nic_count, profile_of
from raddle.topology.model import SwitchModel
from raddle.topology.ports import front_panel
from raddle.topology.record import Record
from raddle.topology.yaml.fields import parse_name
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema import FormSpec, HostsSpec, ReserveSpec, TierSpec
from raddle.topology.yaml.schema_devices import OverridesSpec
from raddle.topology.yaml.source import Place, Source

MAX_LINKS = 500_000
"""Most links of a fabric: more than the largest three-tier fabric of 64-port switches (196 608)."""

_ONLY_IN = {
    "pods": "fat-tree",
    "superspines": "fat-tree",
    "spine_uplinks": "fat-tree",
    "rails": "rail-optimized",
}


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
        _check_reserve(form, hosts, reserve, source),
        _check_size(form, hosts, reserve, source),
        _check_names(form, hosts, reserve, source),
        _check_devices(form, hosts, reserve, record, models, overrides, source),
        _check_port_budget(form, hosts, reserve, record, models, overrides, source),
    ):
        problems = list(stage) if is_sound else []
        yield from problems
        is_sound = is_sound and not problems


def _check_keys(form: FormSpec, source: Source) -> Iterator[Diagnostic]:
    for key, kind in _ONLY_IN.items():
        if key in form.model_fields_set and form.kind != kind:
            message = f"'{key}' belongs to kind '{kind}', this is '{form.kind}'"
            hint = f"delete it, or set 'kind: {kind}'"
            yield source.error("wrong-form", message, ("fabric", key), hint, at_key=True)
    if form.kind == "fat-tree":
        for key in ("pods", "superspines"):
            if getattr(form, key) is None:
                yield source.error(
                    "missing-key", f"'{key}' is missing in 'fabric'", ("fabric",), "a fat-tree has both"
                )
    for key, _ in ROLES:
        tier: TierSpec | None = getattr(form, key)
        if tier is not None:
            yield from _check_tier_keys(form, key, tier, source)


def _check_tier_keys(form: FormSpec, key: str, tier: TierSpec, source: Source) -> Iterator[Diagnostic]:
    place: Place = ("fabric", key)
    has_pods = form.kind == "fat-tree" and key != "superspines"
    if tier.per_pod is not None and not has_pods:
        message = f"'per_pod' in '{key}', which are in no pod"
        yield source.error("wrong-form", message, (*place, "per_pod"), "write 'count'", at_key=True)
    elif tier.per_pod is not None and tier.count is not None:
        yield source.error(
            "key-conflict", "'count' beside 'per_pod'", (*place, "count"), "keep one", at_key=True
        )


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
    layout = layout_of(form, hosts)
    for i, spec in enumerate(hosts):
        ports = ports_per_plane(form, spec)
        if ports % layout.leaves_per_group:
            place = ("hosts", i, "nics")
            what = "NIC ports of a host in a plane"
            yield uneven(what, ports, "leaves of its group", layout.leaves_per_group, place)
    pods = form.pods or 1
    for key, _ in ROLES[:2]:
        tier: TierSpec = getattr(form, key)
        if tier.count and tier.count % pods:
            yield uneven(key, tier.count, "pods", pods, ("fabric", key, "count"))
            return
    key = "per_pod" if form.leaves.per_pod else "count"
    if layout.leaves_per_pod % layout.leaves_per_group:
        by = "leaves of a group (rails, dual-ToR)"
        yield uneven("leaves", layout.leaves_per_pod, by, layout.leaves_per_group, ("fabric", "leaves", key))
    if layout.superspines % layout.spines_per_pod:
        place = ("fabric", "superspines", "count")
        yield uneven("superspines", layout.superspines, "spines of a pod", layout.spines_per_pod, place)


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
    for key, kind in (("pods", "fat-tree"), ("superspines", "fat-tree")):
        if getattr(reserve, key) is not None and form.kind != kind:
            message = f"'{key}' belongs to kind '{kind}', this is '{form.kind}'"
            yield source.error("wrong-form", message, ("reserve", key), "delete it", at_key=True)
            return
    there = {"pods": form.pods, "links_per_pair": form.uplinks.per_pair}
    for key, _ in ROLES:
        tier: TierSpec | None = getattr(form, key)
        there[key] = (tier.per_pod or tier.count) if tier else None
    pairs = [(key, getattr(reserve, key), count) for key, count in there.items()]
    pairs += [("hosts_per_leaf", room, spec.per_leaf) for room, spec in zip(rooms, hosts, strict=False)]
    is_sound = True
    for key, room, count in pairs:
        if room is not None and count is not None and room < count:
            is_sound = False
            message = f"room for {room} {key}, and there are {count}"
            yield source.error("reserve-too-small", message, ("reserve", key), f"reserve {count} or more")
    if is_sound:
        yield from _check_division(*with_reserve(form, hosts, reserve), source, "reserve")


def _check_size(
    form: FormSpec, hosts: tuple[HostsSpec, ...], reserve: ReserveSpec | None, source: Source
) -> Iterator[Diagnostic]:
    form, hosts = with_reserve(form, hosts, reserve)
    layout = layout_of(form, hosts)
    down, up, above = _ports_needed(form, hosts, layout)
    leaves = layout.planes * layout.pods * layout.leaves_per_pod
    spines = layout.planes * layout.pods * layout.spines_per_pod
    links = leaves * (down + up) + spines * above
    switches = leaves + spines + layout.planes * layout.superspines
    if links + switches > MAX_LINKS:
        message = f"the form makes {switches} switches and {links} links; the limit is {MAX_LINKS} of both"
        place: Place = ("reserve",) if reserve else ("fabric",)
        yield source.error("fabric-too-large", message, place, "take smaller counts", at_key=True)


def _ports_needed(form: FormSpec, hosts: tuple[HostsSpec, ...], layout: Layout) -> tuple[int, int, int]:
    """Ports that a leaf needs to hosts and to spines, and a spine to superspines."""
    down = sum(spec.per_leaf * ports_per_plane(form, spec) // layout.leaves_per_group for spec in hosts)
    return (
        down,
        layout.spines_per_pod * form.uplinks.per_pair,
        layout.supers_per_spine * form.spine_uplinks.per_pair,
    )


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
            yield source.error("bad-name", str(error).partition("; ")[0], place, "shorten the template")


def _tiers_by_name(
    form: FormSpec, hosts: tuple[HostsSpec, ...], reserve: ReserveSpec | None, record: Record | None
) -> dict[str, str]:
    """The tier's key of every switch."""
    form, hosts = with_reserve(form, hosts, reserve)
    keys = {role: key for key, role in ROLES}
    names = resolve_names(form, hosts, layout_of(form, hosts), record).switches
    return {name: keys[role] for (role, _), name in names.items()}


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
        tiers = _tiers_by_name(form, hosts, reserve, record)
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


@dataclass(frozen=True, slots=True)
class _Need:
    """Ports that each switch of a tier needs, and what to say where there are fewer."""

    ports: int
    what: str
    related: tuple[Place, str]
    hint: str


def _port_needs(form: FormSpec, hosts: tuple[HostsSpec, ...]) -> dict[str, _Need]:
    """The need of each tier, by its key."""
    layout = layout_of(form, hosts)
    down, up, above = _ports_needed(form, hosts, layout)
    below = layout.leaves_per_pod * form.uplinks.per_pair
    supers_below = layout.pods * form.spine_uplinks.per_pair
    count: Place = ("fabric", "leaves", "per_pod" if form.leaves.per_pod else "count")
    to_supers = f" and {above} to superspines" if form.superspines else ""
    return {
        "leaves": _Need(
            down + up,
            f"a leaf needs {down + up} ports ({down} to hosts, {up} to spines)",
            (("hosts", 0, "per_leaf"), "hosts per leaf are given here"),
            "take fewer hosts, NICs or spines",
        ),
        "spines": _Need(
            below + above,
            f"a spine needs {below} ports to leaves{to_supers}",
            (count, "leaves are counted here"),
            "take fewer leaves or links per pair",
        ),
        "superspines": _Need(
            supers_below,
            f"a superspine needs {supers_below} ports to spines",
            (("fabric", "pods"), "pods are counted here"),
            "take fewer pods or links per pair",
        ),
    }


def _check_port_budget(
    form: FormSpec,
    hosts: tuple[HostsSpec, ...],
    reserve: ReserveSpec | None,
    record: Record | None,
    models: Mapping[str, SwitchModel],
    overrides: OverridesSpec,
    source: Source,
) -> Iterator[Diagnostic]:
    needs = _port_needs(*with_reserve(form, hosts, reserve))
    for key, need in needs.items():
        tier: TierSpec | None = getattr(form, key)
        if tier is None:
            continue
        have = len(front_panel(models[tier.model], profile_of(tier.breakout)))
        if need.ports > have:
            place, note = (("reserve",), "room is reserved here") if reserve else need.related
            message = f"{need.what}; '{tier.model}' has {have}"
            span = source.span(("fabric", key), at_key=True)
            yield Diagnostic("not-enough-ports", message, span, need.hint, (source.span(place), note))
    if not overrides.switches:
        return
    tiers = _tiers_by_name(form, hosts, reserve, record)
    for i, each in enumerate(overrides.switches):
        key = tiers[each.name]
        spec: TierSpec = getattr(form, key)
        breakout = spec.breakout if each.breakout is None else each.breakout
        have = len(front_panel(models[each.model or spec.model], profile_of(breakout)))
        if needs[key].ports > have:
            message = f"{needs[key].what}; '{each.name}' has {have}"
            place = ("overrides", "switches", i, "name")
            yield source.error("not-enough-ports", message, place, needs[key].hint)
