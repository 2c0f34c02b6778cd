"""Checks of an intent's size: its links, and the ports that its switches need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from raddle.errors import Diagnostic
from raddle.topology.forms.layout import Layout, layout_of, ports_per_plane
from raddle.topology.forms.reserve import tiers_by_name, with_reserve
from raddle.topology.forms.wiring import profile_of
from raddle.topology.model import SwitchModel
from raddle.topology.ports import front_panel
from raddle.topology.record import Record
from raddle.topology.yaml.schema import FormSpec, HostsSpec, ReserveSpec, TierSpec
from raddle.topology.yaml.schema_devices import OverridesSpec
from raddle.topology.yaml.source import Place, Source

MAX_LINKS = 500_000
"""Most links of a fabric: more than the largest three-tier fabric of 64-port switches (196 608)."""


def check_size(
    form: FormSpec, hosts: tuple[HostsSpec, ...], reserve: ReserveSpec | None, source: Source
) -> Iterator[Diagnostic]:
    switches, links = form_size(*with_reserve(form, hosts, reserve))
    if links + switches > MAX_LINKS:
        message = f"the form makes {switches} switches and {links} links; the limit is {MAX_LINKS} of both"
        place: Place = ("reserve",) if reserve else ("fabric",)
        hint = "take smaller counts"
        if form.planes > 1 and (links + switches) // form.planes <= MAX_LINKS:
            hint += (
                "; of planes one is kept, where each NIC has ports on all and no 'overrides', 'record' or "
            )
            hint += "'reserve' tells them apart"
        yield source.error("fabric-too-large", message, place, hint, at_key=True)


def form_size(form: FormSpec, hosts: tuple[HostsSpec, ...]) -> tuple[int, int]:
    """Switches and links that a form makes."""
    layout = layout_of(form, hosts)
    up, above = _ports_up(form, layout)
    leaves, spines, supers = (layout.planes * layout.count(role) for role in ("leaf", "spine", "superspine"))
    down = sum(layout.host_count(i) * ports_per_plane(form, each) for i, each in enumerate(hosts))
    return leaves + spines + supers, layout.planes * down + leaves * up + spines * above


def _ports_up(form: FormSpec, layout: Layout) -> tuple[int, int]:
    """Ports that a leaf needs to spines, and a spine to superspines."""
    return (
        layout.spines_per_leaf * form.uplinks.per_pair,
        layout.supers_per_spine * form.spine_uplinks.per_pair,
    )


def _ports_down(form: FormSpec, hosts: tuple[HostsSpec, ...], layout: Layout) -> int:
    """Ports that the leaf with the most hosts needs to them."""
    each = [ports_per_plane(form, spec) // layout.leaves_per_group for spec in hosts]
    most = 0
    for counts in zip(*layout.hosts, strict=True):
        most = max(most, sum(count * ports for count, ports in zip(counts, each, strict=True)))
    return most


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
    down, (up, above) = _ports_down(form, hosts, layout), _ports_up(form, layout)
    below = layout.leaves_per_spine * form.uplinks.per_pair
    supers_below = layout.spines_per_super * form.spine_uplinks.per_pair
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


def _reserved_too_much(
    form: FormSpec, hosts: tuple[HostsSpec, ...], reserve: ReserveSpec, tier: str, have: int
) -> tuple[str, str]:
    """The key of `reserve` that a tier has too few ports for, and a hint; none where several are too much."""

    def fits(key: str, value: object) -> bool:
        less = reserve.model_copy(update={key: value})
        return _port_needs(*with_reserve(form, hosts, less))[tier].ports <= have

    for key in ReserveSpec.model_fields:
        value = getattr(reserve, key)
        if value is None or not fits(key, None):
            continue
        if isinstance(value, tuple) and len(value) > 1:
            return key, "reserve fewer hosts"
        wanted = value[0] if isinstance(value, tuple) else value
        least, most = 0, wanted
        while most - least > 1:
            middle = (least + most) // 2
            is_fit = fits(key, (middle,) if isinstance(value, tuple) else middle)
            least, most = (middle, most) if is_fit else (least, middle)
        return key, f"reserve at most {least}"
    return "", "reserve less of each"


def check_port_budget(
    form: FormSpec,
    hosts: tuple[HostsSpec, ...],
    reserve: ReserveSpec | None,
    record: Record | None,
    models: Mapping[str, SwitchModel],
    overrides: OverridesSpec,
    source: Source,
) -> Iterator[Diagnostic]:
    needs = _port_needs(*with_reserve(form, hosts, reserve))
    today = _port_needs(form, hosts)
    for key, need in needs.items():
        tier: TierSpec | None = getattr(form, key)
        if tier is None:
            continue
        have = len(front_panel(models[tier.model], profile_of(tier.breakout)))
        if need.ports <= have:
            continue
        span = source.span(("fabric", key), at_key=True)
        if reserve and today[key].ports <= have:
            word, hint = _reserved_too_much(form, hosts, reserve, key, have)
            message = f"{need.what} with all that is reserved; '{tier.model}' has {have}"
            place: Place = ("reserve", word) if word else ("reserve",)
            note = span, "the switches are given here"
            yield Diagnostic("not-enough-ports", message, source.span(place, at_key=True), hint, note)
            continue
        need = today[key] if reserve else need
        message = f"{need.what}; '{tier.model}' has {have}"
        place, note_text = need.related
        yield Diagnostic("not-enough-ports", message, span, need.hint, (source.span(place), note_text))
    if not overrides.switches:
        return
    tiers = tiers_by_name(form, hosts, reserve, record)
    for i, each in enumerate(overrides.switches):
        key = tiers[each.name]
        spec: TierSpec = getattr(form, key)
        breakout = spec.breakout if each.breakout is None else each.breakout
        have = len(front_panel(models[each.model or spec.model], profile_of(breakout)))
        if needs[key].ports > have:
            message = f"{needs[key].what}; '{each.name}' has {have}"
            place = ("overrides", "switches", i, "name")
            yield source.error("not-enough-ports", message, place, needs[key].hint)
