"""Checks of the wiring: ports, tiers, speeds; and what dead links cut off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from raddle.errors import Diagnostic, SourceSpan
from raddle.topology.forms.wiring import TIER_NAMES, Cable, Wiring
from raddle.topology.model import Link, PortRef
from raddle.topology.ports import ETHERNET_BPS
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.source import MAX_PROBLEMS, Place, Source
from raddle.units import format_length, format_rate

REACH_M = {"dac": 3.0, "aec": 7.0, "aoc": 100.0, "sr": 100.0, "dr": 500.0, "fr": 2000.0, "lr": 10_000.0}
"""Longest cable of each medium in metres: copper of 50G lanes and SR, DR, FR, LR as IEEE 802.3 has them
(clauses 136, 138, 140, 151, 122); AEC and AOC as vendors sell them (an assumption)."""

_SHOWN_NAMES = 8


def check_pauses(wiring: Wiring, source: Source) -> list[Diagnostic]:
    """`unknown-pause-delay` of lossless links of a speed that no standard times."""
    ports = _Ports(wiring)
    known = ", ".join(format_rate(speed) for speed in ETHERNET_BPS)
    problems = []
    for cable in wiring.cables:
        speed_bps = cable.speed_bps or min(ports.native_bps(end) for end in cable.ends)
        if speed_bps not in ETHERNET_BPS:
            message = f"no PFC reaction time is known for a port of {format_rate(speed_bps)}"
            hint = f"speeds with a known reaction time: {known}"
            problems.append(source.error("unknown-pause-delay", message, cable.speed_place, hint))
    return _first_problems(problems)


def check_wiring(wiring: Wiring, source: Source) -> list[Diagnostic]:
    """Problems of the wiring: of cables; else of hosts without one; else no hosts at all."""
    used: dict[PortRef, Place] = {}
    return (
        _first_problems(_check_cables(wiring, used, source))
        or _first_problems(_check_nics(wiring, used, source))
        or _first_problems(_check_hosts(wiring, source))
    )


def _first_problems(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """At most `MAX_PROBLEMS`, one per code and place: one line of an intent makes many links."""
    first: dict[tuple[str, SourceSpan | None], Diagnostic] = {}
    for problem in problems:
        first.setdefault((problem.code, problem.span), problem)
        if len(first) >= MAX_PROBLEMS:
            break
    return list(first.values())


def _check_cables(wiring: Wiring, used: dict[PortRef, Place], source: Source) -> Iterator[Diagnostic]:
    """Each cable by itself; fills `used` with the place of each port's first cable."""
    ports = _Ports(wiring)
    for cable in wiring.cables:
        ends = list(_check_ends(cable, wiring, ports, source))
        yield from ends or _check_cable(cable, wiring, ports, source)
        yield from _check_free(cable, used, source)


class _Ports:
    """The ports that each device has, with their native speed in bits per second."""

    def __init__(self, wiring: Wiring) -> None:
        self._by_device = {name: switch.native_bps for name, switch in wiring.switches.items()}
        for name, host in wiring.hosts.items():
            self._by_device[name] = dict.fromkeys(host.ports, host.nics.speed)

    def of(self, device: str) -> dict[str, int]:
        return self._by_device[device]

    def native_bps(self, end: PortRef) -> int:
        return self._by_device[end.device][end.port]


def _check_ends(cable: Cable, wiring: Wiring, ports: _Ports, source: Source) -> Iterator[Diagnostic]:
    for i, end in enumerate(cable.ends):
        place: Place = (*cable.place, "ends", i)
        if not wiring.has(end.device):
            hint = did_you_mean(end.device, wiring.devices, "list it under 'devices'")
            yield source.error("unknown-device", f"no device '{end.device}'", place, hint)
        elif not end.port:
            hint = f"write it as '{end.device}:{next(iter(ports.of(end.device)))}'"
            yield source.error("unknown-port", f"'{end.device}' names no port", place, hint)
        elif end.port not in ports.of(end.device):
            names = list(ports.of(end.device))
            shown = names if len(names) <= 4 else [*names[:2], "...", names[-1]]
            hint = f"'{end.device}' has {', '.join(shown)}"
            yield source.error("unknown-port", f"no port '{end.port}' on '{end.device}'", place, hint)


def _check_free(cable: Cable, used: dict[PortRef, Place], source: Source) -> Iterator[Diagnostic]:
    for i, end in enumerate(cable.ends):
        place: Place = (*cable.place, "ends", i)
        earlier = used.setdefault(end, place)
        if earlier != place and end.port:
            related = (source.span(earlier), "first cabled here")
            message = f"port '{end}' has two cables"
            yield Diagnostic("port-in-use", message, source.span(place), "move one to a free port", related)


