"""Switches of the fabric that are not there, yet or any more: the others are judged with these cut off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from raddle.controller.verify.finding import Finding
from raddle.controller.verify.network import Network, is_of_family
from raddle.controller.verify.update_scope import listed
from raddle.state import RouteState, SwitchState
from raddle.topology.model import Fabric, Link, PortRef

Why = Literal[
    "is not in the inventory",
    "does not answer",
    "is another switch",
    "holds no route",
    "holds only its own links",
]


@dataclass(frozen=True, slots=True)
class Missing:
    """A switch of the fabric file that forwards nothing as far as is known, or only to its links, and why.

    One that holds only routes to its own links is judged as it stands; the others are taken as cut off.
    """

    switch: str
    why: Why

    @property
    def is_judged(self) -> bool:
        return self.why == "holds only its own links"


def without_missing(fabric: Fabric, missing: Sequence[Missing]) -> Fabric:
    """The fabric with missing switches cut off.

    Links of a switch that nobody can ask are down. One that answers and holds no route drops what it is sent:
    its links to other switches are drained, so that no pair has to go there, and pairs of those that still
    lead there are lost.
    """
    cut_off = [each for each in missing if not each.is_judged]
    if not cut_off:
        return fabric
    unknown = {each.switch for each in cut_off if each.why != "holds no route"}
    empty = {each.switch for each in cut_off} - unknown

    def left(link: Link) -> Link:
        ends = {link.a.device, link.b.device}
        if ends & unknown or (ends & empty and not ends <= fabric.switch_by_name.keys()):
            return replace(link, is_up=False)
        return replace(link, is_drained=True) if ends & empty else link

    return replace(fabric, links=tuple(map(left, fabric.links)))


_CUT_OFF = "the fabric is judged with that cut off"
_CONSEQUENCE: dict[Why, str] = {
    "is not in the inventory": _CUT_OFF,
    "does not answer": _CUT_OFF,
    "holds no route": _CUT_OFF,
    "holds only its own links": "what comes there for hosts of others is lost",
}


def about_missing(missing: Sequence[Missing]) -> Iterator[Finding]:
    """One finding for each reason, but for switches that are others, which are told one by one.

    One that holds no route is an error, as a push mends it.
    """
    hints: dict[Why, tuple[str, str]] = {
        "is not in the inventory": ("switch-missing", "add its address once it is there"),
        "does not answer": ("switch-missing", "is it running? 'raddle status' says what was tried"),
        "holds no route": ("switch-empty", "'raddle apply' programs it; drain it while it is not in use"),
        "holds only its own links": ("switch-empty", "'raddle apply' programs it; drain it until then"),
    }
    for why, (code, hint) in hints.items():
        names = tuple(each.switch for each in missing if each.why == why)
        if names:
            message = f"{listed(names)} {_of(why, len(names))}: {_CONSEQUENCE[why]}"
            severity: Literal["error", "warning"] = "error" if code == "switch-empty" else "warning"
            yield Finding(code, message, hint, ("fabric",), severity)


def beside_missing(
    fabric: Fabric, network: Network, missing: Sequence[Missing], states: Mapping[str, SwitchState]
) -> Iterator[str]:
    """What the proofs leave out, in words.

    Args:
        states: of the switches that are there.
    """
    for why in dict.fromkeys(each.why for each in missing if not each.is_judged):
        names = tuple(each.switch for each in missing if each.why == why)
        yield f"{listed(names)}, which {_of(why, len(names))}, and all behind"
        senders = tuple(_senders(fabric, network, set(names), states)) if why != "holds no route" else ()
        if senders:
            yield f"what {listed(senders)} still send{'s' * (len(senders) == 1)} there"


def _of(why: Why, count: int) -> str:
    if why == "holds only its own links":
        return f"hold{'s' * (count == 1)} no routes but to {'its' if count == 1 else 'their'} own links"
    if count == 1:
        return why
    return {
        "is not in the inventory": "are not in the inventory",
        "does not answer": "do not answer",
        "is another switch": "are other switches",
        "holds no route": "hold no route",
    }[why]


def _senders(
    fabric: Fabric, network: Network, names: set[str], states: Mapping[str, SwitchState]
) -> Iterator[str]:
    """Switches that send packets to hosts over live ports to one of these."""
    for name, state in states.items():
        leads = {
            number
            for number, port in enumerate(state.ports)
            if (link := fabric.link_by_port.get(PortRef(name, port.name)))
            and {link.a.device, link.b.device} & names
        }
        if any(leads & set(route.ports) and _holds_host(network, route) for route in state.routes):
            yield name


def _holds_host(network: Network, route: RouteState) -> bool:
    if not is_of_family((route.prefix, route.length, ()), network.bits):
        return False
    last = route.prefix + (1 << network.bits - route.length) - 1
    held = (network.addresses >= route.prefix) & (network.addresses <= last)
    return bool(held.any())
