"""Rounds that depend on their predecessors: what a switch may still use is not taken away from under it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from raddle import loads
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.plan.update import routes_of
from raddle.controller.reconcile import Past, PushPolicy, SwitchResult, apply_plan, check
from raddle.controller.southbound.sonic.tables import bootstrap
from raddle.inventory import Inventory
from raddle.topology.model import Fabric
from tests.fabrics import BONDED
from tests.unit.controller.fabrics import leaf_spine
from tests.unit.controller.fake_switch import FakeSwitch, free_address, serving

FABRIC = leaf_spine(3, 2, 2)
WHOLE = make_plan(FABRIC, "ecmp")


def without_spine(fabric: Fabric, spine: str) -> Plan:
    links = tuple(replace(link, is_drained=link.b.device == spine) for link in fabric.links)
    return make_plan(replace(fabric, links=links), "ecmp")


DRAINED = without_spine(FABRIC, "spine1")


@contextmanager
def running(plan: Plan) -> Iterator[tuple[dict[str, FakeSwitch], Inventory]]:
    """All switches of a plan, programmed."""
    switches = {each.name: FakeSwitch(bootstrap(each).config_db) for each in plan.switches}
    with ExitStack() as stack:
        addresses = {name: stack.enter_context(serving(switch)) for name, switch in switches.items()}
        inventory = Inventory(plan.fabric, addresses)
        assert all(result.is_in_sync for result in apply_plan(plan, inventory))
        yield switches, inventory


def applied(plan: Plan, inventory: Inventory, policy: PushPolicy | None = None) -> dict[str, SwitchResult]:
    return {result.switch: result for result in apply_plan(plan, inventory, policy)}


def routes_at(switch: FakeSwitch) -> set[str]:
    return set(switch.config.get("STATIC_ROUTE", {}))


def test_a_leaf_that_refuses_during_a_drain_keeps_its_spine() -> None:
    with running(WHOLE) as (switches, inventory):
        before = routes_at(switches["spine1"])
        switches["leaf2"].refusal = "out of memory"
        results = applied(DRAINED, inventory)
        assert results["leaf2"].state == "failed"
        # leaf2 has two hosts, and sends to those of leaf0 and leaf1 over both spines.
        assert set(results["spine1"].waiting.values()) == {"leaf2"}
        assert results["spine1"].waiting.keys() == {"10.0.0.0/30", "10.0.0.4/30"}
        assert not results["spine1"].is_in_sync
        assert routes_at(switches["spine1"]) == before - {"default|10.0.0.8/30"}
        switches["leaf2"].refusal = ""
        assert all(result.is_in_sync for result in apply_plan(DRAINED, inventory))
        assert routes_at(switches["spine1"]) == set()


def test_a_leaf_that_apply_holds_back_itself_keeps_its_spine() -> None:
    with running(WHOLE) as (switches, inventory):
        switches["leaf2"].config["PORT_QOS_MAP"]["Ethernet0"]["pfc_enable"] = "3,4"
        results = applied(DRAINED, inventory)
        assert results["leaf2"].held.startswith("1 port would go down and up")
        assert set(results["spine1"].waiting.values()) == {"leaf2"}
        assert results["spine1"].state == "held back"


def test_a_leaf_that_does_not_answer_keeps_its_spine_unless_it_is_known_not_to_use_it() -> None:
    with running(WHOLE) as (switches, inventory):
        inventory.addresses["leaf2"] = free_address()
        results = applied(DRAINED, inventory)
        assert results["leaf2"].state == "unreachable"
        assert set(results["spine1"].waiting.values()) == {"leaf2"}
        past = Past(routes={"leaf2": routes_of(DRAINED)["leaf2"]})
        again = {result.switch: result for result in apply_plan(DRAINED, inventory, past=past)}
        assert again["spine1"].is_in_sync
        assert routes_at(switches["spine1"]) == set()


def test_ports_of_bonds_go_down_between_the_spines_writes_and_the_leafs() -> None:
    """And come up between the leaf's and the spines'."""
    whole = make_plan(loads(BONDED), "ecmp")
    drained = make_plan(loads(BONDED + "overrides: {drain: [leaf0]}\n"), "ecmp")
    block, own = "default|10.0.0.0/30", ("Ethernet0", "Ethernet8")
    with running(whole) as (switches, inventory):
        leaf, spines = switches["leaf0"], (switches["spine0"], switches["spine1"])
        seen: list[tuple[set[str], bool, bool]] = []

        def look() -> None:
            """Which of the leaf's ports are up, whether it has a way on, and whether a spine sends to it."""
            up = {port for port in own if leaf.config["PORT"][port]["admin_status"] == "up"}
            leads = any(
                "Ethernet0" in each.config["STATIC_ROUTE"][block]["ifname"].split(",") for each in spines
            )
            seen.append((up, bool(leaf.config.get("STATIC_ROUTE")), leads))

        for switch in switches.values():
            switch.after_set = look
        for plan in (drained, whole):
            assert all(each.is_in_sync for each in apply_plan(plan, inventory))
        # A port that is up has a way on behind it, and nobody sends to the leaf unless all of them are up.
        assert all(knows for up, knows, _ in seen if up)
        assert all(up == set(own) for up, _, leads in seen if leads)
        assert {len(up) for up, _, _ in seen} == {0, 1, 2}
        assert seen[-1] == (set(own), True, True)


