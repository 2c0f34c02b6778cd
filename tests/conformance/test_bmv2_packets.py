"""What p4/fabric.p4 does on BMv2 to packets that are broken, or not plain. scapy makes them."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Any

import pytest
from finsy import Action, IndirectAction, Match, P4CounterEntry, P4PacketOut, P4TableEntry
from finsy.p4entity import P4Entity
from finsy.proto import p4r
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from raddle.controller.plan import make_plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.p4runtime.driver import push_p4
from raddle.controller.southbound.p4runtime.policing import wanted_cells
from raddle.controller.southbound.p4runtime.target import p4_target
from raddle.ecmp_hash import ecmp_hash
from raddle.lab.emulation.carriers import CarrierWatch, PortRegister
from raddle.lab.emulation.layout import Layout
from tests.conformance.bmv2_switch import Bmv2, bmv2_switch, needs_bmv2
from tests.fabrics import pod_running

pytestmark = [pytest.mark.system, *needs_bmv2]

FABRIC = pod_running("p4", "p4", spines=4, more="addressing: {families: dual}")
PLAN = make_plan(FABRIC, "ecmp")
LAYOUT = Layout(FABRIC, PLAN)
LEAF = PLAN.switches[0]
TARGET = p4_target(LEAF, neighbour_macs(PLAN))
UPLINKS = [number for number, port in enumerate(LEAF.ports, 1) if port.peer.startswith("spine")]
(SRC4, SRC6), (DST4, DST6) = ([own.address for own in LAYOUT.nics[host].addresses] for host in (0, 2))
REASONS = {
    "broken": 1, "checksum": 2, "vlan": 3, "not-for-router": 4, "martian": 5, "ttl": 6, "no-route": 7,
    "acl": 8, "policed": 9, "port-down": 10,
}  # fmt: skip


@pytest.fixture(scope="module")
def bmv2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bmv2]:
    with bmv2_switch(len(LEAF.ports), tmp_path_factory.mktemp("bmv2")) as switch:
        push_p4(switch.session, TARGET)
        yield switch


@contextmanager
def written(bmv2: Bmv2, *entities: P4Entity) -> Iterator[None]:
    encoded = [each.encode(TARGET.schema) for each in entities]
    done = []
    try:
        for each in encoded:
            bmv2.session.write([p4r.Update(type=p4r.Update.INSERT, entity=each)])
            done.append(each)
        yield
    finally:
        for each in reversed(done):
            bmv2.session.write([p4r.Update(type=p4r.Update.DELETE, entity=each)])


def ether(**fields: Any) -> Ether:
    return Ether(src="02:01:00:00:00:00", dst=LEAF.mac, **fields)


def four(**fields: Any) -> IP:
    return IP(**{"src": SRC4, "dst": DST4, **fields})


def six(**fields: Any) -> IPv6:
    return IPv6(**{"src": SRC6, "dst": DST6, **fields})


PLAIN = Raw(bytes(40))
ROCE = UDP(sport=0xC001, dport=4791, chksum=0) / PLAIN
OTHER = UDP(sport=7, dport=9) / PLAIN


NO_ROCE = P4TableEntry(
    "acl", match=Match(dst_port=(4791, 0xFFFF), protocol=(17, 0xFF)), priority=50, action=Action("drop")
)


def sent(bmv2: Bmv2, packet: Packet) -> tuple[int, Packet]:
    bmv2.send(1, bytes(packet))
    port, frame = bmv2.receive()
    return port, Ether(frame)


def dropped(bmv2: Bmv2) -> list[int]:
    wanted = P4CounterEntry("dropped").encode(TARGET.schema)
    return [each.counter_entry.data.packet_count for each in bmv2.session.read([wanted])]


def is_dropped(bmv2: Bmv2, packets: Sequence[Packet | bytes], reason: str) -> None:
    """No packet comes out: a good one that is sent after them comes first. All count as `reason`."""
    before = dropped(bmv2)
    for packet in packets:
        bmv2.send(1, bytes(packet))
    _, marker = sent(bmv2, ether() / four(id=0xBEEF) / OTHER)
    assert marker[IP].id == 0xBEEF
    after = dropped(bmv2)
    counts = {name: after[at] - before[at] for name, at in REASONS.items() if after[at] != before[at]}
    assert counts == {reason: len(packets)}


def rebuilt(packet: Packet) -> Packet:
    """The packet with lengths and checksums as scapy computes them."""
    return Ether(bytes(packet))


def test_an_ipv4_packet_with_options_goes_on_with_its_checksum_right(bmv2: Bmv2) -> None:
    packet = ether() / four(options=[IPOption_Router_Alert()]) / ROCE
    _, got = sent(bmv2, packet)
    assert (got[IP].ttl, got[IP].ihl, got[IP].options[0].name) == (63, 6, "IP Option Router Alert")
    right = got[IP].chksum
    del got[IP].chksum
    assert rebuilt(got)[IP].chksum == right
    assert bytes(got[UDP].payload) == bytes(PLAIN)


def test_ipv4_options_do_not_change_the_way_of_a_flow(bmv2: Bmv2) -> None:
    for source_port in range(0xC000, 0xC010):
        udp = UDP(sport=source_port, dport=4791, chksum=0) / PLAIN
        ways = {
            sent(bmv2, ether() / four(options=options) / udp)[0]
            for options in ([], [IPOption_Router_Alert()])
        }
        assert len(ways) == 1


def raw4(offset: int, value: int, options: int = 0) -> bytes:
    """A good IPv4 packet with one byte of its header changed, its checksum made right again."""
    frame = bytearray(bytes(ether() / four(options=[IPOption_Router_Alert()] * options) / ROCE))
    frame[14 + offset] = value
    size = 20 + 4 * options
    frame[24:26] = b"\0\0"
    total = sum(int.from_bytes(frame[at : at + 2], "big") for at in range(14, 14 + size, 2))
    total = (total & 0xFFFF) + (total >> 16)
    frame[24:26] = (~((total & 0xFFFF) + (total >> 16)) & 0xFFFF).to_bytes(2, "big")
    return bytes(frame)


def test_broken_headers_are_dropped(bmv2: Bmv2) -> None:
    whole = bytes(ether() / six() / ROCE)
    broken = {
        "ihl of 4": raw4(0, 0x44),
        "version 5": raw4(0, 0x55),
        "total length below the header": raw4(3, 19),
        "total length above the frame": raw4(2, 9),
        "version 4 in IPv6": whole[:14] + b"\x40" + whole[15:],
        "IPv6 payload above the frame": whole[:18] + b"\x09\0" + whole[20:],
        "cut in its IPv6 header": whole[:40],
        "cut in its IPv4 header": raw4(8, 64)[:30],
    }
    is_dropped(bmv2, list(broken.values()), "broken")


@pytest.mark.parametrize("options", [0, 1])
def test_a_wrong_checksum_is_dropped_with_and_without_options(bmv2: Bmv2, options: int) -> None:
    frame = bytearray(raw4(8, 64, options))
    frame[25] ^= 1
    is_dropped(bmv2, [bytes(frame)], "checksum")


EXTENSIONS = {
    "hop-by-hop": IPv6ExtHdrHopByHop(),
    "destination options": IPv6ExtHdrDestOpt(),
    "routing": IPv6ExtHdrRouting(addresses=[]),
    "three of them": IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(addresses=[]) / IPv6ExtHdrDestOpt(),
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_an_access_list_sees_ports_behind_extension_headers(bmv2: Bmv2, name: str) -> None:
    packet = ether() / six() / EXTENSIONS[name] / ROCE
    assert sent(bmv2, packet)[1][IPv6].hlim == 63
    with written(bmv2, NO_ROCE):
        is_dropped(bmv2, [packet], "acl")


def test_an_access_list_sees_ports_behind_ipv4_options_and_in_a_first_fragment(bmv2: Bmv2) -> None:
    packets = [
        ether() / four(options=[IPOption_Router_Alert()] * 10) / ROCE,
        ether() / four(flags="MF") / ROCE,
        ether() / six() / IPv6ExtHdrFragment(m=1, id=5) / ROCE,
    ]
    with written(bmv2, NO_ROCE):
        is_dropped(bmv2, packets, "acl")


def test_what_hides_its_ports_is_dropped(bmv2: Bmv2) -> None:
    too_many = IPv6ExtHdrDestOpt()
    for _ in range(4):
        too_many = too_many / IPv6ExtHdrDestOpt()
    hidden = [
        ether() / four(proto=51) / AH() / ROCE,
        ether() / six() / AH() / ROCE,
        ether() / six() / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(80))]) / ROCE,
        ether() / six() / too_many / ROCE,
        ether() / six() / IPv6ExtHdrFragment(m=1, nh=60) / IPv6ExtHdrDestOpt() / ROCE,
    ]  # fmt: skip
    is_dropped(bmv2, hidden, "broken")


def test_flows_with_extension_headers_spread_as_those_without(bmv2: Bmv2) -> None:
    used = set()
    for source_port in range(0xC000, 0xC018):
        udp = UDP(sport=source_port, dport=4791) / PLAIN
        way, _ = sent(bmv2, ether() / six() / IPv6ExtHdrDestOpt() / udp)
        assert way == sent(bmv2, ether() / six() / udp)[0]
        used.add(way)
    assert used == set(UPLINKS)


def test_all_fragments_of_a_datagram_go_one_way_and_datagrams_spread_by_flow_label(bmv2: Bmv2) -> None:
    for source_port in range(0xC000, 0xC008):
        first = four(flags="MF", id=9) / UDP(sport=source_port, dport=4791, chksum=0) / PLAIN
        later = four(frag=6, id=9, proto=17) / PLAIN
        assert sent(bmv2, ether() / first)[0] == sent(bmv2, ether() / later)[0]
    used = set()
    for label in range(24):
        pieces = (
            six(fl=label * 0x1357) / IPv6ExtHdrFragment(m=1, id=5) / ROCE,
            six(fl=label * 0x1357) / IPv6ExtHdrFragment(offset=6, id=5, nh=17) / PLAIN,
        )
        ways = {sent(bmv2, ether() / piece)[0] for piece in pieces}
        assert len(ways) == 1
        used |= ways
    assert used == set(UPLINKS)


def test_a_priority_tag_ends_here_and_a_vlan_of_others_is_dropped(bmv2: Bmv2) -> None:
    for packet in (four() / ROCE, six() / ROCE):
        _, got = sent(bmv2, ether() / Dot1Q(vlan=0, prio=3) / packet)
        assert not got.haslayer(Dot1Q)
        assert bytes(got[UDP]) == bytes((ether() / packet)[UDP]) or got.haslayer(IP)
    is_dropped(
        bmv2, [ether() / Dot1Q(vlan=7) / four() / ROCE, ether() / Dot1Q(vlan=7) / six() / ROCE], "vlan"
    )


def test_martians_are_dropped_under_a_route_that_covers_them(bmv2: Bmv2) -> None:
    hop = IndirectAction([(1, Action("set_next_hop", port=UPLINKS[0], dst_mac=1))])
    routes = [P4TableEntry(f"{family}_route", action=hop) for family in ("ipv4", "ipv6")]
    destinations4 = ("224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.1", "240.0.0.1", "169.254.1.1")
    destinations6 = ("ff02::1", "::1", "::", "fe80::1")
    packets = [ether() / four(dst=dst) / ROCE for dst in destinations4]
    packets += [ether() / four(src=src) / ROCE for src in ("224.0.0.1", "127.0.0.1", "0.0.0.0")]
    packets += [ether() / six(dst=dst) / ROCE for dst in destinations6]
    packets += [ether() / six(src=src) / ROCE for src in ("ff02::1", "::1", "fe80::1")]
    with written(bmv2, *routes):
        assert sent(bmv2, ether() / four(dst="198.51.100.1") / ROCE)[0] == UPLINKS[0]
        is_dropped(bmv2, packets, "martian")


def test_other_drops_have_their_reasons(bmv2: Bmv2) -> None:
    is_dropped(bmv2, [ether() / four(ttl=1) / ROCE, ether() / six(hlim=0) / ROCE], "ttl")
    is_dropped(bmv2, [ether() / four(dst="198.51.100.1") / ROCE], "no-route")
    stranger = Ether(src="02:01:00:00:00:00", dst="02:00:00:00:ff:ff") / four() / ROCE
    is_dropped(bmv2, [stranger, ether() / ARP()], "not-for-router")


def test_a_trap_gets_the_packet_as_it_came_in(bmv2: Bmv2) -> None:
    rule = P4TableEntry("acl", match=Match(protocol=(6, 0xFF)), priority=50, action=Action("trap"))
    frames = [
        bytes(ether() / four(ttl=9) / TCP(dport=179) / PLAIN),
        bytes(ether() / Dot1Q(vlan=0, prio=5) / six() / TCP(dport=179) / PLAIN),
        bytes(ether() / four(ttl=1) / TCP(dport=179) / PLAIN),
    ]
    with written(bmv2, rule):
        for frame in frames:
            bmv2.send(1, frame)
            packet = bmv2.session.take_packet(5)
            assert packet is not None
            assert packet.payload == frame


def test_what_is_for_the_switch_itself_goes_to_the_controller_whatever_its_ttl(bmv2: Bmv2) -> None:
    own = next(
        each.prefix.partition("/")[0] for each in LEAF.interfaces if each.prefix and "." in each.prefix
    )
    frame = bytes(ether() / four(dst=own, ttl=1) / ICMP())
    bmv2.send(1, frame)
    packet = bmv2.session.take_packet(5)
    assert packet is not None
    assert packet.payload == frame


def test_a_meter_before_the_controller_keeps_a_flood_away(bmv2: Bmv2) -> None:
    """Two packets a second with bursts of three: of ten at once three or four come."""
    rule = P4TableEntry("acl", match=Match(protocol=(6, 0xFF)), priority=50, action=Action("trap"))
    meter = p4r.MeterEntry(meter_id=TARGET.schema.meters["cpu_meter"].id)
    meter.index.index = 1
    set_meter = p4r.Update(type=p4r.Update.MODIFY, entity=p4r.Entity(meter_entry=meter))
    meter_config = p4r.MeterConfig(cir=2, cburst=3, pir=2, pburst=3)
    set_meter.entity.meter_entry.config.CopyFrom(meter_config)
    before = dropped(bmv2)[REASONS["policed"]]
    with written(bmv2, rule):
        bmv2.session.write([set_meter])
        try:
            for _ in range(10):
                bmv2.send(1, bytes(ether() / four() / TCP() / PLAIN))
            came = 0
            while bmv2.session.take_packet(1):
                came += 1
        finally:
            set_meter.entity.meter_entry.config.CopyFrom(wanted_cells(TARGET.ports, TARGET.cpu_packets)[1])
            bmv2.session.write([set_meter])
        assert came in (3, 4, 5)
        assert dropped(bmv2)[REASONS["policed"]] - before == 10 - came


def test_what_comes_in_marked_is_not_counted_as_marked_here(bmv2: Bmv2) -> None:
    rule = P4TableEntry("ecn", match=Match(tc=3), action=Action("set_ecn", min=0, max=0, p=65535))
    (back,) = [
        each for key, each in TARGET.entities.items()
        if key[:2] == ("entry", TARGET.schema.tables["ecn"].id)
    ]  # fmt: skip
    bmv2.session.write([p4r.Update(type=p4r.Update.MODIFY, entity=rule.encode(TARGET.schema))])
    try:
        counts = []
        for ecn in (3, 2):
            port, got = sent(bmv2, ether() / four(tos=26 << 2 | ecn) / ROCE)
            assert got[IP].tos & 3 == 3
            wanted = P4CounterEntry("class_marked", index=port * 8 + 3).encode(TARGET.schema)
            (found,) = bmv2.session.read([wanted])
            counts.append(found.counter_entry.data.packet_count)
    finally:
        bmv2.session.write([p4r.Update(type=p4r.Update.MODIFY, entity=back)])
    assert counts[1] - counts[0] == 1


def test_the_hash_is_rotated_by_the_switchs_offset(bmv2: Bmv2) -> None:
    offset = 11
    setting = next(each for key, each in TARGET.entities.items() if key[0] == "default")
    turned = p4r.Entity()
    turned.CopyFrom(setting)
    (param,) = [each for each in turned.table_entry.action.action.params if each.param_id == 4]
    param.value = bytes([offset])
    bmv2.session.write([p4r.Update(type=p4r.Update.MODIFY, entity=turned)])
    try:
        for source_port in range(0xC000, 0xC020):
            value = ecmp_hash(LEAF.hash_seed, int(IPv4Address(SRC4)), int(IPv4Address(DST4)), source_port)
            value = value >> offset | value << (32 - offset) & 0xFFFFFFFF
            udp = UDP(sport=source_port, dport=4791, chksum=0) / PLAIN
            assert sent(bmv2, ether() / four() / udp)[0] == UPLINKS[value % len(UPLINKS)]
    finally:
        bmv2.session.write([p4r.Update(type=p4r.Update.MODIFY, entity=setting)])


@contextmanager
def port_register(bmv2: Bmv2, numbers: Mapping[str, int] | None = None) -> Iterator[PortRegister]:
    """Cells by the name of an interface; `port2` and so on without `numbers`."""
    numbers = numbers or {f"port{number}": number for number in UPLINKS}
    register = PortRegister(bmv2.session, TARGET.schema, numbers)
    yield register
    for name in numbers:
        register.set(name, True)
    await_events(bmv2)


def set_ports(bmv2: Bmv2, register: PortRegister, *numbers: int, is_live: bool = False) -> None:
    for number in numbers:
        register.set(f"port{number}", is_live)
    await_events(bmv2)


def await_events(bmv2: Bmv2) -> None:
    """Until port events have taken effect: what the controller sends after them comes after them."""
    marker = bytes(ether() / Raw(b"after the event" * 4))
    out = P4PacketOut(marker, egress_port=1, port_event=0, pad=0).encode_update(TARGET.schema)
    bmv2.session.packet_out(marker, out.packet.metadata)
    assert bmv2.receive() == (1, marker)


def flow_over(bmv2: Bmv2, port: int) -> Packet:
    """A flow that the group sends over a port."""
    for source_port in range(0xC000, 0xC100):
        packet = ether() / four() / UDP(sport=source_port, dport=4791, chksum=0) / PLAIN
        if sent(bmv2, packet)[0] == port:
            return packet
    pytest.fail(f"no flow of 256 goes over port {port}")


def test_flows_of_a_dead_port_take_their_backup_without_the_controller(bmv2: Bmv2) -> None:
    """No table is written: the port's own event sets its cell."""
    first, second = UPLINKS[0], UPLINKS[1]
    packet, other = flow_over(bmv2, first), flow_over(bmv2, UPLINKS[2])
    with port_register(bmv2) as register:
        set_ports(bmv2, register, first)
        port, got = sent(bmv2, packet)
        peer = LEAF.ports[second - 1].peer.partition(":")[0]
        assert (port, got.dst) == (second, neighbour_macs(PLAN)[peer])
        assert sent(bmv2, other)[0] == UPLINKS[2]
        set_ports(bmv2, register, second)
        before = dropped(bmv2)[REASONS["port-down"]]
        bmv2.send(1, bytes(packet))
        assert sent(bmv2, other)[0] == UPLINKS[2]
        assert dropped(bmv2)[REASONS["port-down"]] - before == 1
        set_ports(bmv2, register, first, is_live=True)
        assert sent(bmv2, packet)[0] == first


