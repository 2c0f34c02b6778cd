"""RoCEv2 packets: Ethernet, IPv4 or IPv6, UDP, BTH, RETH or AETH, payload and ICRC.

Own code instead of scapy's, whose licence (GPL-2.0) does not go into a package under Apache-2.0; the tests
hold it against scapy's and against Wireshark's dissector.

Source: InfiniBand Architecture Specification 1.2.1, volume 1, chapters 7 and 9; annex A17 (RoCEv2).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from raddle.ecmp_hash import UDP_PORT_ROCE
from raddle.units import ip_text

WRITE_FIRST, WRITE_MIDDLE, WRITE_LAST, WRITE_ONLY, ACKNOWLEDGE = 0x06, 0x07, 0x08, 0x0A, 0x11
"""BTH opcodes of the reliable connection (RC) service."""

PSN_MASK = 0xFFFFFF

_P_KEY = 0xFFFF  # the default partition, full member
_ECT0 = 2  # ECN-capable transport (RFC 3168)
_ETHERNET, _UDP, _BTH = struct.Struct(">6s6sH"), struct.Struct(">HHHH"), struct.Struct(">BBHII")
_IPV4, _IPV6 = struct.Struct(">BBHHHBBH4s4s"), struct.Struct(">IHBB16s16s")
_RETH, _AETH = struct.Struct(">QII"), struct.Struct(">I")
_PROTOCOL_UDP = 17
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
    """The packet as an Ethernet frame without FCS.

    The UDP checksum is 0 over IPv4, as annex A17 allows, and there over IPv6, which needs it (RFC 8200, 8.1).
    """
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
    is_ipv6 = ":" in packet.dst
    ip = _ipv6_header(packet, udp_bytes) if is_ipv6 else _ipv4_header(packet, _IPV4.size + udp_bytes)
    ethernet = _ETHERNET.pack(_mac(eth_dst), _mac(eth_src), 0x86DD if is_ipv6 else 0x0800)
    udp = _UDP.pack(packet.udp_source_port, UDP_PORT_ROCE, udp_bytes, 0)
    whole = ip + udp + transport + icrc(ip + udp + transport)
    if not is_ipv6:
        return ethernet + whole
    pseudo_header = whole[8 : _IPV6.size] + struct.pack(">II", udp_bytes, _PROTOCOL_UDP)
    checksum = _checksum(pseudo_header + whole[_IPV6.size :]) or 0xFFFF
    at = _IPV6.size + 6
    return ethernet + whole[:at] + checksum.to_bytes(2, "big") + whole[at + 2 :]


def decode(frame: bytes) -> RocePacket:
    """The packet in an Ethernet frame.

    Raises:
        BadPacketError: it is none, or a length or the ICRC is wrong.
    """
    layers = layers_of(frame)
    if layers is None or len(frame) < layers.udp + _UDP.size + _BTH.size + _ICRC_BYTES:
        raise BadPacketError("no IPv4 packet without options and no IPv6 packet")
    if layers.udp == _ETHERNET.size + _IPV6.size:
        word, udp_space, _, ttl, _, _ = _IPV6.unpack_from(frame, _ETHERNET.size)
        dscp = word >> 22 & 0x3F
    else:
        _, tos, ip_bytes, _, _, ttl, *_ = _IPV4.unpack_from(frame, _ETHERNET.size)
        dscp, udp_space = tos >> 2, ip_bytes - _IPV4.size
    source_port, port, udp_bytes, _ = _UDP.unpack_from(frame, layers.udp)
    if layers.protocol != _PROTOCOL_UDP or port != UDP_PORT_ROCE:
        raise BadPacketError("not to UDP port 4791")
    if udp_space != udp_bytes or len(frame) < layers.udp + udp_bytes:
        raise BadPacketError("lengths that do not fit each other")
    body = frame[_ETHERNET.size : layers.udp + udp_bytes]
    if icrc(body[:-_ICRC_BYTES]) != body[-_ICRC_BYTES:]:
        raise BadPacketError("a wrong ICRC")
    at = layers.udp - _ETHERNET.size + _UDP.size
    opcode, flags, _, dest_qp, last = _BTH.unpack_from(body, at)
    at, reth, aeth = at + _BTH.size, None, None
    if opcode in (WRITE_FIRST, WRITE_ONLY):
        reth = Reth(*_RETH.unpack_from(body, at))
        at += _RETH.size
    elif opcode == ACKNOWLEDGE:
        (word,) = _AETH.unpack_from(body, at)
        aeth = Aeth(word >> 24, word & PSN_MASK)
        at += _AETH.size
    elif opcode not in (WRITE_MIDDLE, WRITE_LAST):
        raise BadPacketError(f"opcode 0x{opcode:02x}, which nobody sent")
    end = len(body) - _ICRC_BYTES - (flags >> 4 & 3)
    return RocePacket(
        ip_text(ip_address(layers.src)), ip_text(ip_address(layers.dst)), source_port, dscp, opcode,
        dest_qp & PSN_MASK, last & PSN_MASK, bool(last & _ACK_REQUEST), reth, aeth, body[at:end], ttl,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layers:
    """The addresses and the protocol of a frame's IP header, and where what is behind it begins."""

    src: bytes
    dst: bytes
    protocol: int
    udp: int

    def bth(self, frame: bytes) -> bytes:
        """Base transport header of a RoCEv2 frame."""
        start = self.udp + _UDP.size
        return frame[start : start + _BTH.size]


