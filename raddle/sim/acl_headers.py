"""What access lists see of a queue pair's packets, and which of them a rule takes.

A packet's kind decides what is in its headers besides addresses and ports: data, acknowledgements, negative
acknowledgements and CNPs, numbered as the engine numbers them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from raddle.ecmp_hash import UDP_PORT_ROCE, qp_headers
from raddle.state import AclMatch

Ints = NDArray[np.int64]

KINDS = 4
_DATA, _ACK, _NAK, _CNP = range(KINDS)
_ADDRESS_BITS = (1 << 128) - 1
_MAPPED = 0xFFFF << 32
_UDP = 17
_PLACES = {0x00: 1, 0x01: 2, 0x02: 4, 0x04: 8}
"""BTH opcode of data, SEND first, middle, last and only, as captures have it -> the engine's bit for it."""

_OPCODES = {_ACK: 0x11, _NAK: 0x11, _CNP: 0x81}
_SYNDROMES = {_ACK: 0x1F, _NAK: 0x60}
ANY_PLACE = 0xF


@dataclass(frozen=True, slots=True)
class Residue:
    """What is left of a rule's conditions to be looked at packet by packet; `places` is for data alone."""

    ttl: int = 0
    ttl_mask: int = 0
    ecn: int = 0
    ecn_mask: int = 0
    places: int = ANY_PLACE


class AclHeaders:
    """The headers of all packets of a run, in rows of queue pair * KINDS + kind.

    Args:
        addresses: address of every endpoint, of the family that `is_ipv6` says.
        src, dst: endpoints of each queue pair.
        seed, source_ports: see `raddle.ecmp_hash.qp_headers`.
        dscp: of each queue pair's data, which its acknowledgements have too.
        cnp_dscp: of CNPs.
    """

    def __init__(
        self,
        addresses: Sequence[int],
        is_ipv6: bool,
        src: NDArray[np.uint32],
        dst: NDArray[np.uint32],
        seed: int,
        source_ports: Ints | None,
        dscp: NDArray[np.uint8],
        cnp_dscp: int,
    ) -> None:
        self._addresses = [address if is_ipv6 else _MAPPED | address for address in addresses]
        self._constant = {
            "ether_type": 0x86DD if is_ipv6 else 0x0800,
            "ip_protocol": _UDP,
            "l4_dst_port": UDP_PORT_ROCE,
        }
        self._src, self._dst = src, dst
        self._seed, self._source_ports = seed, source_ports
        self._dscp, self._cnp_dscp = dscp, cnp_dscp

    @property
    def rows(self) -> int:
        return len(self._src) * KINDS

    @cached_property
    def _endpoints(self) -> dict[str, Ints]:
        """Source and destination endpoint by row: what comes back goes the other way."""
        ends = {"src_ip": (self._src, self._dst), "dst_ip": (self._dst, self._src)}
        return {name: _by_kind(data, *[back] * (KINDS - 1)) for name, (data, back) in ends.items()}

    @cached_property
    def _columns(self) -> dict[str, Ints]:
        ends, ports = qp_headers(len(self._src), self._seed, self._source_ports)
        return {
            "bth_qp": _by_kind(ends[:, 1], *[ends[:, 0]] * (KINDS - 1)),
            "l4_src_port": _by_kind(ports[:, 0], *[ports[:, 1]] * (KINDS - 1)),
            "dscp": _by_kind(self._dscp, self._dscp, self._dscp, np.full(len(self._src), self._cnp_dscp)),
        }

    @cached_property
    def _by_endpoint(self) -> dict[str, tuple[Ints, Ints]]:
        """Rows in the order of their endpoint, and where each endpoint's begin."""
        starts = np.arange(len(self._addresses) + 1)
        found = {}
        for name, column in self._endpoints.items():
            order = np.argsort(column, kind="stable")
            found[name] = order, np.searchsorted(column[order], starts)
        return found

    def take(self, matches: Sequence[AclMatch]) -> tuple[Ints, Residue]:
        """The rows of packets that may fulfil all of `matches`, and what each packet is still to be asked."""
        residue = Residue()
        if not all(
            _holds(match, self._constant[match.field]) for match in matches if match.field in self._constant
        ):
            return np.empty(0, np.int64), residue
        rows = self._with_addresses([match for match in matches if match.field in ("src_ip", "dst_ip")])
        for match in matches:
            if match.field in ("src_ip", "dst_ip") or match.field in self._constant:
                continue
            if match.field == "ttl":
                residue = replace(residue, ttl=match.value & 0xFF, ttl_mask=match.mask & 0xFF)
            elif match.field == "ecn":
                residue = replace(residue, ecn=match.value & 3, ecn_mask=match.mask & 3)
            elif match.field == "bth_opcode":
                places = sum(bit for opcode, bit in _PLACES.items() if _holds(match, opcode))
                residue = replace(residue, places=residue.places & places)
                kinds = [kind for kind, opcode in _OPCODES.items() if _holds(match, opcode)]
                rows = _of_kinds(rows, [*kinds, *([_DATA] if places else [])])
            elif match.field == "aeth_syndrome":
                rows = _of_kinds(rows, [kind for kind, value in _SYNDROMES.items() if _holds(match, value)])
            else:
                values = self._columns[match.field][rows]
                rows = rows[_between(match, values) if match.last is not None else _masked(match, values)]
        return rows, residue

    def _with_addresses(self, matches: Sequence[AclMatch]) -> Ints:
        """The rows whose addresses fulfil `matches`: those of the fewest endpoints, then less and less."""
        chosen = sorted(
            ((match.field, self._fulfil(match)) for match in matches), key=lambda each: len(each[1])
        )
        if not chosen:
            return np.arange(self.rows)
        (name, endpoints), *others = chosen
        order, starts = self._by_endpoint[name]
        parts = [order[starts[endpoint] : starts[endpoint + 1]] for endpoint in endpoints]
        rows = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)
        for other, allowed in others:
            rows = rows[np.isin(self._endpoints[other][rows], allowed)]
        return rows

    def _fulfil(self, match: AclMatch) -> list[int]:
        """The endpoints whose address a condition takes."""
        return [endpoint for endpoint, address in enumerate(self._addresses) if _holds(match, address)]


def _by_kind(*columns: NDArray[np.generic]) -> Ints:
    return np.stack(columns, axis=1).astype(np.int64).reshape(-1)


def _holds(match: AclMatch, value: int) -> bool:
    if match.last is not None:
        return match.value <= value <= match.last
    return (match.value ^ value) & match.mask & _ADDRESS_BITS == 0


def _between(match: AclMatch, values: Ints) -> NDArray[np.bool_]:
    return (values >= match.value) & (values <= (match.last or 0))


def _masked(match: AclMatch, values: Ints) -> NDArray[np.bool_]:
    fits: NDArray[np.bool_] = ((values ^ match.value) & match.mask) == 0
    return fits


def _of_kinds(rows: Ints, kinds: Sequence[int]) -> Ints:
    return rows[np.isin(rows % KINDS, kinds)]