def test_a_pulled_cable_is_led_around_with_the_controller_muted(bmv2: Bmv2) -> None:
    """The kernel's word of the carrier sets the cell, as in an emulation; nobody writes a table."""
    first, second = UPLINKS[0], UPLINKS[1]
    packet, ends = flow_over(bmv2, first), list[Exception]()
    with port_register(bmv2, {bmv2.interface(number): number for number in UPLINKS}) as register:
        CarrierWatch(frozenset({bmv2.interface(first)}), register.set, ends.append).start()
        for is_plugged, wanted in ((False, second), (True, first)):
            bmv2.plug(first, is_plugged)
            deadline = time.monotonic() + 5
            while (port := where(bmv2, packet)) != wanted:
                assert time.monotonic() < deadline, f"still at port {port}"
        assert not ends


def where(bmv2: Bmv2, packet: Packet) -> int:
    """The port out of which a packet comes; 0: of none, as it went to the end of a pulled cable."""
    bmv2.send(1, bytes(packet))
    ready, _, _ = select.select(list(bmv2.wires.values()), [], [], 0.2)
    return bmv2.receive()[0] if ready else 0


MAPPED4 = int(IPv4Address(DST4)) | 0xFFFF << 32


def test_a_pin_of_a_dead_port_is_none_and_its_packets_take_the_route(bmv2: Bmv2) -> None:
    to = Action("set_next_hop", port=UPLINKS[3], dst_mac=1)
    pin = P4TableEntry("pin_dst", match=Match(dst=MAPPED4), action=to)
    with port_register(bmv2) as register:
        packet = flow_over(bmv2, UPLINKS[1])
        with written(bmv2, pin):
            assert sent(bmv2, packet)[0] == UPLINKS[3]
            set_ports(bmv2, register, UPLINKS[3])
            assert sent(bmv2, packet)[0] == UPLINKS[1]
            set_ports(bmv2, register, UPLINKS[3], is_live=True)
            assert sent(bmv2, packet)[0] == UPLINKS[3]


