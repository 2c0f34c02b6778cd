"""Checks of the wiring: ports, tiers, speeds, and that every host can reach every other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from raddle.errors import Diagnostic, SourceSpan
from raddle.topology.forms.wiring import TIER_NAMES, Cable, Wiring
from raddle.topology.model import PortRef
from raddle.topology.ports import ETHERNET_BPS
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.source import MAX_PROBLEMS, Place, Source
from raddle.units import format_length, format_rate

REACH_M = {"dac": 3.0, "aec": 7.0, "aoc": 100.0, "sr": 100.0, "dr": 500.0, "fr": 2000.0, "lr": 10_000.0}
"""Longest cable of each medium in metres: copper of 50G lanes and SR, DR, FR, LR as IEEE 802.3 has them
(clauses 136, 138, 140, 151, 122); AEC and AOC as vendors sell them (an assumption)."""


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
    """Problems of the wiring: of cables; else of hosts without one; else of what cannot be reached."""
    used: dict[PortRef, Place] = {}
    return (
        _first_problems(_check_cables(wiring, used, source))
        or _first_problems(_check_nics(wiring, used, source))
        or _first_problems(_check_reachable(wiring, source))
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
        hint = "cable hosts to leaves, leaves to spines, spines to superspines"
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
            yield source.error("speed-mismatch", message, cable.place, f"write 'speed: {slow}' on the link")
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


def _check_reachable(wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Host links must be up, and each two leaves with hosts in a plane need a switch above both.

    Routes go up and then down: a way through a third leaf does not count.
    """
    if not wiring.hosts:
        yield source.error(
            "no-hosts", "the fabric has no hosts", ("devices",), "add devices with 'role: host'"
        )
    tiers = wiring.tiers
    first_host: dict[str, str] = {}
    above: dict[str, set[str]] = {}
    for cable in wiring.cables:
        lower, upper = cable.ends
        if tiers[lower.device] > tiers[upper.device]:
            lower, upper = upper, lower
        if lower.device in wiring.hosts:
            first_host.setdefault(upper.device, lower.device)
            if not cable.is_up:
                message = f"'{lower}' cannot be reached: its only link is down"
                hint = "set 'state: up', or leave the host out"
                yield source.error("unreachable-host", message, cable.state_place, hint)
        elif cable.is_up and not cable.is_drained:
            above.setdefault(lower.device, set()).add(upper.device)
    for plane in sorted({wiring.switches[leaf].plane for leaf in first_host}):
        hosts = {leaf: host for leaf, host in first_host.items() if wiring.switches[leaf].plane == plane}
        yield from _check_leaf_pairs(hosts, above, wiring, source)


def _check_leaf_pairs(
    first_host: dict[str, str], above: dict[str, set[str]], wiring: Wiring, source: Source
) -> Iterator[Diagnostic]:
    """Leaves with the same switches above are alike: one problem per two kinds that miss each other."""
    groups: dict[frozenset[str], list[str]] = {}
    for leaf in first_host:
        groups.setdefault(frozenset(above.get(leaf, ())), []).append(leaf)
    # Spines, and what is above them.
    reach = {spines: spines.union(*(above.get(spine, ()) for spine in spines)) for spines in groups}
    kinds = sorted(groups.items(), key=lambda kind: len(kind[0]))  # a leaf that is cut off comes first
    for i, (spines, members) in enumerate(kinds):
        far = [others[0] for other, others in kinds[i + 1 :] if reach[spines].isdisjoint(reach[other])]
        if not spines:
            far += members[1:]
        if far:
            a, b = first_host[members[0]], first_host[far[0]]
            pair = f"'{a}' on '{members[0]}' cannot reach '{b}' on '{far[0]}'"
            message = f"{pair}: no switch above has up links to both"
            place = wiring.switches[members[0]].place
            hint = "add links between leaves and spines, set them up, or drain fewer of them"
            yield source.error("unreachable-host", message, place, hint, at_key=True)
