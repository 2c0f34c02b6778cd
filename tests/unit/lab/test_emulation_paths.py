from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, cast

from raddle import loads
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.lab.emulation.layout import Layout, NicAddress
from raddle.lab.emulation.nics import Sighting
from raddle.lab.emulation.paths import Routing, TripLog
from raddle.lab.emulation.repair import Repairer
from raddle.lab.emulation.roce import WRITE_ONLY, Reth, RocePacket, encode
from raddle.lab.workloads.collective import collective_demand
from raddle.topology import find, load
from raddle.topology.model import PortRef
from tests.fabrics import leaf_spine

if TYPE_CHECKING:
    from raddle.lab.emulation.dataplane import Dataplane  # with Mininet

FABRIC = load(find("leaf-spine-16"))
DEMAND = collective_demand(FABRIC, "all_reduce", None)
PINNED = make_plan(FABRIC, "pinned", DEMAND)
LAYOUT = Layout(FABRIC, PINNED)
ROUTING = Routing(LAYOUT, tuple(switch.routes for switch in PINNED.switches))

UP = PortRef("leaf0", "Ethernet32")
PATH = (UP, PortRef("spine0", "Ethernet8"), PortRef("leaf1", "Ethernet0"))


def test_a_pinned_pair_has_one_path_and_another_pair_has_all() -> None:
    assert ROUTING.only_path(3, 4) == PATH
    assert ROUTING.only_path(0, 5) is None
    assert len(ROUTING.choices("leaf0", LAYOUT.nics[5].address)) == 4


def test_without_its_link_a_pin_gives_way_to_the_other_uplinks() -> None:
    assert ROUTING.choices("leaf0", LAYOUT.nics[4].address) == {UP}
    left = ROUTING.choices("leaf0", LAYOUT.nics[4].address, dead=frozenset({UP}))
    assert left == {PortRef("leaf0", f"Ethernet{8 * number}") for number in (5, 6, 7)}


def test_a_path_that_leads_elsewhere_is_not_allowed() -> None:
    assert ROUTING.allows(PATH, 3, 4)
    assert not ROUTING.allows(PATH, 3, 4, dead=frozenset({UP}))
    assert not ROUTING.allows((*PATH[:2], PortRef("leaf1", "Ethernet8")), 3, 4)
    assert not ROUTING.allows((PortRef("leaf0", "Ethernet40"), PortRef("spine1", "Ethernet8"), PATH[2]), 3, 4)
    assert not ROUTING.allows((), 3, 4)


def test_the_controllers_routes_leave_out_a_remote_link_at_the_leaf() -> None:
    far = frozenset({PortRef("spine0", "Ethernet8"), PortRef("leaf1", "Ethernet32")})
    after = Routing(LAYOUT, Repairer(FABRIC, PINNED, DEMAND).routes(far))
    path = after.only_path(3, 4)
    assert path
    assert path[0] != UP
    assert UP not in after.choices("leaf0", LAYOUT.nics[5].address)


class Recorder:
    """What the controller asks of the switches."""

    def __init__(self) -> None:
        self.prepared, self.repaired, self.looks = list[Plan](), list[Plan](), 0

    def prepare(self, plan: Plan) -> None:
        self.prepared.append(plan)

    def repair(self, plan: Plan) -> None:
        self.repaired.append(plan)

    def read_back(self) -> None:
        self.looks += 1


def test_single_failures_are_computed_beforehand_and_sent_as_they_were() -> None:
    repairer, switches = Repairer(FABRIC, PINNED, DEMAND), Recorder()
    repairer.start(cast("Dataplane", switches))
    assert repairer.await_prepared(30)
    for _ in range(2):
        switches.repaired.clear()
        repairer.hear(UP, False)
        assert repairer.settled(frozenset({UP}), 10)
        assert switches.repaired
        assert all(any(each is one for one in switches.prepared) for each in switches.repaired)
        repairer.hear(UP, True)
        assert repairer.settled(frozenset(), 10)
    assert switches.looks == 4


def test_the_second_end_of_a_cable_changes_no_route_and_keeps_the_times_of_the_first() -> None:
    repairer, switches = Repairer(FABRIC, PINNED, DEMAND), Recorder()
    pushed = switches.repaired
    ends = (UP, PortRef("spine0", "Ethernet0"))
    repairer.start(cast("Dataplane", switches))
    repairer.hear(ends[0], False)
    first = repairer.settled(frozenset(ends[:1]), 10)
    count = len(pushed)
    repairer.hear(ends[1], False)
    both = repairer.settled(frozenset(ends), 10)
    assert first
    assert count > 0
    assert len(pushed) == count
    assert both == replace(first, dead=frozenset(ends))


def test_a_packets_trip_is_the_ports_that_sent_it() -> None:
    packet = RocePacket("10.0.0.7", "10.0.0.9", 50000, 26, WRITE_ONLY, 7, 0, reth=Reth(0, 0, 0))
    frames = [encode(packet, "02:01:00:00:00:03", "02:00:00:00:00:00"), encode(packet, PATH_MAC, PATH_MAC)]
    sightings = [
        Sighting(1, LAYOUT.nics[3].leaf_port, False, frames[0]),
        *(Sighting(2 + hop, port, True, frames[1]) for hop, port in enumerate(PATH)),
    ]
    log = TripLog()
    log.add(sightings[:2])
    log.add(sightings)
    [trip] = log.trips()
    assert (trip.dest_qp, trip.is_ack, trip.path, trip.arrived_ns) == (7, False, PATH, 4)


PATH_MAC = "02:00:00:00:00:04"


def test_nics_have_the_plans_addresses_and_the_leafs_mac() -> None:
    nic = LAYOUT.nics[5]
    assert (nic.host, nic.name, nic.address) == ("host5", "eth0", "10.0.0.11")
    assert nic.addresses == (NicAddress("10.0.0.11", "10.0.0.10", 31),)
    assert nic.gateway_mac == "02:00:00:00:00:01"
    assert LAYOUT.interfaces["leaf0-eth5"] == UP


def test_nics_have_an_address_of_each_family_and_send_from_the_first() -> None:
    form = leaf_spine(per_leaf=4, more="addressing: {families: %s}\n")
    six = NicAddress("fd00:0:0:1::b", "fd00:0:0:1::a", 127)
    both = loads(form % "dual")
    nic = Layout(both, make_plan(both, "ecmp")).nics[5]
    assert nic.addresses == (NicAddress("10.0.0.11", "10.0.0.10", 31), six)
    assert nic.address == "10.0.0.11"
    alone = loads(form % "ipv6")
    layout = Layout(alone, make_plan(alone, "ecmp"))
    assert layout.nics[5].addresses == (six,)
    assert IPv6Address(six.address).packed in layout.addresses