@pytest.mark.parametrize("table", ["pin_dst", "pin_pair", "pin_qp", "pin_flow"])
def test_a_pin_of_two_members_takes_its_backup_then_the_route(bmv2: Bmv2, table: str) -> None:
    first, second = UPLINKS[3], UPLINKS[2]
    src = int(IPv4Address(SRC4)) | 0xFFFF << 32
    with port_register(bmv2) as register:
        packet = flow_over(bmv2, UPLINKS[1])
        match = {
            "pin_dst": Match(dst=MAPPED4),
            "pin_pair": Match(src=src, dst=MAPPED4),
            "pin_qp": Match(dst=MAPPED4, dest_qp=0),  # PLAIN is a BTH of zeros
            "pin_flow": Match(src=src, dst=MAPPED4, src_port=packet[UDP].sport),
        }[table]
        to = Action("set_next_hop_or", port=first, dst_mac=1, backup_port=second, backup_mac=2)
        with written(bmv2, P4TableEntry(table, match=match, action=to)):
            assert (sent(bmv2, packet)[0], sent(bmv2, packet)[1].dst[-1]) == (first, "1")
            set_ports(bmv2, register, first)
            assert (sent(bmv2, packet)[0], sent(bmv2, packet)[1].dst[-1]) == (second, "2")
            set_ports(bmv2, register, second)
            assert sent(bmv2, packet)[0] == UPLINKS[1]
            set_ports(bmv2, register, first, is_live=True)
            assert sent(bmv2, packet)[0] == first
