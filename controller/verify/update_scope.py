"""What an update changes beside routes: switches, addresses, and what needs a new config_db.json.

The proof of an update (see `raddle.controller.verify.transient`) is of its routes. This says where that is
all, and where traffic is lost for another reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from raddle.controller.plan.model import Plan, QosPlan, SwitchPlan
from raddle.controller.plan.summary import identity_of, moved_cables
from raddle.controller.plan.update import by_prefix, ports_between
from raddle.controller.southbound.driver import RouteTable
from raddle.controller.southbound.sonic.reload import Reload, reload_of
from raddle.controller.southbound.sonic.routes import held_routes
from raddle.controller.southbound.sonic.tables import pushed

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class UpdateScope:
    """What changes from one plan to another beside routes.

    Attributes:
        joining, leaving: switches. Nothing is sent to one that leaves, which keeps what it holds.
        readdressed: ports in use before and after whose address changes; `stolen` those of them whose new
            address another port of the switch has now, which SONiC refuses until that one is gone.
        moved: endpoints that get another address.
        renumbered: switches that get another loopback, MAC or AS number.
        recabled: cables that move to other ports, where they are to be.
        renamed: (leaving, joining) switches with one MAC, AS number and loopback: maybe one box, renamed.
        remarked: DSCPs whose packets get another priority, or are lossless or CNPs and are no more, in words.
        reloads: by switch, what no Set can change on it, and ports that go down and up.
        shut: ports of bonds that are shut; `unset` those that change, and that no driver sets.
    """

    joining: tuple[str, ...]
    leaving: tuple[str, ...]
    readdressed: tuple[str, ...]
    stolen: tuple[str, ...]
    moved: tuple[str, ...]
    reloads: Mapping[str, Reload]
    shut: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    renumbered: tuple[str, ...] = ()
    recabled: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    remarked: tuple[str, ...] = ()

    def by_hand(self) -> Iterator[str]:
        """What nobody does over a management protocol, in words: cables to plug, addresses of hosts."""
        if self.recabled:
            count = len(self.recabled)
            what = f"{count} cables move" if count > 1 else "1 cable moves"
            yield f"{what} to other ports: {listed(self.recabled)}"
        if self.renamed:
            names = listed(tuple(f"{new} is {old}" for old, new in self.renamed))
            yield (
                "switches with the MAC, AS number and loopback of one that leaves: if it is the same box "
                f"under another name ({names}), its cables stay"
            )
        if self.remarked:
            lost = "lossless ones" if any("lossless" in each for each in self.remarked) else "CNPs"
            yield (
                f"what hosts mark: {listed(self.remarked)}; until all hosts and switches have that, packets "
                f"are in other classes on the way, and {lost} can be dropped"
            )
        if self.moved:
            yield f"endpoints that get another address ({listed(self.moved)})"

    def outside(self) -> Iterator[str]:
        """What the proof of the routes does not cover, in words."""
        yield from self.by_hand()
        needy = {name: each for name, each in self.reloads.items() if each.paths}
        if needy:
            first = next(iter(needy))
            paths = needy[first].paths
            yield (
                f"{listed(tuple(needy))} must boot from a new config_db.json ({first}: {len(paths)} entries, "
                f"the first {paths[0]})"
            )
        flapping = {name: each for name, each in self.reloads.items() if each.flaps}
        if flapping:
            ports = tuple(f"{name}:{port}" for name, each in flapping.items() for port in each.flaps)
            yield f"{len(ports)} ports that go down and up ({listed(ports)})"
        if self.shut:
            yield (
                f"{listed(self.shut)} of bonds, which are shut one after the other: what is on its way over "
                "them, and between hosts of their leaf until all are"
            )
        if self.unset:
            yield f"{listed(self.unset)} of bonds, set up or down by hand: raddle sets SONiC's ports only"
        if self.renumbered:
            yield f"switches that get another loopback, MAC or AS number ({listed(self.renumbered)})"


def scope_of(old: Plan, new: Plan) -> UpdateScope:
    """Compare two plans of a fabric."""
    before = {switch.name: switch for switch in old.switches}
    after = {switch.name: switch for switch in new.switches}
    both = [name for name in after if name in before]
    addresses = dict(old.endpoints)
    readdressed, stolen = [], []
    for name in both:
        for port, is_stolen in _readdressed(before[name], after[name]):
            readdressed.append(f"{name}:{port}")
            if is_stolen:
                stolen.append(f"{name}:{port}")
    reloads = {name: reload_of(before[name], after[name]) for name in both}
    up = {name: {port.name for port in before[name].ports if port.is_enabled} for name in both}
    changes = [
        (f"{change.switch}:{port}", change.opens, after[change.switch].nos)
        for change in ports_between(up, new)
        for port in sorted(change.ports)
    ]
    return UpdateScope(
        joining=tuple(name for name in after if name not in before),
        leaving=tuple(name for name in before if name not in after),
        readdressed=tuple(readdressed),
        stolen=tuple(stolen),
        moved=tuple(name for name, address in new.endpoints if addresses.get(name, address) != address),
        reloads={name: each for name, each in reloads.items() if each.paths or each.flaps},
        shut=tuple(port for port, opens, nos in changes if nos == "sonic" and not opens),
        unset=tuple(port for port, _, nos in changes if nos != "sonic"),
        renumbered=tuple(name for name in both if identity_of(before[name]) != identity_of(after[name])),
        recabled=tuple(map(" - ".join, moved_cables(old, new))),
        renamed=tuple(_renamed(before, after)),
        remarked=tuple(
            dict.fromkeys(text for name in both for text in _remarked(before[name].qos, after[name].qos))
        ),
    )


def _renamed(before: Mapping[str, SwitchPlan], after: Mapping[str, SwitchPlan]) -> Iterator[tuple[str, str]]:
    """Switches that leave, and those that join with what they were known by."""
    leaving = {identity_of(switch): name for name, switch in before.items() if name not in after}
    for name, switch in after.items():
        if name not in before and identity_of(switch) in leaving:
            yield leaving[identity_of(switch)], name


def _remarked(old: QosPlan, new: QosPlan) -> Iterator[str]:
    """The DSCPs of lossless packets and of CNPs, before or after, that are treated otherwise then."""
    for dscp, pair in enumerate(zip(old.dscp_to_tc, new.dscp_to_tc, strict=True)):
        was, now = (_treated(qos, tc) for qos, tc in zip((old, new), pair, strict=True))
        if was != now and (was[0] or now[0]):
            before, after = (f"{kind or 'lossy'} of priority {tc}" for kind, tc in (was, now))
            yield f"DSCP {dscp} is {after} (was {before})"


def _treated(qos: QosPlan, tc: int) -> tuple[str, int]:
    """What packets of a traffic class are, empty if nothing special, and the class."""
    if tc in qos.lossless and qos.pfc:
        return "lossless", tc
    return "CNP" if tc == qos.cnp else "", tc


def _readdressed(old: SwitchPlan, new: SwitchPlan) -> Iterator[tuple[str, bool]]:
    """Ports in use that change their address, whatever is at the far end; whether another has the new one."""
    live = {port.name for port in old.ports if port.is_enabled}
    kept = {port.name for port in new.ports if port.is_enabled and port.name in live}
    before: dict[str, set[str]] = {}
    for each in old.interfaces:
        before.setdefault(each.name, set()).add(each.prefix)
    taken = {prefix: name for name, prefixes in before.items() for prefix in prefixes}
    for each in new.interfaces:
        if each.name in kept and each.prefix not in before.get(each.name, set()):
            yield each.name, each.prefix in taken


def wire_routes(switch: SwitchPlan) -> RouteTable:
    """The routes as the switch's driver writes and reads them: what orders a rollout, too."""
    if switch.nos == "sonic":
        return held_routes(pushed(replace(switch, policies=())))
    return by_prefix(switch.routes)


def listed(names: tuple[str, ...]) -> str:
    """The first names, and how many more."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
