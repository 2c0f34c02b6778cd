"""Packets to addresses of the switches themselves: what is proven of them, and what is named as left out."""

from __future__ import annotations

import json
import runpy
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path

import pytest

from raddle.controller.plan import make_plan, to_json
from raddle.controller.plan.model import NextHop, Plan, Route, SwitchPlan
from raddle.inventory import Inventory
from raddle.lab.switches.reported import planned_switch
from raddle.lab.verify.model import FailureScope, Verification
from raddle.lab.verify.plan import verify_plan
from raddle.lab.verify.running import verify_running
from raddle.topology import loads
from tests.fabrics import leaf_spine
from tests.unit.controller.fake_switch import FakeSwitch, serving

TEXT = leaf_spine(leaves=3, spines=2, per_leaf=2)
FABRIC = loads(TEXT)
PLAN = make_plan(FABRIC, "ecmp")
PRESENT = FailureScope(together=0, most=200, seed=1, congested_groups=8)
CHECKER = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "check-certificate"))
LEFT_OUT = "packets to links and loopbacks of other switches"


def _judged(plan: Plan) -> Verification:
    return verify_plan(FABRIC, plan, None, PRESENT, lambda what, share: None)


def _port(switch: SwitchPlan, peer: str) -> NextHop:
    return NextHop("10.0.0.0", next(port.name for port in switch.ports if port.peer.startswith(f"{peer}:")))


def _with(plan: Plan, extra: dict[str, list[Route]]) -> Plan:
    """The plan with routes on some switches, in place of its own of the same prefixes."""

    def changed(switch: SwitchPlan) -> SwitchPlan:
        new = extra.get(switch.name, [])
        kept = [route for route in switch.routes if route.prefix not in {each.prefix for each in new}]
        return replace(switch, routes=(*kept, *new))

    return replace(plan, switches=tuple(map(changed, plan.switches)))


def _bounced() -> Plan:
    """Hosts of leaf0 are reached by routes of their own, and its aggregate goes round leaf1 and spine0."""
    by_name = {switch.name: switch for switch in PLAN.switches}
    leaf1, spine0, spine1 = by_name["leaf1"], by_name["spine0"], by_name["spine1"]
    (own,) = {
        route.prefix
        for route in spine0.routes
        if route.next_hops and route.next_hops[0].port == _port(spine0, "leaf0").port
    }
    hosts = [f"{address}/32" for name, address in PLAN.endpoints if name in ("host0", "host1")]
    right = {leaf1.name: _port(leaf1, "spine1"), spine0.name: _port(spine0, "leaf0")}
    round_it = {leaf1.name: _port(leaf1, "spine0"), spine0.name: _port(spine0, "leaf1")}
    assert spine1.routes
    return _with(
        PLAN,
        {
            name: [
                *(Route(host, (right[name],), "pin") for host in hosts),
                Route(own, (round_it[name],), "fabric"),
            ]
            for name in right
        },
    )


def test_packets_to_a_leaf_itself_that_go_round_are_a_finding() -> None:
    sound, bounced = _judged(PLAN), _judged(_bounced())
    assert (sound.is_good, sound.outside) == (True, ())
    # All hosts are reached; an address of leaf0's own ports is not.
    assert (bounced.present.lost, bounced.present.looping) == (0, 0)
    (loop,) = (each for each in bounced.problems if each.code == "loop")
    assert loop.message.startswith("to switches themselves, as it stands: ")
    assert "leaf1" in loop.message
    assert "leaf0 itself" in loop.message


