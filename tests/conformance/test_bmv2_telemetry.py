"""Postcards of p4/fabric.p4 on BMv2: what watched packets met in the switch."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from finsy.proto import p4r
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.p4runtime.driver import push_p4, read_entities
from raddle.controller.southbound.p4runtime.postcards import SESSION, Head, Postcard, Watch, collect
from raddle.controller.southbound.p4runtime.session import P4Session
from raddle.controller.southbound.p4runtime.target import p4_target
from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.roce import WRITE_ONLY, Reth, RocePacket, decode, encode
from tests.conformance.bmv2_switch import Bmv2, bmv2_switch, needs_bmv2
from tests.fabrics import pod_running

pytestmark = [pytest.mark.system, *needs_bmv2]

FABRIC = pod_running("p4", "p4", spines=4, more="addressing: {families: dual}")
PLAN = make_plan(FABRIC, "ecmp")
LAYOUT = Layout(FABRIC, PLAN)
LEAF = PLAN.switches[0]
TARGET = p4_target(LEAF, neighbour_macs(PLAN))
PORTS = {"leaf0": {number: port.name for number, port in enumerate(LEAF.ports, 1)}}
SRC_PORT, QP = 0xC000, 0x11


@pytest.fixture(scope="module")
def bmv2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bmv2]:
    with bmv2_switch(len(LEAF.ports), tmp_path_factory.mktemp("bmv2")) as switch:
        push_p4(switch.session, TARGET)
        yield switch


def packet(psn: int, family: int = 0, **more: int) -> RocePacket:
    """An RDMA write from host0 to host2, which is under the other leaf."""
    src, dst = (LAYOUT.nics[host].addresses[family].address for host in (0, 2))
    made = RocePacket(src, dst, SRC_PORT, 26, WRITE_ONLY, QP, psn, reth=Reth(0, 0, 0))
    return replace(made, **more)  # type: ignore[arg-type]


def watched(bmv2: Bmv2, watch: Watch, sent: Sequence[RocePacket], wanted: int) -> list[Postcard]:
    """The postcards that packets leave which are sent once the switch watches."""

    def send() -> None:
        time.sleep(0.5)
        for each in sent:
            bmv2.send(1, encode(each, "02:01:00:00:00:00", LEAF.mac))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return collect([bmv2.session], PORTS, watch, wanted, 10)
    finally:
        sender.join()


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_a_watched_packet_goes_on_and_leaves_a_postcard_of_where_it_went(bmv2: Bmv2, family: int) -> None:
    sent = packet(7, family)
    (card,) = watched(bmv2, Watch(src=sent.src, dst=sent.dst), [sent], 1)
    port, frame = bmv2.receive()
    assert decode(frame) == replace(sent, ttl=63)
    assert card.head == Head(sent.src, sent.dst, 17, SRC_PORT, QP, 7)
    assert (card.switch, card.ttl) == ("leaf0", 63)
    assert (card.ingress_port, card.egress_port) == (LEAF.ports[0].name, LEAF.ports[port - 1].name)
    assert (card.queue, card.queue_depth, card.is_marked) == (LEAF.qos.tc_to_queue[3], 0, False)
    assert card.hop_us >= card.queue_us


OTHERS: dict[str, Callable[[RocePacket], Watch]] = {
    "source": lambda sent: Watch(src=sent.dst),
    "destination": lambda sent: Watch(dst=sent.src),
    "source port": lambda sent: Watch(src_port=SRC_PORT + 1),
    "queue pair": lambda sent: Watch(dest_qp=QP + 1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_packets_of_another_flow_leave_none(bmv2: Bmv2, name: str) -> None:
    other, same = OTHERS[name](packet(1)), Watch(src_port=SRC_PORT, dest_qp=QP)
    for watch, count in ((other, 0), (same, 1)):
        # One that is watched in any case ends the wait.
        last = packet(2, udp_source_port=other.src_port or SRC_PORT, dest_qp=other.dest_qp or QP)
        if other.src or other.dst:
            last = replace(last, src=other.src or last.src, dst=other.dst or last.dst)
        cards = watched(bmv2, watch, [packet(1), last], 2 if count else 1)
        assert [card.head.psn for card in cards].count(1) == count
        for _ in range(2):
            bmv2.receive()


def test_of_a_queue_pairs_packets_those_are_reported_whose_number_divides(bmv2: Bmv2) -> None:
    sent = [packet(psn) for psn in range(16)]
    cards = watched(bmv2, Watch(dest_qp=QP, every=4), sent, 4)
    assert [card.head.psn for card in cards] == [0, 4, 8, 12]
    for _ in sent:
        bmv2.receive()


def test_depth_and_time_in_the_queue_are_those_of_the_queue(bmv2: Bmv2) -> None:
    """A burst into a queue of 40 packets a second: packet n finds n before it, or up to two fewer."""
    burst, rate = 8, 40
    sent = [packet(psn) for psn in range(burst)]
    (card,) = watched(bmv2, Watch(dest_qp=QP), sent[:1], 1)
    bmv2.receive()
    out = {name: number for number, name in PORTS["leaf0"].items()}[card.egress_port]
    bmv2.set_queue_rate(out, card.queue, rate)
    try:
        cards = watched(bmv2, Watch(dest_qp=QP), sent, burst)
        for _ in sent:
            bmv2.receive()
    finally:
        bmv2.set_queue_rate(out, card.queue, 10**6)
    assert [card.head.psn for card in cards] == list(range(burst))
    for place, card in enumerate(cards):
        assert card.queue_depth in {max(0, place - gone) for gone in range(3)}
        assert card.queue_us >= (card.queue_depth - 1) * 10**6 / rate
        assert card.hop_us >= card.queue_us
    assert cards[-1].queue_us <= burst * 10**6 / rate * 2


def test_nothing_is_left_of_a_watch_and_what_a_killed_one_left_is_taken_over(bmv2: Bmv2) -> None:
    before = read_entities(bmv2.session, TARGET.schema)
    watch = Watch(dest_qp=QP)
    assert len(watched(bmv2, watch, [packet(1)], 1)) == 1
    bmv2.receive()
    assert read_entities(bmv2.session, TARGET.schema) == before
    bmv2.session.write([p4r.Update(type=p4r.Update.INSERT, entity=_clone_session())])
    assert len(watched(bmv2, watch, [packet(2)], 1)) == 1
    bmv2.receive()


def _clone_session() -> p4r.Entity:
    entity = p4r.Entity()
    session = entity.packet_replication_engine_entry.clone_session_entry
    session.session_id = SESSION
    session.replicas.add(egress_port=510, instance=1)
    return entity


def test_the_command_prints_a_line_for_each_way_through_the_switch(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(
        "raddle: 1\nname: pod\nmodels: {box: {ports: 8, port_speed: 400G, buffer: 64MB, nos: p4}}\n"
        "fabric: {leaves: {count: 2, model: box}, spines: {count: 4, model: box}}\n"
        "hosts: {per_leaf: 2}\naddressing: {families: dual}\n"
    )
    with bmv2_switch(len(LEAF.ports), tmp_path) as switch:
        inventory = {"fabric": "pod", "switches": {"leaf0": {"address": switch.session.address}}}
        (tmp_path / "inventory.json").write_text(json.dumps(inventory))
        with P4Session("leaf0", switch.session.address, 1) as session:
            push_p4(session, TARGET)
        stop = threading.Event()

        def send() -> None:
            for psn in range(10_000):
                switch.send(1, encode(packet(psn), "02:01:00:00:00:00", LEAF.mac))
                if stop.wait(0.02):
                    return

        sender = threading.Thread(target=send)
        sender.start()
        words = ["telemetry", str(tmp_path / "pod.yaml"), "--inventory", str(tmp_path / "inventory.json")]
        words += ["--src", "host0", "--dst", "host2", "--packets", "3"]
        try:
            done = CliRunner().invoke(app, words, catch_exceptions=False)
            as_json = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
            nobody = CliRunner().invoke(
                app, [*words[:-4], "--dst", "host1", "--seconds", "0.5"], catch_exceptions=False
            )
        finally:
            stop.set()
            sender.join()
    assert done.exit_code == 0, done.output
    heads, *rows = done.stdout.splitlines()[1:]
    assert heads.split()[:4] == ["switch", "from", "to", "queue"]
    (row,) = rows
    assert row.split()[:2] == ["leaf0", LEAF.ports[0].name]
    cards = json.loads(as_json.stdout)["postcards"]
    assert {card["egress_port"] for card in cards} == {row.split()[2]}
    assert nobody.exit_code == 1
    assert "no postcard came within 0.5 s" in nobody.stderr
