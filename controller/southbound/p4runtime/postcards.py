"""Postcards of `p4/fabric.p4`: what watched packets met in each switch, as copies of their heads tell.

Source: In-band Network Telemetry 2.1 (P4.org): mode INT-XD, its flow watchlist, what it tells.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address

from finsy import Action, Match, P4CloneSessionEntry, P4Schema, P4TableEntry
from finsy.proto import p4r

from raddle.controller.southbound.channel import RefusedError
from raddle.controller.southbound.p4runtime.fabric import wide_address
from raddle.controller.southbound.p4runtime.pipelines import cookie_of, fabric_pipeline, schema_of
from raddle.controller.southbound.p4runtime.session import BatchError, P4Session
from raddle.errors import UnreachableError

CPU_PORT, SESSION = 510, 100
"""The port to the controller, and the clone session that leads there (p4/headers.p4)."""

UDP = 17
_PRIORITY = 1
_ALL_ONES = (1 << 128) - 1
_IPV4, _IPV6, _ROCE, _CE = 0x0800, 0x86DD, 4791, 3
_ETHERNET_BYTES, _IPV6_BYTES, _UDP_BYTES, _BTH_BYTES = 14, 40, 8, 12
_POLL_S, _SETTLE_S = 0.02, 0.2


@dataclass(frozen=True, slots=True)
class Watch:
    """Which packets leave postcards: all that have what is given.

    Attributes:
        src, dst: addresses.
        src_port: of UDP or TCP.
        dest_qp: of RoCEv2.
        every: of a queue pair's packets those whose PSN it divides, a power of two. All others leave one.
    """

    src: str = ""
    dst: str = ""
    src_port: int | None = None
    dest_qp: int | None = None
    every: int = 1


@dataclass(frozen=True, order=True, slots=True)
class Head:
    """What a packet is known by at every switch; of one that is not RoCE `dest_qp` and `psn` are 0."""

    src: str
    dst: str
    protocol: int
    src_port: int
    dest_qp: int
    psn: int


@dataclass(frozen=True, slots=True)
class Postcard:
    """What a packet met in a switch.

    Attributes:
        ttl: as it left; of a packet's postcards the highest is from its first switch.
        queue_depth: packets in the queue when it came there.
        queue_us: in the queue.
        hop_us: from the ingress port to the end of the queue.
        ingress_us: when it came, by the switch's own clock.
        is_marked: it left with CE.
    """

    switch: str
    head: Head
    ttl: int
    ingress_port: str
    egress_port: str
    queue: int
    queue_depth: int
    queue_us: int
    hop_us: int
    ingress_us: int
    is_marked: bool


Ports = Mapping[int, str]
"""Names of a switch's ports by number."""


def collect(
    sessions: Iterable[P4Session], ports: Mapping[str, Ports], watch: Watch, packets: int, patience_s: float
) -> list[Postcard]:
    """The postcards of at least so many packets, or of those that came in time.

    Raises:
        UnreachableError: a switch runs another pipeline, sends no copies, or has gone.
    """
    schema = schema_of(fabric_pipeline())
    found: list[Postcard] = []
    with ExitStack() as stack:
        watched = list(sessions)
        for session in watched:
            stack.enter_context(watching(session, schema, watch))
        end = time.monotonic() + patience_s
        is_over = False
        while not is_over:
            is_over = len({card.head for card in found}) >= packets or time.monotonic() > end
            # The last look is late enough for what the last packet's later switches say.
            time.sleep(_SETTLE_S if is_over else _POLL_S)
            for session in watched:
                found += postcards(session, schema, ports[session.name])
    return found