def layers_of(frame: bytes) -> Layers | None:
    """What a frame's IPv4 header without options or its IPv6 header says; None where it has neither."""
    ether_type = frame[12:14]
    if ether_type == b"\x08\x00" and frame[14:15] == b"\x45" and len(frame) >= 34:
        return Layers(frame[26:30], frame[30:34], frame[23], 34)
    if ether_type == b"\x86\xdd" and len(frame) >= 54:
        return Layers(frame[22:38], frame[38:54], frame[20], 54)
    return None


def is_roce(frame: bytes, hosts: Collection[bytes]) -> bool:
    """To RoCEv2's port, from one of the hosts (packed addresses) to another.

    Whatever else is on a wire (a connection's late end, group membership) is not counted.
    """
    layers = layers_of(frame)
    return (
        layers is not None
        and layers.protocol == _PROTOCOL_UDP
        and frame[layers.udp + 2 : layers.udp + 4] == UDP_PORT_ROCE.to_bytes(2, "big")
        and layers.src in hosts
        and layers.dst in hosts
    )


def icrc(packet: bytes) -> bytes:
    """The invariant CRC of an IPv4 or IPv6 packet without it.

    Covers what no switch changes: TOS or traffic class and flow label, TTL, the checksums and the BTH's byte
    for congestion marks count as ones, and 8 bytes of ones stand for the LRH that Ethernet does not have
    (annex A17.3.3).
    """
    masked = bytearray(b"\xff" * 8 + packet)
    if packet[0] >> 4 == 6:
        masked[8] |= 0x0F
        changing = (1, 2, 3, 7, 46, 47, 52)
    else:
        changing = (1, 8, 10, 11, 26, 27, 32)
    for at in changing:
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
    header = _IPV4.pack(0x45, tos, length, 0, flags, packet.ttl, _PROTOCOL_UDP, 0, src, dst)
    return bytes(header[:10] + _checksum(header).to_bytes(2, "big") + header[12:])


def _ipv6_header(packet: RocePacket, length: int) -> bytes:
    src, dst = IPv6Address(packet.src).packed, IPv6Address(packet.dst).packed
    word = 6 << 28 | (packet.dscp << 2 | _ECT0) << 20  # flow label 0
    return _IPV6.pack(word, length, _PROTOCOL_UDP, packet.ttl, src, dst)


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
