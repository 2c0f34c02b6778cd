"""Who calls, and what that caller may do: client certificates with roles, or user and password.

Source: sonic-gnmi gnmi_server/server.go (authenticate), clientCertAuth.go and pwdAuth.go; CONFIG_DB GNMI|gnmi
`user_auth` and GNMI_CLIENT_CERT|<common name> `role@`. Beyond SONiC, a caller that nothing names and that is
on another machine neither writes nor reads what holds secrets, whatever `user_auth` says.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from raddle.nos.db.databases import ConfigDb
from raddle.nos.db.schema import TABLES
from raddle.nos.server.clients import host_of
from raddle.nos.server.passwords import Passwords
from raddle.nos.server.paths import RpcError

_UNNAMED = (
    "this switch does not know who calls, and {what} for callers on its own machine or with a name: a client "
    "certificate, or a user and password"
)
_SECRETIVE = frozenset({"BGP_MONITORS", "BGP_NEIGHBOR", "BGP_PEER_RANGE", "BGP_SENTINELS", "NTP_KEY"}) | {
    "TACPLUS",
    "TACPLUS_SERVER",
}
"""Tables of the schema with keys or passwords in them. Of a table that has no schema nobody knows."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call. `roles` are those of its certificate; None where no roles are asked for.

    `is_unnamed`: it is on another machine, and neither certificate nor password says who it is.
    """

    name: str = ""
    roles: tuple[str, ...] | None = None
    is_unnamed: bool = False

    def check(self, service: str, writes: bool = False) -> None:
        """Let it at a service, role by role as SONiC does: the first that begins with the name decides.

        A role that says nothing of the service lets it be read and not written.

        Args:
            service: as roles name it: `gnmi`, `gnoi`, or `gnmi_` with a database: `gnmi_config_db`.

        Raises:
            RpcError: UNKNOWN, as on SONiC, for a caller with a name; UNAUTHENTICATED for one without.
        """
        if self.is_unnamed and writes:
            raise RpcError(grpc.StatusCode.UNAUTHENTICATED, _UNNAMED.format(what="what changes it is"))
        if self.roles is None:
            return
        for role in (each.strip() for each in self.roles):
            if role.startswith(service):
                mode = role.removeprefix(service).removeprefix("_")
                if mode == "noaccess" or (mode == "readonly" and writes):
                    raise self._refusal(f"does not have access, target {service}, role {role}")
                if mode in ("readonly", "readwrite"):
                    return
        if writes:
            raise self._refusal(f"does not have write access, target {service}")

    def check_p4rt(self, writes: bool) -> None:
        """Let it at P4Runtime, which sonic-gnmi has no role for: `gnmi_p4rt_*`, or else `gnmi_*`.

        Raises:
            RpcError: as `check`; a role that says nothing of P4Runtime lets nobody in.
        """
        if self.is_unnamed and writes:
            raise RpcError(grpc.StatusCode.UNAUTHENTICATED, _UNNAMED.format(what="what changes it is"))
        if self.roles is None:
            return
        modes = {
            role.strip().removeprefix(scope)
            for scope in ("gnmi_p4rt_", "gnmi_")
            for role in self.roles
            if role.strip().startswith(scope)
        }
        wanted = {"readwrite"} if writes else {"readwrite", "readonly"}
        if "noaccess" in modes or not modes & wanted:
            raise self._refusal(f"does not have access, target gnmi_p4rt, role {','.join(self.roles)}")

    def check_secrets(self, database: str, tables: Iterable[str]) -> None:
        """Let it read tables of a database; `""` is all of them.

        Raises:
            RpcError: UNAUTHENTICATED: a table may hold a secret, and nobody knows who asks.
        """
        if not self.is_unnamed or database != "CONFIG_DB":
            return
        for table in tables:
            if table in _SECRETIVE or table not in TABLES:
                what = f"{table or 'all of CONFIG_DB'}, where there are secrets, is"
                raise RpcError(grpc.StatusCode.UNAUTHENTICATED, _UNNAMED.format(what=what))

    def _refusal(self, text: str) -> RpcError:
        return RpcError(grpc.StatusCode.UNKNOWN, f"{self.name} {text}")


def identify(config: ConfigDb, passwords: Passwords, context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
    """Who calls.

    Plain text comes from the same machine, and is let in unless `user_auth` asks for a password. Over TLS the
    default is `cert`.

    Raises:
        RpcError: UNAUTHENTICATED for a caller that is not known, RESOURCE_EXHAUSTED for one that guesses.
    """
    names = list(context.auth_context().get("x509_common_name") or ())
    default = "cert" if names else "none"
    how = str(config.get("GNMI", {}).get("gnmi", {}).get("user_auth", default))
    host = host_of(context.peer())
    if how == "password":
        metadata: Mapping[str, str] = {key: str(value) for key, value in context.invocation_metadata() or ()}
        user = metadata.get("username", "")
        passwords.check(user, metadata.get("password", ""), host)
        return Caller(user)
    if how == "cert" and names:
        name = names[0].decode("utf-8", "replace")
        return Caller(name, _roles(config, name))
    if how != "none":
        raise RpcError(grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated")
    return Caller(is_unnamed=not names and not _is_here(host))


def _roles(config: ConfigDb, name: str) -> tuple[str, ...]:
    value = config.get("GNMI_CLIENT_CERT", {}).get(name, {}).get("role", [])
    roles = tuple([value] if isinstance(value, str) else value)
    if not roles:
        raise RpcError(grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated")
    return roles


def _is_here(host: str) -> bool:
    if host.startswith("unix:"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
