"""Who may do what: roles by the common name of a client's certificate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import grpc

Role = Literal["viewer", "operator", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)
"""From the one that may least."""

LOCAL = "local"
"""Who calls without TLS, from this machine."""

NEEDED: Mapping[str, Role] = {
    "Status": "viewer",
    "Preview": "viewer",
    "History": "viewer",
    "ListAudit": "viewer",
    "Watch": "viewer",
    "Apply": "operator",
    "Rollback": "operator",
    "Drain": "operator",
    "Undrain": "operator",
    "Pause": "operator",
    "Resume": "operator",
    "Abort": "operator",
    "Replace": "admin",
}
"""The least role for each call of the API."""


class Doorkeeper:
    """Lets callers in.

    Args:
        names: roles by common name; None: there is no TLS, and everybody on this machine is an admin.
    """

    def __init__(self, names: Mapping[str, Role] | None) -> None:
        self._names = names

    def admit(self, call: str, context: grpc.ServicerContext) -> str:
        """Who it is. Ends the call (PERMISSION_DENIED) where he may not make it."""
        if self._names is None:
            return LOCAL
        name = _common_name(context.auth_context())
        role = self._names.get(name)
        if role is None:
            context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"'{name}' has no role here; --viewer, --operator or --admin",
            )
        if ROLES.index(role) < ROLES.index(NEEDED[call]):
            context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"{call} needs the role {NEEDED[call]}; '{name}' has the role {role}",
            )
        return name


def _common_name(found: Mapping[str, Any]) -> str:
    names = found.get("x509_common_name") or [b""]
    return bytes(names[0]).decode(errors="replace")
