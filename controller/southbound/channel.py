"""gRPC connections to switches: how they are opened, and what is wrong when they fail."""

from __future__ import annotations

from typing import NamedTuple

import grpc

from raddle.inventory import PASSWORD_VARIABLE, USERNAME_VARIABLE, Access


class Problem(NamedTuple):
    """What a switch did, and what to do about it."""

    what: str
    hint: str


def open_channel(address: str, access: Access, options: list[tuple[str, int]]) -> grpc.Channel:
    """A channel to a switch, TLS or plain text; nothing is sent yet."""
    if access.tls is None:
        return grpc.insecure_channel(address, options=options)
    credentials = grpc.ssl_channel_credentials(access.tls.ca, access.tls.key, access.tls.certificate)
    return grpc.secure_channel(address, credentials, options=options)


def login_of(access: Access) -> tuple[tuple[str, str], ...]:
    """User and password as gRPC metadata, where there are any."""
    return (("username", access.username), ("password", access.password)) if access.username else ()


def connection_problem(code: grpc.StatusCode, details: str, access: Access) -> Problem | None:
    """Why a switch could not be asked; None if it was asked and has answered."""
    if code == grpc.StatusCode.UNAUTHENTICATED:
        return Problem(
            "does not know this caller",
            f"check the inventory's client certificate, or {USERNAME_VARIABLE} and {PASSWORD_VARIABLE}",
        )
    if "handshake" in details.lower() or "ssl" in details.lower():
        return Problem(
            "cannot be reached over TLS",
            "is a certificate expired, or the CA of the inventory another one? "
            "'openssl x509 -in FILE -noout -dates' tells",
        )
    if "Socket closed" in details and access.tls is None:
        return Problem(
            "closed the connection", 'does it ask for TLS? Then the inventory needs "tls": {"ca": "ca.pem"}'
        )
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return Problem("did not answer in time", "it is busy, or not there; apply again when it answers")
    if code == grpc.StatusCode.UNAVAILABLE:
        return Problem(
            "cannot be reached", "is it running? 'raddle up FABRIC.yaml' starts simulated switches"
        )
    return None
