"""Pushing plans to switches over a real gRPC connection."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import pytest

from raddle.cli import apply as apply_command
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.reconcile import PushPolicy, apply_plan, check, read_databases
from raddle.controller.southbound.sonic.tables import bootstrap, pushed
from raddle.errors import InputError, UnreachableError
from raddle.inventory import Inventory
from raddle.topology.model import Fabric
from tests.unit.controller.fabrics import leaf_spine, placement, ring
from tests.unit.controller.fake_switch import FakeSwitch, free_address, serving

FABRIC = leaf_spine(2, 2, 2)
PLAN = make_plan(FABRIC, "ecmp")


@contextmanager
def running(plan: Plan = PLAN) -> Iterator[tuple[dict[str, FakeSwitch], Inventory]]:
    """All switches of a plan, booted."""
    switches = {each.name: FakeSwitch(bootstrap(each).config_db) for each in plan.switches}
    with ExitStack() as stack:
        addresses = {name: stack.enter_context(serving(switch)) for name, switch in switches.items()}
        yield switches, Inventory(plan.fabric, addresses)


def test_apply_makes_every_switch_as_planned_with_one_set_each() -> None:
    with running() as (switches, inventory):
        results = apply_plan(PLAN, inventory)
        assert [(result.switch, result.sets, result.error) for result in results] == [
            (name, 1, "") for name in switches
        ]
        assert all(result.is_in_sync for result in results)
        for each in PLAN.switches:
            for table, entries in pushed(each).items():
                assert switches[each.name].config[table] == entries


def test_a_second_apply_sends_nothing() -> None:
    with running() as (switches, inventory):
        apply_plan(PLAN, inventory)
        again = apply_plan(PLAN, inventory)
        assert [(result.changes, result.sets, result.is_in_sync) for result in again] == [((), 0, True)] * 4
        assert all(len(switch.requests) == 1 for switch in switches.values())


def test_dry_run_and_check_change_nothing_and_list_the_same_changes() -> None:
    with running() as (switches, inventory):
        dry = apply_plan(PLAN, inventory, PushPolicy(dry_run=True))
        assert dry == check(PLAN, inventory)
        assert not any(switch.requests for switch in switches.values())
        assert not any(result.is_in_sync for result in dry)
        assert [change.path for change in dry[0].changes if "ROUTE" in change.path] == [
            "STATIC_ROUTE/default|10.0.0.4/30"
        ]


def test_new_pins_touch_only_their_routes() -> None:
    pinned = make_plan(FABRIC, "pinned", ring(placement("strided", FABRIC)))
    with running() as (switches, inventory):
        apply_plan(PLAN, inventory)
        results = apply_plan(pinned, inventory)
        assert [result.sets for result in results] == [1, 1, 0, 0]
        request = switches["leaf0"].requests[-1]
        assert {update.path.elem[3].name for update in request.update} == {
            "default|10.0.0.5~132",
            "default|10.0.0.7~132",
        }
        apply_plan(PLAN, inventory)
        assert check(PLAN, inventory)[0].is_in_sync


def test_drift_by_an_outside_hand_is_found_and_mended() -> None:
    with running() as (switches, inventory):
        apply_plan(PLAN, inventory)
        del switches["leaf1"].config["STATIC_ROUTE"]
        results = {result.switch: result for result in check(PLAN, inventory)}
        assert [name for name, result in results.items() if not result.is_in_sync] == ["leaf1"]
        assert results["leaf1"].changes[0].path == "STATIC_ROUTE/default|10.0.0.0/30"
        assert apply_plan(PLAN, inventory)[1].is_in_sync
        assert check(PLAN, inventory)[1].is_in_sync


def test_an_unreachable_switch_does_not_stop_the_others() -> None:
    with running() as (_, inventory):
        inventory.addresses["leaf1"] = address = free_address()
        results = {result.switch: result for result in apply_plan(PLAN, inventory)}
        assert [result.is_in_sync for result in results.values()] == [True, False, True, True]
        lost = results["leaf1"]
        assert not lost.is_reached
        assert f"leaf1 ({address}) cannot be reached: gRPC UNAVAILABLE" in lost.error
        assert "raddle up" in lost.error


def test_a_switch_without_address_is_an_error_of_its_own() -> None:
    with running() as (_, inventory):
        del inventory.addresses["spine0"]
        results = apply_plan(PLAN, inventory)
        assert [result.error for result in results] == ["", "", "spine0: no address in the inventory", ""]


def test_a_refused_set_carries_what_the_switch_said() -> None:
    with running() as (switches, inventory):
        switches["leaf0"].refusal = "Error: Given patch will produce invalid config"
        result = apply_plan(PLAN, inventory)[0]
        assert (result.is_reached, result.sets, result.is_in_sync) == (True, 0, False)
        assert "refused a Set: gRPC UNKNOWN: Error: Given patch will produce invalid config" in result.error


def test_a_switch_that_loses_the_write_is_caught_by_reading_back() -> None:
    with running() as (switches, inventory):
        switches["leaf0"].forgets = True
        result = apply_plan(PLAN, inventory)[0]
        assert not result.is_in_sync
        assert f"{len(result.changes)} differences after the push" in result.error


def test_the_inventory_of_another_fabric_is_refused() -> None:
    with pytest.raises(InputError, match="wrong-fabric"):
        check(PLAN, Inventory("other", {}))


def test_databases_are_read_by_switch_and_a_missing_table_is_empty() -> None:
    with running() as (switches, inventory):
        read = read_databases(inventory)
        assert read["leaf0"]["CONFIG_DB"] == switches["leaf0"].config
        assert read["leaf0"]["APPL_DB"] == {
            "PORT_TABLE": {"Ethernet0": {"oper_status": "up"}},
            "SWITCH_TABLE": {},
        }


def test_reading_from_a_switch_that_is_not_there_fails() -> None:
    with pytest.raises(UnreachableError, match="leaf0"):
        read_databases(Inventory("test", {"leaf0": free_address()}))


def test_a_switch_that_loses_a_link_after_the_push_gets_its_old_state_back() -> None:
    with running() as (switches, inventory):
        old = switches["leaf0"].config
        switches["leaf0"].sick_after = 1
        result = apply_plan(PLAN, inventory, PushPolicy(confirm_s=0))[0]
        assert not result.is_in_sync
        assert "1 ports that were up are down, the first Ethernet0, 0 s after the push" in result.error
        assert "its earlier configuration is back in place" in result.error
        assert switches["leaf0"].config == old


def test_a_route_that_the_switch_does_not_install_brings_its_old_state_back() -> None:
    with running() as (switches, inventory):
        leaf = switches["leaf0"]
        old = leaf.config
        key = next(iter(pushed(PLAN.switches[0])["STATIC_ROUTE"]))
        ports = pushed(PLAN.switches[0])["STATIC_ROUTE"][key]["ifname"].split(",")
        leaf.up = set(ports)
        leaf.uninstalled = {key}
        result = apply_plan(PLAN, inventory, PushPolicy(confirm_s=0))[0]
        prefix = key.rpartition("|")[2].removesuffix("/32")
        assert f"1 routes are not in APPL_DB ROUTE_TABLE, the first {prefix}," in result.error
        assert leaf.config == old


@pytest.mark.parametrize(
    "installed",
    [{"blackhole": "true"}, {"nexthop": "192.0.2.1", "ifname": "Ethernet0"}, {"nexthop_group": "ID7"}],
)
def test_a_route_that_is_installed_with_other_next_hops_brings_its_old_state_back(
    installed: dict[str, str],
) -> None:
    with running() as (switches, inventory):
        leaf = switches["leaf0"]
        old = leaf.config
        key, fields = next(iter(pushed(PLAN.switches[0])["STATIC_ROUTE"].items()))
        leaf.up = set(fields["ifname"].split(","))
        prefix = key.rpartition("|")[2].removesuffix("/32")
        leaf.learned = {prefix: installed}
        result = apply_plan(PLAN, inventory, PushPolicy(confirm_s=0))[0]
        assert (
            f"1 routes in APPL_DB have other next hops than the plan's, the first {prefix}," in result.error
        )
        assert leaf.config == old


@pytest.mark.parametrize("change", [{"distance": "200,200"}, {"blackhole": "true"}])
def test_a_route_that_another_changes_while_it_is_watched_is_told(change: dict[str, str]) -> None:
    with running() as (switches, inventory):
        leaf = switches["leaf0"]
        key = next(iter(pushed(PLAN.switches[0])["STATIC_ROUTE"]))
        looks = 0

        def look() -> None:
            nonlocal looks
            looks += 1
            if looks == 2:
                leaf.config["STATIC_ROUTE"][key].update(change)

        leaf.before_look = look
        result = apply_plan(PLAN, inventory, PushPolicy(confirm_s=0.2))[0]
        assert "1 routes in CONFIG_DB are others than the plan's" in result.error, looks


def test_a_push_that_flaps_ports_is_held_until_it_is_allowed() -> None:
    with running() as (switches, inventory):
        apply_plan(PLAN, inventory)
        switches["leaf0"].config["BUFFER_QUEUE"]["Ethernet0|0-2"]["profile"] = "other"
        held = apply_plan(PLAN, inventory)[0]
        assert (held.sets, held.held, held.is_in_sync) == (
            0,
            "1 port would go down and up: Ethernet0",
            False,
        )
        done = apply_plan(PLAN, inventory, PushPolicy(allow_flap=True))[0]
        assert (done.sets, done.is_in_sync) == (1, True)


def test_a_pool_of_another_size_needs_a_new_boot_file_and_the_rest_is_pushed() -> None:
    with running() as (switches, inventory):
        switches["leaf0"].config["BUFFER_POOL"]["egress_lossless_pool"]["size"] = "1"
        result = apply_plan(PLAN, inventory)[0]
        assert (result.sets, result.error) == (1, "")
        assert result.bootstrap == ("BUFFER_POOL/egress_lossless_pool",)
        assert apply_command.line_of(result).endswith("verified; 1 of them needs a new config_db.json")
        assert not result.is_in_sync


def test_another_pool_beside_those_of_the_plan_needs_a_new_boot_file_unless_it_is_ignored() -> None:
    beside = {"type": "ingress", "mode": "dynamic", "size": "1000000"}
    with running() as (switches, inventory):
        apply_plan(PLAN, inventory)
        switches["leaf0"].config["BUFFER_POOL"]["ingress_lossy_pool"] = beside
        result = apply_plan(PLAN, inventory)[0]
        assert (result.sets, result.bootstrap) == (0, ("BUFFER_POOL/ingress_lossy_pool",))
        assert not result.is_in_sync
        ignoring = replace(PLAN, ignore=("BUFFER_POOL/ingress_lossy*",))
        assert apply_plan(ignoring, inventory)[0].is_in_sync


def two_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raddle.controller.southbound.sonic.sets.MOVES_PER_SET", 2)


def test_a_connection_that_drops_between_sets_ends_with_the_old_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two_sets(monkeypatch)
    with running() as (switches, inventory):
        old = switches["leaf0"].config
        switches["leaf0"].dies_at, switches["leaf0"].comes_back = 2, True
        results = apply_plan(PLAN, inventory)
        assert [result.is_in_sync for result in results] == [False, True, True, True]
        assert "Socket closed" in results[0].error
        assert "its earlier configuration is back in place; apply again" in results[0].error
        assert switches["leaf0"].config == old


def test_a_switch_killed_mid_push_is_finished_by_the_next_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    two_sets(monkeypatch)
    with running() as (switches, inventory):
        switches["leaf0"].dies_at = 2
        results = apply_plan(PLAN, inventory)
        assert [result.is_in_sync for result in results] == [False, True, True, True]
        assert "could not be put back" in results[0].error
        assert "apply again when it answers" in results[0].error
        switches["leaf0"].dies_at = None
        assert all(result.is_in_sync for result in apply_plan(PLAN, inventory))


def test_a_slow_switch_is_given_up_on_and_does_not_block_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raddle.controller.southbound.sonic.gnmi.WRITE_TIMEOUT_S", 1.0)
    with running() as (switches, inventory):
        switches["leaf0"].waits_for = threading.Event()
        results = apply_plan(PLAN, inventory)
        switches["leaf0"].waits_for.set()
        assert [result.is_in_sync for result in results] == [False, True, True, True]
        assert "gRPC DEADLINE_EXCEEDED" in results[0].error


def test_a_second_controller_is_noticed_and_what_it_wrote_is_left_alone() -> None:
    with running() as (switches, inventory):
        theirs = {"nexthop": "192.0.2.1", "ifname": "Ethernet0"}
        key = "default|10.0.0.4/30"
        switches["leaf0"].rival = {"STATIC_ROUTE": {key: theirs}}
        result = apply_plan(PLAN, inventory)[0]
        assert "another controller writes to this switch; stop it, then apply again" in result.error
        assert switches["leaf0"].config["STATIC_ROUTE"][key] == theirs


def without_spine1(fabric: Fabric) -> Fabric:
    links = tuple(replace(link, is_drained=link.b.device == "spine1") for link in fabric.links)
    return replace(fabric, links=links)


@pytest.mark.parametrize("is_drained", [True, False])
def test_a_spine_is_drained_and_comes_back_without_a_leaf_that_sends_to_it_in_vain(is_drained: bool) -> None:
    fabric = leaf_spine(3, 2, 2)
    whole, drained = make_plan(fabric, "ecmp"), make_plan(without_spine1(fabric), "ecmp")
    first, second = (whole, drained) if is_drained else (drained, whole)
    to_spine1 = {
        (link.a.device, link.a.port)
        for link in fabric.links
        if link.b.device == "spine1" and link.a.device.startswith("leaf")
    }
    with running(first) as (switches, inventory):
        apply_plan(first, inventory)
        in_vain: list[str] = []
        order: list[str] = []

        def look(name: str) -> None:
            order.append(name)
            has_route = "STATIC_ROUTE" in switches["spine1"].config
            for leaf in ("leaf0", "leaf1", "leaf2"):
                used = switches[leaf].config["STATIC_ROUTE"].values()
                ports = {(leaf, port) for route in used for port in route["ifname"].split(",")}
                if ports & to_spine1 and not has_route:
                    in_vain.append(f"{leaf} after the Set of {name}")

        for name, switch in switches.items():
            switch.after_set = partial(look, name)
        results = apply_plan(second, inventory)
        assert all(result.is_in_sync for result in results), results
        assert in_vain == []
        assert sorted(order) == ["leaf0", "leaf1", "leaf2", "spine1"]
        assert order.index("spine1") == (3 if is_drained else 0)


def test_a_switch_that_dies_between_the_rounds_leaves_the_others_done_as_far_as_they_can_be() -> None:
    fabric = leaf_spine(3, 2, 2)
    whole, drained = make_plan(fabric, "ecmp"), make_plan(without_spine1(fabric), "ecmp")
    with running(whole) as (switches, inventory):
        apply_plan(whole, inventory)
        switches["leaf1"].dies_at = len(switches["leaf1"].requests) + 1
        results = {result.switch: result for result in apply_plan(drained, inventory)}
        assert [name for name, result in results.items() if not result.is_in_sync] == ["leaf1", "spine1"]
        assert "leaf1" in results["leaf1"].error
        assert set(results["spine1"].waiting.values()) == {"leaf1"}  # it may still send there
