"""What a switch's ECMP hash sees of a RoCEv2 queue pair, and the hash itself.

The hash is the CRC-32 of IEEE 802.3 (zlib's) over the switch's seed and the 5-tuple. A CRC is affine:
seeds only flip the same bits for every flow, so with group sizes that are powers of two a seed permutes
the members and does not change which flows collide. Real switches with CRC hashes behave the same.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from raddle.splitmix import splitmix64

UDP_PORT_ROCE = 4791
"""UDP destination port of RoCEv2 (IBTA Annex A17)."""

_IP_PROTOCOL_UDP = 17


def qp_numbers(qp: int, seed: int) -> tuple[int, int]:
    """The 24-bit queue pair numbers at both ends of queue pair `qp`, as a driver might give them out."""
    bits = next(splitmix64((seed << 32) ^ qp))
    return (bits & 0xFFFFFF) | 1, (bits >> 32 & 0xFFFFFF) | 1


def udp_source_port(local_qpn: int, remote_qpn: int) -> int:
    """The RoCEv2 UDP source port of a queue pair.

    Source: Linux include/rdma/ib_verbs.h, `rdma_calc_flow_label` and `rdma_flow_label_to_udp_sport`.
    """
    product = local_qpn * remote_qpn
    product ^= product >> 20
    product ^= product >> 40
    flow_label = product & 0xFFFFF
    return ((flow_label & 0x3FFF) ^ (flow_label >> 14)) | 0xC000


def ecmp_hash(seed: int, src: int, dst: int, src_port: int) -> int:
    """CRC-32 over seed, source and destination IPv4 address, protocol and UDP ports."""
    return zlib.crc32(_key(seed, src, dst, src_port))


def _key(seed: int, src: int, dst: int, src_port: int) -> bytes:
    return struct.pack(">IIIBHH", seed, src, dst, _IP_PROTOCOL_UDP, src_port, UDP_PORT_ROCE)


def seed_mask(seed: int) -> int:
    """What a seed does to every hash: `ecmp_hash(seed, *flow) == ecmp_hash(0, *flow) ^ seed_mask(seed)`."""
    return ecmp_hash(seed, 0, 0, 0) ^ ecmp_hash(0, 0, 0, 0)


def qp_hashes(
    src: NDArray[np.uint32], dst: NDArray[np.uint32], seed: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Hashes with seed 0 of each queue pair's data and of its acknowledgements.

    Args:
        src, dst: IPv4 addresses of the sender and the receiver, one entry per queue pair.
        seed: of the run; it decides the queue pair numbers.
    """
    data = np.empty(len(src), np.uint32)
    acks = np.empty(len(src), np.uint32)
    for qp, (a, b) in enumerate(zip(src.tolist(), dst.tolist(), strict=True)):
        port = udp_source_port(*qp_numbers(qp, seed))
        data[qp] = ecmp_hash(0, a, b, port)
        acks[qp] = ecmp_hash(0, b, a, port)
    return data, acks
