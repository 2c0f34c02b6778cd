"""RoCEv2 packets: Ethernet, IPv4, UDP, BTH, RETH or AETH, payload and ICRC.

Own code instead of scapy's, whose licence (GPL-2.0) does not go into a package under Apache-2.0; the tests
hold it against scapy's and against Wireshark's dissector.

Source: InfiniBand Architecture Specification 1.2.1, volume 1, chapters 7 and 9; annex A17 (RoCEv2).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from ipaddress import IPv4Address

from raddle.sim.ecmp_hash import UDP_PORT_ROCE

WRITE_FIRST, WRITE_MIDDLE, WRITE_LAST, WRITE_ONLY, ACKNOWLEDGE = 0x06, 0x07, 0x08, 0x0A, 0x11
"""BTH opcodes of the reliable connection (RC) service."""

PSN_MASK = 0xFFFFFF

_P_KEY = 0xFFFF  # the default partition, full member
_ECT0 = 2  # ECN-capable transport (RFC 3168)
_ETHERNET, _IPV4, _UDP, _BTH = (struct.Struct(f) for f in (">6s6sH", ">BBHHHBBH4s4s", ">HHHH", ">BBHII"))
_RETH, _AETH = struct.Struct(">QII"), struct.Struct(">I")
_HEADERS_BYTES = _ETHERNET.size + _IPV4.size + _UDP.size + _BTH.size
_ICRC_BYTES = 4
_ACK_REQUEST = 1 << 31


class BadPacketError(Exception):
    """A packet that is no well-formed RoCEv2 packet."""


@dataclass(frozen=True, slots=True)
class Reth:
    """RDMA extended transport header: where a write goes, and how long it is."""

    address: int
    r_key: int
    length_bytes: int


@dataclass(frozen=True, slots=True)
class Aeth:
    """Acknowledgement extended transport header: a syndrome and the number of messages completed."""

    syndrome: int
    msn: int


@dataclass(frozen=True, slots=True)
class RocePacket:
    """One packet; `reth` is there in the first packet of a write, `aeth` in an acknowledgement."""

    src: str
    dst: str
    udp_source_port: int
    dscp: int
    opcode: int
    dest_qp: int
    psn: int
    asks_ack: bool = False
    reth: Reth | None = None
    aeth: Aeth | None = None
    payload: bytes = b""
    ttl: int = 64


def encode(packet: RocePacket, eth_src: str, eth_dst: str) -> bytes:
    """The packet as an Ethernet frame without FCS. The UDP checksum is 0, as annex A17 allows."""
    pad = -len(packet.payload) % 4
    bth = _BTH.pack(
        packet.opcode,
        0x40 | pad << 4,  # migration state: migrated, as a queue pair is after it is made
        _P_KEY,
        packet.dest_qp,
        (_ACK_REQUEST if packet.asks_ack else 0) | packet.psn,
    )
    extended = b""
    if packet.reth:
        extended += _RETH.pack(packet.reth.address, packet.reth.r_key, packet.reth.length_bytes)
    if packet.aeth:
        extended += _AETH.pack(packet.aeth.syndrome << 24 | packet.aeth.msn)
    transport = bth + extended + packet.payload + bytes(pad)
    udp_bytes = _UDP.size + len(transport) + _ICRC_BYTES
    udp = _UDP.pack(packet.udp_source_port, UDP_PORT_ROCE, udp_bytes, 0)
    ip = _ipv4_header(packet, _IPV4.size + udp_bytes)
    ethernet = _ETHERNET.pack(_mac(eth_dst), _mac(eth_src), 0x0800)
    return ethernet + ip + udp + transport + icrc(ip + udp + transport)


def decode(frame: bytes) -> RocePacket:
    """The packet in an Ethernet frame.

    Raises:
        BadPacketError: it is none, or a length or the ICRC is wrong.
    """
    if len(frame) < _HEADERS_BYTES + _ICRC_BYTES or frame[12:14] != b"\x08\x00" or frame[14] != 0x45:
        raise BadPacketError("no IPv4 packet without options")
    _, tos, ip_bytes, _, _, ttl, protocol, _, src, dst = _IPV4.unpack_from(frame, 14)
    source_port, port, udp_bytes, _ = _UDP.unpack_from(frame, 34)
    if protocol != 17 or port != UDP_PORT_ROCE:
        raise BadPacketError("not to UDP port 4791")
    if ip_bytes != udp_bytes + _IPV4.size or len(frame) < 14 + ip_bytes:
        raise BadPacketError("lengths that do not fit each other")
    body = frame[14 : 14 + ip_bytes]
    if icrc(body[:-_ICRC_BYTES]) != body[-_ICRC_BYTES:]:
        raise BadPacketError("a wrong ICRC")
    opcode, flags, _, dest_qp, last = _BTH.unpack_from(body, 28)
    at, reth, aeth = 40, None, None
    if opcode in (WRITE_FIRST, WRITE_ONLY):
        reth = Reth(*_RETH.unpack_from(body, at))
        at += _RETH.size
    elif opcode == ACKNOWLEDGE:
        (word,) = _AETH.unpack_from(body, at)
        aeth = Aeth(word >> 24, word & PSN_MASK)
        at += _AETH.size
    elif opcode not in (WRITE_MIDDLE, WRITE_LAST):
        raise BadPacketError(f"opcode 0x{opcode:02x}, which nobody sent")
    end = ip_bytes - _ICRC_BYTES - (flags >> 4 & 3)
    return RocePacket(
        str(IPv4Address(src)), str(IPv4Address(dst)), source_port, tos >> 2, opcode, dest_qp & PSN_MASK,
        last & PSN_MASK, bool(last & _ACK_REQUEST), reth, aeth, body[at:end], ttl,
    )  # fmt: skip


def icrc(packet: bytes) -> bytes:
    """The invariant CRC of an IPv4 packet without it.

    Covers what no switch changes: TOS, TTL, both checksums and the BTH's byte for congestion marks count as
    ones, and 8 bytes of ones stand for the LRH that Ethernet does not have (annex A17.3.3).
    """
    masked = bytearray(b"\xff" * 8 + packet)
    for at in (1, 8, 10, 11, 26, 27, 32):
        masked[8 + at] = 0xFF
    return zlib.crc32(masked).to_bytes(4, "little")


def opcode_of(number: int, packets: int) -> int:
    """The opcode of the packet with a number, from 0, of a message of so many packets."""
    if packets == 1:
        return WRITE_ONLY
    return WRITE_FIRST if number == 0 else WRITE_LAST if number == packets - 1 else WRITE_MIDDLE


def _ipv4_header(packet: RocePacket, length: int) -> bytes:
    src, dst = IPv4Address(packet.src).packed, IPv4Address(packet.dst).packed
    tos, flags = packet.dscp << 2 | _ECT0, 0x4000  # do not fragment
    header = _IPV4.pack(0x45, tos, length, 0, flags, packet.ttl, 17, 0, src, dst)
    total = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return bytes(header[:10] + checksum.to_bytes(2, "big") + header[12:])


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
