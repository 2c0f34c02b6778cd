"""Checks of the wiring: ports, tiers, speeds, and that every host can reach every other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from raddle.errors import Diagnostic, SourceSpan
from raddle.topology.model import PortRef
from raddle.topology.reading import did_you_mean
from raddle.topology.source import MAX_PROBLEMS, Place, Source
from raddle.topology.wiring import Cable, Wiring, port_name
from raddle.units import format_rate


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
        by_model = {
            model: {port_name(model, i): model.port_speed_bps for i in range(model.port_count)}
            for model in {switch.model for switch in wiring.switches.values()}
        }
        self._by_device = {name: by_model[switch.model] for name, switch in wiring.switches.items()}
        for name, host in wiring.hosts.items():
            self._by_device[name] = {f"eth{i}": host.nics.speed for i in range(host.nics.count)}

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
    """Tiers and speeds of a cable whose ends exist."""
    tiers = sorted(_tier(end, wiring) for end in cable.ends)
    if tiers not in ([0, 1], [1, 2]):
        a, b = (f"{('host', 'leaf', 'spine')[_tier(end, wiring)]} '{end.device}'" for end in cable.ends)
        hint = "cable hosts to leaves and leaves to spines"
        yield source.error("wrong-tier", f"link between {a} and {b}", (*cable.place, "ends"), hint)
    a_bps, b_bps = (ports.native_bps(end) for end in cable.ends)
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


def _tier(end: PortRef, wiring: Wiring) -> int:
    """0 for a host, 1 for a leaf, 2 for a spine."""
    if end.device in wiring.hosts:
        return 0
    return 1 if wiring.switches[end.device].role == "leaf" else 2


def _check_nics(wiring: Wiring, used: dict[PortRef, Place], source: Source) -> Iterator[Diagnostic]:
    """NICs without a cable."""
    for host in wiring.hosts.values():
        for i in range(host.nics.count):
            if PortRef(host.name, f"eth{i}") not in used:
                message = f"'{host.name}:eth{i}' is not connected"
                hint = "add a link to a leaf"
                yield source.error("host-not-connected", message, host.place, hint, at_key=True)


def _check_reachable(wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Host links must be up, and each two leaves with hosts need a spine that both have an up link to.

    Routes go up once and down once: a way through a third leaf does not count.
    """
    if not wiring.hosts:
        yield source.error(
            "no-hosts", "the fabric has no hosts", ("devices",), "add devices with 'role: host'"
        )
    first_host: dict[str, str] = {}
    spines_of: dict[str, set[str]] = {}
    for cable in wiring.cables:
        lower, upper = sorted(cable.ends, key=lambda end: _tier(end, wiring))
        if lower.device in wiring.hosts:
            first_host.setdefault(upper.device, lower.device)
            if not cable.is_up:
                message = f"'{lower}' cannot be reached: its only link is down"
                hint = "set 'state: up', or leave the host out"
                yield source.error("unreachable-host", message, cable.state_place, hint)
        elif cable.is_up:
            spines_of.setdefault(lower.device, set()).add(upper.device)
    yield from _check_leaf_pairs(first_host, spines_of, wiring, source)


def _check_leaf_pairs(
    first_host: dict[str, str], spines_of: dict[str, set[str]], wiring: Wiring, source: Source
) -> Iterator[Diagnostic]:
    """Leaves with the same spines are alike: one problem per two kinds of leaves that miss each other."""
    groups: dict[frozenset[str], list[str]] = {}
    for leaf in first_host:
        groups.setdefault(frozenset(spines_of.get(leaf, ())), []).append(leaf)
    kinds = sorted(groups.items(), key=lambda kind: len(kind[0]))  # a leaf that is cut off comes first
    for i, (spines, members) in enumerate(kinds):
        far = [others[0] for other_spines, others in kinds[i + 1 :] if not spines & other_spines]
        if not spines:
            far += members[1:]
        if far:
            a, b = first_host[members[0]], first_host[far[0]]
            message = (
                f"'{a}' on '{members[0]}' cannot reach '{b}' on '{far[0]}': no spine has up links to both"
            )
            place = wiring.switches[members[0]].place
            hint = "add links between leaves and spines, or set them up"
            yield source.error("unreachable-host", message, place, hint, at_key=True)
