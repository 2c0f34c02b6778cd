"""What p4/fabric.p4 does to real packets on BMv2, step by step, over IPv4 and IPv6."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest
from finsy import (
    Action,
    IndirectAction,
    Match,
    P4CounterEntry,
    P4DirectCounterEntry,
    P4TableEntry,
)
from finsy.p4entity import P4Entity
from finsy.proto import p4r

from raddle.controller.plan import make_plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.p4runtime.driver import P4Driver, push_p4
from raddle.controller.southbound.p4runtime.pipelines import cookie_of
from raddle.controller.southbound.p4runtime.target import p4_target
from raddle.controller.southbound.p4runtime.updates import by_key
from raddle.ecmp_hash import hashed_addresses, qp_hashes, qp_numbers, seed_mask, udp_source_port
from raddle.errors import UnreachableError
from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.roce import WRITE_ONLY, Reth, RocePacket, decode, encode
from raddle.state import HASH_FIELDS, HashField
from raddle.topology.model import Fabric
from tests.conformance.bmv2_switch import Bmv2, bmv2_switch, needs_bmv2
from tests.fabrics import pod_running

pytestmark = [pytest.mark.system, *needs_bmv2]


def dual_stack(qp: str = "") -> Fabric:
    """Switches that forward both families; `qp` is added to the fields that they hash."""
    fields = f"src_ip, dst_ip, ip_protocol, l4_src_port, l4_dst_port{qp}"
    more = f"addressing: {{families: dual}}\nrouting: {{hash: {{fields: [{fields}]}}}}"
    return pod_running("p4", "p4", spines=4, more=more)


FABRIC = dual_stack()
PLAN = make_plan(FABRIC, "ecmp")
LAYOUT = Layout(FABRIC, PLAN)
LEAF = PLAN.switches[0]
MACS = neighbour_macs(PLAN)
TARGET = p4_target(LEAF, MACS)
UPLINKS = [number for number, port in enumerate(LEAF.ports, 1) if port.peer.startswith("spine")]
LOCAL_PORT = LAYOUT.numbers[LAYOUT.nics[1].leaf_port]
IPV4, IPV6 = 0, 1
SEED = 7


def packet(family: int, source_port: int = 0xC000, **more: int) -> RocePacket:
    """An RDMA write from host0 to host2, which is under the other leaf."""
    src, dst = (LAYOUT.nics[host].addresses[family].address for host in (0, 2))
    made = RocePacket(src, dst, source_port, 26, WRITE_ONLY, 0x11, 0, reth=Reth(0, 0, 0))
    return replace(made, **more)  # type: ignore[arg-type]


def frame_of(each: RocePacket) -> bytes:
    return encode(each, "02:01:00:00:00:00", LEAF.mac)


def wide(address: str) -> int:
    """An address as pins and ACL have it."""
    found = ip_address(address)
    return int(found) | (0xFFFF << 32 if found.version == 4 else 0)


@pytest.fixture(scope="module")
def bmv2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bmv2]:
    with bmv2_switch(len(LEAF.ports), tmp_path_factory.mktemp("bmv2")) as switch:
        push_p4(switch.session, TARGET)
        yield switch


@contextmanager
def written(bmv2: Bmv2, *entities: P4Entity) -> Iterator[None]:
    """Entities that are there for a while."""
    encoded = [each.encode(TARGET.schema) for each in entities]
    for each in encoded:
        bmv2.session.write([p4r.Update(type=p4r.Update.INSERT, entity=each)])
    yield
    for each in reversed(encoded):
        bmv2.session.write([p4r.Update(type=p4r.Update.DELETE, entity=each)])


def counted(bmv2: Bmv2, name: str, index: int) -> int:
    wanted = P4CounterEntry(name, index=index).encode(TARGET.schema)
    (found,) = bmv2.session.read([wanted])
    return found.counter_entry.data.packet_count


def to(port: int) -> Action:
    return Action("set_next_hop", port=port, dst_mac=1)


@pytest.mark.parametrize("family", [IPV4, IPV6])
@pytest.mark.parametrize("with_qp", [False, True], ids=["5-tuple", "with-qp"])
def test_every_flow_takes_the_next_hop_of_the_simulators_hash(bmv2: Bmv2, family: int, with_qp: bool) -> None:
    """The fabric file says whether the queue pair counts; the neighbour's MAC and the TTL are rewritten."""
    plan = make_plan(dual_stack(", bth_qp" if with_qp else ""), "ecmp")
    target = p4_target(plan.switches[0], MACS)
    push_p4(bmv2.session, target)
    fields: tuple[HashField, ...] = (*HASH_FIELDS, "bth_qp") if with_qp else HASH_FIELDS
    ends = [int(ip_address(LAYOUT.nics[host].addresses[family].address)) for host in (0, 2)]
    src, dst = (np.repeat(hashed_addresses([end], family == IPV6), 32, axis=0) for end in ends)
    hashes = qp_hashes(src, dst, SEED, "crc32", fields)[0]
    hashes ^= np.uint32(seed_mask(LEAF.hash_seed, "crc32", fields, 16 if family == IPV6 else 4))
    used = set()
    for qp, value in enumerate(hashes.tolist()):
        sender, receiver = qp_numbers(qp, SEED)
        sent = packet(family, udp_source_port(sender, receiver), dest_qp=receiver)
        bmv2.send(1, frame_of(sent))
        port, frame = bmv2.receive()
        assert port == UPLINKS[value % len(UPLINKS)]
        assert decode(frame) == replace(sent, ttl=63)  # and so its ICRC is right
        peer = LEAF.ports[port - 1].peer.partition(":")[0]
        assert (frame[:6].hex(":"), frame[6:12].hex(":")) == (MACS[peer], LEAF.mac)
        used.add(port)
    assert used == set(UPLINKS)
    push_p4(bmv2.session, TARGET)


