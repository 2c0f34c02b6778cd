"""A P4Runtime session with one switch: arbitration, pipeline, entities and packets.

Source: P4Runtime specification 1.4.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

import grpc
from finsy.proto import U128, p4r, p4r_grpc, rpc_code, rpc_status

from raddle.controller.southbound.channel import Problem, RefusedError, failure, login_of, open_channel
from raddle.errors import UnreachableError
from raddle.inventory import Access

ELECTION_ID = 1
"""The election id that we come with unless we are told another. Where a switch has seen a higher one and
nobody is left who has it, we take that: a controller that comes back with it is the primary again."""

TIMEOUT_S = 30.0
MAX_BYTES = 64 * 2**20
"""Of a message, and of the status details of a batch of which updates have failed."""

_DETAILS_KEY = "grpc-status-details-bin"
_SESSION = "session"
_Set = p4r.SetForwardingPipelineConfigRequest
_Get = p4r.GetForwardingPipelineConfigRequest


@dataclass(frozen=True, slots=True)
class Refusal:
    """An update that was refused: its place in the batch, a code of google.rpc and the switch's words."""

    place: int
    code: int
    message: str

    @property
    def code_name(self) -> str:
        return str(rpc_code.Code.Name(self.code))


class UnfitError(RefusedError):
    """A switch cannot do what was asked (UNIMPLEMENTED), or not with what it holds (INVALID_ARGUMENT)."""