def test_the_ring_to_a_leafs_own_port_of_running_switches_is_shown_with_those_who_send_into_it() -> None:
    """A switch reports its own address as a route without a port, at which a packet ends."""
    leaf0, leaf1, spine0 = (
        next(each for each in PLAN.switches if each.name == name) for name in ("leaf0", "leaf1", "spine0")
    )
    own = str(ip_interface(next(each.prefix for each in leaf0.interfaces if each.name == "Ethernet0")).ip)
    ring = {leaf1.name: _real_port(leaf1, "spine0"), spine0.name: _real_port(spine0, "leaf1")}
    plan = _with(PLAN, {name: [Route(f"{own}/32", (port,), "fabric")] for name, port in ring.items()})
    with ExitStack() as stack:
        addresses = {}
        for switch in plan.switches:
            booted = FakeSwitch(dict(planned_switch(switch).config))
            booted.up = {port.name for port in switch.ports if port.is_enabled}
            addresses[switch.name] = stack.enter_context(serving(booted))
        scope = FailureScope(0, 200, 1, 8)
        result = verify_running(FABRIC, Inventory(FABRIC.name, addresses), scope, lambda what, share: None)
    (loop,) = (each for each in result.problems if each.code == "loop")
    senders = sum(1 for host in FABRIC.hosts if not _is_at(host.name, "leaf0"))
    assert loop.message == (
        f"to switches themselves, as it stands: {senders} pairs can go round for ever; "
        f"leaf1 to leaf0 itself: leaf1:{ring['leaf1'].port} > spine0:{ring['spine0'].port} > leaf1"
    )
    # Without a proof of freedom from deadlock, its ring is shown.
    assert result.proof is None
    (deadlock,) = (each for each in result.problems if each.code == "deadlock")
    assert f"leaf1:{ring['leaf1'].port} waits for spine0:{ring['spine0'].port}" in deadlock.message


def _real_port(switch: SwitchPlan, peer: str) -> NextHop:
    """A next hop with the address that the peer has at the other end."""
    port = next(each for each in switch.ports if each.peer.startswith(f"{peer}:"))
    (far,) = (each for each in PLAN.switches if each.name == peer)
    name = port.peer.partition(":")[2]
    prefix = next(each.prefix for each in far.interfaces if each.name == name)
    return NextHop(str(ip_interface(prefix).ip), port.name)


def _is_at(host: str, leaf: str) -> bool:
    return any(link.a.device == host and link.b.device == leaf for link in FABRIC.links)


@pytest.mark.parametrize("what", ["loopback", "link", "default"])
def test_routes_that_hold_addresses_of_links_and_loopbacks_are_named(what: str) -> None:
    """Two leaves send what is for spine1, or for all there is, round spine0."""
    by_name = {switch.name: switch for switch in PLAN.switches}
    spine1 = by_name["spine1"]
    known = {each.name: each.prefix for each in spine1.interfaces}
    link = next(port.name for port in spine1.ports if port.peer.startswith("leaf2:"))
    prefix = {
        "loopback": known["Loopback0"],
        "link": str(ip_interface(known[link]).network),
        "default": "0.0.0.0/0",
    }[what]
    ways = [("leaf0", "spine0"), ("spine0", "leaf1"), ("leaf1", "spine0")]
    ring = {here: [Route(prefix, (_port(by_name[here], there),), "fabric")] for here, there in ways}
    result = _judged(_with(PLAN, ring))
    assert result.outside == (f"{LEFT_OUT}, for which leaf0, leaf1, spine0 have routes",)


def test_routes_to_hosts_and_own_links_are_no_such_routes() -> None:
    spine0 = next(switch for switch in PLAN.switches if switch.name == "spine0")
    port = next(port for port in spine0.ports if port.peer.startswith("leaf0:"))
    own = next(str(ip_interface(each.prefix).network) for each in spine0.interfaces if each.name == port.name)
    same = _with(PLAN, {"spine0": [Route(own, (_port(spine0, "leaf0"),), "fabric")]})
    assert _judged(same).outside == ()


def test_a_certificate_that_does_not_name_them_is_refused() -> None:
    spine0 = next(switch for switch in PLAN.switches if switch.name == "spine0")
    away = _with(PLAN, {"spine0": [Route("172.16.0.0/14", (_port(spine0, "leaf0"),), "fabric")]})
    result = _judged(away)
    assert result.proof
    document, plan = json.loads(result.proof()), json.loads(to_json(away))
    assert document["outside"] == [f"{LEFT_OUT}, for which spine0 has routes"]
    CHECKER["check_plan"](document, plan)
    document["outside"] = []
    with pytest.raises(CHECKER["Rejected"], match=f"does not say that {LEFT_OUT} are outside of the proof"):
        CHECKER["check_plan"](document, plan)
