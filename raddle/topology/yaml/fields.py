"""Field types of the fabric file: texts that are parsed once, each with its unit and its limits.

Every parser raises `PydanticCustomError` whose type is the diagnostic's code.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from raddle.topology.host_sets import check_host_set
from raddle.topology.yaml.parsers import (
    ENTRY_PATTERN,
    PARTS,
    microseconds,
    milliseconds,
    parse_amount,
    parse_class_weight,
    parse_copies,
    parse_duration_ps,
    parse_entry_pattern,
    parse_error_ratio,
    parse_factor,
    parse_gain,
    parse_gateway,
    parse_interface,
    parse_mac,
    parse_mode,
    parse_name,
    parse_name_template,
    parse_offset,
    parse_power_w,
    parse_probability,
    parse_range,
    parse_seed,
    parse_short_time_ps,
    parse_signed,
    parse_switch,
    parse_switch_pattern,
    parse_version,
    parse_window,
    prefix_parser,
)
from raddle.topology.yaml.rules import field, positive, text_json, whole
from raddle.units import (
    parse_bandwidth_bps,
    parse_length_m,
    parse_message_bytes,
    parse_rate_bps,
    parse_size_bytes,
)

_WORD = {"type": ["string", "integer", "number"]}
_N = r"[0-9]+(\.[0-9]+)?\s*"
_TIME = text_json(_N + "(ps|ns|us|ms|s)", "200ms")
_SIZE = text_json(_N + "(B|[KMG]B|[KMG]iB)", "800KB")
_MESSAGE_SIZE = text_json(_N + "(B|[KMG](i?B)?)?", "64M") | {"type": ["string", "integer"]}
_RATE = text_json(_N + "(bps|[KMGT](bps)?)", "400G")
_BANDWIDTH = text_json(_N + "(bps|[KMGT](bps)?|[MGT]Bps)", "48.5GBps")
_LENGTH = text_json(_N + "(m|cm|km)", "30m")
RANGE_JSON = {"type": ["string", "integer"], "pattern": "^[0-9]+(-[0-9]+)?$", "examples": ["0-15"]}
_GAIN = {"type": ["string", "number"], "examples": ["1/256"]}
Version = Annotated[int, field("unsupported-version", parse_version, {"const": 1})]
Name = Annotated[str, field("bad-name", parse_name, _WORD)]
NameTemplate = Annotated[
    str, field("bad-name", parse_name_template, text_json(r"[A-Za-z0-9._:{}-]+", "leaf{i}"))
]
EntryPattern = Annotated[
    str, field("bad-pattern", parse_entry_pattern, text_json(ENTRY_PATTERN, "INTERFACE/Ethernet128*"))
]
SwitchPattern = Annotated[
    str, field("bad-pattern", parse_switch_pattern, text_json(r"[A-Za-z0-9._*?-]+", "leaf*"))
]
Interface = Annotated[str, field("bad-address", parse_interface, text_json(r".+/[0-9]+", "192.0.2.10/24"))]
Gateway = Annotated[str, field("bad-address", parse_gateway, text_json(r"[0-9a-fA-F.:]+", "192.0.2.1"))]
Mac = Annotated[
    str, field("bad-mac", parse_mac, text_json(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", "9c:00:5e:00:53:01"))
]
Serial = Annotated[str, field("bad-name", parse_name, text_json(r"[A-Za-z0-9._-]+", "MT2310X00001"))]
Text = Annotated[str, field("bad-text", str, _WORD)]
Switch = Annotated[bool, field("bad-switch", parse_switch, {"type": "boolean"})]
State = Annotated[Literal["up", "down"], field("bad-choice", str, {"enum": ["up", "down"]})]
Rate = Annotated[int, field("bad-speed", positive(parse_rate_bps, "speed", 10**14, "100T"), _RATE)]
Bandwidth = Annotated[
    int, field("bad-speed", positive(parse_bandwidth_bps, "bandwidth", 10**15, "1000T"), _BANDWIDTH)
]
Size = Annotated[int, field("bad-size", positive(parse_size_bytes, "size", 2**40, "1024GiB"), _SIZE)]
MessageSize = Annotated[
    int, field("bad-size", positive(parse_message_bytes, "size", 2**40, "1024GiB"), _MESSAGE_SIZE)
]
"""As nccl-tests has sizes: K, M and G are powers of 1024, and a number without unit is bytes."""
Cable = Annotated[float, field("bad-length", positive(parse_length_m, "cable length", 1e5, "100km"), _LENGTH)]
Time = Annotated[int, field("bad-time", parse_short_time_ps, _TIME)]
Duration = Annotated[int, field("bad-time", parse_duration_ps, _TIME)]
Timer = Annotated[int, field("bad-time", positive(parse_short_time_ps, "timer", 10**13, "10s"), _TIME)]
DetectTime = Annotated[int, field("bad-time", milliseconds(100, 5000), _TIME)]
"""SONiC's YANG model, PFC_WD.detection_time."""
RestoreTime = Annotated[int, field("bad-time", milliseconds(100, 60000), _TIME)]
"""SONiC's YANG model, PFC_WD.restoration_time."""
Count = Annotated[int, whole(1, 65536, "count")]
HostCount = Annotated[int, whole(1, 500_000, "number of hosts")]
NicCount = Annotated[int, whole(1, 64, "NIC count")]
PlaneCount = Annotated[int, whole(1, 64, "plane count")]
TorCount = Annotated[int, whole(1, 2, "number of leaves per NIC")]
PortCount = Annotated[int, whole(1, 1024, "port count")]
LinksPerCable = Annotated[int, whole(1, 16, "number of links of a cable")]
LaneCount = Annotated[int, whole(1, 16, "lane count")]
Retries = Annotated[int, whole(0, 7, "retry count (3 bits)")]
Priority = Annotated[int, whole(0, 7, "priority")]
Dscp = Annotated[int, whole(0, 63, "DSCP")]
Asn = Annotated[int, whole(1, 4_294_967_294, "32-bit AS number (RFC 6793, RFC 7300)")]
TableSize = Annotated[int, whole(0, 10**8, "table size")]
Copies = Annotated[
    int, field("bad-number", parse_copies, {"type": ["integer", "string"], "examples": [64, "auto"]})
]
Position = Annotated[int, whole(0, 65535, "number")]
DynamicTh = Annotated[int, whole(-8, 7, "dynamic_th", parse_signed)]
"""SONiC's YANG model, BUFFER_PROFILE.dynamic_th."""
PortMtu = Annotated[int, whole(68, 9216, "port MTU in bytes")]
"""SONiC's YANG model, PORT.mtu."""
Probability = Annotated[float, field("bad-percentage", parse_probability, text_json(_N + "%", "20%"))]
Gain = Annotated[float, field("bad-number", parse_gain, _GAIN)]
ErrorRatio = Annotated[float, field("bad-number", parse_error_ratio, {"type": ["string", "number"]})]
Factor = Annotated[float, field("bad-number", parse_factor, {"type": ["string", "number"]})]
Money = Annotated[float, field("bad-number", parse_amount, text_json(_N, "9500"))]
Power = Annotated[float, field("bad-number", parse_power_w, text_json(_N + "k?W", "650 W"))]
RackUnits = Annotated[float, field("bad-number", parse_amount, text_json(_N, "1"))]
Params = Annotated[int, whole(1, 10**13, "number of tokens or parameters")]
Window = Annotated[int, field("bad-size", parse_window, _SIZE)]
Reorder = Annotated[int, whole(0, 65536, "number of packets")]
Microseconds = Annotated[int, field("bad-time", microseconds(1, 10**6), _TIME)]
"""SONiC's draft of ARS_PROFILE.sampling_interval: whole microseconds."""
IdleTime = Annotated[int, field("bad-time", microseconds(2, 2047), _TIME)]
"""SONiC's draft of ARS_OBJECT.flowlet_idle_time."""
LoadValue = Annotated[int, whole(0, 2**32 - 1, "load")]
LoadWeight = Annotated[int, whole(0, 255, "weight")]
"""SAI_ARS_PROFILE_ATTR_PORT_LOAD_PAST_WEIGHT: 8 bits."""
QpCount = Annotated[int, whole(1, 128, "number of queue pairs")]
ClassWeight = Annotated[int, field("bad-number", parse_class_weight, {"type": ["string", "integer"]})]
"""0 is `strict`."""