class BatchError(Exception):
    """A batch of which updates were refused; the others took effect."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        super().__init__(f"{len(refusals)} updates refused, the first because '{refusals[0].message}'")
        self.refusals = refusals


class P4Session:
    """A session as a context manager. Calls block; they raise UnreachableError with a way out.

    Without an `election_id` nobody is outranked: another primary stays it, and no higher id is left behind.
    A stream stays open for as long as the session: closing it gives up the role of primary. Closing the
    session from another thread ends a call that is under way.
    """

    def __init__(
        self,
        name: str,
        address: str,
        device_id: int,
        access: Access | None = None,
        election_id: int | None = None,
        role: str = "",
    ) -> None:
        self.name = name
        self.address = address
        self._device_id = device_id
        self._election_id = election_id or ELECTION_ID
        self._is_chosen = election_id is not None
        self._highest_seen = 0
        self._has_primary = False
        self._role = role
        self._access = access or Access()
        options = [
            ("grpc.max_receive_message_length", MAX_BYTES),
            ("grpc.max_metadata_size", MAX_BYTES),
            ("grpc.absolute_max_metadata_size", MAX_BYTES),
        ]
        self._channel = open_channel(address, self._access, options)
        self._login = login_of(self._access)
        self._stub = p4r_grpc.P4RuntimeStub(self._channel)
        self._outbox: queue.SimpleQueue[p4r.StreamMessageRequest | None] = queue.SimpleQueue()
        self._arbitrations: queue.SimpleQueue[p4r.MasterArbitrationUpdate | UnreachableError] = (
            queue.SimpleQueue()
        )
        self._packets: queue.SimpleQueue[p4r.PacketIn] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._is_primary = False

    def __enter__(self) -> P4Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._outbox.put(None)
        self._channel.close()
        if self._reader:
            self._reader.join()

    def open(self) -> bool:
        """Open the stream and say who we are; returns whether we are the primary."""
        self._open_stream()
        self._introduce()
        return self.await_arbitration(TIMEOUT_S)

    def listen(self) -> None:
        """Open the stream without an election id: as a backup for good (specification 1.4, section 5.3)."""
        self._open_stream()
        update = p4r.MasterArbitrationUpdate(device_id=self._device_id)
        if self._role:
            update.role.name = self._role
        self._outbox.put(p4r.StreamMessageRequest(arbitration=update))
        self.await_arbitration(TIMEOUT_S)

    def _open_stream(self) -> None:
        stream = self._stub.StreamChannel(iter(self._outbox.get, None), metadata=self._login)
        self._reader = threading.Thread(target=self._read_stream, args=(stream,), daemon=True)
        self._reader.start()

    def wait_closed(self, timeout_s: float) -> str | None:
        """Why the switch has ended the stream; None if it has not in time."""
        assert self._reader, "the stream has been opened"
        self._reader.join(timeout_s)
        if self._reader.is_alive():
            return None
        try:
            self._hear()
        except UnreachableError as error:
            return str(error).partition("\n")[0]
        return "it has ended the stream"

    def require_primary(self) -> None:
        """Become the primary, in a new stream where none is open yet, or say who is in the way."""
        is_primary = self._hear() if self._reader else self.open()
        if not is_primary and not self._has_primary and not self._is_chosen:
            is_primary = self.take_over()
        if is_primary:
            return
        if self._has_primary:
            problem = "another controller is primary"
            hint = f"its election id is {self._highest_seen}; stop it, or give a higher 'election_id'"
        else:
            problem = f"election id {self._election_id} is below {self._highest_seen}, which it has seen"
            hint = f"give {self._highest_seen} or more as its 'election_id'"
        raise UnreachableError(
            f"{self.name} ({self.address}): {problem}\n  hint: {hint} in the inventory, then apply again"
        )

    def await_arbitration(self, timeout_s: float) -> bool:
        """Wait for the switch's next word on who is primary; returns whether we are."""
        try:
            answer = self._arbitrations.get(timeout=timeout_s)
        except queue.Empty:
            raise UnreachableError(
                f"{self.name} ({self.address}) did not answer an arbitration within {timeout_s:g} s\n"
                "  hint: is this address a P4Runtime server?"
            ) from None
        self._note(answer)
        return self._is_primary

    def _hear(self) -> bool:
        """Take what the switch has said of its own accord; returns whether we are the primary."""
        while not self._arbitrations.empty():
            self._note(self._arbitrations.get())
        return self._is_primary

    def _note(self, answer: p4r.MasterArbitrationUpdate | UnreachableError) -> None:
        if isinstance(answer, UnreachableError):
            raise answer
        self._highest_seen = U128.decode(answer.election_id)
        self._is_primary = answer.status.code == rpc_code.OK
        self._has_primary = answer.status.code in (rpc_code.OK, rpc_code.ALREADY_EXISTS)

    def take_over(self) -> bool:
        """As a backup whose primary has gone: become the primary with its election id."""
        self._election_id = max(self._election_id, self._highest_seen)
        self._introduce()
        return self.await_arbitration(TIMEOUT_S)

    def read_pipeline(self) -> p4r.ForwardingPipelineConfig | None:
        """P4Info and cookie of the switch's pipeline; None where it has none."""
        request = _Get(device_id=self._device_id, response_type=_Get.P4INFO_AND_COOKIE)
        try:
            config = self._stub.GetForwardingPipelineConfig(
                request, timeout=TIMEOUT_S, metadata=self._login
            ).config
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
                return None
            raise self._explain("read of the pipeline", error) from None
        return config if config.p4info.tables else None

    def set_pipeline(self, config: p4r.ForwardingPipelineConfig, action: _Set.Action.ValueType) -> None:
        """Give the switch a pipeline."""
        request = _Set(
            device_id=self._device_id,
            role=self._role,
            election_id=U128.encode(self._election_id),
            action=action,
            config=config,
        )
        try:
            self._stub.SetForwardingPipelineConfig(request, timeout=TIMEOUT_S, metadata=self._login)
        except grpc.RpcError as error:
            raise self._explain("pipeline", error) from None

    def reconcile_pipeline(self, config: p4r.ForwardingPipelineConfig) -> bool:
        """Give the switch a pipeline and keep what its tables hold; False where it cannot."""
        try:
            self.set_pipeline(config, _Set.RECONCILE_AND_COMMIT)
        except UnfitError:
            return False
        return True

    def read(self, wanted: Iterable[p4r.Entity]) -> Iterator[p4r.Entity]:
        """All entities that `wanted` stands for."""
        request = p4r.ReadRequest(device_id=self._device_id, role=self._role, entities=wanted)
        try:
            for response in self._stub.Read(request, timeout=TIMEOUT_S, metadata=self._login):
                yield from response.entities
        except grpc.RpcError as error:
            raise self._explain("read", error) from None

    def write(self, updates: Sequence[p4r.Update]) -> None:
        """Write a batch; a switch attempts each update, or stops at the first that fails.

        Raises:
            BatchError: some updates were refused, the others took effect.
            UnreachableError: the whole batch was refused.
        """
        request = p4r.WriteRequest(
            device_id=self._device_id,
            role=self._role,
            election_id=U128.encode(self._election_id),
            updates=updates,
        )
        try:
            self._stub.Write(request, timeout=TIMEOUT_S, metadata=self._login)
        except grpc.RpcError as error:
            refusals = _refusals(error)
            if refusals:
                raise BatchError(refusals) from None
            raise self._explain("write", error) from None

    def packet_out(self, payload: bytes, metadata: Iterable[p4r.PacketMetadata]) -> None:
        """Send a packet; its metadata says at which port."""
        packet = p4r.PacketOut(payload=payload, metadata=metadata)
        self._outbox.put(p4r.StreamMessageRequest(packet=packet))

    def take_packet(self, timeout_s: float) -> p4r.PacketIn | None:
        """The next packet that the switch hands up; None if there is none in time."""
        try:
            return self._packets.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _introduce(self) -> None:
        update = p4r.MasterArbitrationUpdate(
            device_id=self._device_id, election_id=U128.encode(self._election_id)
        )
        if self._role:
            update.role.name = self._role
        self._outbox.put(p4r.StreamMessageRequest(arbitration=update))

    def _read_stream(self, stream: Iterable[p4r.StreamMessageResponse]) -> None:
        try:
            for message in stream:
                kind = message.WhichOneof("update")
                if kind == "arbitration":
                    self._arbitrations.put(message.arbitration)
                elif kind == "packet":
                    self._packets.put(message.packet)
        except grpc.RpcError as error:
            self._arbitrations.put(self._explain(_SESSION, error))

    def _explain(self, what: str, error: grpc.RpcError) -> UnreachableError:
        code = error.code()
        if code == grpc.StatusCode.PERMISSION_DENIED:
            hint = "give this client's certificate a role that may write, or stop the primary controller"
        elif code == grpc.StatusCode.INVALID_ARGUMENT and what == _SESSION:
            hint = "another raddle is connected: wait until it is done; a controller or emulation stays"
        elif code == grpc.StatusCode.NOT_FOUND:
            hint = "give its 'device_id' in the inventory"
        elif code == grpc.StatusCode.UNIMPLEMENTED:
            hint = "it does not speak P4Runtime; check the switch model's 'nos'"
        else:
            hint = "'raddle apply --dry-run' shows what was to change"
        found = failure(self.name, self.address, self._access, error, Problem(f"refused a {what}", hint))
        lacks = {rpc_code.UNIMPLEMENTED, rpc_code.INVALID_ARGUMENT}
        codes = {each.code for each in _refusals(error)} or {code.value[0]}
        return UnfitError(str(found)) if codes <= lacks else found


def _refusals(error: grpc.RpcError) -> tuple[Refusal, ...]:
    """The updates of a batch that failed, from the status details; empty where there are none."""
    metadata: dict[str, bytes] = dict(error.trailing_metadata() or ())  # type: ignore[arg-type]
    details = rpc_status.Status.FromString(metadata.get(_DETAILS_KEY, b"")).details
    found = []
    for place, detail in enumerate(details):
        each = p4r.Error()
        if detail.Unpack(each) and each.canonical_code != rpc_code.OK:
            found.append(Refusal(place, each.canonical_code, each.message))
    return tuple(found)
