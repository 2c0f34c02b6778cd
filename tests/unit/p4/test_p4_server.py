"""A switch's P4Runtime server as controllers see it: arbitration, roles, batches, packets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from finsy import Action, Match, P4TableEntry
from finsy.proto import p4r, p4r_grpc, rpc_code

from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, pins_pipeline, schema_of
from raddle.controller.southbound.p4runtime.session import BatchError, P4Session
from raddle.errors import UnreachableError
from raddle.nos.farm import SwitchFarm
from raddle.nos.p4rt.forwarding import P4Forwarding
from raddle.nos.p4rt.packets import PacketIo
from raddle.nos.p4rt.port_ids import PortIds
from raddle.nos.server.arbitration import OUTBOX, Arbiter, Session
from raddle.nos.server.p4runtime import P4RuntimeService, p4runtime_handler
from raddle.nos.server.work import Work
from tests.fabrics import pod_running
from tests.unit.p4.p4_fabrics import MIDDLEBLOCK, needs_middleblock, running

CONFIG = fabric_pipeline()
SCHEMA = schema_of(CONFIG)
COMMIT = p4r.SetForwardingPipelineConfigRequest.VERIFY_AND_COMMIT
INSERT = p4r.Update.INSERT
PIN = P4TableEntry("pin_dst", match=Match(dst=7), action=Action("set_next_hop", port=1, dst_mac=2))
LLDP = bytes.fromhex("0180c200000e02000000000088cc") + bytes(50)


@pytest.fixture
def farm() -> Iterator[SwitchFarm]:
    with running(pod_running("p4", "pins" if MIDDLEBLOCK.exists() else "sonic")) as (_, farm, _):
        yield farm


def session(farm: SwitchFarm, name: str, election_id: int, role: str = "", device_id: int = 1) -> P4Session:
    return P4Session(name, farm.addresses[name], device_id, None, election_id, role)


def insert(entity: P4TableEntry) -> p4r.Update:
    return p4r.Update(type=INSERT, entity=entity.encode(SCHEMA))


def test_the_highest_election_id_is_primary_and_the_other_is_told(farm: SwitchFarm) -> None:
    with session(farm, "leaf0", 10) as low, session(farm, "leaf0", 20) as high:
        assert low.open()
        low.set_pipeline(CONFIG, COMMIT)
        assert high.open()
        assert not low.await_arbitration(5)
        with pytest.raises(
            UnreachableError, match=r"PERMISSION_DENIED: election id 10 is not the primary's, which is 20"
        ):
            low.write([insert(PIN)])
        high.write([insert(PIN)])
        assert [each.table_entry for each in low.read([p4r.Entity(table_entry=p4r.TableEntry())])] == [
            PIN.encode(SCHEMA).table_entry
        ]


def test_a_backup_takes_over_when_the_primary_has_gone(farm: SwitchFarm) -> None:
    with session(farm, "leaf0", 30) as backup:
        with session(farm, "leaf0", 40) as primary:
            assert primary.open()
            primary.set_pipeline(CONFIG, COMMIT)
            assert not backup.open()
        # The primary's id was the highest: nobody is primary until somebody says a higher one.
        assert not backup.await_arbitration(5)
        with pytest.raises(UnreachableError, match="there is none"):
            backup.write([])
        assert backup.take_over()
        backup.write([])


def test_the_same_election_id_twice_ends_the_second_stream(farm: SwitchFarm) -> None:
    with session(farm, "leaf1", 10) as first, session(farm, "leaf1", 10) as second:
        assert first.open()
        with pytest.raises(UnreachableError, match=r"INVALID_ARGUMENT.*Election id already exists"):
            second.open()
        first.set_pipeline(CONFIG, COMMIT)


def test_another_device_id_is_not_found_and_the_hint_says_where_to_give_it(farm: SwitchFarm) -> None:
    with session(farm, "leaf1", 50, device_id=7) as wrong, pytest.raises(UnreachableError) as refused:
        wrong.open()
    assert "NOT_FOUND: no device 7; this is 1" in str(refused.value)
    assert "give its 'device_id' in the inventory" in str(refused.value)


def test_a_packet_before_arbitration_ends_the_stream(farm: SwitchFarm) -> None:
    with grpc.insecure_channel(farm.addresses["leaf1"]) as channel:
        stub = p4r_grpc.P4RuntimeStub(channel)
        assert stub.Capabilities(p4r.CapabilitiesRequest()).p4runtime_api_version == "1.4.0"
        stream = stub.StreamChannel(iter([p4r.StreamMessageRequest(packet=p4r.PacketOut())]))
        with pytest.raises(grpc.RpcError) as ended:
            next(stream)
        assert ended.value.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_a_stream_without_election_id_is_a_backup_and_closes_in_order(farm: SwitchFarm) -> None:
    with grpc.insecure_channel(farm.addresses["leaf1"]) as channel:
        stub = p4r_grpc.P4RuntimeStub(channel)
        hello = p4r.StreamMessageRequest(arbitration=p4r.MasterArbitrationUpdate(device_id=1))
        (answer,) = list(stub.StreamChannel(iter([hello])))
        assert answer.arbitration.status.code in (rpc_code.NOT_FOUND, rpc_code.ALREADY_EXISTS)


def test_each_update_of_a_batch_has_its_own_error(farm: SwitchFarm) -> None:
    with session(farm, "leaf1", 60) as primary:
        primary.require_primary()
        primary.set_pipeline(CONFIG, COMMIT)
        bad = insert(PIN)
        bad.entity.table_entry.priority = 1
        with pytest.raises(BatchError) as failed:
            primary.write([insert(PIN), bad, insert(PIN)])
        assert [(each.place, each.code_name) for each in failed.value.refusals] == [
            (1, "INVALID_ARGUMENT"),
            (2, "ALREADY_EXISTS"),
        ]


def test_five_thousand_errors_of_a_batch_all_arrive(farm: SwitchFarm) -> None:
    with session(farm, "leaf1", 70) as primary:
        primary.require_primary()
        primary.set_pipeline(CONFIG, COMMIT)
        missing = p4r.Update(type=p4r.Update.DELETE, entity=PIN.encode(SCHEMA))
        with pytest.raises(BatchError) as failed:
            primary.write([missing] * 5000)
        assert len(failed.value.refusals) == 5000


def test_lldp_from_one_controller_reaches_the_one_of_the_neighbor() -> None:
    fabric = pod_running("p4", "p4", leaves=1, spines=1)
    with (
        running(fabric) as (_, farm, _),
        session(farm, "leaf0", 9) as near,
        session(farm, "spine0", 9) as far,
    ):
        for each in (near, far):
            each.require_primary()
            each.set_pipeline(CONFIG, COMMIT)
        trap = P4TableEntry(
            "acl", match=Match(ether_type=(0x88CC, 0xFFFF)), priority=1, action=Action("trap")
        )
        far.write([insert(trap)])
        uplink = 3  # The leaf has two hosts at its first ports, the spine its one leaf at the first.
        near.packet_out(LLDP, [p4r.PacketMetadata(metadata_id=1, value=bytes([uplink])), _zero(2), _zero(3)])
        packet = far.take_packet(5)
        assert packet is not None
        assert packet.payload == LLDP
        assert packet.metadata[0].value == b"\1"
        assert near.take_packet(0) is None


def test_a_controller_that_does_not_read_is_kept_little_for_and_told_the_primary_in_the_end() -> None:
    async def go() -> None:
        arbiter, slow = Arbiter(1), Session()
        me = p4r.MasterArbitrationUpdate(device_id=1, election_id=p4r.Uint128(low=1))
        arbiter.arbitrate(slow, me)
        for number in range(2, 3 * OUTBOX):
            other = p4r.MasterArbitrationUpdate(device_id=1, election_id=p4r.Uint128(low=number))
            session = Session()
            arbiter.arbitrate(session, other)
            arbiter.leave(session)
        assert slow.outbox.qsize() == OUTBOX
        while not slow.outbox.empty():
            slow.outbox.get_nowait()
        arbiter.catch_up(slow)
        last = slow.outbox.get_nowait()
        assert isinstance(last, p4r.StreamMessageResponse)
        assert last.arbitration.election_id.low == 3 * OUTBOX - 1
        assert last.arbitration.status.code == rpc_code.NOT_FOUND
        assert slow.outbox.empty()

    asyncio.run(go())


def test_a_controller_that_does_not_read_its_refusals_is_not_read_either() -> None:
    async def go() -> None:
        taken = 0

        async def requests() -> AsyncIterator[bytes]:
            nonlocal taken
            update = p4r.MasterArbitrationUpdate(device_id=1, election_id=p4r.Uint128(low=1))
            yield p4r.StreamMessageRequest(arbitration=update).SerializeToString()
            for _ in range(10 * OUTBOX):
                taken += 1
                yield p4r.StreamMessageRequest(digest_ack=p4r.DigestListAck()).SerializeToString()

        work, forwarding = Work(), P4Forwarding(1)
        service = P4RuntimeService(forwarding, PacketIo(forwarding, PortIds(["Ethernet0"])), work)
        handler: Any = p4runtime_handler(service, work).service(
            SimpleNamespace(method="/p4.v1.P4Runtime/StreamChannel")
        )
        context = SimpleNamespace(peer=lambda: "ipv4:192.0.2.1:1")
        answers = handler.stream_stream(requests(), context)
        await anext(answers)
        for _ in range(50 * OUTBOX):
            await asyncio.sleep(0)
        assert OUTBOX <= taken <= OUTBOX + 2
        await answers.aclose()
        await work.stop()

    asyncio.run(go())


def _zero(number: int) -> p4r.PacketMetadata:
    return p4r.PacketMetadata(metadata_id=number, value=b"\0")


@needs_middleblock
def test_a_role_writes_its_own_tables_alone(farm: SwitchFarm) -> None:
    pipeline = pins_pipeline(MIDDLEBLOCK)
    schema = schema_of(pipeline)
    vrf = P4TableEntry("vrf_table", match=Match(vrf_id="red"), action=Action("no_action"))
    one = p4r.Update(type=INSERT, entity=vrf.encode(schema))
    with session(farm, "spine0", 10) as root, session(farm, "spine0", 5, "sdn_controller") as owner:
        root.require_primary()
        root.set_pipeline(pipeline, COMMIT)
        with session(farm, "spine0", 5, "packet_replication_engine_manager") as other:
            other.require_primary()
            with pytest.raises(BatchError, match="is not allowed access to table 'vrf_table'"):
                other.write([one])
        owner.require_primary()
        owner.write([one])


def test_an_election_id_has_128_bits(farm: SwitchFarm) -> None:
    with session(farm, "leaf1", (1 << 127) + 5) as primary:
        primary.require_primary()
        primary.set_pipeline(CONFIG, COMMIT)
        primary.write([])
