"""The plan on BMv2 with real packets: the same driver, and the same next hop as the simulated switch."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from finsy import P4PacketOut
from finsy.proto import p4r

from raddle.controller.plan import make_plan
from raddle.controller.plan.diff import Change
from raddle.controller.plan.model import SwitchPlan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.p4runtime.driver import P4Driver, push_p4
from raddle.controller.southbound.p4runtime.policing import cell_updates, read_cells
from raddle.controller.southbound.p4runtime.session import P4Session
from raddle.controller.southbound.p4runtime.target import p4_target
from raddle.ecmp_hash import UDP_PORT_ROCE, ecmp_hash
from raddle.errors import UnreachableError
from raddle.nos.p4rt.entity_tables import EntityTables
from raddle.nos.p4rt.pipeline import Pipeline
from tests.conformance.bmv2_switch import Bmv2, bmv2_switch, needs_bmv2
from tests.fabrics import pod_running

FLOWS = 32

pytestmark = [pytest.mark.system, *needs_bmv2]

FABRIC = pod_running("p4", "p4", spines=4)
PLAN = make_plan(FABRIC, "ecmp")
LEAF = PLAN.switches[0]
HOST, REMOTE = (IPv4Address(dict(PLAN.endpoints)[name]) for name in ("host0", "host2"))


@pytest.fixture(scope="module")
def bmv2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bmv2]:
    with bmv2_switch(len(LEAF.ports), tmp_path_factory.mktemp("bmv2")) as switch:
        push_p4(switch.session, TARGET)
        yield switch


TARGET = p4_target(LEAF, neighbour_macs(PLAN))


def test_what_bmv2_reports_back_is_what_was_planned(bmv2: Bmv2) -> None:
    driver = P4Driver("leaf0", bmv2.session.address, TARGET, lambda: bmv2.session)
    driver.use(bmv2.session)
    assert driver.survey().changes == ()


def test_every_port_is_policed_before_the_controller_and_drift_names_one_that_is_not(bmv2: Bmv2) -> None:
    """600 packets a second, of SONiC's default trap group."""
    driver = P4Driver("leaf0", bmv2.session.address, TARGET, lambda: bmv2.session)
    driver.use(bmv2.session)
    cells = read_cells(bmv2.session, TARGET.schema, TARGET.ports)
    assert {cell.cir for cell in cells.values()} == {cell.pburst for cell in cells.values()} == {600}
    assert cells.keys() == TARGET.ports.keys()
    bmv2.session.write(cell_updates(TARGET.schema, cells, {2: p4r.MeterConfig()}))
    (change,) = driver.survey().changes
    name = LEAF.ports[1].name
    assert change == Change("leaf0", f"cpu_meter/{name}", "all pass", "600 packets/s, 600 at once")
    assert push_p4(bmv2.session, TARGET) == 1
    assert driver.survey().changes == ()


def test_while_a_higher_election_id_is_there_nothing_is_written_and_afterwards_all(tmp_path: Path) -> None:
    with bmv2_switch(len(LEAF.ports), tmp_path) as switch:
        address = switch.session.address
        with P4Session("leaf0", address, 1, election_id=100) as first:
            first.require_primary()
            with (
                P4Session("leaf0", address, 1, election_id=9) as late,
                pytest.raises(UnreachableError, match="another controller"),
            ):
                push_p4(late, TARGET)
        with P4Session("leaf0", address, 1, election_id=9) as late:
            assert push_p4(late, TARGET) > 0


def test_every_flow_takes_the_next_hop_of_the_simulated_switch(bmv2: Bmv2) -> None:
    expected = _remote_group(LEAF)
    assert len(expected) == 4
    used = set()
    for source_port in range(0xC000, 0xC000 + FLOWS):
        bmv2.send(1, _roce(source_port))
        port, frame = bmv2.receive()
        hash_value = ecmp_hash(LEAF.hash_seed, int(HOST), int(REMOTE), source_port)
        assert port == expected[hash_value % len(expected)]
        used.add(port)
        neighbor = LEAF.ports[port - 1].peer.partition(":")[0]
        assert frame[:6].hex(":") == neighbour_macs(PLAN)[neighbor]
        assert frame[6:12].hex(":") == LEAF.mac
        assert frame[22] == 63
        assert _checksum(frame[14:34]) == 0
    assert used == set(expected)


