"""What is said of an address that gRPC cannot talk to, and that nothing is left open by asking."""

from __future__ import annotations

import gc
import socket
import struct
import threading
import warnings
from collections.abc import Callable

import grpc
import pytest

from raddle.controller.southbound.channel import Problem, connection_problem
from raddle.inventory import Access

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: the peer hears RST instead of an orderly end."""


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def reset_after_hello(peer: socket.socket) -> None:
    peer.recv(10_000)
    reset(peer)


def hang_up(peer: socket.socket) -> None:
    peer.recv(10_000)


def talk_plainly(peer: socket.socket) -> None:
    peer.recv(10_000)
    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def asked(behave: Callable[[socket.socket], None]) -> Problem | None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                behave(peer)

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        problem = connection_problem(grpc.StatusCode.UNAVAILABLE, address, Access())
        thread.join()
    return problem


@pytest.mark.parametrize("behave", [reset, reset_after_hello, hang_up, talk_plainly])
def test_a_server_that_speaks_no_tls_is_told_and_no_socket_stays_open(
    behave: Callable[[socket.socket], None],
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(2):
            problem = asked(behave)
            assert problem
            assert problem.what == "closed the connection"
            assert "it was there a moment ago" in problem.hint
        gc.collect()
    assert not [str(each.message) for each in caught if each.category is ResourceWarning]