class _Weights:
    """A mapping of the file, held as pairs in order."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        mapping = handler.generate_schema(dict[Priority, ClassWeight])
        return core_schema.no_info_after_validator_function(
            lambda found: tuple(sorted(found.items())),
            mapping,
            serialization=core_schema.plain_serializer_function_ser_schema(dict),
        )


ClassWeights = Annotated[tuple[tuple[int, int], ...], _Weights()]
Messages = Annotated[int, whole(0, 65536, "number of messages")]
PauseQuanta = Annotated[int, whole(0, 65535, "number of pause quanta (16 bits)")]
_IPV4 = prefix_parser(IPv4Network, "IPv4", "10.0.0.0/16")
_IPV6 = prefix_parser(IPv6Network, "IPv6", "fd00::/48")
Pool = Annotated[str, field("bad-prefix", _IPV4, text_json("[0-9./]+", "10.0.0.0/16"))]
Pool6 = Annotated[str, field("bad-prefix", _IPV6, text_json("[0-9a-fA-F:./]+", "fd00::/48"))]
HashOffset = Annotated[
    int | Literal["per-tier", "sonic"] | None,
    field("bad-number", parse_offset, {"type": ["string", "integer"]}),
]
HashSeed = Annotated[
    int | Literal["sonic"] | None, field("bad-number", parse_seed, {"type": ["string", "integer"]})
]
_PART = rf"({PARTS})x[0-9.]+[GT]"
_OWN = rf"{_PART}\({PARTS}\)"
BreakoutMode = Annotated[
    tuple[tuple[int, int, int], ...],
    field("bad-breakout", parse_mode, text_json(rf"{_PART}|{_OWN}(\+{_OWN})*", "2x400G")),
]
"""What one front-panel port becomes (`raddle.topology.devices.Mode`)."""
Range = Annotated[tuple[int, int], field("bad-range", parse_range, RANGE_JSON)]
"""First and last number, both included."""
HostSet = Annotated[
    str, field("bad-hosts", check_host_set, text_json(r"[A-Za-z0-9._\[\], -]+", "host[0-7,9],host12"))
]
"""Hosts: `host3`, those whose number is in a range, `host[0-7,9]`, or several such with commas."""
