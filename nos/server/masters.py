"""gNMI master arbitration: of several controllers the one with the highest election id may write.

As sonic-gnmi does it with `--with-master-arbitration` (gnmi_server/server.go, ReqFromMasterEnabledMA), after
openconfig's gnmi-master-arbitration.md, 0.1.0: a Set without the extension is let through, roles are refused.
The highest id is kept in memory, as there. Beyond sonic-gnmi it is asked after who calls is known, so that a
stranger does not lock controllers out; and a Set with nothing but the extension is answered.
"""

from __future__ import annotations

import grpc
from finsy.proto.gnmi1 import gnmi_pb2

from raddle.nos.server.paths import RpcError


class Masters:
    """The highest election id that a switch has seen since it started; 0: none."""

    def __init__(self) -> None:
        self._starts = self._highest = 0

    def admit(self, request: gnmi_pb2.SetRequest, starts: int) -> bool:
        """Let a Set through; whether its controller takes part in arbitration.

        Args:
            starts: how often the switch has started again.

        Raises:
            RpcError: PERMISSION_DENIED, another controller leads; INVALID_ARGUMENT, UNIMPLEMENTED: the
                extension cannot be used.
        """
        found = [each.master_arbitration for each in request.extension if each.HasField("master_arbitration")]
        for each in found:
            if not each.HasField("election_id"):
                raise RpcError(grpc.StatusCode.INVALID_ARGUMENT, "MA: ElectionId missing")
            if each.HasField("role"):
                raise RpcError(grpc.StatusCode.UNIMPLEMENTED, "MA: Role is not implemented")
        if not found:
            return False
        election_id = found[-1].election_id.high << 64 | found[-1].election_id.low
        if starts != self._starts:
            self._starts, self._highest = starts, 0
        if election_id < self._highest:
            raise RpcError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"Election ID is smaller than the current master. Rejected. Master EID: {self._highest}. "
                f"Current EID: {election_id}.",
            )
        self._highest = election_id
        return True
