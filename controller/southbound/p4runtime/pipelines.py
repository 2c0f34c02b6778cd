"""The pipelines that the driver knows how to program, as a switch is given them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from finsy import P4Schema
from finsy.proto import p4i, p4r
from google.protobuf import text_format

import raddle
from raddle.errors import InputError

_P4INFO, _PROGRAM = "fabric.p4info.txt", "fabric.json"


def fabric_pipeline() -> p4r.ForwardingPipelineConfig:
    """`p4/fabric.p4` as it is compiled for BMv2: what comes with raddle."""
    config = p4r.ForwardingPipelineConfig()
    config.CopyFrom(_shipped())
    return config


@cache
def _shipped() -> p4r.ForwardingPipelineConfig:
    folder = _folder()
    return _config(read_p4info(folder / _P4INFO), (folder / _PROGRAM).read_bytes())


def pins_pipeline(p4info: Path) -> p4r.ForwardingPipelineConfig:
    """SONiC PINS with the P4Info of its program; the switch has the program itself.

    Raises:
        InputError: `bad-p4info`, the file is none or lacks PINS' forwarding tables.
    """
    info = read_p4info(p4info)
    known = {table.preamble.alias for table in info.tables}
    missing = [name for name in _PINS_TABLES if name not in known]
    if missing:
        raise InputError.of(
            "bad-p4info",
            f"'{p4info}' has no table '{missing[0]}', which SONiC PINS forwards with",
            "give middleblock.p4info.pb.txt of sonic-pins",
        )
    return _config(info, b"")


_PINS_TABLES = (
    "router_interface_table",
    "neighbor_table",
    "nexthop_table",
    "wcmp_group_table",
    "ipv4_table",
    "ipv6_table",
    "l3_admit_table",
)


def read_p4info(path: Path) -> p4i.P4Info:
    """A P4Info in protobuf's text format.

    Raises:
        InputError: `bad-p4info`.
    """
    hint = "it is protobuf text, as 'p4c --p4runtime-files' writes it"
    try:
        info = p4i.P4Info()
        text_format.Parse(path.read_text(encoding="utf-8"), info)
        return info
    except OSError as error:
        raise InputError.unreadable("bad-p4info", path, error) from None
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InputError.of("bad-p4info", f"'{path}' is not a P4Info: {error}", hint) from None


def schema_of(config: p4r.ForwardingPipelineConfig) -> P4Schema:
    """Names and types of a pipeline, for encoding and printing entities."""
    return P4Schema(config.p4info)


def cookie_of(config: p4r.ForwardingPipelineConfig) -> int:
    """A number that tells pipelines apart: the digest of P4Info and program."""
    digest = hashlib.sha256(config.p4info.SerializeToString(deterministic=True) + config.p4_device_config)
    return int.from_bytes(digest.digest()[:8], "big")


def _config(info: p4i.P4Info, program: bytes) -> p4r.ForwardingPipelineConfig:
    config = p4r.ForwardingPipelineConfig(p4info=info, p4_device_config=program)
    config.cookie.cookie = cookie_of(config)
    return config


def _folder() -> Path:
    """In an installed package beside it, in a checkout in p4/compiled."""
    package = Path(raddle.__file__).parent
    installed = package / "_data" / "p4"
    return installed if installed.is_dir() else package.parent / "p4" / "compiled"
