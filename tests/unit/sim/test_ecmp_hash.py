"""The ECMP hash against zlib and scapy, which we did not write."""

from __future__ import annotations

import struct
import zlib
from ipaddress import IPv4Address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raddle.ecmp_hash import ecmp_hash, qp_hashes, seed_mask, udp_source_port

words = st.integers(0, 2**32 - 1)
ports = st.integers(0, 2**16 - 1)


def test_hash_is_the_crc_of_seed_and_5_tuple() -> None:
    key = struct.pack(">I", 7) + IPv4Address("10.0.0.1").packed + IPv4Address("10.0.0.9").packed
    key += bytes([17]) + struct.pack(">HH", 0xC123, 4791)
    assert ecmp_hash(7, int(IPv4Address("10.0.0.1")), int(IPv4Address("10.0.0.9")), 0xC123) == zlib.crc32(key)


@given(words, words, words, ports)
def test_seed_flips_the_same_bits_of_every_hash(seed: int, src: int, dst: int, port: int) -> None:
    assert ecmp_hash(seed, src, dst, port) == ecmp_hash(0, src, dst, port) ^ seed_mask(seed)


def test_source_port_follows_the_linux_kernel() -> None:
    # rdma_calc_flow_label(0x11, 0x22) = 0x242; rdma_flow_label_to_udp_sport folds its upper 6 bits.
    assert udp_source_port(0x11, 0x22) == 0xC242
    assert udp_source_port(0xABCDEF, 0x123456) == udp_source_port(0x123456, 0xABCDEF)


@given(st.integers(1, 2**24 - 1), st.integers(1, 2**24 - 1))
def test_source_port_is_in_the_range_of_rocev2(local: int, remote: int) -> None:
    assert 0xC000 <= udp_source_port(local, remote) <= 0xFFFF


def test_hash_sees_what_a_real_packet_carries() -> None:
    scapy = pytest.importorskip("scapy.all", reason="scapy is not installed")
    packet = bytes(scapy.IP(src="10.0.0.1", dst="10.0.0.9") / scapy.UDP(sport=0xC123, dport=4791))
    key = bytes(4) + packet[12:20] + packet[9:10] + packet[20:24]
    assert ecmp_hash(0, 0x0A000001, 0x0A000009, 0xC123) == zlib.crc32(key)


def test_seed_of_the_run_changes_the_queue_pairs() -> None:
    src, dst = np.array([0x0A000001] * 8, np.uint32), np.array([0x0A000009] * 8, np.uint32)
    first, _ = qp_hashes(src, dst, seed=1)
    again, _ = qp_hashes(src, dst, seed=1)
    other, _ = qp_hashes(src, dst, seed=2)
    assert (first == again).all()
    assert (first != other).any()
    assert len(set(first.tolist())) > 1