@contextmanager
def watching(session: P4Session, schema: P4Schema, watch: Watch) -> Iterator[None]:
    """The switch sends postcards for a while.

    Raises:
        UnreachableError: it runs another pipeline, or sends no copies.
    """
    running = session.read_pipeline()
    if running is None or running.cookie.cookie != cookie_of(fabric_pipeline()):
        raise UnreachableError(
            f"{session.name} ({session.address}) does not run this fabric.p4\n"
            "  hint: 'raddle apply' gives it to a switch that has none, with --allow-flap also to others"
        )
    session.require_primary()
    entities = _entities(schema, watch)
    for entity in reversed(entities):  # what an earlier watch that was killed has left
        with suppress(BatchError):
            session.write([p4r.Update(type=p4r.Update.DELETE, entity=entity)])
    done: list[p4r.Entity] = []
    try:
        for entity in entities:
            session.write([p4r.Update(type=p4r.Update.INSERT, entity=entity)])
            done.append(entity)
        yield
    except BatchError as error:
        refusal = error.refusals[0]
        raise RefusedError(
            f"{session.name} ({session.address}) sends no postcards: {refusal.code_name}: {refusal.message}\n"
            "  hint: BMv2 sends them; a simulated switch has no packets but a simulation's"
        ) from None
    finally:
        for entity in reversed(done):
            session.write([p4r.Update(type=p4r.Update.DELETE, entity=entity)])


def _entities(schema: P4Schema, watch: Watch) -> list[p4r.Entity]:
    """The copies' way to the controller, and the entry of what is watched."""
    match: dict[str, tuple[int, int]] = {}
    for name, address in (("src", watch.src), ("dst", watch.dst)):
        if address:
            match[name] = (wide_address(address), _ALL_ONES)
    if watch.src_port is not None:
        match["src_port"] = (watch.src_port, 0xFFFF)
    if watch.dest_qp is not None:
        match["dest_qp"] = (watch.dest_qp, 0xFFFFFF)
    report = Action("report", mask=watch.every - 1)
    entry = P4TableEntry("watch", match=Match(match), priority=_PRIORITY, action=report)
    session = P4CloneSessionEntry(SESSION, replicas=[CPU_PORT])
    return [session.encode(schema), entry.encode(schema)]


def postcards(session: P4Session, schema: P4Schema, ports: Ports) -> Iterator[Postcard]:
    """Those that have come from a switch by now; other packets that it hands up are passed over."""
    fields = {each.id: each.name for each in schema.controller_packet_metadata["packet_in"].metadata}
    while packet := session.take_packet(0):
        met = {fields[each.metadata_id]: int.from_bytes(each.value, "big") for each in packet.metadata}
        if met["is_postcard"] and (read := _read(packet.payload)):
            head, ttl, is_marked = read
            yield Postcard(
                switch=session.name,
                head=head,
                ttl=ttl,
                ingress_port=ports[met["ingress_port"]],
                egress_port=ports[met["egress_port"]],
                queue=met["queue"],
                queue_depth=met["queue_depth"],
                queue_us=met["queue_us"],
                hop_us=met["hop_us"],
                ingress_us=met["ingress_us"],
                is_marked=is_marked,
            )


def _read(frame: bytes) -> tuple[Head, int, bool] | None:
    """What a frame is known by, its TTL and whether it is marked; None for one that is not IP."""
    (ether_type,) = struct.unpack_from(">H", frame, 12)
    if ether_type == _IPV4:
        ends, protocol, ttl, mark = (frame[26:30], frame[30:34]), frame[23], frame[22], frame[15] & 3
        at = _ETHERNET_BYTES + (frame[14] & 0xF) * 4
    elif ether_type == _IPV6:
        ends, protocol, ttl, mark = (frame[22:38], frame[38:54]), frame[20], frame[21], frame[15] >> 4 & 3
        at = _ETHERNET_BYTES + _IPV6_BYTES
    else:
        return None
    src, dst = (str(ip_address(end)) for end in ends)
    return Head(src, dst, protocol, *_transport(protocol, frame[at:])), ttl, mark == _CE


def _transport(protocol: int, rest: bytes) -> tuple[int, int, int]:
    """Source port, destination QP and PSN; 0 for what a packet does not have."""
    if protocol != UDP or len(rest) < _UDP_BYTES:
        return 0, 0, 0
    src_port, dst_port = struct.unpack_from(">HH", rest)
    if dst_port != _ROCE or len(rest) < _UDP_BYTES + _BTH_BYTES:
        return src_port, 0, 0
    dest_qp, psn = (int.from_bytes(rest[at : at + 3], "big") for at in (_UDP_BYTES + 5, _UDP_BYTES + 9))
    return src_port, dest_qp, psn
