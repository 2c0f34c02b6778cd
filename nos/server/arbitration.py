"""Who may write: one primary controller per role, chosen by election id.

Source: P4Runtime specification 1.4, section 5 and 16.1.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import grpc
from finsy.proto import p4r, rpc_code, rpc_status
from google.protobuf import any_pb2

from raddle.nos.server.paths import RpcError

OUTBOX = 256
"""Messages that wait for a controller that does not read them."""


@dataclass(eq=False)
class Session:
    """A controller's stream. `election_id` None is a backup that never becomes primary.

    `outbox` is what it is sent; an error or None ends the stream. `is_behind`: it has not been told who is
    primary, as its outbox was full.
    """

    outbox: asyncio.Queue[p4r.StreamMessageResponse | RpcError | None] = field(
        default_factory=lambda: asyncio.Queue(OUTBOX)
    )
    is_open: bool = False
    role: str = ""
    election_id: int | None = None
    is_behind: bool = False


class Arbiter:
    """All sessions of one device."""

    def __init__(self, device_id: int) -> None:
        self._device_id = device_id
        self._sessions: list[Session] = []
        self._highest: dict[str, int] = {}
        self._roles: set[str] = set()
        self._configs: dict[str, any_pb2.Any] = {}

    def arbitrate(self, session: Session, update: p4r.MasterArbitrationUpdate) -> None:
        """A controller introduces itself, or changes its election id; all of its role hear of it.

        Raises:
            RpcError: the stream has to end.
        """
        if update.device_id != self._device_id:
            raise RpcError(
                grpc.StatusCode.FAILED_PRECONDITION if session.is_open else grpc.StatusCode.NOT_FOUND,
                f"no device {update.device_id}; this is {self._device_id}",
            )
        if session.is_open and update.role.name != session.role:
            raise RpcError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"the role of this stream is '{session.role}' and stays it",
            )
        role = update.role.name
        election_id = number_of(update.election_id) if update.HasField("election_id") else None
        if election_id == 0:
            raise RpcError(grpc.StatusCode.INVALID_ARGUMENT, "election id 0 is not possible")
        taken = [
            each for each in self._of_role(role) if each is not session and each.election_id == election_id
        ]
        if election_id is not None and taken:
            raise RpcError(
                grpc.StatusCode.INVALID_ARGUMENT, "Election id already exists: another controller has it"
            )
        before = self.primary(role)
        if not session.is_open:
            session.is_open, session.role = True, role
            self._roles.add(role)
            self._sessions.append(session)
        session.election_id = election_id
        if election_id is not None:
            # CORRECTNESS: the highest that was ever seen counts, so that a late backup does not take over.
            self._highest[role] = max(election_id, self._highest.get(role, 0))
        if self.primary(role) is session:
            self._configs[role] = update.role.config
        if self.primary(role) is before and before is not session:
            self._inform(session)
        else:
            self._inform_all(role)

    def leave(self, session: Session) -> None:
        """A stream has ended."""
        if session.is_open:
            was_primary = self.primary(session.role) is session
            self._sessions.remove(session)
            session.is_open = False
            if was_primary:
                self._inform_all(session.role)

    def primary(self, role: str) -> Session | None:
        """The one that may write in a role, while it is connected."""
        highest = self._highest.get(role)
        return next((each for each in self._of_role(role) if each.election_id == highest and highest), None)

    def primaries(self) -> list[Session]:
        """The primary of every role."""
        found = (self.primary(role) for role in self._highest)
        return [session for session in found if session]

    def require_primary(self, device_id: int, role: str, election_id: int) -> None:
        """Let through what comes with the election id of the primary.

        Raises:
            RpcError: NOT_FOUND for another device or role, PERMISSION_DENIED for another controller.
        """
        if device_id != self._device_id:
            raise RpcError(grpc.StatusCode.NOT_FOUND, f"no device {device_id}; this is {self._device_id}")
        if role and role not in self._roles:
            raise RpcError(grpc.StatusCode.NOT_FOUND, f"no controller has come with role '{role}'")
        primary = self.primary(role)
        if primary is None or primary.election_id != election_id:
            raise RpcError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"election id {election_id} is not the primary's"
                + (f" of role '{role}'" if role else "")
                + (f", which is {primary.election_id}" if primary else ": there is none"),
            )

    def _of_role(self, role: str) -> list[Session]:
        return [session for session in self._sessions if session.role == role]

    def _inform_all(self, role: str) -> None:
        for session in self._of_role(role):
            self._inform(session)

    def catch_up(self, session: Session) -> None:
        """Tell a controller what there was no room for, when there is."""
        if session.is_behind and session.outbox.empty():
            session.is_behind = False
            self._inform(session)

    def _inform(self, session: Session) -> None:
        """Tell a controller who is primary: OK (it is), ALREADY_EXISTS (another), NOT_FOUND (none)."""
        primary = self.primary(session.role)
        if primary is session:
            status = rpc_status.Status(code=rpc_code.OK, message="is primary")
        elif primary is not None:
            status = rpc_status.Status(code=rpc_code.ALREADY_EXISTS, message="another controller is primary")
        else:
            status = rpc_status.Status(code=rpc_code.NOT_FOUND, message="no controller is primary")
        update = p4r.MasterArbitrationUpdate(device_id=self._device_id, status=status)
        if session.role:
            update.role.name = session.role
        if (config := self._configs.get(session.role)) and config.ByteSize():
            update.role.config.CopyFrom(config)
        if highest := self._highest.get(session.role):
            update.election_id.CopyFrom(p4r.Uint128(high=highest >> 64, low=highest & (1 << 64) - 1))
        try:
            session.outbox.put_nowait(p4r.StreamMessageResponse(arbitration=update))
        except asyncio.QueueFull:
            session.is_behind = True


def number_of(value: p4r.Uint128) -> int:
    """An election id as one integer."""
    return value.high << 64 | value.low
