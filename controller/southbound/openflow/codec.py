"""OpenFlow 1.3 messages as os-ken has them, the one dependency that only the extra `raddle[openflow]` brings.

Of os-ken nothing but `os_ken.ofproto` is used: encoding and decoding, no event loop (docs/decisions/0004).
"""

from __future__ import annotations

import logging

from raddle.errors import InputError

try:
    from os_ken.ofproto import ofproto_parser
    from os_ken.ofproto import ofproto_v1_3 as of
    from os_ken.ofproto import ofproto_v1_3_parser as parser
    from os_ken.ofproto.ofproto_protocol import ProtocolDesc
except ModuleNotFoundError as missing:
    raise InputError.of(
        "no-openflow",
        f"OpenFlow switches need the Python package os-ken (no module '{missing.name}' here)",
        "pip install 'raddle[openflow]'; with pipx: pipx inject raddle os-ken",
    ) from missing

__all__ = ["PROTOCOL", "of", "ofproto_parser", "parser"]

logging.getLogger("os_ken").addHandler(logging.NullHandler())  # a bad message is our error, not a traceback
PROTOCOL = ProtocolDesc(version=of.OFP_VERSION)