def _check_cable(cable: Cable, wiring: Wiring, ports: _Ports, source: Source) -> Iterator[Diagnostic]:
    """Tiers, speeds and medium of a cable whose ends exist."""
    tiers = wiring.tiers
    a_tier, b_tier = tiers[cable.ends[0].device], tiers[cable.ends[1].device]
    if abs(a_tier - b_tier) != 1:
        a, b = (f"{TIER_NAMES[tiers[end.device]]} '{end.device}'" for end in cable.ends)
        hint = "cable hosts to leaves, leaves to spines, spines to superspines; meshes within a tier, as of "
        hint += "dragonfly and torus, are not planned"
        yield source.error("wrong-tier", f"link between {a} and {b}", (*cable.place, "ends"), hint)
    if a_tier and b_tier:
        yield from _check_planes(cable, wiring, source)
    if cable.medium and cable.length_m > REACH_M[cable.medium]:
        yield _beyond_reach(cable, source)
    a_bps, b_bps = ports.native_bps(cable.ends[0]), ports.native_bps(cable.ends[1])
    if cable.speed_bps is None:
        if a_bps != b_bps:
            slow = format_rate(min(a_bps, b_bps))
            message = (
                f"'{cable.ends[0]}' runs at {format_rate(a_bps)}, '{cable.ends[1]}' at {format_rate(b_bps)}"
            )
            hint = f"write 'speed: {slow}' on the link"
            if cable.place[0] == "fabric":  # it is one of many of a form, which all have its speed
                short = cable.ends[a_bps > b_bps].device
                hint = f"break out fewer ports of '{short}', or write 'speed: {slow}' here for all such links"
            yield source.error("speed-mismatch", message, cable.place, hint)
        return
    for end, native_bps in zip(cable.ends, (a_bps, b_bps), strict=True):
        if cable.speed_bps > native_bps:
            message = (
                f"speed {format_rate(cable.speed_bps)} is above the {format_rate(native_bps)} of '{end}'"
            )
            hint = f"at most {format_rate(min(a_bps, b_bps))}"
            yield source.error("speed-too-high", message, cable.speed_place, hint)
            return