def test_a_leaf_that_cannot_be_left_keeps_its_ports_of_bonds_and_its_routes() -> None:
    whole = make_plan(loads(BONDED), "ecmp")
    drained = make_plan(loads(BONDED + "overrides: {drain: [leaf0]}\n"), "ecmp")
    with running(whole) as (switches, inventory):
        before = routes_at(switches["leaf0"])
        switches["spine0"].refusal = "out of memory"
        results = applied(drained, inventory)
        assert results["leaf0"].waiting.items() >= {("Ethernet0", "spine0"), ("Ethernet8", "spine0")}
        assert switches["leaf0"].config["PORT"]["Ethernet0"]["admin_status"] == "up"
        assert routes_at(switches["leaf0"]) == before
        switches["spine0"].refusal = ""
        assert all(each.is_in_sync for each in apply_plan(drained, inventory))
        assert switches["leaf0"].config["PORT"]["Ethernet0"]["admin_status"] == "down"
        assert routes_at(switches["leaf0"]) == set()


def test_a_spine_that_refuses_its_routes_is_not_sent_to() -> None:
    with running(DRAINED) as (switches, inventory):
        before = {name: routes_at(switches[name]) for name in ("leaf0", "leaf1")}
        ports = {
            name: {route["ifname"] for route in switches[name].config["STATIC_ROUTE"].values()}
            for name in before
        }
        switches["spine1"].refusal = "no"
        results = applied(WHOLE, inventory)
        assert {name: results[name].state for name in before} == {"leaf0": "held back", "leaf1": "held back"}
        for name in before:
            now = {route["ifname"] for route in switches[name].config["STATIC_ROUTE"].values()}
            assert now == ports[name]


def test_a_switch_put_back_keeps_what_others_rely_on_by_now() -> None:
    """leaf0 has left spine1, which has given up its routes; then leaf0 is unwell."""
    with running(WHOLE) as (switches, inventory):
        leaf = switches["leaf0"]
        drained = replace(
            DRAINED,
            switches=tuple(
                replace(each, qos=replace(each.qos, ecn=replace(each.qos.ecn, pmax=0.5)))
                if each.name == "leaf0"
                else each
                for each in DRAINED.switches
            ),
        )
        old = leaf.config
        leaf.sick_after = len(leaf.requests) + 2  # the round, and what is left: ECN
        results = applied(drained, inventory, PushPolicy(confirm_s=0))
        assert "but for 2 routes that other switches rely on by now" in results["leaf0"].error
        assert leaf.config["WRED_PROFILE"] == old["WRED_PROFILE"]
        assert leaf.config["STATIC_ROUTE"] != old["STATIC_ROUTE"]
        assert routes_at(switches["spine1"]) == set()


def test_a_set_whose_answer_is_lost_is_unknown_and_a_refused_one_failed() -> None:
    with running(WHOLE) as (switches, inventory):
        for switch in switches.values():
            switch.config.pop("STATIC_ROUTE", None)
        switches["leaf0"].dies_at = len(switches["leaf0"].requests) + 1
        switches["leaf1"].refusal = "Error: invalid config"
        results = applied(WHOLE, inventory)
        assert [results[name].state for name in ("leaf0", "leaf1", "leaf2")] == [
            "unknown",
            "failed",
            "in sync",
        ]
        assert "could not be put back" in results["leaf0"].error


@pytest.mark.parametrize("words", ["lossless_pool is no leafref", "handshake", "SSL", "Socket closed"])
def test_a_refusal_is_one_whatever_words_it_has(words: str) -> None:
    with running(WHOLE) as (switches, inventory):
        switches["leaf0"].config.pop("STATIC_ROUTE")
        switches["leaf0"].refusal = words
        error = applied(WHOLE, inventory)["leaf0"].error
        assert f"refused a Set: gRPC UNKNOWN: {words}" in error
        assert "TLS" not in error


def test_a_port_lost_late_in_the_watched_time_brings_the_old_state_back() -> None:
    with running(WHOLE) as (switches, inventory):
        leaf = switches["leaf0"]
        leaf.config.pop("STATIC_ROUTE")
        old = leaf.config
        leaf.sick_after_looks = 3
        result = applied(WHOLE, inventory, PushPolicy(confirm_s=2.0))["leaf0"]
        assert "1 ports that were up are down, the first Ethernet0, 2 s after the push" in result.error
        assert leaf.config == old
        assert result.watched_s >= 2
        assert "links" in result.watched


@pytest.mark.parametrize(
    "key", ["default|10.9.0.1/24", "10.9.0.0/24", "default|nonsense", "Vrf1|10.9.0.0/24"]
)
def test_a_route_in_any_spelling_on_a_switch_is_no_traceback(key: str) -> None:
    with running(WHOLE) as (switches, inventory):
        switches["leaf0"].config["STATIC_ROUTE"][key] = {"nexthop": "172.16.0.1"}
        assert f"STATIC_ROUTE/{key}" in {change.path for change in check(WHOLE, inventory)[0].changes}
        assert all(result.state == "in sync" for result in apply_plan(DRAINED, inventory))


def test_a_route_whose_next_hops_all_change_has_both_for_a_while() -> None:
    """bgpcfgd deletes the old next hops before it adds the new ones."""
    one, other = (without_spine(leaf_spine(2, 2, 2), spine) for spine in ("spine1", "spine0"))
    with running(one) as (switches, inventory):
        seen: list[str] = []
        leaf = switches["leaf0"]
        leaf.after_set = lambda: seen.append(leaf.config["STATIC_ROUTE"]["default|10.0.0.4/30"]["ifname"])
        apply_plan(other, inventory)
        old, new = seen[-2].split(","), seen[-1].split(",")
        assert len(old) == 2
        assert len(new) == 1
        assert new[0] in old
