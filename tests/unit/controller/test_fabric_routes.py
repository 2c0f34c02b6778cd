"""ECMP routes, tested by following them."""

from ipaddress import ip_address, ip_network

import pytest

from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan, SwitchPlan
from tests.unit.controller.fabrics import leaf_spine


def longest_match(switch: SwitchPlan, address: str) -> list[str]:
    """Ports that a packet to `address` may leave by; connected networks count as routes."""
    matches = [
        (ip_network(each.prefix, strict=False), [each.name])
        for each in switch.interfaces
        if not each.name.startswith("Loopback")
    ]
    matches += [(ip_network(route.prefix), [hop.port for hop in route.next_hops]) for route in switch.routes]
    fitting = [(net.prefixlen, ports) for net, ports in matches if ip_address(address) in net]
    return max(fitting)[1] if fitting else []


def delivered(plan: Plan, leaf: str, address: str) -> set[str]:
    """All places a packet may end at, over every choice of the hash; `lost` where no route fits."""
    switches = {switch.name: switch for switch in plan.switches}
    ends, todo = set(), [(leaf, 0)]
    while todo:
        name, hops = todo.pop()
        assert hops <= 3, "the routes loop"
        ports = longest_match(switches[name], address)
        if not ports:
            ends.add("lost")
        for port in ports:
            peer = next(each.peer for each in switches[name].ports if each.name == port).split(":")[0]
            if peer in switches:
                todo.append((peer, hops + 1))
            else:
                ends.add(peer)
    return ends


@pytest.mark.parametrize("dead", [[], [(0, 0, 0)], [(0, 0, 0), (1, 1, 0), (2, 0, 1)]])
def test_every_hash_choice_from_every_leaf_reaches_the_endpoint(dead: list[tuple[int, int, int]]) -> None:
    fabric = leaf_spine(3, 3, 2, per_pair=2, down=dead)
    plan = make_plan(fabric, "ecmp")
    for leaf in fabric.leaves:
        for name, address in plan.endpoints:
            assert delivered(plan, leaf.name, address) == {name}


def test_a_leaf_uses_all_its_uplinks_in_order_of_address() -> None:
    plan = make_plan(leaf_spine(4, 4, 4), "ecmp")
    route = next(route for route in plan.switches[0].routes if route.prefix == "10.0.0.8/29")
    assert [hop.port for hop in route.next_hops] == ["Ethernet32", "Ethernet40", "Ethernet48", "Ethernet56"]
    assert [hop.address for hop in route.next_hops] == [f"172.16.0.{i}" for i in (0, 2, 4, 6)]


def test_next_hops_are_sorted_as_numbers_not_as_text() -> None:
    plan = make_plan(leaf_spine(2, 8, 1), "ecmp")
    addresses = [hop.address for hop in plan.switches[0].routes[0].next_hops]
    assert addresses[4:6] == ["172.16.0.8", "172.16.0.10"]


def test_a_leaf_avoids_a_spine_that_lost_its_link_to_the_far_leaf() -> None:
    plan = make_plan(leaf_spine(3, 2, 1, down=[(2, 1, 0)]), "ecmp")
    routes = {route.prefix: [hop.port for hop in route.next_hops] for route in plan.switches[0].routes}
    assert routes == {"10.0.0.2/31": ["Ethernet8", "Ethernet16"], "10.0.0.4/31": ["Ethernet8"]}


def test_an_isolated_leaf_has_no_routes_and_no_port_up_towards_spines() -> None:
    plan = make_plan(leaf_spine(2, 1, 1, down=[(1, 0, 0)]), "ecmp")
    assert [switch.routes for switch in plan.switches[:2]] == [(), ()]
    assert not plan.switches[1].ports[1].is_enabled


def test_each_switch_hashes_with_a_seed_of_its_own_unless_one_is_given() -> None:
    own = {switch.hash_seed for switch in make_plan(leaf_spine(4, 4, 1), "ecmp").switches}
    given = {switch.hash_seed for switch in make_plan(leaf_spine(4, 4, 1, seed=7), "ecmp").switches}
    assert (len(own), given) == (8, {7})
