"""What a switch's ECMP hash sees of a RoCEv2 queue pair, and the hashes themselves.

A hash goes over the switch's seed and the fields that the switch is set to. All of them are affine: a seed
flips the same bits for every flow, so with group sizes that are powers of two it permutes the members and
does not change which flows collide. Real switches with CRC hashes behave the same. What makes two tiers
choose independently is another function, other fields, or other bits of one hash (`SwitchState.hash_offset`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from raddle.splitmix import first_words, splitmix64
from raddle.state import HASH_FIELDS, HashAlgorithm, HashField, SwitchState

UDP_PORT_ROCE = 4791
"""UDP destination port of RoCEv2 (IBTA Annex A17)."""

_IP_PROTOCOL_UDP = 17
_WIDTHS: dict[HashField, int] = {
    "src_ip": 4, "dst_ip": 4, "ip_protocol": 1, "l4_src_port": 2, "l4_dst_port": 2, "bth_qp": 3,
}  # fmt: skip


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


def _source_ports(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """`udp_source_port` by row."""
    product = ends[:, 0] * ends[:, 1]  # of 48 bits
    product ^= product >> 20
    product ^= product >> 40
    label = product & 0xFFFFF
    return ((label & 0x3FFF) ^ (label >> 14)) | 0xC000


def ecmp_hash(seed: int, src: int, dst: int, src_port: int) -> int:
    """CRC-32 over seed, source and destination IPv4 address, protocol and UDP ports."""
    return zlib.crc32(struct.pack(">IIIBHH", seed, src, dst, _IP_PROTOCOL_UDP, src_port, UDP_PORT_ROCE))


@cache
def _table(polynomial: int) -> NDArray[np.uint32]:
    """The table of a reflected CRC."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> np.uint32(1)) ^ (table & np.uint32(1)) * np.uint32(polynomial)
    return table


def _reflected_crc(keys: NDArray[np.uint8], polynomial: int) -> NDArray[np.uint32]:
    """A 32-bit CRC whose start and end are inverted, as IEEE 802.3 and Castagnoli's are."""
    table = _table(polynomial)
    crc = np.full(len(keys), 0xFFFFFFFF, np.uint32)
    for column in keys.T:
        crc = table[(crc ^ column) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)


