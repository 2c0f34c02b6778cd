"""Who may do what on a switch: client certificates with roles, or user and password in the metadata.

Source: sonic-gnmi gnmi_server/clientCertAuth.go and pwdAuth.go; CONFIG_DB GNMI|gnmi `user_auth` and
GNMI_CLIENT_CERT|<common name> `role@`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio

from raddle.nos.db.databases import ConfigDb
from raddle.nos.server.paths import RpcError


def authorize(
    config: ConfigDb,
    users: Mapping[str, str],
    context: grpc.aio.ServicerContext[Any, Any],
    service: str,
    writes: bool,
) -> None:
    """Let a call through or end it.

    A plain-text connection is from the same machine, and passes unless `user_auth` asks for a password.
    Over TLS the default is `cert`.

    Args:
        config: holds `user_auth` and the roles.
        users: passwords by user name.
        service: what is asked of, as roles name it: `gnmi_config_db`, `gnmi_p4rt`, `gnoi`.

    Raises:
        RpcError: UNAUTHENTICATED for a caller that is not known, UNKNOWN (as on SONiC) for one that may not.
    """
    tls = context.auth_context()
    names = list(tls.get("x509_common_name") or ())
    default = "cert" if names else "none"
    how = str(config.get("GNMI", {}).get("gnmi", {}).get("user_auth", default))
    if how == "password":
        metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
        _check_password(users, metadata.get("username", ""), metadata.get("password", ""))
    elif how == "cert" and names:
        _check_role(config, names[0].decode("utf-8", "replace"), service, writes)
    elif how != "none":
        raise RpcError(grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated")


def _check_password(users: Mapping[str, str], user: str, password: str) -> None:
    known = users.get(user)
    if known is None or not hmac.compare_digest(known.encode(), password.encode()):
        raise RpcError(grpc.StatusCode.UNAUTHENTICATED, "Invalid Username or Password")


def _check_role(config: ConfigDb, name: str, service: str, writes: bool) -> None:
    """`gnmi_config_db_readwrite` speaks of one database, `gnmi_readwrite` of all; noaccess wins."""
    entry = config.get("GNMI_CLIENT_CERT", {}).get(name)
    if entry is None:
        raise RpcError(grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated")
    value = entry.get("role", [])
    roles = [value] if isinstance(value, str) else value
    rights = {
        role.removeprefix(scope) for scope in _scopes(service) for role in roles if role.startswith(scope)
    }
    wanted = {"readwrite"} if writes else {"readwrite", "readonly"}
    if "noaccess" in rights or not rights & wanted:
        raise RpcError(
            grpc.StatusCode.UNKNOWN, f"{name} does not have access, target {service}, role {','.join(roles)}"
        )


def _scopes(service: str) -> tuple[str, ...]:
    return f"{service}_", f"{service.partition('_')[0]}_"