@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_queue_pairs_of_one_source_port_part_only_where_the_queue_pair_counts(
    bmv2: Bmv2, family: int
) -> None:
    for with_qp in (False, True):
        plan = make_plan(dual_stack(", bth_qp" if with_qp else ""), "ecmp")
        push_p4(bmv2.session, p4_target(plan.switches[0], MACS))
        used = set()
        for qp in range(16):
            bmv2.send(1, frame_of(packet(family, dest_qp=qp * 7919)))
            used.add(bmv2.receive()[0])
        assert len(used) == (len(UPLINKS) if with_qp else 1)
    push_p4(bmv2.session, TARGET)


def test_flows_over_a_weighted_group_are_as_many_as_the_weights_say(bmv2: Bmv2) -> None:
    """Weights 3, 2, 1; 600 source ports. Binomial standard deviation 12 at p = 1/2; five of them."""
    weights = dict(zip(UPLINKS, (3, 2, 1), strict=False))
    hops = [(weight, to(port)) for port, weight in weights.items()]
    prefix = f"{packet(IPV4).dst}/32"
    route = P4TableEntry("ipv4_route", match=Match(dst=prefix), action=IndirectAction(hops))
    found: Counter[int] = Counter()
    with written(bmv2, route):
        for source_port in range(0xC000, 0xC000 + 600):
            bmv2.send(1, frame_of(packet(IPV4, source_port)))
            found[bmv2.receive()[0]] += 1
    assert set(found) == set(weights)
    for port, weight in weights.items():
        assert abs(found[port] - 100 * weight) < 60