def _crc16(keys: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected."""
    crc = np.full(len(keys), 0xFFFF, np.uint32)
    for column in keys.T:
        crc ^= column.astype(np.uint32) << np.uint32(8)
        for _ in range(8):
            crc = (crc << np.uint32(1) ^ (crc >> np.uint32(15)) * np.uint32(0x1021)) & np.uint32(0xFFFF)
    return crc


def _xor(keys: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The XOR of the key's 16-bit words; one odd byte at the end counts as a word's upper half."""
    if keys.shape[1] % 2:
        keys = np.pad(keys, ((0, 0), (0, 1)))
    words = keys[:, 0::2].astype(np.uint32) << np.uint32(8) | keys[:, 1::2]
    folded: NDArray[np.uint32] = np.bitwise_xor.reduce(words, axis=1)
    return folded


def hash_keys(keys: NDArray[np.uint8], algorithm: HashAlgorithm) -> NDArray[np.uint32]:
    """The hash of every row of bytes.

    Sources: crc32, IEEE 802.3; crc32c, Castagnoli (RFC 3720, 12.1); crc16, ITU-T V.41's polynomial. SAI
    (saihash.h) names CRC, CRC_32LO and CRC_32HI (the lower and upper half of CRC-32), CRC_CCITT and XOR;
    which polynomial a chip's CRC is, and how its XOR folds, are assumptions.
    """
    if algorithm == "xor":
        return _xor(keys)
    if algorithm == "crc16":
        return _crc16(keys)
    crc = _reflected_crc(keys, 0x82F63B78 if algorithm == "crc32c" else 0xEDB88320)
    if algorithm == "crc32lo":
        return crc & np.uint32(0xFFFF)
    return crc >> np.uint32(16) if algorithm == "crc32hi" else crc


def hash_width(algorithm: HashAlgorithm) -> int:
    """Bits of a hash: 16 of CRC-16, of the XOR and of CRC-32's halves, else 32."""
    return 16 if algorithm in ("crc16", "xor", "crc32lo", "crc32hi") else 32


def rotated(hashes: NDArray[np.uint32], bits: NDArray[np.uint32] | int, width: int) -> NDArray[np.uint32]:
    """Hashes of `width` bits rotated right by `bits`, within their width.

    Source: SAI saiswitch.h, SAI_SWITCH_ATTR_ECMP_DEFAULT_HASH_OFFSET. Assumption: modulo the width.
    """
    right = np.asarray(bits, np.uint32) % np.uint32(width)
    left = (np.uint32(width) - right) % np.uint32(width)
    mask = np.uint32((1 << width) - 1)
    turned: NDArray[np.uint32] = (hashes >> right | hashes << left) & mask
    return turned


def seed_mask(
    seed: int,
    algorithm: HashAlgorithm = "crc32",
    fields: Sequence[HashField] = HASH_FIELDS,
    address_bytes: int = 4,
) -> int:
    """What a seed does to every hash: `hash with seed == hash without ^ seed_mask(seed)`."""
    widths = _WIDTHS | {"src_ip": address_bytes, "dst_ip": address_bytes}
    keys = np.zeros((2, 4 + sum(widths[name] for name in fields)), np.uint8)
    keys[1, :4] = list(seed.to_bytes(4, "big"))
    without, with_seed = hash_keys(keys, algorithm).tolist()
    return int(without ^ with_seed)


def hashed_addresses(addresses: Sequence[int], is_ipv6: bool) -> NDArray[np.uint32 | np.uint8]:
    """Addresses as `qp_hashes` takes them."""
    if not is_ipv6:
        return np.array(addresses, np.uint32)
    octets = b"".join(address.to_bytes(16, "big") for address in addresses)
    return np.frombuffer(octets, np.uint8).reshape(-1, 16)


def qp_headers(
    count: int, seed: int, source_ports: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Queue pair numbers (sender's, receiver's) and UDP source ports (of data, of acknowledgements), by row.

    Args: see `qp_hashes`.
    """
    words = first_words(np.uint64(seed << 32) ^ np.arange(count, dtype=np.uint64))
    numbers = np.stack([words, words >> np.uint64(32)], axis=1) & np.uint64(0xFFFFFF) | np.uint64(1)
    ends = numbers.astype(np.int64)
    own = _source_ports(ends)[:, None]
    ports = np.broadcast_to(own, ends.shape)
    return ends, ports if source_ports is None else np.where(source_ports < 0, own, source_ports)


def qp_hashes(
    src: NDArray[np.uint32 | np.uint8],
    dst: NDArray[np.uint32 | np.uint8],
    seed: int,
    algorithm: HashAlgorithm = "crc32",
    fields: Sequence[HashField] = HASH_FIELDS,
    source_ports: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Hashes with switch seed 0 of each queue pair's data and of its acknowledgements.

    Args:
        src, dst: addresses of the sender and the receiver, one entry per queue pair: uint32 of IPv4, rows of
            16 bytes of IPv6.
        seed: of the run; it decides the queue pair numbers.
        source_ports: int64[queue pairs, 2], UDP source port of data and of acknowledgements; -1: that of the
            queue pair numbers.
    """
    ends, ports = qp_headers(len(src), seed, source_ports)
    data, acks = (
        _keys({"src_ip": a, "dst_ip": b, "l4_src_port": ports[:, way], "bth_qp": ends[:, 1 - way]}, fields)
        for way, (a, b) in enumerate(((src, dst), (dst, src)))
    )
    return hash_keys(data, algorithm), hash_keys(acks, algorithm)


def _keys(values: dict[HashField, NDArray[np.generic]], fields: Sequence[HashField]) -> NDArray[np.uint8]:
    """The bytes that are hashed: four of the seed, here 0, and the fields in SAI's order."""
    count = len(next(iter(values.values())))
    constant: dict[HashField, int] = {"ip_protocol": _IP_PROTOCOL_UDP, "l4_dst_port": UDP_PORT_ROCE}
    columns = [np.zeros((count, 4), np.uint8)]
    for name in fields:
        value = values[name] if name in values else np.full(count, constant[name])
        is_bytes = value.ndim == 2
        octets = value if is_bytes else value.astype(">u4").view(np.uint8).reshape(-1, 4)[:, -_WIDTHS[name] :]
        columns.append(octets.astype(np.uint8))
    return np.ascontiguousarray(np.hstack(columns))


class HashClasses:
    """The ways in which the switches of a run hash, and what each gives for every queue pair.

    A way is an algorithm with its fields and, of hashes of 16 bits, the offset. Seeds and other offsets are
    the switches' own matter. Number 0 is that of the first switch.
    """

    def __init__(
        self,
        src: NDArray[np.uint32 | np.uint8],
        dst: NDArray[np.uint32 | np.uint8],
        seed: int,
        states: Mapping[str, SwitchState],
        source_ports: NDArray[np.int64] | None,
    ) -> None:
        self._flows = (src, dst, seed)
        self._source_ports = source_ports
        self._ways: list[tuple[HashAlgorithm, tuple[HashField, ...], int]] = []
        for state in states.values():
            self.number(state)
        self._ways = self._ways or [("crc32", HASH_FIELDS, 0)]

    def number(self, state: SwitchState) -> int:
        is_short = hash_width(state.hash_algorithm) == 16
        way = (state.hash_algorithm, state.hash_fields, state.hash_offset % 16 if is_short else 0)
        if way not in self._ways:
            self._ways.append(way)
        return self._ways.index(way)

    def columns(self, number: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        algorithm, fields, offset = self._ways[number]
        data, acks = qp_hashes(*self._flows, algorithm, fields, source_ports=self._source_ports)
        width = hash_width(algorithm)
        return rotated(data, offset, width), rotated(acks, offset, width)
