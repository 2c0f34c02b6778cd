from __future__ import annotations

from dataclasses import replace

import pytest

from raddle.lab.emulation.roce import (
    ACKNOWLEDGE,
    WRITE_FIRST,
    WRITE_LAST,
    WRITE_MIDDLE,
    WRITE_ONLY,
    Aeth,
    BadPacketError,
    Reth,
    RocePacket,
    decode,
    encode,
    icrc,
    opcode_of,
)

MACS = ("02:01:00:00:00:00", "02:00:00:00:00:00")
WRITE = RocePacket(
    "10.0.0.1", "10.0.0.9", 50000, 26, WRITE_ONLY, 0x123, 5, True, Reth(1 << 32, 0x1234, 6), None, b"abcdef"
)
WRITE6 = replace(WRITE, src="fd00:0:0:1::1", dst="fd00:0:0:1::9")
ACK = RocePacket("10.0.0.9", "10.0.0.1", 50000, 26, ACKNOWLEDGE, 0x456, 5, aeth=Aeth(0x1F, 1))


def test_icrc_is_that_of_a_packet_captured_on_a_connectx_4() -> None:
    """A CNP of a ConnectX-4 Lx, from its IPv4 header on (in scapy's tests of its RoCE layer)."""
    captured = bytes.fromhex(
        "45c2003c718c4000401191610a0011010a0012010000"
        "12b70028000081 00ffff40000118000000000000000000000000000000000000000082fd002a".replace(" ", "")
    )
    assert icrc(captured[:-4]) == captured[-4:] == bytes.fromhex("82fd002a")


@pytest.mark.parametrize(
    "packet",
    [
        WRITE,
        WRITE6,
        ACK,
        replace(WRITE, payload=b""),
        replace(WRITE6, payload=b""),
        replace(WRITE, payload=b"x" * 4096),
        replace(WRITE6, payload=b"x" * 4096),
    ],
)
def test_what_is_encoded_is_decoded(packet: RocePacket) -> None:
    assert decode(encode(packet, *MACS)) == packet


@pytest.mark.parametrize("payload", [b"", b"abcdef", bytes(range(256)) * 16])
def test_scapy_works_out_the_same_icrc_and_udp_checksum_over_ipv6(payload: bytes) -> None:
    from scapy.contrib.roce import BTH
    from scapy.layers.inet import UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Ether

    packet = replace(WRITE6, payload=payload)
    frame = encode(packet, *MACS)
    seen = Ether(frame)
    assert (seen[IPv6].src, seen[IPv6].dst, seen[IPv6].tc >> 2) == (packet.src, packet.dst, packet.dscp)
    assert (seen[UDP].sport, seen[UDP].dport) == (50000, 4791)
    assert (seen[BTH].opcode, seen[BTH].dqpn, seen[BTH].psn) == (packet.opcode, packet.dest_qp, packet.psn)
    assert seen[UDP].chksum != 0
    # scapy's own checksum comes after its ICRC, which does not cover it.
    del seen[BTH].icrc, seen[UDP].chksum
    assert bytes(seen) == frame


@pytest.mark.parametrize("packet", [WRITE, ACK])
def test_scapy_finds_the_same_fields_and_works_out_the_same_icrc(packet: RocePacket) -> None:
    from scapy.contrib.roce import BTH
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    frame = encode(packet, *MACS)
    seen = Ether(frame)
    assert (seen[IP].src, seen[IP].dst, seen[IP].tos >> 2) == (packet.src, packet.dst, packet.dscp)
    assert (seen[UDP].sport, seen[UDP].dport) == (50000, 4791)
    assert (seen[BTH].opcode, seen[BTH].dqpn, seen[BTH].psn) == (packet.opcode, packet.dest_qp, packet.psn)
    assert (seen[BTH].padcount, seen[BTH].ackreq) == (-len(packet.payload) % 4, packet.asks_ack)
    del seen[BTH].icrc, seen[IP].chksum
    assert bytes(seen) == frame


def test_what_switches_change_does_not_change_the_icrc() -> None:
    """TTL and ECN bits, and the header checksum with them."""
    frame = bytearray(encode(WRITE, *MACS))
    frame[15] |= 3
    frame[22] -= 3
    frame[24:26] = b"\0\0"
    assert decode(bytes(frame)) == replace(WRITE, ttl=61)


def test_what_switches_change_in_ipv6_does_not_change_the_icrc() -> None:
    """Hop limit, ECN bits and flow label."""
    frame = bytearray(encode(WRITE6, *MACS))
    frame[15] |= 0x35
    frame[16:18] = b"\x12\x34"
    frame[21] -= 3
    assert decode(bytes(frame)) == replace(WRITE6, ttl=61)


@pytest.mark.parametrize(
    ("packet", "place", "what"),
    [
        (WRITE, 30, "a wrong ICRC"),
        (WRITE, 60, "a wrong ICRC"),
        (WRITE, 37, "not to UDP port"),
        (WRITE, 17, "lengths"),
        (WRITE, 12, "no IPv4 packet without options and no IPv6 packet"),
        (WRITE6, 30, "a wrong ICRC"),
        (WRITE6, 80, "a wrong ICRC"),
        (WRITE6, 57, "not to UDP port"),
        (WRITE6, 20, "not to UDP port"),
        (WRITE6, 19, "lengths"),
    ],
)
def test_a_damaged_packet_is_refused(packet: RocePacket, place: int, what: str) -> None:
    frame = bytearray(encode(packet, *MACS))
    frame[place] ^= 1
    with pytest.raises(BadPacketError, match=what):
        decode(bytes(frame))


def test_a_message_of_one_packet_is_only_of_more_first_middle_last() -> None:
    assert [opcode_of(0, 1)] == [WRITE_ONLY]
    assert [opcode_of(number, 4) for number in range(4)] == [
        WRITE_FIRST,
        WRITE_MIDDLE,
        WRITE_MIDDLE,
        WRITE_LAST,
    ]
