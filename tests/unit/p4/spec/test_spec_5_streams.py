"""P4Runtime 1.4, chapters 5, 15, 16 and 17, and the errors of chapters 10 to 13, over gRPC."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from finsy.proto import U128, p4r, p4r_grpc, rpc_code, rpc_status
from google.protobuf import any_pb2

from raddle.nos.p4rt.forwarding import P4Forwarding
from raddle.nos.p4rt.packets import PacketIo
from raddle.nos.p4rt.port_ids import PortIds
from raddle.nos.server.p4runtime import P4RuntimeService, p4runtime_handler
from raddle.nos.server.work import Work
from tests.unit.p4.spec.spec_switch import (
    DIGEST,
    EXACT,
    INSERT,
    OWNED,
    PORTS,
    Part,
    config,
    entity,
    entry,
    switch,
)

Request = p4r.SetForwardingPipelineConfigRequest
Get = p4r.GetForwardingPipelineConfigRequest
OK, ALREADY_EXISTS, NOT_FOUND = rpc_code.OK, rpc_code.ALREADY_EXISTS, rpc_code.NOT_FOUND


class Controller:
    """One stream of a controller that does what it is told, however wrong."""

    def __init__(self, stub: p4r_grpc.P4RuntimeStub) -> None:
        self.stub = stub
        self._outbox: queue.SimpleQueue[p4r.StreamMessageRequest | None] = queue.SimpleQueue()
        self._stream = stub.StreamChannel(iter(self._outbox.get, None))

    def introduce(
        self,
        election_id: int | None,
        role: str = "",
        device_id: int = 1,
        role_config: any_pb2.Any | None = None,
    ) -> None:
        update = p4r.MasterArbitrationUpdate(device_id=device_id)
        if election_id is not None:
            update.election_id.CopyFrom(U128.encode(election_id))
        if role:
            update.role.name = role
        if role_config:
            update.role.config.CopyFrom(role_config)
        self._outbox.put(p4r.StreamMessageRequest(arbitration=update))

    def send(self, **message: Any) -> None:
        self._outbox.put(p4r.StreamMessageRequest(**message))

    def hear(self) -> p4r.StreamMessageResponse:
        message: p4r.StreamMessageResponse = next(self._stream)
        return message

    def arbitration(self) -> tuple[int, int]:
        """Code, and the highest election id that the switch has seen."""
        update = self.hear().arbitration
        return update.status.code, U128.decode(update.election_id)

    def ending(self) -> str:
        with pytest.raises(grpc.RpcError) as ended:
            self.hear()
        return str(ended.value.code().name)

    def leave(self) -> None:
        self._outbox.put(None)
        assert not list(self._stream)


@contextmanager
def serving(forwarding: P4Forwarding) -> Iterator[p4r_grpc.P4RuntimeStub]:
    """A switch that has just booted: its arbitration has seen nobody."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[grpc.aio.Server, Work, int]:
        server, work = grpc.aio.server(), Work()
        packets = PacketIo(forwarding, PortIds([f"Ethernet{4 * each}" for each in range(PORTS)]))
        service = P4RuntimeService(forwarding, packets, work)
        server.add_generic_rpc_handlers((p4runtime_handler(service, work),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, work, port

    async def stop() -> None:
        await server.stop(0)
        await work.stop()

    server, work, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield p4r_grpc.P4RuntimeStub(channel)
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def stub() -> Iterator[p4r_grpc.P4RuntimeStub]:
    with serving(switch()) as found:
        yield found


def write_request(election_id: int, *parts: Part, role: str = "", device_id: int = 1) -> p4r.WriteRequest:
    return p4r.WriteRequest(
        device_id=device_id,
        role=role,
        election_id=U128.encode(election_id),
        updates=[p4r.Update(type=INSERT, entity=entity(part)) for part in parts],
    )


def code_of(call: Any) -> str:
    try:
        result = call()
        if hasattr(result, "__next__"):
            list(result)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def details_of(error: grpc.RpcError) -> list[str]:
    metadata: dict[str, bytes] = dict(error.trailing_metadata() or ())  # type: ignore[arg-type]
    found = []
    for each in rpc_status.Status.FromString(metadata["grpc-status-details-bin"]).details:
        one = p4r.Error()
        assert each.Unpack(one)
        found.append(rpc_code.Code.Name(one.canonical_code))
    return found


def test_5_3_the_first_is_primary_and_a_higher_one_takes_over(stub: p4r_grpc.P4RuntimeStub) -> None:
    low, high = Controller(stub), Controller(stub)
    low.introduce(5)
    assert low.arbitration() == (OK, 5)
    high.introduce(9)
    assert high.arbitration() == (OK, 9)
    assert low.arbitration() == (ALREADY_EXISTS, 9)


def test_5_3_a_lower_one_is_a_backup_and_the_primary_hears_nothing(stub: p4r_grpc.P4RuntimeStub) -> None:
    high, low = Controller(stub), Controller(stub)
    high.introduce(9)
    assert high.arbitration() == (OK, 9)
    low.introduce(5)
    assert low.arbitration() == (ALREADY_EXISTS, 9)
    high.introduce(10)
    assert high.arbitration() == (OK, 10)


def test_5_3_one_without_election_id_never_becomes_primary(stub: p4r_grpc.P4RuntimeStub) -> None:
    standby = Controller(stub)
    standby.introduce(None)
    update = standby.hear().arbitration
    assert update.status.code == NOT_FOUND
    assert not update.HasField("election_id")  # there has been no primary at all (5.4)


def test_5_3_two_without_election_id_are_welcome(stub: p4r_grpc.P4RuntimeStub) -> None:
    for _ in range(2):
        standby = Controller(stub)
        standby.introduce(None)
        assert standby.hear().arbitration.status.code == NOT_FOUND


def test_5_3_an_unknown_device_is_not_found(stub: p4r_grpc.P4RuntimeStub) -> None:
    wrong = Controller(stub)
    wrong.introduce(5, device_id=2)
    assert wrong.ending() == "NOT_FOUND"


def test_5_3_another_device_on_a_live_stream_is_a_failed_precondition(stub: p4r_grpc.P4RuntimeStub) -> None:
    one = Controller(stub)
    one.introduce(5)
    one.arbitration()
    one.introduce(5, device_id=2)
    assert one.ending() == "FAILED_PRECONDITION"


def test_5_3_another_role_on_a_live_stream_is_a_failed_precondition(stub: p4r_grpc.P4RuntimeStub) -> None:
    one = Controller(stub)
    one.introduce(5, "owner")
    one.arbitration()
    one.introduce(6, "another")
    assert one.ending() == "FAILED_PRECONDITION"


def test_5_3_an_election_id_that_is_taken_is_an_invalid_argument(stub: p4r_grpc.P4RuntimeStub) -> None:
    one, same = Controller(stub), Controller(stub)
    one.introduce(5)
    one.arbitration()
    same.introduce(5)
    assert same.ending() == "INVALID_ARGUMENT"


def test_5_3_an_election_id_that_is_taken_later_is_an_invalid_argument(stub: p4r_grpc.P4RuntimeStub) -> None:
    one, other = Controller(stub), Controller(stub)
    one.introduce(5)
    one.arbitration()
    other.introduce(4)
    other.arbitration()
    other.introduce(5)
    assert other.ending() == "INVALID_ARGUMENT"


def test_5_3_the_same_election_id_is_free_in_another_role(stub: p4r_grpc.P4RuntimeStub) -> None:
    one, other = Controller(stub), Controller(stub)
    one.introduce(5)
    other.introduce(5, "owner")
    assert one.arbitration() == other.arbitration() == (OK, 5)


def test_5_3_a_primary_that_steps_down_leaves_none_until_its_id_comes_back(
    stub: p4r_grpc.P4RuntimeStub,
) -> None:
    one, backup = Controller(stub), Controller(stub)
    one.introduce(9)
    assert one.arbitration() == (OK, 9)
    backup.introduce(5)
    assert backup.arbitration() == (ALREADY_EXISTS, 9)
    one.introduce(3)
    assert one.arbitration() == backup.arbitration() == (NOT_FOUND, 9)
    backup.introduce(9)  # equal to the highest that was seen
    assert backup.arbitration() == (OK, 9)


def test_5_4_backups_hear_that_a_primary_has_gone(stub: p4r_grpc.P4RuntimeStub) -> None:
    one, backup = Controller(stub), Controller(stub)
    one.introduce(9)
    one.arbitration()
    backup.introduce(5)
    backup.arbitration()
    one.leave()
    assert backup.arbitration() == (NOT_FOUND, 9)


def test_5_4_the_role_and_its_config_are_told_to_all_of_the_role(stub: p4r_grpc.P4RuntimeStub) -> None:
    scheme = any_pb2.Any(type_url="type.example/scheme", value=b"mine")
    one, backup = Controller(stub), Controller(stub)
    one.introduce(9, "owner", role_config=scheme)
    told = [one.hear().arbitration.role]
    backup.introduce(5, "owner")
    told.append(backup.hear().arbitration.role)
    assert [(each.name, each.config) for each in told] == [("owner", scheme)] * 2


def test_5_4_a_backups_config_is_not_the_roles(stub: p4r_grpc.P4RuntimeStub) -> None:
    one, backup = Controller(stub), Controller(stub)
    one.introduce(9, "owner")
    assert not one.hear().arbitration.role.HasField("config")
    backup.introduce(5, "owner", role_config=any_pb2.Any(type_url="type.example/scheme"))
    assert not backup.hear().arbitration.role.HasField("config")


def test_5_a_write_needs_the_primarys_election_id(stub: p4r_grpc.P4RuntimeStub) -> None:
    one = Controller(stub)
    one.introduce(9)
    one.arbitration()
    calls = {
        "primary": write_request(9, entry(1)),
        "backup": write_request(5, entry(2)),
        "device": write_request(9, entry(3), device_id=2),
        "role": write_request(9, entry(4), role="unknown"),
    }
    found = {name: code_of(lambda request=request: stub.Write(request)) for name, request in calls.items()}
    assert found == {
        "primary": "OK",
        "backup": "PERMISSION_DENIED",
        "device": "NOT_FOUND",
        "role": "NOT_FOUND",
    }


def test_5_nobody_writes_once_the_primary_has_gone(stub: p4r_grpc.P4RuntimeStub) -> None:
    one = Controller(stub)
    one.introduce(9)
    one.arbitration()
    one.leave()
    assert code_of(lambda: stub.Write(write_request(9, entry()))) == "PERMISSION_DENIED"


def test_12_an_update_of_another_roles_table_is_permission_denied_beside_good_ones(
    stub: p4r_grpc.P4RuntimeStub,
) -> None:
    one = Controller(stub)
    one.introduce(9, "another")
    one.arbitration()
    with pytest.raises(grpc.RpcError) as failed:
        stub.Write(write_request(9, entry(1), entry(table=OWNED), entry(2), role="another"))
    assert failed.value.code() == grpc.StatusCode.UNKNOWN
    assert details_of(failed.value) == ["OK", "PERMISSION_DENIED", "OK"]


def test_12_3_a_batch_that_failed_in_part_is_unknown_with_a_status_for_each_update(
    stub: p4r_grpc.P4RuntimeStub,
) -> None:
    one = Controller(stub)
    one.introduce(9)
    one.arbitration()
    with pytest.raises(grpc.RpcError) as failed:
        stub.Write(write_request(9, entry(1), entry(1), entry(2)))
    assert failed.value.code() == grpc.StatusCode.UNKNOWN
    assert details_of(failed.value) == ["OK", "ALREADY_EXISTS", "OK"]


def test_13_3_a_read_that_failed_in_part_answers_and_is_unknown_with_a_status_for_each_request(
    stub: p4r_grpc.P4RuntimeStub,
) -> None:
    bad = p4r.TableEntry(table_id=99)
    request = p4r.ReadRequest(
        device_id=1, entities=[entity(bad), entity(p4r.TableEntry(table_id=EXACT, is_default_action=True))]
    )
    stream = stub.Read(request)
    assert len(next(stream).entities) == 1
    with pytest.raises(grpc.RpcError) as failed:
        next(stream)
    assert failed.value.code() == grpc.StatusCode.UNKNOWN
    assert details_of(failed.value) == ["INVALID_ARGUMENT", "OK"]


def test_13_a_read_of_an_unknown_device_is_not_found(stub: p4r_grpc.P4RuntimeStub) -> None:
    assert code_of(lambda: stub.Read(p4r.ReadRequest(device_id=2))) == "NOT_FOUND"


def test_14_the_primary_alone_sets_a_pipeline(stub: p4r_grpc.P4RuntimeStub) -> None:
    request = Request(device_id=1, election_id=U128.encode(9), action=Request.VERIFY, config=config())
    assert code_of(lambda: stub.SetForwardingPipelineConfig(request)) == "PERMISSION_DENIED"
    request.device_id = 2
    assert code_of(lambda: stub.SetForwardingPipelineConfig(request)) == "NOT_FOUND"


PARTS = {
    Get.ALL: (True, True),
    Get.COOKIE_ONLY: (False, False),
    Get.P4INFO_AND_COOKIE: (True, False),
    Get.DEVICE_CONFIG_AND_COOKIE: (False, True),
}


@pytest.mark.parametrize("how", PARTS, ids=[Get.ResponseType.Name(how) for how in PARTS])
def test_15_as_much_of_the_pipeline_is_told_as_is_asked_for(
    stub: p4r_grpc.P4RuntimeStub, how: Get.ResponseType.ValueType
) -> None:
    found = stub.GetForwardingPipelineConfig(Get(device_id=1, response_type=how)).config
    assert found.cookie.cookie == 77
    assert (found.HasField("p4info"), found.p4_device_config == b"program") == PARTS[how]


def test_15_a_switch_without_a_pipeline_tells_none() -> None:
    with serving(P4Forwarding(1)) as stub:
        assert not stub.GetForwardingPipelineConfig(Get(device_id=1)).HasField("config")
        assert code_of(lambda: stub.GetForwardingPipelineConfig(Get(device_id=2))) == "NOT_FOUND"


PACKETS: list[tuple[str, list[tuple[int, bytes]], int]] = [
    ("16.1 unknown metadata", [(1, b"\1"), (7, b"\1")], rpc_code.INVALID_ARGUMENT),
    ("16.1 missing metadata", [], rpc_code.INVALID_ARGUMENT),
    ("16.1 metadata twice", [(1, b"\1"), (1, b"\1")], rpc_code.INVALID_ARGUMENT),
    ("16.1 metadata too wide", [(1, b"\2\0")], rpc_code.OUT_OF_RANGE),
    ("16.1 no such port", [(1, b"\x09")], rpc_code.INVALID_ARGUMENT),
]


@pytest.mark.parametrize(
    ("metadata", "code"), [each[1:] for each in PACKETS], ids=[each[0] for each in PACKETS]
)
def test_a_packet_that_cannot_go_out_comes_back_with_the_reason(
    stub: p4r_grpc.P4RuntimeStub, metadata: list[tuple[int, bytes]], code: int
) -> None:
    one = Controller(stub)
    one.introduce(9)
    one.arbitration()
    packet = p4r.PacketOut(
        payload=b"frame", metadata=[p4r.PacketMetadata(metadata_id=id, value=value) for id, value in metadata]
    )
    one.send(packet=packet)
    error = one.hear().error
    assert (error.canonical_code, error.packet_out.packet_out) == (code, packet)


def test_16_1_a_backup_sends_no_packets(stub: p4r_grpc.P4RuntimeStub) -> None:
    one, backup = Controller(stub), Controller(stub)
    one.introduce(9)
    one.arbitration()
    backup.introduce(5)
    backup.arbitration()
    backup.send(packet=p4r.PacketOut(payload=b"frame"))
    assert backup.hear().error.canonical_code == rpc_code.PERMISSION_DENIED


def test_16_a_stream_begins_with_an_arbitration(stub: p4r_grpc.P4RuntimeStub) -> None:
    rude = Controller(stub)
    rude.send(packet=p4r.PacketOut(payload=b"frame"))
    assert rude.ending() == "FAILED_PRECONDITION"


@pytest.mark.parametrize(
    ("digest", "code"),
    [(DIGEST, rpc_code.UNIMPLEMENTED), (99, rpc_code.INVALID_ARGUMENT)],
    ids=["16.3 a digest", "16.3 an unknown digest"],
)
def test_a_digest_that_is_acknowledged_was_never_sent(
    stub: p4r_grpc.P4RuntimeStub, digest: int, code: int
) -> None:
    one = Controller(stub)
    one.introduce(9)
    one.arbitration()
    ack = p4r.DigestListAck(digest_id=digest, list_id=3)
    one.send(digest_ack=ack)
    error = one.hear().error
    assert (error.canonical_code, error.digest_list_ack.digest_list_ack) == (code, ack)


def test_17_the_version_is_told(stub: p4r_grpc.P4RuntimeStub) -> None:
    assert stub.Capabilities(p4r.CapabilitiesRequest()).p4runtime_api_version == "1.4.0"