@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_pins_hit_in_their_order_and_count_their_packets(bmv2: Bmv2, family: int) -> None:
    """Flow before queue pair before pair before destination, each to a port of its own."""
    sent = packet(family)
    src, dst = wide(sent.src), wide(sent.dst)
    matches = {
        "pin_dst": Match(dst=dst),
        "pin_pair": Match(src=src, dst=dst),
        "pin_qp": Match(dst=dst, dest_qp=sent.dest_qp),
        "pin_flow": Match(src=src, dst=dst, src_port=sent.udp_source_port),
    }
    pins = {
        table: P4TableEntry(table, match=match, action=to(port))
        for (table, match), port in zip(matches.items(), UPLINKS, strict=True)
    }
    with written(bmv2, *pins.values()):
        for table, port in reversed(list(zip(pins, UPLINKS, strict=True))):
            bmv2.send(1, frame_of(sent))
            assert bmv2.receive()[0] == port, table
            counter = P4DirectCounterEntry(table, table_entry=pins[table]).encode(TARGET.schema)
            (found,) = bmv2.session.read([counter])
            assert found.direct_counter_entry.data.packet_count == 1, table
            gone = p4r.Update(type=p4r.Update.DELETE, entity=pins[table].encode(TARGET.schema))
            bmv2.session.write([gone])
        for pin in pins.values():  # `written` takes them away again
            bmv2.session.write([p4r.Update(type=p4r.Update.INSERT, entity=pin.encode(TARGET.schema))])


def test_a_pin_of_another_flow_pair_queue_pair_or_destination_does_not_hit(bmv2: Bmv2) -> None:
    sent, here = packet(IPV6), LOCAL_PORT  # no uplink: a wrong hit would show
    src, dst = wide(sent.src), wide(sent.dst)
    others = [
        P4TableEntry("pin_dst", match=Match(dst=dst + 2), action=to(here)),
        P4TableEntry("pin_dst", match=Match(dst=wide(packet(IPV4).dst)), action=to(here)),
        P4TableEntry("pin_pair", match=Match(src=src + 2, dst=dst), action=to(here)),
        P4TableEntry("pin_qp", match=Match(dst=dst, dest_qp=sent.dest_qp + 1), action=to(here)),
        P4TableEntry(
            "pin_flow", match=Match(src=src, dst=dst, src_port=sent.udp_source_port + 1), action=to(here)
        ),
    ]
    with written(bmv2, *others):
        bmv2.send(1, frame_of(sent))
        assert bmv2.receive()[0] in UPLINKS


@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_ttl_1_ends_here_and_ttl_2_goes_on_with_1(bmv2: Bmv2, family: int) -> None:
    for ttl in (0, 1, 2):
        bmv2.send(1, frame_of(packet(family, ttl=ttl)))
    assert decode(bmv2.receive()[1]) == packet(family, ttl=1)


def test_a_broken_header_checksum_ends_here(bmv2: Bmv2) -> None:
    broken = bytearray(frame_of(packet(IPV4, 0xC001)))
    broken[24] ^= 1
    bmv2.send(1, bytes(broken))
    bmv2.send(1, frame_of(packet(IPV4, 0xC002)))
    assert decode(bmv2.receive()[1]).udp_source_port == 0xC002


def test_what_is_not_for_the_switchs_mac_is_not_forwarded(bmv2: Bmv2) -> None:
    bmv2.send(1, encode(packet(IPV4, 0xC001), "02:01:00:00:00:00", "02:00:00:00:ff:ff"))
    bmv2.send(1, frame_of(packet(IPV4, 0xC002)))
    assert decode(bmv2.receive()[1]).udp_source_port == 0xC002


@pytest.mark.parametrize("family", [IPV4, IPV6])
@pytest.mark.parametrize(
    "match",
    [
        lambda sent: Match(dst=(wide(sent.dst), 2**128 - 1)),
        lambda sent: Match(src=(wide(sent.src) & ~0xF, 2**128 - 16)),  # the 16 addresses around it
        lambda sent: Match(src_port=(sent.udp_source_port, 0xFFFF), protocol=(17, 0xFF)),
        lambda sent: Match(in_port=(1, 0x1FF), dscp=(26, 0x3F)),
    ],
    ids=["destination", "source-prefix", "source-port", "port-and-dscp"],
)
def test_acl_drops_what_it_matches_counts_it_and_lets_the_rest_go(
    bmv2: Bmv2, family: int, match: Callable[[RocePacket], Match]
) -> None:
    sent = packet(family)
    rule = P4TableEntry("acl", match=match(sent), priority=50, action=Action("drop"))
    src, dst = (LAYOUT.nics[host].addresses[1 - family].address for host in (1, 3))
    other = replace(sent, src=src, dst=dst, udp_source_port=0xD000, dscp=0)  # unlike it in all of these
    with written(bmv2, rule):
        bmv2.send(1, frame_of(sent))
        bmv2.send(2, frame_of(other))
        assert decode(bmv2.receive()[1]) == replace(other, ttl=63)
        counter = P4DirectCounterEntry("acl", table_entry=rule).encode(TARGET.schema)
        (found,) = bmv2.session.read([counter])
        assert found.direct_counter_entry.data.packet_count == 1


