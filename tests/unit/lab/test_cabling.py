"""What is plugged in at simulated switches: as the fabric says, or as a list of cables says."""

from __future__ import annotations

from raddle.controller.plan import make_plan
from raddle.errors import SourceSpan
from raddle.lab.switches.cabling import cabling
from raddle.lab.switches.programmed import switch_farm
from raddle.topology import bundled_examples, load
from raddle.topology.model import Link, PortRef
from raddle.topology.views.cable_truth import SeenCable

FABRIC = load(bundled_examples()["leaf-spine-16"])
PLAN = make_plan(FABRIC, "ecmp")
SPAN = SourceSpan("cables.csv", 2, 1)


def uplinks() -> list[Link]:
    """The first two links from leaf0 to spines."""
    links = [link for link in FABRIC.links if link.a.device == "leaf0" and link.b.device.startswith("spine")]
    return links[:2]


def swapped() -> list[SeenCable]:
    """The fabric's cables, with the upper ends of leaf0's first two uplinks changed over."""
    first, second = uplinks()
    far = {first.a: second.b, second.a: first.b}
    return [SeenCable(link.a, far.get(link.a, link.b), SPAN) for link in FABRIC.links]


def test_every_link_is_a_lit_port_with_its_neighbour_at_both_ends() -> None:
    plugged = cabling(FABRIC, PLAN)
    for link in FABRIC.links:
        for near, far in ((link.a, link.b), (link.b, link.a)):
            if near.device in plugged.carriers:
                assert near.port in plugged.carriers[near.device]
                neighbor = plugged.neighbors[near.device][near.port]
                assert (neighbor.system, neighbor.port_description) == (far.device, far.port)
    assert len(plugged.cables) == sum("host" not in link.a.device for link in FABRIC.links)


def test_no_two_ports_of_hosts_have_one_mac() -> None:
    plugged = cabling(FABRIC, PLAN)
    macs = [
        neighbor.chassis
        for ports in plugged.neighbors.values()
        for neighbor in ports.values()
        if not neighbor.is_switch
    ]
    assert len(set(macs)) == len(macs) == len(FABRIC.endpoints)


def test_a_wrong_cable_is_what_lldp_tells() -> None:
    farm = switch_farm(FABRIC, PLAN, cables=swapped())
    first, second = uplinks()
    heard = farm.switches["leaf0"].databases.appl["LLDP_ENTRY_TABLE"]
    assert heard[first.a.port]["lldp_rem_sys_name"] == second.b.device
    assert heard[second.a.port]["lldp_rem_sys_name"] == first.b.device


def test_a_device_that_the_fabric_does_not_know_is_heard_by_its_name() -> None:
    stray = SeenCable(PortRef("leaf0", "Ethernet0"), PortRef("laptop", "eth0"), SPAN)
    plugged = cabling(FABRIC, PLAN, [stray])
    assert plugged.neighbors["leaf0"]["Ethernet0"].system == "laptop"
    assert plugged.carriers["leaf0"] == {"Ethernet0"}