def _check_planes(cable: Cable, wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    drafts = wiring.switches[cable.ends[0].device], wiring.switches[cable.ends[1].device]
    if drafts[0].plane != drafts[1].plane:
        a, b = (f"'{draft.name}' of plane {draft.plane}" for draft in drafts)
        hint = "planes share no links between switches"
        yield source.error("wrong-plane", f"link between {a} and {b}", (*cable.place, "ends"), hint)


def _beyond_reach(cable: Cable, source: Source) -> Diagnostic:
    assert cable.medium is not None
    reach = format_length(REACH_M[cable.medium])
    message = f"{format_length(cable.length_m)} is beyond the {reach} of '{cable.medium}'"
    longer = [name for name, reach_m in REACH_M.items() if reach_m >= cable.length_m]
    hint = f"take {', '.join(longer)}" if longer else "no medium reaches as far"
    return source.error("cable-too-long", message, (*cable.place, "cable"), hint)


def _check_nics(wiring: Wiring, used: dict[PortRef, Place], source: Source) -> Iterator[Diagnostic]:
    """NICs without a cable."""
    for host in wiring.hosts.values():
        for port in host.ports:
            if PortRef(host.name, port) not in used:
                message = f"'{host.name}:{port}' is not connected"
                hint = "add a link to a leaf"
                yield source.error("host-not-connected", message, host.place, hint, at_key=True)


def _check_hosts(wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    if not wiring.hosts:
        yield source.error(
            "no-hosts", "the fabric has no hosts", ("devices",), "add devices with 'role: host'"
        )


def cut_off(wiring: Wiring, source: Source) -> tuple[Diagnostic, ...]:
    """What dead and drained links cut off, as warnings: something is always dead in a large fabric.

    A NIC is cut off once all its ports are. A port needs its link, and each two leaves of a plane need a
    switch above both: routes go up and then down, a way through a third leaf does not count.
    """
    above, leaves, dead = _live(wiring)
    found = [
        _warning(
            f"{_listed(ports)} {'is' if len(ports) == 1 else 'are'} cut off: no link of the NIC is up",
            source.span(place),
            "set 'state: up' once it works again",
        )
        for place, ports in dead.items()
    ]
    return tuple([*found, *_apart(leaves, above, wiring, source)][:MAX_PROBLEMS])


def shut_ports(links: Sequence[Link], wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Warnings of bonds' ports that are shut since their leaf has no way up: one for each leaf, at what takes
    its uplinks away."""
    for leaf in dict.fromkeys(link.b.device for link in links):
        ports = [str(link.a) for link in links if link.b.device == leaf]
        place = next(
            (
                cable.state_place
                for cable in wiring.cables
                if any(end.device == leaf for end in cable.ends)
                and not any(end.device in wiring.hosts for end in cable.ends)
            ),
            None,
        )
        message = (
            f"{_listed(ports)} {'is' if len(ports) == 1 else 'are'} shut and leave all to the other ports of "
            f"their bonds: no link from '{leaf}' to a spine is up and not drained"
        )
        span = source.span(place) if place else source.span(wiring.switches[leaf].place, at_key=True)
        yield _warning(
            message, span, "set links up or drain fewer; the ports come back with the first uplink"
        )


_Nic = tuple[str, int]
"""Host, and number of the NIC in it."""


def _live(wiring: Wiring) -> tuple[dict[str, set[str]], dict[_Nic, list[str]], dict[Place, list[str]]]:
    """The switches that routes reach above each switch, the leaves that each NIC has a live link to, and the
    ports of the NICs that have none, by the place that says so."""
    tiers = wiring.tiers
    above: dict[str, set[str]] = {}
    leaves: dict[_Nic, list[str]] = {}
    down: dict[_Nic, list[tuple[Place, str]]] = {}
    for cable in wiring.cables:
        lower, upper = cable.ends
        if tiers[lower.device] > tiers[upper.device]:
            lower, upper = upper, lower
        if host := wiring.hosts.get(lower.device):
            nic = host.name, host.ports.index(lower.port) // host.nics.ports
            if cable.is_up:
                leaves.setdefault(nic, []).append(upper.device)
            else:
                down.setdefault(nic, []).append((cable.state_place, str(lower)))
        elif cable.is_up and not cable.is_drained:
            above.setdefault(lower.device, set()).add(upper.device)
    dead: dict[Place, list[str]] = {}
    for place, port in (each for nic, ports in down.items() if nic not in leaves for each in ports):
        dead.setdefault(place, []).append(port)
    return above, leaves, dead


def _apart(
    leaves_of: dict[_Nic, list[str]], above: dict[str, set[str]], wiring: Wiring, source: Source
) -> Iterator[Diagnostic]:
    """NICs of a plane that miss each other. Those with the same switches above are alike: one warning per two
    kinds, and one for all whose leaves have no way up."""
    kinds: dict[frozenset[tuple[int, frozenset[str]]], dict[str, str]] = {}  # a host by each leaf
    for (host, _), leaves in leaves_of.items():
        ways = frozenset(
            (wiring.switches[leaf].plane, frozenset(above.get(leaf, ())) or frozenset((leaf,)))
            for leaf in leaves
        )
        kinds.setdefault(ways, {}).update(dict.fromkeys(leaves, host))
    # By plane: the switches that a kind meets others at.
    meets = {
        ways: {
            (plane, top) for plane, low in ways for top in low.union(*(above.get(each, ()) for each in low))
        }
        for ways in kinds
    }
    hint = "add links between leaves and spines, set them up, or drain fewer of them"
    lone: list[str] = []
    order = list(kinds)
    for i, ways in enumerate(order):
        planes = {plane for plane, _ in ways}
        far = [
            other
            for other in order[i + 1 :]
            if planes & {plane for plane, _ in other} and meets[ways].isdisjoint(meets[other])
        ]
        dark = [each for each in (ways, *far) if not any(leaf in above for leaf in kinds[each])]
        lone += [leaf for each in dark if far for leaf in kinds[each]]
        others = [leaf for each in far if each not in dark for leaf in kinds[each]]
        if others and ways not in dark:
            here = list(kinds[ways])
            message = (
                f"hosts on {_listed(here)} and on {_listed(others)} do not reach each other: no switch above "
                "has up links to both"
            )
            yield _warning(message, source.span(wiring.switches[here[0]].place, at_key=True), hint)
    if lone:
        hosts = [host for (host, _), leaves in leaves_of.items() if set(leaves) & set(lone)]
        message = (
            f"over {_listed(lone)} {_listed(hosts)} reach only hosts of the same leaf: no link to a spine is "
            "up and not drained"
        )
        yield _warning(message, source.span(wiring.switches[lone[0]].place, at_key=True), hint)


def _listed(names: list[str]) -> str:
    """The first names, and how many more."""
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _SHOWN_NAMES} more" if len(distinct) > _SHOWN_NAMES else ""
    return ", ".join(f"'{name}'" for name in distinct[:_SHOWN_NAMES]) + more


def _warning(message: str, span: SourceSpan | None, hint: str) -> Diagnostic:
    return Diagnostic("cut-off", message, span, hint, severity="warning")
