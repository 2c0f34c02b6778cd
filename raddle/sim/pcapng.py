"""Frames that the engine sent on chosen links, as a pcapng file that Wireshark reads.

Sources: IETF draft-ietf-opsawg-pcapng (blocks; if_tsresol 12: picoseconds); IBTA vol. 1, 9.2 (BTH), 9.3.5.3
(AETH), Annex A17 (RoCEv2, ICRC, CNP); IEEE 802.1Q-2022, 36 (PFC).

Assumptions: MAC addresses are made from port numbers; payload is zeros; no pad bytes, as the
engine sends none. Frames are whole but for their FCS: Wireshark takes a cut-off BTH packet for malformed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.ecmp_hash import UDP_PORT_ROCE, qp_numbers, udp_source_port

DATA, ACK, NAK, CNP, PFC = range(5)
"""Kinds of frames; the first four as the engine numbers them."""

_FCS_BYTES = 4
_PSNS = 1 << 24
_SEND_FIRST, _SEND_MIDDLE, _SEND_LAST, _SEND_ONLY = 0x00, 0x01, 0x02, 0x04
_ACKNOWLEDGE, _CNP = 0x11, 0x81
_ACK_SYNDROME, _NAK_SYNDROME = 0x1F, 0x60  # credits not limited; PSN sequence error


@dataclass(frozen=True, slots=True)
class FrameColumns:
    """Frames in the order of their sending; `port` is the sending one. A PFC frame has no queue pair; its
    `psn` holds the quanta for which it halts (0: until it lifts it), times 65,536, the priorities that it
    names, times 256, and those of them that it halts."""

    time_ps: NDArray[np.int64]
    port: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    qp: NDArray[np.uint32]
    psn: NDArray[np.uint32]
    size_bytes: NDArray[np.uint16]
    dscp: NDArray[np.uint8]
    is_ce: NDArray[np.uint8]
    ttl: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class QueuePair:
    """What its frames say: packed addresses of the data's sender and receiver, both ends' queue pair numbers,
    UDP source ports of data and of acknowledgements, and at which PSNs messages begin and end."""

    src: bytes
    dst: bytes
    src_qpn: int
    dst_qpn: int
    source_ports: tuple[int, int]
    starts: frozenset[int]
    ends: NDArray[np.int64]


def queue_pair(
    qp: int,
    seed: int,
    addresses: tuple[bytes, bytes],
    source_ports: tuple[int, int] | None,
    packets: Sequence[int],
) -> QueuePair:
    """A queue pair whose messages have so many packets each; ports None or below 0: of its numbers."""
    ends = np.cumsum(np.asarray(packets, np.int64))
    starts = frozenset((np.concatenate([[0], ends[:-1]]) % _PSNS).tolist())
    qpns = qp_numbers(qp, seed)
    own = udp_source_port(*qpns)
    data, acks = (port if port >= 0 else own for port in source_ports or (-1, -1))
    return QueuePair(*addresses, *qpns, (data, acks), starts, ends)


def header(ports: Sequence[str]) -> bytes:
    """The start of a file with an interface for each sending port."""
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    blocks = [_block(0x0A0D0D0A, section)]
    for name in ports:
        options = _option(2, name.encode()) + _option(9, bytes([12])) + _option(0, b"")
        blocks.append(_block(1, struct.pack("<HHI", 1, 0, 0) + options))
    return b"".join(blocks)


def frames(
    columns: FrameColumns, interface: dict[int, int], peer: dict[int, int], pairs: dict[int, QueuePair]
) -> Iterator[bytes]:
    """A block for each frame; `interface` and `peer` are by sending port, `pairs` by queue pair."""
    rows = zip(
        columns.time_ps.tolist(), columns.port.tolist(), columns.kind.tolist(), columns.qp.tolist(),
        columns.psn.tolist(), columns.size_bytes.tolist(), columns.dscp.tolist(), columns.is_ce.tolist(),
        columns.ttl.tolist(), strict=True,
    )  # fmt: skip
    for time_ps, port, kind, qp, psn, size, dscp, is_ce, ttl in rows:
        if kind == PFC:
            data = _pfc_frame(port, psn >> 16, psn >> 8 & 0xFF, psn & 0xFF)
        else:
            tos = dscp << 2 | (3 if is_ce else 2)
            data = _roce_frame(pairs[qp], _macs(port, peer[port]), kind, psn, size, tos, ttl)
        length = len(data)
        place = struct.pack("<IIIII", interface[port], time_ps >> 32, time_ps & 0xFFFFFFFF, length, length)
        yield _block(6, place + _padded(data))


def _roce_frame(pair: QueuePair, macs: bytes, kind: int, psn: int, size: int, tos: int, ttl: int) -> bytes:
    is_data = kind == DATA
    src, dst, qpn = (pair.src, pair.dst, pair.dst_qpn) if is_data else (pair.dst, pair.src, pair.src_qpn)
    is_ipv6 = len(src) == 16
    length = size - 14 - _FCS_BYTES - (40 if is_ipv6 else 20)
    bth, extra = _bth(pair, kind, psn, qpn)
    payload = bytes(length - 24 if is_data else 0)
    udp = struct.pack(">HHHH", pair.source_ports[not is_data], UDP_PORT_ROCE, length, 0)
    ip = (_ipv6_header if is_ipv6 else _ipv4_header)(tos, length, ttl, src, dst)
    upper = udp + bth + extra + payload
    ethertype = b"\x86\xdd" if is_ipv6 else b"\x08\x00"
    return macs + ethertype + ip + upper + _icrc(ip, upper)


def _bth(pair: QueuePair, kind: int, psn: int, qpn: int) -> tuple[bytes, bytes]:
    """The BTH, and the AETH of an acknowledgement or the reserved bytes of a CNP."""
    opcode, becn, extra = _data_opcode(pair, psn), 0, b""
    if kind in (ACK, NAK):
        messages = int(np.searchsorted(pair.ends, psn, "right"))
        syndrome = _ACK_SYNDROME if kind == ACK else _NAK_SYNDROME
        extra = struct.pack(">I", syndrome << 24 | messages % _PSNS)
        opcode, psn = _ACKNOWLEDGE, (psn - 1) % _PSNS if kind == ACK else psn
    elif kind == CNP:
        opcode, becn, extra, psn = _CNP, 0x40000000, bytes(16), 0
    return struct.pack(">BBHII", opcode, 0x40, 0xFFFF, becn | qpn, psn), extra


def _data_opcode(pair: QueuePair, psn: int) -> int:
    is_first = psn in pair.starts
    is_last = (psn + 1) % _PSNS in pair.starts or psn + 1 == int(pair.ends[-1]) % _PSNS
    if is_first:
        return _SEND_ONLY if is_last else _SEND_FIRST
    return _SEND_LAST if is_last else _SEND_MIDDLE


def _ipv4_header(tos: int, length: int, ttl: int, src: bytes, dst: bytes) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, tos, 20 + length, 0, 0x4000, ttl, 17, 0) + src + dst
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack(">H", checksum) + head[12:]


def _ipv6_header(tos: int, length: int, ttl: int, src: bytes, dst: bytes) -> bytes:
    return struct.pack(">IHBB", 6 << 28 | tos << 20, length, 17, ttl) + src + dst


def _icrc(ip: bytes, upper: bytes) -> bytes:
    """The invariant CRC: what routers may change counts as ones (Annex A17.3.3)."""
    head, rest = bytearray(ip), bytearray(upper)
    if len(ip) == 20:
        for place in (1, 8, 10, 11):  # type of service, TTL, checksum
            head[place] = 0xFF
    else:
        head[0] |= 0x0F  # traffic class, flow label, hop limit
        head[1:4] = b"\xff\xff\xff"
        head[7] = 0xFF
    rest[6] = rest[7] = 0xFF  # UDP checksum
    rest[12] = 0xFF  # FECN, BECN and reserved bits of the BTH
    return struct.pack("<I", zlib.crc32(bytes(rest), zlib.crc32(bytes(head), zlib.crc32(b"\xff" * 8))))


def _pfc_frame(port: int, quanta: int, named: int, halted: int) -> bytes:
    times = [quanta or 0xFFFF if halted >> priority & 1 else 0 for priority in range(8)]
    control = struct.pack(">HHH8H", 0x8808, 0x0101, named, *times)
    return (bytes.fromhex("0180c2000001") + _mac(port) + control).ljust(60, b"\0")


def _mac(port: int) -> bytes:
    """A locally administered address for a port."""
    return struct.pack(">HI", 0x0252, port)


def _macs(port: int, peer: int) -> bytes:
    return _mac(peer) + _mac(port)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