def test_a_pin_is_stronger_than_the_hash(bmv2: Bmv2) -> None:
    from finsy import Action, Match, P4TableEntry

    mapped = int(REMOTE) | 0xFFFF << 32
    wanted = _remote_group(LEAF)[2]
    pins = {
        "pin_dst": Match(dst=mapped),
        "pin_pair": Match(src=int(HOST) | 0xFFFF << 32, dst=mapped),
        "pin_flow": Match(src=int(HOST) | 0xFFFF << 32, dst=mapped, src_port=0xC123),
        "pin_qp": Match(dst=mapped, dest_qp=0x123456),
    }
    for table, match in pins.items():
        action = Action("set_next_hop", port=wanted, dst_mac=1)
        entity = P4TableEntry(table, match=match, action=action).encode(TARGET.schema)
        bmv2.session.write([p4r.Update(type=p4r.Update.INSERT, entity=entity)])
        bmv2.send(1, _roce(0xC123, qp=0x123456))
        assert bmv2.receive()[0] == wanted, table
        bmv2.session.write([p4r.Update(type=p4r.Update.DELETE, entity=entity)])


def test_lldp_goes_to_the_controller_and_comes_from_it(bmv2: Bmv2) -> None:
    lldp = bytes.fromhex("0180c200000e02000000000088cc") + bytes(50)
    bmv2.send(3, lldp)
    packet = bmv2.session.take_packet(5)
    assert packet is not None
    assert packet.payload == lldp
    assert packet.metadata[0].value == b"\3"
    out = P4PacketOut(lldp, egress_port=5, port_event=0, pad=0).encode_update(TARGET.schema)
    bmv2.session.packet_out(lldp, out.packet.metadata)
    assert bmv2.receive() == (5, lldp)


def test_counters_of_port_and_class_count_the_packets(bmv2: Bmv2) -> None:
    counter = TARGET.schema.counters["port_rx"]
    wanted = p4r.Entity(counter_entry=p4r.CounterEntry(counter_id=counter.id, index=p4r.Index(index=2)))
    (before,) = bmv2.session.read([wanted])
    for _ in range(3):
        bmv2.send(2, _roce(0xC000))
        bmv2.receive()
    (after,) = bmv2.session.read([wanted])
    assert after.counter_entry.data.packet_count - before.counter_entry.data.packet_count == 3


def _remote_group(leaf: SwitchPlan) -> list[int]:
    """Port numbers of the next hops to the other leaf's hosts, in the order of the group."""
    pipeline = Pipeline(TARGET.config)
    tables = EntityTables.of(pipeline, TARGET.entities.values())
    (group,) = [row.choices for row in tables.rows["ipv4_route"] if len(row.choices) > 1]
    return [choice.call.number("port") for choice in group]


def _roce(source_port: int, qp: int = 0x11) -> bytes:
    """An RDMA write's frame from host0 to host2: Ethernet, IPv4, UDP and the base transport header."""
    bth = struct.pack(">BBHIII", 0x0A, 0x40, 0xFFFF, qp, 1, 0)
    udp = struct.pack(">HHHH", source_port, UDP_PORT_ROCE, 8 + len(bth), 0) + bth
    header = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 26 << 2 | 2, 20 + len(udp), 0, 0x4000, 64, 17, 0, HOST.packed, REMOTE.packed
    )
    header = header[:10] + struct.pack(">H", _checksum(header)) + header[12:]
    return (
        bytes.fromhex(LEAF.mac.replace(":", "")) + bytes.fromhex("020100000000") + b"\x08\x00" + header + udp
    )


def _checksum(header: bytes) -> int:
    """The Internet checksum (RFC 1071); 0 for a header that holds its own."""
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
