"""Overrides of links: this one is 100 m, that one is down, a third is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from raddle.errors import Diagnostic
from raddle.topology.forms.wiring import Cable, Wiring, listed_cable, parse_port_ref
from raddle.topology.model import PortRef
from raddle.topology.naming import natural
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema_devices import LinkChoice, LinkOverride, OverridesSpec
from raddle.topology.yaml.source import MAX_PROBLEMS, Place, Source


def apply_overrides(
    wiring: Wiring, overrides: OverridesSpec, source: Source
) -> tuple[Wiring, list[Diagnostic]]:
    """The wiring with links removed, added and changed, and the problems of the overrides."""
    if not (overrides.remove or overrides.add or overrides.links or overrides.drain):
        return wiring, []
    cables, problems = _without(wiring, overrides.remove, source)
    added = [
        listed_cable(link, ("overrides", "add", i), wiring.hosts) for i, link in enumerate(overrides.add)
    ]
    wiring = replace(wiring, cables=(*cables, *added))
    cables, found = _with_changes(wiring, overrides.links, source)
    cables, undrained = _drained(wiring, cables, overrides.drain, source)
    # Two overrides may clash over many parallel links: one message is enough.
    return replace(wiring, cables=tuple(cables)), list(dict.fromkeys([*problems, *found, *undrained]))


class _Selector:
    """Finds cables by their ends."""

    def __init__(self, cables: Sequence[Cable]) -> None:
        self._cables = cables
        self._by_devices: dict[frozenset[str], list[int]] = {}
        for index, cable in enumerate(cables):
            self._by_devices.setdefault(frozenset(end.device for end in cable.ends), []).append(index)

    def indices(self, choice: LinkChoice | LinkOverride) -> list[int]:
        """The cables between the ends, or the one with the number in the order of the first end's ports."""
        ends = _refs(choice.ends)
        candidates = self._by_devices.get(frozenset(end.device for end in ends), [])
        found = [index for index in candidates if _selects(ends, self._cables[index].ends)]
        if choice.number is None:
            return found
        found.sort(key=lambda index: self._port_at(index, ends[0].device))
        return found[choice.number : choice.number + 1]

    def _port_at(self, index: int, device: str) -> tuple[list[str | int], str]:
        return natural(next(end.port for end in self._cables[index].ends if end.device == device))


def _without(
    wiring: Wiring, choices: tuple[LinkChoice, ...], source: Source
) -> tuple[list[Cable], list[Diagnostic]]:
    problems: list[Diagnostic] = []
    selector = _Selector(wiring.cables)
    gone: set[int] = set()
    for number, choice in enumerate(choices):
        chosen = selector.indices(choice)
        gone.update(chosen)
        problems += _end_problems(choice, bool(chosen), wiring, ("overrides", "remove", number), source)
        if len(problems) >= MAX_PROBLEMS:
            break
    return [cable for index, cable in enumerate(wiring.cables) if index not in gone], problems


def _with_changes(
    wiring: Wiring, overrides: tuple[LinkOverride, ...], source: Source
) -> tuple[list[Cable], list[Diagnostic]]:
    problems: list[Diagnostic] = []
    cables = list(wiring.cables)
    selector = _Selector(wiring.cables)
    set_at: dict[tuple[int, str], Place] = {}
    for number, override in enumerate(overrides):
        place: Place = ("overrides", "links", number)
        chosen = selector.indices(override)
        problems += _end_problems(override, bool(chosen), wiring, place, source)
        if not _changes(override):
            hint = "give 'state', 'cable', 'medium' or 'speed'"
            problems.append(source.error("empty-override", "this override changes nothing", place, hint))
        for index in chosen:
            for key in _changes(override):
                earlier = set_at.setdefault((index, key), place)
                if earlier != place:
                    problems.append(_clash(key, place, earlier, source))
            cables[index] = _changed(cables[index], override, place)
        if len(problems) >= MAX_PROBLEMS:
            break
    return cables, problems


def _drained(
    wiring: Wiring, cables: list[Cable], drain: tuple[str, ...], source: Source
) -> tuple[list[Cable], list[Diagnostic]]:
    """The cables, and problems, after links between switches are drained: one port's, or all of a switch."""
    problems: list[Diagnostic] = []
    marked: dict[int, Place] = {}
    for number, text in enumerate(drain):
        place: Place = ("overrides", "drain", number)
        chosen = parse_port_ref(text)
        found = [
            index
            for index, cable in enumerate(cables)
            if any(chosen.device == end.device and chosen.port in ("", end.port) for end in cable.ends)
            and not any(end.device in wiring.hosts for end in cable.ends)
        ]
        marked |= dict.fromkeys(found, place)
        if chosen.device not in wiring.switches:
            hint = did_you_mean(chosen.device, wiring.switches)
            problems.append(source.error("unknown-device", f"no switch '{chosen.device}'", place, hint))
        elif not found:
            hint = "name a switch, or a port that leads to another switch"
            problems.append(source.error("no-such-link", f"'{text}' has no link to drain", place, hint))
    changed = [
        cable._replace(is_drained=True, state_place=marked[index]) if index in marked else cable
        for index, cable in enumerate(cables)
    ]
    return changed, problems


def _refs(ends: tuple[str, str]) -> tuple[PortRef, PortRef]:
    return parse_port_ref(ends[0]), parse_port_ref(ends[1])


def _selects(chosen: tuple[PortRef, PortRef], ends: tuple[PortRef, PortRef]) -> bool:
    """Whether each chosen end, a device or a port, is another end of the cable."""
    pairs = (tuple(zip(chosen, ends, strict=True)), tuple(zip(chosen, reversed(ends), strict=True)))
    return any(
        all(choice.device == end.device and choice.port in ("", end.port) for choice, end in pair)
        for pair in pairs
    )


def _end_problems(
    choice: LinkChoice | LinkOverride, is_matched: bool, wiring: Wiring, place: Place, source: Source
) -> Iterator[Diagnostic]:
    ends = choice.ends
    unknown = [(i, end.device) for i, end in enumerate(_refs(ends)) if not wiring.has(end.device)]
    for i, name in unknown:
        hint = did_you_mean(name, wiring.devices)
        yield source.error("unknown-device", f"no device '{name}'", (*place, "ends", i), hint)
    if not unknown and not is_matched:
        hint = "name two devices, or two ports as in 'leaf4:Ethernet0'"
        which = "" if choice.number is None else f" number {choice.number}"
        message = f"no link{which} between '{ends[0]}' and '{ends[1]}'"
        yield source.error("no-such-link", message, (*place, "ends"), hint)


def _changes(override: LinkOverride) -> list[str]:
    return [key for key in ("speed", "cable", "medium", "state") if getattr(override, key) is not None]


def _clash(key: str, place: Place, earlier: Place, source: Source) -> Diagnostic:
    first = (source.span((*earlier, key)), f"'{key}' is first set here")
    message = f"'{key}' of the same link is set twice"
    return Diagnostic("duplicate-override", message, source.span((*place, key)), "delete one", first)


def _changed(cable: Cable, override: LinkOverride, place: Place) -> Cable:
    if override.cable is not None:
        cable = cable._replace(length_m=override.cable)
    if override.medium is not None:
        cable = cable._replace(medium=override.medium)
    if override.speed is not None:
        cable = cable._replace(speed_bps=override.speed, speed_place=(*place, "speed"))
    if override.state is not None:
        cable = cable._replace(is_up=override.state == "up", state_place=(*place, "state"))
    return cable