@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_counters_of_ports_and_classes_count_what_goes_through_them(bmv2: Bmv2, family: int) -> None:
    """DSCP 26 is class 3, 48 is class 6, others are class 0, as the plan has them."""
    for dscp in (26, 48, 0):
        tc = LEAF.qos.dscp_to_tc[dscp]
        assert tc == {26: 3, 48: 6, 0: 0}[dscp]
        out = UPLINKS[0]
        pin = P4TableEntry("pin_dst", match=Match(dst=wide(packet(family).dst)), action=to(out))
        places = {"port_rx": 1, "port_tx": out, "class_tx": out * 8 + tc}
        before = {name: counted(bmv2, name, place) for name, place in places.items()}
        with written(bmv2, pin):
            for _ in range(3):
                bmv2.send(1, frame_of(packet(family, dscp=dscp)))
                assert bmv2.receive()[0] == out
        after = {name: counted(bmv2, name, place) for name, place in places.items()}
        assert {name: after[name] - before[name] for name in places} == dict.fromkeys(places, 3)


@contextmanager
def slow_queue(bmv2: Bmv2, port: int, queue: int, packets_per_s: int) -> Iterator[None]:
    bmv2.set_queue_rate(port, queue, packets_per_s)
    yield
    bmv2.set_queue_rate(port, queue, 10**6)


@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_classes_wait_in_queues_of_their_own(bmv2: Bmv2, family: int) -> None:
    """While class 3's queue is slow, what comes later in class 0 overtakes."""
    pin = P4TableEntry("pin_dst", match=Match(dst=wide(packet(family).dst)), action=to(UPLINKS[0]))
    queue = LEAF.qos.tc_to_queue[3]
    with written(bmv2, pin), slow_queue(bmv2, UPLINKS[0], queue, 5):
        for number in range(3):
            bmv2.send(1, frame_of(packet(family, psn=number)))
        bmv2.send(1, frame_of(packet(family, psn=9, dscp=0)))
        order = [decode(bmv2.receive()[1]).psn for _ in range(4)]
    assert order[-1] == 2
    assert order.index(9) < order.index(2)
    assert [each for each in order if each != 9] == [0, 1, 2]


