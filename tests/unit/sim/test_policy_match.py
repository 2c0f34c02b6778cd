"""Which packets a policy takes: by addresses, UDP source port and queue pair, before the routes."""

from __future__ import annotations

import numpy as np

from raddle.ecmp_hash import qp_numbers
from raddle.sim.policy_match import PacketHeaders
from raddle.state import PolicyState

A, B, C = 0x0A000001, 0x0A000002, 0x0A000003
SEED = 7


def headers(source_ports: list[list[int]] | None = None) -> PacketHeaders:
    """Queue pairs A -> C, B -> C and A -> C again."""
    src, dst = np.array([0, 1, 0], np.uint32), np.array([2, 2, 2], np.uint32)
    ports = None if source_ports is None else np.array(source_ports, np.int64)
    return PacketHeaders((A, B, C), src, dst, SEED, ports)


def test_source_and_destination_take_data_of_their_pair_and_not_what_comes_back() -> None:
    assert headers().match([PolicyState(C, (1,), src=A)]).tolist() == [0, -1, -1, -1, 0, -1]
    assert headers().match([PolicyState(A, (1,), src=C)]).tolist() == [-1, 0, -1, -1, -1, 0]


def test_source_port_tells_queue_pairs_of_one_pair_apart() -> None:
    ports = [[0xC001, 0xC002], [0xC001, 0xC002], [0xC003, 0xC001]]
    policies = [PolicyState(C, (1,), src=A, l4_src_port=0xC001), PolicyState(C, (1,), src=A)]
    assert headers(ports).match(policies).tolist() == [0, -1, -1, -1, 1, -1]


def test_queue_pair_is_the_number_at_the_receiver_of_each_packet() -> None:
    sender, receiver = qp_numbers(2, SEED)
    assert headers().match([PolicyState(C, (1,), bth_qp=receiver)]).tolist() == [-1, -1, -1, -1, 0, -1]
    assert headers().match([PolicyState(A, (1,), bth_qp=sender)]).tolist() == [-1, -1, -1, -1, -1, 0]


def test_first_policy_that_matches_decides_and_strangers_match_nothing() -> None:
    pair = PolicyState(C, (1,), src=B)
    assert headers().match([pair, pair, PolicyState(0x0A0000FF, (1,), src=B)]).tolist()[2] == 0
    assert headers().match([PolicyState(0x0A0000FF, (1,))]).tolist() == [-1] * 6
