"""Overrides: this link is 100 m, that one is down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from raddle.errors import Diagnostic
from raddle.topology.model import PortRef
from raddle.topology.reading import did_you_mean
from raddle.topology.schema import LinkOverride
from raddle.topology.source import MAX_PROBLEMS, Place, Source
from raddle.topology.wiring import Cable, Wiring, parse_port_ref


def apply_overrides(
    wiring: Wiring, overrides: tuple[LinkOverride, ...], source: Source
) -> tuple[Wiring, list[Diagnostic]]:
    """The wiring with the overrides' changes, and the problems of the overrides."""
    problems: list[Diagnostic] = []
    cables = list(wiring.cables)
    by_devices: dict[frozenset[str], list[int]] = {}
    for index, cable in enumerate(cables):
        by_devices.setdefault(frozenset(end.device for end in cable.ends), []).append(index)
    set_at: dict[tuple[int, str], Place] = {}
    for number, override in enumerate(overrides):
        place: Place = ("overrides", "links", number)
        ends = (parse_port_ref(override.ends[0]), parse_port_ref(override.ends[1]))
        candidates = by_devices.get(frozenset(end.device for end in ends), [])
        chosen = [index for index in candidates if _selects(ends, cables[index].ends)]
        problems += _problems(override, ends, bool(chosen), wiring, place, source)
        for index in chosen:
            for key in _changes(override):
                earlier = set_at.setdefault((index, key), place)
                if earlier != place:
                    problems.append(_clash(key, place, earlier, source))
            cables[index] = _changed(cables[index], override, place)
        if len(problems) >= MAX_PROBLEMS:
            break
    # Two overrides may clash over many parallel links: one message is enough.
    return replace(wiring, cables=tuple(cables)), list(dict.fromkeys(problems))


def _selects(chosen: tuple[PortRef, PortRef], ends: tuple[PortRef, PortRef]) -> bool:
    """Whether each chosen end, a device or a port, is another end of the cable."""
    pairs = (tuple(zip(chosen, ends, strict=True)), tuple(zip(chosen, reversed(ends), strict=True)))
    return any(
        all(choice.device == end.device and choice.port in ("", end.port) for choice, end in pair)
        for pair in pairs
    )


def _problems(
    override: LinkOverride,
    ends: tuple[PortRef, PortRef],
    is_matched: bool,
    wiring: Wiring,
    place: Place,
    source: Source,
) -> Iterator[Diagnostic]:
    unknown = [(i, end.device) for i, end in enumerate(ends) if not wiring.has(end.device)]
    for i, name in unknown:
        hint = did_you_mean(name, wiring.devices)
        yield source.error("unknown-device", f"no device '{name}'", (*place, "ends", i), hint)
    if not unknown and not is_matched:
        hint = "name two devices, or two ports as in 'leaf4:Ethernet0'"
        message = f"no link between '{override.ends[0]}' and '{override.ends[1]}'"
        yield source.error("no-such-link", message, (*place, "ends"), hint)
    if not _changes(override):
        hint = "give 'state', 'cable' or 'speed'"
        yield source.error("empty-override", "this override changes nothing", place, hint)


def _changes(override: LinkOverride) -> list[str]:
    return [key for key in ("speed", "cable", "state") if getattr(override, key) is not None]


def _clash(key: str, place: Place, earlier: Place, source: Source) -> Diagnostic:
    first = (source.span((*earlier, key)), f"'{key}' is first set here")
    message = f"'{key}' of the same link is set twice"
    return Diagnostic("duplicate-override", message, source.span((*place, key)), "delete one", first)


def _changed(cable: Cable, override: LinkOverride, place: Place) -> Cable:
    if override.cable is not None:
        cable = replace(cable, length_m=override.cable)
    if override.speed is not None:
        cable = replace(cable, speed_bps=override.speed, speed_place=(*place, "speed"))
    if override.state is not None:
        cable = replace(cable, is_up=override.state == "up", state_place=(*place, "state"))
    return cable