@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_ce_is_set_above_the_depth_of_the_class_and_on_ect_only(bmv2: Bmv2, family: int) -> None:
    """A burst into a slow queue: packet n finds n - 1 before it, or n where the first has left by then."""
    depth, burst, out = 5, 12, UPLINKS[0]
    pin = P4TableEntry("pin_dst", match=Match(dst=wide(packet(family).dst)), action=to(out))
    rule = P4TableEntry("ecn", match=Match(tc=3), action=Action("set_ecn", min=depth, max=depth, p=65535))
    back = TARGET.entities[("entry", TARGET.schema.tables["ecn"].id, _ecn_key())]
    bmv2.session.write([p4r.Update(type=p4r.Update.MODIFY, entity=rule.encode(TARGET.schema))])
    before = counted(bmv2, "class_marked", out * 8 + 3)
    marks = {}
    with written(bmv2, pin):
        for name, dscp, is_ect in (("class 3", 26, True), ("not ECT", 26, False), ("class 0", 0, True)):
            with slow_queue(bmv2, out, LEAF.qos.tc_to_queue[LEAF.qos.dscp_to_tc[dscp]], 40):
                for number in range(burst):
                    frame = bytearray(frame_of(packet(family, psn=number, dscp=dscp)))
                    if not is_ect:
                        frame = without_ect(frame)
                    bmv2.send(1, bytes(frame))
                frames = [bmv2.receive()[1] for _ in range(burst)]
            marks[name] = [traffic_class(frame) & 3 == 3 for frame in frames]
            assert [decode(frame).psn for frame in frames] == list(range(burst))
    bmv2.session.write([p4r.Update(type=p4r.Update.MODIFY, entity=back)])
    assert sorted(marks["class 3"]) == marks["class 3"]  # once the queue is deep, all are marked
    assert burst - sum(marks["class 3"]) in (depth, depth + 1, depth + 2)
    assert not any(marks["not ECT"])
    assert not any(marks["class 0"])
    assert counted(bmv2, "class_marked", out * 8 + 3) - before == sum(marks["class 3"])


def _ecn_key() -> bytes:
    (key,) = (key[2] for key in TARGET.entities if key[:2] == ("entry", TARGET.schema.tables["ecn"].id))
    return key


def traffic_class(frame: bytes) -> int:
    """TOS of IPv4, traffic class of IPv6."""
    return frame[15] if frame[12:14] == b"\x08\x00" else (frame[14] << 4 | frame[15] >> 4) & 0xFF


def without_ect(frame: bytearray) -> bytearray:
    """The frame with ECN bits 0, its IPv4 checksum right."""
    if frame[12:14] == b"\x86\xdd":
        frame[15] &= 0xCF
        return frame
    total = int.from_bytes(frame[24:26], "big") + (frame[15] & 3)  # RFC 1624: one's complement
    frame[15] &= 0xFC
    frame[24:26] = ((total & 0xFFFF) + (total >> 16)).to_bytes(2, "big")
    return frame


def test_a_table_takes_more_than_bmv2s_1024_entries(bmv2: Bmv2) -> None:
    pins = [
        P4TableEntry("pin_dst", match=Match(dst=wide("fd00::") + place), action=to(3)).encode(TARGET.schema)
        for place in range(1500)
    ]
    bmv2.session.write([p4r.Update(type=p4r.Update.INSERT, entity=pin) for pin in pins])
    driver = P4Driver("leaf0", bmv2.session.address, TARGET, lambda: bmv2.session)
    driver.use(bmv2.session)
    assert len(driver.survey().changes) == 1500
    push_p4(bmv2.session, TARGET)
    assert driver.survey().changes == ()


def test_what_bmv2_refuses_is_named_and_the_rest_is_taken_back(tmp_path: Path) -> None:
    """Its pins have less room than its P4Info says. BMv2 has no word for a full table."""
    program = json.loads(TARGET.config.p4_device_config)
    for table in program["pipelines"][0]["tables"]:
        if table["name"].endswith("pin_dst"):
            table["max_size"] = 2
    config = p4r.ForwardingPipelineConfig(
        p4info=TARGET.config.p4info, p4_device_config=json.dumps(program).encode()
    )
    config.cookie.cookie = cookie_of(config)
    pins = by_key(
        P4TableEntry("pin_dst", match=Match(dst=place), action=to(3)).encode(TARGET.schema)
        for place in range(3)
    )
    everything = p4r.Entity(table_entry=p4r.TableEntry())
    with bmv2_switch(2, tmp_path) as switch:
        plain = replace(TARGET, config=config)
        push_p4(switch.session, plain)
        before = by_key(switch.session.read([everything]))
        full = replace(plain, entities=TARGET.entities | pins)
        with pytest.raises(
            UnreachableError, match="refused 1 of 3 updates; the first: pin_dst/dst="
        ) as caught:
            push_p4(switch.session, full)
        assert "what it had accepted was taken back" in str(caught.value)
        assert by_key(switch.session.read([everything])) == before
