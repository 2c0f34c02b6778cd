"""Rails under superspines, meshes, single tiers, and hosts that do not fill the leaves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from raddle import InputError, loads
from raddle.controller.plan import make_plan
from raddle.topology.model import Fabric
from raddle.topology.views.bisection import bisection_bps
from raddle.topology.views.capacity import tier_oversubscription
from raddle.workload import Demand


def form(fabric: str, hosts: str = "{per_leaf: 2}", more: str = "") -> Fabric:
    return loads(f"raddle: 1\nname: form\nfabric: {{{fabric}}}\nhosts: {hosts}\n{more}")


def neighbours(fabric: Fabric, name: str) -> list[str]:
    """The switches above a switch."""
    return sorted(link.b.device for link in fabric.links if link.a.device == name)


RAILS = "kind: rail-optimized, pods: 2, leaves: {per_pod: 4}, spines: {per_pod: 4}, superspines: {count: 4}"
TWO_NICS = "{per_leaf: 2, nics: {count: 2}}"


def test_rails_are_kept_in_the_pods_of_three_tiers() -> None:
    fabric = form(RAILS, TWO_NICS)
    assert (len(fabric.leaves), len(fabric.spines), len(fabric.superspines), len(fabric.hosts)) == (
        8,
        8,
        4,
        8,
    )
    leaves = {each.name: fabric.switches[each.leaf].name for each in fabric.endpoints}
    assert [leaves[f"host{i}:eth{n}"] for i in (0, 2) for n in (0, 1)] == ["leaf0", "leaf1", "leaf2", "leaf3"]
    assert neighbours(fabric, "leaf5") == ["spine4", "spine5", "spine6", "spine7"]
    assert neighbours(fabric, "spine5") == ["superspine1"]


def test_spines_of_a_rail_meet_other_rails_at_the_superspines_alone() -> None:
    fabric = form(f"{RAILS}, uplinks: {{mesh: rail}}", TWO_NICS)
    assert neighbours(fabric, "leaf0") == neighbours(fabric, "leaf2") == ["spine0", "spine1"]
    assert neighbours(fabric, "leaf5") == ["spine6", "spine7"]
    # A column of superspines is of the n-th spines of all rails and pods.
    assert neighbours(fabric, "spine0") == neighbours(fabric, "spine6") == ["superspine0", "superspine1"]
    assert neighbours(fabric, "spine1") == neighbours(fabric, "spine7") == ["superspine2", "superspine3"]
    plan = make_plan(fabric, "ecmp")
    assert all(len(switch.routes) == 7 for switch in plan.switches if switch.role == "leaf")


def test_in_a_full_mesh_each_spine_has_a_link_to_each_superspine() -> None:
    tree = "kind: fat-tree, pods: 2, leaves: {per_pod: 2}, spines: {per_pod: 2}, superspines: {count: 3}"
    fabric = form(f"{tree}, spine_uplinks: {{mesh: full, per_pair: 2}}")
    pairs = Counter(
        (link.a.device, link.b.device) for link in fabric.links if link.b.device.startswith("super")
    )
    assert set(pairs.values()) == {2}
    assert len(pairs) == 4 * 3
    # Of 2 leaves of 800G below a spine 400G each, and 6 links of 400G above.
    assert tier_oversubscription(fabric) == {"leaves": 1.0, "spines": pytest.approx(1 / 3)}


def test_rails_without_spines_are_planes_of_one_leaf_each() -> None:
    four = "{per_leaf: 32, accelerators: {count: 4}, nics: {per_accelerator: 1}}"
    fabric = form("kind: rail-optimized, leaves: {count: 4, name: 'rail{rail}'}", four)
    assert [each.name for each in fabric.leaves] == ["rail0", "rail1", "rail2", "rail3"]
    assert (fabric.planes, len(fabric.hosts), len(fabric.links)) == (4, 32, 128)
    assert bisection_bps(fabric) == 4 * 16 * 400_000_000_000


def test_pods_of_unequal_size_have_the_leaves_that_are_listed() -> None:
    tree = (
        "kind: fat-tree, pods: 3, leaves: {per_pod: [3, 1, 2]}, spines: {per_pod: 2}, superspines: {count: 2}"
    )
    fabric = form(tree)
    assert [leaf.pod for leaf in fabric.leaves] == [0, 0, 0, 1, 2, 2]
    assert len(fabric.hosts) == 12
    assert neighbours(fabric, "leaf3") == ["spine2", "spine3"]


def test_hosts_are_as_many_as_counted_where_they_may_be_and_first_leaves_are_filled_first() -> None:
    hosts = "[{per_leaf: 4, groups: 0-2, count: 9}, {per_leaf: 2, groups: 3, name: 'nas{i}'}]"
    fabric = form("leaves: {count: 5}, spines: {count: 2}", hosts)
    at = Counter(fabric.switches[each.leaf].name for each in fabric.endpoints)
    assert at == {"leaf0": 4, "leaf1": 4, "leaf2": 1, "leaf3": 2}
    assert [host.name for host in fabric.hosts[-2:]] == ["nas9", "nas10"]
    plan = make_plan(fabric, "ecmp")
    assert len(plan.switches) == 7  # leaf4, without hosts, is there


def test_room_that_is_reserved_leaves_the_hosts_of_a_partial_row_where_they_are() -> None:
    before = form(
        "leaves: {count: 2}, spines: {count: 2}", "{per_leaf: 4, count: 5}", "reserve: {leaves: 4}\n"
    )
    after = form(
        "leaves: {count: 3}, spines: {count: 2}", "{per_leaf: 4, count: 9}", "reserve: {leaves: 4}\n"
    )
    where = [{str(link.a): str(link.b) for link in fabric.links} for fabric in (before, after)]
    assert where[0].items() <= where[1].items()
    numbers = [dict(make_plan(fabric, "ecmp").endpoints) for fabric in (before, after)]
    assert numbers[0].items() <= numbers[1].items()


def test_neighbouring_ports_share_a_leaf_by_blocks_and_a_nic_is_still_on_both_of_dual_tor() -> None:
    four = "{per_leaf: 1, nics: {count: 4}}"
    rails = "kind: rail-optimized, rails: 2, spines: {count: 1}, leaves"
    leaves = [
        [fabric.switches[each.leaf].name for each in fabric.endpoints]
        for fabric in (
            form(f"{rails}: {{count: 2}}", four),
            form(f"{rails}: {{count: 2}}, port_order: block", four),
            form(f"{rails}: {{count: 4}}, tors: 2, port_order: block", four.replace("4}", "4, ports: 2}")),
        )
    ]
    assert leaves[0] == ["leaf0", "leaf1", "leaf0", "leaf1"]
    assert leaves[1] == ["leaf0", "leaf0", "leaf1", "leaf1"]
    assert leaves[2] == ["leaf0", "leaf1", "leaf0", "leaf1", "leaf2", "leaf3", "leaf2", "leaf3"]


def test_a_port_of_16_lanes_is_broken_out_to_16_and_a_chip_has_1024_ports() -> None:
    models = "models: {big: {ports: 64, port_speed: 1.6T, lanes_per_port: 16, buffer: 512MiB}}\n"
    tier = "{count: 2, model: big, breakout: 16x100G}"
    leaf = f"leaves: {tier}, spines: {tier}"
    fabric = form(leaf, "{per_leaf: 512, nics: {speed: 100G}}", f"{models}roce: {{pfc: false}}\n")
    ports = fabric.leaves[0].ports
    assert len(ports) == 1024
    assert [(port.name, port.alias) for port in (ports[0], ports[15], ports[16])] == [
        ("Ethernet0", "etp1a"),
        ("Ethernet15", "etp1p"),
        ("Ethernet16", "etp2a"),
    ]
    with pytest.raises(InputError, match="17x100G"):
        form(leaf.replace("16x", "17x"), "{per_leaf: 1}", models)


ROW = "leaves: {count: 2}, spines: {count: 1}"
UNEQUAL = "kind: fat-tree, pods: 2, leaves: {per_pod: [3, 2]}, spines: {per_pod: 1}, superspines: {count: 1}"
TWO_PODS = "kind: rail-optimized, pods: 2, leaves: {count: 4}, spines: {count: 4}"


@pytest.mark.parametrize(
    ("fabric", "hosts", "message"),
    [
        (ROW, "{per_leaf: 2, count: 5}", "5 hosts where there is room for 4"),
        (ROW, "{per_leaf: 2, groups: 1-2}", "leaves of a pod count from 0 to 1"),
        (ROW, "{per_leaf: 2, pods: 1}", "'pods' belongs to three tiers"),
        (UNEQUAL, "{per_leaf: 2, pods: 1, groups: 2}", "none of pods 1-1 has these groups"),
        (f"{RAILS}, rails: 2", "{per_leaf: 2, groups: 2, nics: {count: 2}}", "groups count from 0 to 1"),
        ("leaves: {count: 2}, uplinks: {per_pair: 2}", "{per_leaf: 2}", "'uplinks' without spines"),
        ("kind: rail-optimized, leaves: {count: 3}", TWO_NICS, "'spines' is missing in 'fabric'"),
        (TWO_PODS, TWO_NICS, "'superspines' is missing"),
        (f"kind: rail-optimized, {ROW}, uplinks: {{mesh: rail}}", TWO_NICS, "spines of a rail alone need"),
        (
            RAILS.replace("spines: {per_pod: 4}", "spines: {per_pod: [4, 2]}", 1),
            TWO_NICS,
            "2 numbers of spines",
        ),
        (
            RAILS.replace("leaves: {per_pod: 4", "leaves: {per_pod: [4, 4, 4]"),
            TWO_NICS,
            "3 numbers of leaves",
        ),
        (
            f"{RAILS}, uplinks: {{mesh: rail}}".replace("spines: {per_pod: 4}", "spines: {per_pod: 3}", 1),
            TWO_NICS,
            r"spines \(3\) cannot be shared out evenly to 2 rails",
        ),
    ],
)
def test_what_does_not_come_out_is_refused(fabric: str, hosts: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        form(fabric, hosts)


def test_uplinks_of_a_pod_without_hosts_are_no_part_of_the_bisection() -> None:
    text = (
        "raddle: 1\nname: idle\nfabric:\n  kind: fat-tree\n  pods: 3\n  leaves: {per_pod: [4, 4, 2]}\n"
        "  spines: {per_pod: 2}\n  superspines: {count: 4}\n  uplinks: {per_pair: 2}\n"
        "  spine_uplinks: {per_pair: 1}\nhosts: {per_leaf: 4, pods: 0-1}\n"
    )
    # Each pod with hosts has 2 spines with 2 superspines of 400G: 1.6T, and half of 3.2T crosses.
    assert bisection_bps(loads(text)) == 1600 * 10**9


def test_flows_over_a_full_mesh_are_hashed_where_nothing_is_said_and_pins_are_refused_at_the_mesh() -> None:
    text = (
        "raddle: 1\nname: mesh\nfabric:\n  kind: fat-tree\n  pods: 2\n  leaves: {per_pod: 2}\n"
        "  spines: {per_pod: 2}\n  superspines: {count: 2}\n  spine_uplinks: {mesh: full}\n"
        "hosts: {per_leaf: 2}\n"
    )
    assert loads(text).routing.policy == "ecmp"
    assert loads(text.replace("mesh: full", "mesh: column")).routing.policy == "pinned"
    pinned = loads(text + "routing: {policy: pinned}\n")
    assert pinned.routing.policy == "pinned"
    with pytest.raises(InputError, match="form-not-planned") as raised:
        plan_pins_of(pinned)
    assert [each.place for each in raised.value.diagnostics] == [("fabric", "spine_uplinks", "mesh")]


def plan_pins_of(fabric: Fabric) -> None:
    make_plan(fabric, "pinned", Demand(*np.zeros((3, 1), np.int32)))


@pytest.mark.parametrize(
    "hosts", ["per_leaf: 16, groups: 0-1", "per_leaf: 16, count: 33", "per_leaf: 16, count: 47"]
)
@pytest.mark.parametrize("uplinks", ["per_pair: 2", "per_pair: 2, speed: 400G"])
def test_leaves_with_fewer_hosts_have_their_uplinks_where_full_ones_have_them(
    hosts: str, uplinks: str
) -> None:
    """Four ports are broken out for 16 hosts; the next ones are Ethernet32, 40, 48 and 56."""
    fabric = form(
        "leaves: {count: 3, breakout: [{ports: 0-3, mode: 4x100G}]}, spines: {count: 2}, "
        f"uplinks: {{{uplinks}}}",
        f"{{{hosts}, nics: {{speed: 100G}}}}",
    )
    ports: dict[str, list[str]] = {}
    for link in fabric.links:
        if link.a.device.startswith("leaf"):
            assert link.speed_bps == 400 * 10**9
            ports.setdefault(link.a.device, []).append(link.a.port)
    assert ports == {f"leaf{n}": [f"Ethernet{lane}" for lane in (32, 40, 48, 56)] for n in range(3)}


def test_uplinks_that_find_no_port_of_their_speed_say_what_helps() -> None:
    with pytest.raises(InputError) as error:
        form("leaves: {count: 3, breakout: 4x100G}, spines: {count: 2}", "{per_leaf: 8, nics: {speed: 100G}}")
    found = error.value.diagnostics[0]
    assert (found.code, found.hint) == (
        "speed-mismatch",
        "break out fewer ports of 'leaf0', or write 'speed: 100G' here for all such links",
    )


@pytest.mark.parametrize(
    ("per_pod", "terabits"),
    [
        ("[4, 2, 2]", 0.8),  # the first pod has half of the hosts and two uplinks
        ("[4, 4]", 0.8),
        ("[6, 2]", 0.8),  # all that the second pod can send
        ("[2, 2, 2, 2]", 1.6),
    ],
)
def test_a_pod_of_half_of_the_hosts_sends_what_its_own_uplinks_carry(per_pod: str, terabits: float) -> None:
    fabric = form(
        f"kind: fat-tree, pods: {per_pod.count(',') + 1}, leaves: {{per_pod: {per_pod}}}, "
        "spines: {per_pod: 2}, superspines: {count: 2}",
        "{per_leaf: 4}",
    )
    assert bisection_bps(fabric) == terabits * 1e12


def test_pods_of_one_leaf_in_several_planes_have_the_bisection_of_each_plane() -> None:
    fabric = form(
        "kind: fat-tree, planes: 4, pods: 2, leaves: {per_pod: 1}, spines: {per_pod: 1}, "
        "superspines: {count: 1}, uplinks: {per_pair: 2}, spine_uplinks: {per_pair: 2}",
        "{per_leaf: 2, nics: {ports: 4}}",
    )
    assert bisection_bps(fabric) == 4 * 2 * 400 * 10**9


def test_a_leaf_of_half_of_the_hosts_sends_what_its_own_uplinks_carry() -> None:
    """One of 8 hosts and two of 4: its four uplinks are one even cut."""
    fabric = form(
        "leaves: {count: 3}, spines: {count: 2}, uplinks: {per_pair: 2}",
        "[{per_leaf: 8, groups: 0}, {per_leaf: 4, groups: 1-2}]",
    )
    assert bisection_bps(fabric) == 1.6e12
