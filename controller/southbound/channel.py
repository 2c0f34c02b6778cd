"""gRPC connections to switches: how they are opened, and what is wrong when they fail.

What a failure is follows from its status code and from what the address itself answers, never from words in
its text: those are the switch's, and may name anything.
"""

from __future__ import annotations

import socket
import ssl
from typing import NamedTuple

import grpc

from raddle.errors import UnreachableError
from raddle.inventory import PASSWORD_VARIABLE, USERNAME_VARIABLE, Access

_PROBE_S = 3.0
_PROBE_BYTES = 2**14
_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class RefusedError(UnreachableError):
    """A switch has answered, and done nothing of what was asked."""


class Problem(NamedTuple):
    """What a switch did, and what to do about it."""

    what: str
    hint: str


def open_channel(address: str, access: Access, options: list[tuple[str, int]]) -> grpc.Channel:
    """A channel to a switch, TLS or plain text; nothing is sent yet."""
    # A channel of its own: closing it must not leave a connection that others share.
    options = [*options, ("grpc.use_local_subchannel_pool", 1)]
    if access.tls is None:
        return grpc.insecure_channel(address, options=options)
    credentials = grpc.ssl_channel_credentials(access.tls.ca, access.tls.key, access.tls.certificate)
    return grpc.secure_channel(address, credentials, options=options)


def login_of(access: Access) -> tuple[tuple[str, str], ...]:
    """User and password as gRPC metadata, where there are any."""
    return (("username", access.username), ("password", access.password)) if access.username else ()


def failure(
    who: str, address: str, access: Access, error: grpc.RpcError, refusal: Problem
) -> UnreachableError:
    """A failed call as an error for the reader; `refusal` is what it is if the switch has answered."""
    code, details = error.code(), error.details() or "no details"
    found = connection_problem(code, address, access)
    what, hint = found or refusal
    kind = UnreachableError if code in _LOST else RefusedError
    return kind(f"{who} ({address}) {what}: gRPC {code.name}: {details}\n  hint: {hint}")


_CLOSED = Problem("closed the connection", "it was there a moment ago; apply again when it answers")


def connection_problem(code: grpc.StatusCode, address: str, access: Access) -> Problem | None:
    """Why a switch could not be asked; None if it was asked and has answered."""
    if code == grpc.StatusCode.UNAUTHENTICATED:
        return Problem(
            "does not know this caller",
            f"check the inventory's client certificate, or {USERNAME_VARIABLE} and {PASSWORD_VARIABLE}",
        )
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return Problem("did not answer in time", "it is busy, or not there; apply again when it answers")
    if code == grpc.StatusCode.UNAVAILABLE:
        return _probe(address, access)
    return None


def _probe(address: str, access: Access) -> Problem:
    """What is at an address that gRPC cannot talk to: nothing, or another kind of server."""
    host, _, port = address.rpartition(":")
    try:
        connection = socket.create_connection((host.strip("[]"), int(port)), _PROBE_S)
    except ConnectionResetError:
        return _CLOSED
    except (OSError, ValueError):
        return Problem(
            "cannot be reached", "is it running? 'raddle up FABRIC.yaml' starts simulated switches"
        )
    with connection:
        reason = _tls_problem(connection, host.strip("[]"), access)
    if access.tls is None:
        if reason:
            return _CLOSED
        return Problem(
            "closed the connection", 'does it ask for TLS? Then the inventory needs "tls": {"ca": "ca.pem"}'
        )
    if not reason:
        return _CLOSED
    return Problem(
        "cannot be reached over TLS",
        f"{reason}; is a certificate expired, or the CA of the inventory another one? "
        "'openssl x509 -in FILE -noout -dates' tells",
    )


def _tls_problem(connection: socket.socket, host: str, access: Access) -> str:
    """Why there is no TLS with what has answered; empty if there is."""
    try:
        context = ssl.create_default_context()
        if access.tls is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif access.tls.ca:
            context = ssl.create_default_context(cadata=access.tls.ca.decode())
        context.set_alpn_protocols(["h2"])
        connection.settimeout(_PROBE_S)
        _shake_hands(connection, context, host)
        return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message or "its certificate does not hold"
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        return str(error.strerror if isinstance(error, OSError) else error)


def _shake_hands(connection: socket.socket, context: ssl.SSLContext, host: str) -> None:
    """Begin TLS over a connection, which stays the caller's to close.

    (`SSLContext.wrap_socket` takes it away, and loses it where the peer has hung up meanwhile.)

    Raises:
        OSError: there is no TLS; ssl.SSLError is one.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=host)
    while True:
        try:
            return tls.do_handshake()
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            if data := connection.recv(_PROBE_BYTES):
                incoming.write(data)
            else:
                incoming.write_eof()
