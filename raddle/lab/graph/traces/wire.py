"""Protocol Buffers as they stand in a file: fields by number, and messages with their length before them.

Source: protobuf.dev, "Encoding" (varints, tags, wire types 0, 1, 2 and 5).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_SIZES = {1: 8, 5: 4}


class CutOffError(Exception):
    """The bytes end, or are no message; `at` says where."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each message begins, and it."""
    at = 0
    while at < len(data):
        begin = at
        size, at = _varint(data, at)
        if at + size > len(data):
            raise CutOffError(begin, f"a message of {size} bytes of which {len(data) - at} are there")
        yield at, data[at : at + size]
        at += size


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: a varint as int (64 bits, unsigned), all else as bytes."""
    at = 0
    while at < len(data):
        begin = at
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise CutOffError(begin, f"wire type {kind}, which there is not")
        if not number or at + size > len(data):
            raise CutOffError(begin, f"field {number} goes beyond its message")
        yield number, data[at : at + size]
        at += size


def varints(value: int | bytes) -> list[int]:
    """Of a repeated field: one, or several that are packed."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        one, at = _varint(value, at)
        found.append(one)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    for place in range(at, min(at + 10, len(data))):
        found |= (data[place] & 0x7F) << shift
        if data[place] < 0x80:
            return found & (2**64 - 1), place + 1
        shift += 7
    raise CutOffError(at, "a number without end")


def field(number: int, value: int | str | bytes) -> bytes:
    """A field of a message: a varint, or a text or another message with its length."""
    if isinstance(value, int):
        return _as_varint(number << 3) + _as_varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _as_varint(number << 3 | 2) + framed(data)


def packed(number: int, values: Sequence[int]) -> bytes:
    """A repeated field of varints; nothing where there are none."""
    return field(number, b"".join(map(_as_varint, values))) if values else b""


def framed(message: bytes) -> bytes:
    """A message with its length before it."""
    return _as_varint(len(message)) + message


def _as_varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
