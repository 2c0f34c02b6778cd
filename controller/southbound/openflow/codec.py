"""OpenFlow 1.3 and 1.5 as os-ken has them, the one dependency that only the extra `raddle[openflow]` brings.

Of os-ken nothing but `os_ken.ofproto` is used: encoding and decoding, no event loop (docs/decisions/0004).
Names of classes and numbers of constants are the same in both versions unless a `Wire` stands for them.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raddle.errors import InputError

try:
    from os_ken.ofproto import (
        ofproto_parser,
        ofproto_v1_3,
        ofproto_v1_3_parser,
        ofproto_v1_5,
        ofproto_v1_5_parser,
    )
    from os_ken.ofproto.ofproto_protocol import ProtocolDesc
except ModuleNotFoundError as missing:
    raise InputError.of(
        "no-openflow",
        f"OpenFlow switches need the Python package os-ken (no module '{missing.name}' here)",
        "pip install 'raddle[openflow]'; with pipx: pipx inject raddle os-ken",
    ) from missing

__all__ = ["OPENFLOW_13", "OPENFLOW_15", "WIRES", "Wire", "of", "ofproto_parser"]

logging.getLogger("os_ken").addHandler(logging.NullHandler())  # a bad message is our error, not a traceback

of = ofproto_v1_3
"""Constants that are alike in both versions."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A version of OpenFlow: its name, its messages, and what they are made for."""

    name: str
    parser: Any
    protocol: Any

    @property
    def has_selection_method(self) -> bool:
        """A select group may say by what it selects (Netronome's extension, which needs 1.5)."""
        return self is OPENFLOW_15


OPENFLOW_13 = Wire("1.3", ofproto_v1_3_parser, ProtocolDesc(version=ofproto_v1_3.OFP_VERSION))
OPENFLOW_15 = Wire("1.5", ofproto_v1_5_parser, ProtocolDesc(version=ofproto_v1_5.OFP_VERSION))
WIRES = {wire.protocol.ofproto.OFP_VERSION: wire for wire in (OPENFLOW_13, OPENFLOW_15)}
"""By the number that stands in messages."""


def _within(kind: Any) -> None:
    """Let a part of a message end where it says it does: os-ken's 1.5 reads properties beyond that."""
    parse: Callable[[bytes, int], Any] = kind.parser

    def parser(buf: bytes, offset: int) -> Any:
        (length,) = struct.unpack_from("!H", buf, offset)
        return parse(buf[: offset + length], offset)

    kind.parser = staticmethod(parser)


for _kind in (ofproto_v1_5_parser.OFPBucket, ofproto_v1_5_parser.OFPGroupDescStats):
    _within(_kind)
