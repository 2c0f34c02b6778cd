"""Field types of the fabric file: texts that are parsed once, each with its unit and its limits.

Every parser raises `PydanticCustomError` whose type is the diagnostic's code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface
from typing import Annotated, Any, Literal, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from raddle.topology.host_sets import check_host_set
from raddle.units import (
    ip_text,
    parse_bandwidth_bps,
    parse_length_m,
    parse_message_bytes,
    parse_rate_bps,
    parse_ratio,
    parse_size_bytes,
    parse_time_ps,
)

T = TypeVar("T")

_COUNT = re.compile(r"0|[1-9][0-9]{0,13}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FRACTION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,12})?)(?:/([1-9][0-9]{0,5}))?")
_PS_PER_US = 10**6
_PS_PER_MS = 10**9
TEMPLATE_FIELD = re.compile(r"\{(i|n|k|pod|plane|rail|group)(?::0([1-9]))?\}")
"""A field of a naming template, with the digits it is padded to: `{i}`, `{pod}`, `{n:02}`."""


def refuse(code: str, message: str, hint: str = "") -> PydanticCustomError:
    """The error of a field, to be raised: its code, what the reader sees and one way out."""
    return PydanticCustomError(code, "{message}", {"message": message, "hint": hint})


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """How a text of the file becomes a value, and what an editor may check of it (JSON Schema)."""

    validate: Callable[[Any], Any]
    json: dict[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.validate, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self.json)


def _field(code: str, parse: Callable[[str], T], json: dict[str, Any]) -> _Rule:
    """A rule that takes `parse` of a text and lets a value that is parsed already through.

    What stands behind "; " in the message of a ValueError becomes the hint.
    """

    def validate(value: Any) -> Any:
        if isinstance(value, dict | list):
            what = "mapping" if isinstance(value, dict) else "list"
            raise refuse("wrong-shape", f"expected one value, found a {what}")
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            raise refuse(code, message, hint) from None

    return _Rule(validate, json)


def parse_count(text: str) -> int:
    """`12` -> 12; octal-looking `012`, signs and fractions are refused."""
    if not _COUNT.fullmatch(text):
        raise ValueError(f"'{text}' is not a whole number; write digits without a leading zero, such as 12")
    return int(text)


def _between(
    low: int, high: int, what: str, parse: Callable[[str], int] = parse_count
) -> Callable[[str], int]:
    def parse_limited(text: str) -> int:
        value = parse(text)
        if not low <= value <= high:
            raise ValueError(f"'{text}' is not a {what}, which is {low} to {high}")
        return value

    return parse_limited


def _signed(text: str) -> int:
    return -parse_count(text[1:]) if text.startswith("-") else parse_count(text)


def _positive(parse: Callable[[str], T], what: str, limit: T, limit_text: str) -> Callable[[str], T]:
    def parse_positive(text: str) -> T:
        value: Any = parse(text)
        if not 0 < value <= limit:
            raise ValueError(f"'{text}' is not a {what}, which is above 0 and at most {limit_text}")
        return value  # type: ignore[no-any-return]

    return parse_positive


def _limit_time_ps(text: str) -> int:
    value = parse_time_ps(text)
    if value > 10 * 10**12:
        raise ValueError(f"'{text}' is too long; the limit is 10s")
    return value


def _milliseconds(low: int, high: int) -> Callable[[str], int]:
    def parse_ms(text: str) -> int:
        time_ps = parse_time_ps(text)
        if time_ps % _PS_PER_MS or not low <= time_ps // _PS_PER_MS <= high:
            raise ValueError(f"'{text}' is not a whole number of milliseconds from {low}ms to {high}ms")
        return time_ps // _PS_PER_MS

    return parse_ms


def _microseconds(low: int, high: int) -> Callable[[str], int]:
    def parse_us(text: str) -> int:
        time_ps = parse_time_ps(text)
        if time_ps % _PS_PER_US or not low <= time_ps // _PS_PER_US <= high:
            raise ValueError(f"'{text}' is not a whole number of microseconds from {low}us to {high}us")
        return time_ps // _PS_PER_US

    return parse_us


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"'{text}' is not a truth value; write true or false")
    return text == "true"


def parse_name(text: str) -> str:
    """A device's or fabric's name: letters, digits, dot, dash, underscore."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"'{text}' is not a name; use up to 63 letters, digits, '.', '-' and '_'")
    return text


def _probability(text: str) -> float:
    value = parse_ratio(text)
    if not 0 < value <= 1:
        raise ValueError(f"'{text}' is not a probability, which is above 0% and at most 100%")
    return value


def _factor(text: str) -> float:
    match = _FRACTION.fullmatch(text)
    value = float(match[1]) / int(match[2] or 1) if match else 0.0
    if not 0 < value <= 1000:
        raise ValueError(f"'{text}' is not a factor above 0 and at most 1000; write it as 1.5")
    return value


def _amount(text: str) -> float:
    """A decimal number, not negative."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or float(text) > 1e12:
        raise ValueError(f"{text!r} is not a number from 0 on; write it as 9500 or 12.50")
    return float(text)


def _power(text: str) -> float:
    """In watts."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(k?)W", text)
    if not found:
        raise ValueError(f"{text!r} is not a power; write it as 650 W or 1.2 kW")
    return float(found[1]) * (1000 if found[2] else 1)


def _copies(text: str) -> int:
    if text == "auto":
        return AUTO
    value = parse_count(text)
    if value > 65535:
        raise ValueError(f"{text} is not a number of copies, which is from 0 to 65535; or write auto")
    return value


def _window(text: str) -> int:
    return 0 if text == "0" else _positive(parse_size_bytes, "size", 2**40, "1024GiB")(text)


def parse_error_ratio(text: str) -> float:
    """`1e-12` -> 1e-12; from 0 to below 1."""
    match = re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,12})?(e-?[0-9]{1,2})?", text)
    value = float(text) if match else -1.0
    if not 0 <= value < 1:
        raise ValueError(f"'{text}' is not a bit error ratio from 0 to below 1; write it as 1e-12")
    return value


def _gain(text: str) -> float:
    match = _FRACTION.fullmatch(text)
    value = float(match[1]) / int(match[2] or 1) if match else 0.0
    if not 0 < value <= 1:
        raise ValueError(f"'{text}' is not a gain above 0 and at most 1; write it as 1/256")
    return value


_SPECIAL: dict[str, tuple[IPv4Network | IPv6Network, ...]] = {
    "unspecified": (IPv4Network("0.0.0.0/8"), IPv6Network("::/128")),
    "loopback": (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
    "link-local": (IPv4Network("169.254.0.0/16"), IPv6Network("fe80::/10")),
    "multicast": (IPv4Network("224.0.0.0/4"), IPv6Network("ff00::/8")),
    "reserved": (IPv4Network("240.0.0.0/4"), IPv6Network("::/8"), IPv6Network("100::/8")),
}
"""Addresses that no interface can have and be routed to (RFC 6890; IANA's registries of special-purpose
addresses and of the IPv6 address space)."""


def _special(network: IPv4Network | IPv6Network) -> tuple[str, IPv4Network | IPv6Network] | None:
    """The first kind of special addresses that a pool holds, and their network."""
    for what, networks in _SPECIAL.items():
        for special in networks:
            if special.version == network.version and special.overlaps(network):
                return what, special
    return None


def _prefix(kind: type[IPv4Network] | type[IPv6Network], what: str, example: str) -> Callable[[str], str]:
    def parse_prefix(text: str) -> str:
        try:
            network = kind(text, strict=False)
        except ValueError:
            raise ValueError(f"'{text}' is not an {what} prefix; write it as {example}") from None
        try:
            kind(text)
        except ValueError:
            raise ValueError(
                f"'{text}' has bits set behind the prefix; write it as {ip_text(network)}"
            ) from None
        if special := _special(network):
            raise ValueError(
                f"'{text}' holds {special[0]} addresses, {special[1]}; take others, as in {example}"
            )
        return ip_text(network)

    return parse_prefix


_PARTS = r"(?:[1-9]|1[0-6])"
"""Parts of a port, or lanes of it: a port has up to 16 lanes."""


def parse_breakout(text: str) -> tuple[int, int]:
    match = re.fullmatch(rf"({_PARTS})x(\S+)", text)
    if not match:
        raise ValueError(f"'{text}' is not a breakout mode; write it as 2x400G")
    return int(match[1]), _positive(parse_rate_bps, "speed", 10**14, "100T")(match[2])


def parse_mode(text: str) -> tuple[tuple[int, int, int], ...]:
    """`1x400G(4)+4x100G(4)` -> ports, speed of each, lanes of them together; 0 lanes: all of the port."""
    if "+" not in text and "(" not in text:
        return ((*parse_breakout(text), 0),)
    parts = []
    for part in text.split("+"):
        match = re.fullmatch(rf"({_PARTS}x[^()]+)\(({_PARTS})\)", part)
        if not match:
            raise ValueError(f"'{text}' is not a breakout mode; write it as 2x400G or 1x400G(4)+4x100G(4)")
        parts.append((*parse_breakout(match[1]), int(match[2])))
    return tuple(parts)


def _range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise ValueError(f"'{text}' is not a range of numbers; write it as 0-15 or 3")
    return first, last


_PATTERN = r"([^:/]+:)?[A-Z0-9_*?]+/.+"


def _entry_pattern(text: str) -> str:
    if not re.fullmatch(_PATTERN, text):
        raise ValueError(f"'{text}' names no entries; write TABLE/KEY or SWITCH:TABLE/KEY, with * and ?")
    return text


def _switch_pattern(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._*?-]+", text):
        raise ValueError(f"'{text}' names no switches; write a name, with * and ?")
    return text


def _interface(text: str) -> str:
    try:
        address = str(ip_interface(text)) if "/" in text else ""
    except ValueError:
        address = ""
    if not address:
        raise ValueError(f"'{text}' is not an address with the length of its prefix, such as 192.0.2.10/24")
    return address


def _gateway(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"'{text}' is not an address such as 192.0.2.1") from None


def _mac(text: str) -> str:
    if not re.fullmatch(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", text):
        raise ValueError(f"'{text}' is not a MAC address such as 9c:00:5e:00:53:01")
    return text.lower()


def _name_template(text: str) -> str:
    if not re.fullmatch(rf"(?:[A-Za-z0-9._-]|{TEMPLATE_FIELD.pattern})+", text):
        raise ValueError(
            f"'{text}' is not a name template; write it as leaf{{i}} or pod{{pod}}-leaf{{n:02}} "
            "(fields: i, n, k, pod, plane, rail, group)"
        )
    return text


def _version(text: str) -> int:
    if text != "1":
        raise ValueError(f"format version '{text}' is not known; this release reads version 1")
    return 1


def _seed(text: str) -> int | Literal["sonic"] | None:
    if text == "sonic":
        return "sonic"
    try:
        return None if text == "per-switch" else _between(0, 2**32 - 1, "hash seed")(text)
    except ValueError:
        raise ValueError(
            f"'{text}' is not a hash seed; write 'per-switch', 'sonic' or a number below 2**32"
        ) from None


def _offset(text: str) -> int | Literal["per-tier", "sonic"]:
    if text == "sonic":
        return "sonic"
    try:
        return "per-tier" if text == "per-tier" else _between(0, 31, "hash offset")(text)
    except ValueError:
        raise ValueError(
            f"'{text}' is not a hash offset; write 'per-tier', 'sonic' or a number below 32"
        ) from None


def _text(pattern: str, example: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^({pattern})$", "examples": [example]}


def _class_weight(text: str) -> int:
    if text == "strict":
        return 0
    weight = parse_count(text)
    if not 1 <= weight <= 1000:
        raise ValueError(f"weight {text!r} is not from 1 to 1000; 'strict' goes before all weights")
    return weight


def _whole(low: int, high: int, what: str, parse: Callable[[str], int] = parse_count) -> _Rule:
    """An int from `low` to `high`."""
    json = {"type": "integer", "minimum": low, "maximum": high}
    return _field("bad-number", _between(low, high, what, parse), json)


_WORD = {"type": ["string", "integer", "number"]}
_N = r"[0-9]+(\.[0-9]+)?\s*"
_TIME = _text(_N + "(ps|ns|us|ms|s)", "200ms")
_SIZE = _text(_N + "(B|[KMG]B|[KMG]iB)", "800KB")
_MESSAGE_SIZE = _text(_N + "(B|[KMG](i?B)?)?", "64M") | {"type": ["string", "integer"]}
_RATE = _text(_N + "(bps|[KMGT](bps)?)", "400G")
_BANDWIDTH = _text(_N + "(bps|[KMGT](bps)?|[MGT]Bps)", "48.5GBps")
_LENGTH = _text(_N + "(m|cm|km)", "30m")
_RANGE = {"type": ["string", "integer"], "pattern": "^[0-9]+(-[0-9]+)?$", "examples": ["0-15"]}
_GAIN = {"type": ["string", "number"], "examples": ["1/256"]}

Version = Annotated[int, _field("unsupported-version", _version, {"const": 1})]
Name = Annotated[str, _field("bad-name", parse_name, _WORD)]
NameTemplate = Annotated[str, _field("bad-name", _name_template, _text(r"[A-Za-z0-9._:{}-]+", "leaf{i}"))]
EntryPattern = Annotated[
    str, _field("bad-pattern", _entry_pattern, _text(_PATTERN, "INTERFACE/Ethernet128*"))
]
SwitchPattern = Annotated[str, _field("bad-pattern", _switch_pattern, _text(r"[A-Za-z0-9._*?-]+", "leaf*"))]
Interface = Annotated[str, _field("bad-address", _interface, _text(r".+/[0-9]+", "192.0.2.10/24"))]
Gateway = Annotated[str, _field("bad-address", _gateway, _text(r"[0-9a-fA-F.:]+", "192.0.2.1"))]
Mac = Annotated[
    str, _field("bad-mac", _mac, _text(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", "9c:00:5e:00:53:01"))
]
Serial = Annotated[str, _field("bad-name", parse_name, _text(r"[A-Za-z0-9._-]+", "MT2310X00001"))]
Text = Annotated[str, _field("bad-text", str, _WORD)]
Switch = Annotated[bool, _field("bad-switch", _switch, {"type": "boolean"})]
State = Annotated[Literal["up", "down"], _field("bad-choice", str, {"enum": ["up", "down"]})]
Rate = Annotated[int, _field("bad-speed", _positive(parse_rate_bps, "speed", 10**14, "100T"), _RATE)]
Bandwidth = Annotated[
    int, _field("bad-speed", _positive(parse_bandwidth_bps, "bandwidth", 10**15, "1000T"), _BANDWIDTH)
]
Size = Annotated[int, _field("bad-size", _positive(parse_size_bytes, "size", 2**40, "1024GiB"), _SIZE)]
MessageSize = Annotated[
    int, _field("bad-size", _positive(parse_message_bytes, "size", 2**40, "1024GiB"), _MESSAGE_SIZE)
]
"""As nccl-tests has sizes: K, M and G are powers of 1024, and a number without unit is bytes."""
Cable = Annotated[
    float, _field("bad-length", _positive(parse_length_m, "cable length", 1e5, "100km"), _LENGTH)
]
Time = Annotated[int, _field("bad-time", _limit_time_ps, _TIME)]
Duration = Annotated[int, _field("bad-time", parse_time_ps, _TIME)]
Timer = Annotated[int, _field("bad-time", _positive(_limit_time_ps, "timer", 10**13, "10s"), _TIME)]
DetectTime = Annotated[int, _field("bad-time", _milliseconds(100, 5000), _TIME)]
"""SONiC's YANG model, PFC_WD.detection_time."""
RestoreTime = Annotated[int, _field("bad-time", _milliseconds(100, 60000), _TIME)]
"""SONiC's YANG model, PFC_WD.restoration_time."""
Count = Annotated[int, _whole(1, 65536, "count")]
HostCount = Annotated[int, _whole(1, 500_000, "number of hosts")]
NicCount = Annotated[int, _whole(1, 64, "NIC count")]
PlaneCount = Annotated[int, _whole(1, 64, "plane count")]
TorCount = Annotated[int, _whole(1, 2, "number of leaves per NIC")]
PortCount = Annotated[int, _whole(1, 1024, "port count")]
LaneCount = Annotated[int, _whole(1, 16, "lane count")]
Retries = Annotated[int, _whole(0, 7, "retry count (3 bits)")]
Priority = Annotated[int, _whole(0, 7, "priority")]
Dscp = Annotated[int, _whole(0, 63, "DSCP")]
Asn = Annotated[int, _whole(1, 4_294_967_294, "32-bit AS number (RFC 6793, RFC 7300)")]
TableSize = Annotated[int, _whole(0, 10**8, "table size")]
AUTO = -1
"""The number of copies that is to be found."""
Copies = Annotated[
    int, _field("bad-number", _copies, {"type": ["integer", "string"], "examples": [64, "auto"]})
]
Position = Annotated[int, _whole(0, 65535, "number")]
DynamicTh = Annotated[int, _whole(-8, 7, "dynamic_th", _signed)]
"""SONiC's YANG model, BUFFER_PROFILE.dynamic_th."""
PortMtu = Annotated[int, _whole(68, 9216, "port MTU in bytes")]
"""SONiC's YANG model, PORT.mtu."""
Probability = Annotated[float, _field("bad-percentage", _probability, _text(_N + "%", "20%"))]
Gain = Annotated[float, _field("bad-number", _gain, _GAIN)]
ErrorRatio = Annotated[float, _field("bad-number", parse_error_ratio, {"type": ["string", "number"]})]
Factor = Annotated[float, _field("bad-number", _factor, {"type": ["string", "number"]})]
Money = Annotated[float, _field("bad-number", _amount, _text(_N, "9500"))]
Power = Annotated[float, _field("bad-number", _power, _text(_N + "k?W", "650 W"))]
RackUnits = Annotated[float, _field("bad-number", _amount, _text(_N, "1"))]
Params = Annotated[int, _whole(1, 10**13, "number of tokens or parameters")]
Window = Annotated[int, _field("bad-size", _window, _SIZE)]
Reorder = Annotated[int, _whole(0, 65536, "number of packets")]
Microseconds = Annotated[int, _field("bad-time", _microseconds(1, 10**6), _TIME)]
"""SONiC's draft of ARS_PROFILE.sampling_interval: whole microseconds."""
IdleTime = Annotated[int, _field("bad-time", _microseconds(2, 2047), _TIME)]
"""SONiC's draft of ARS_OBJECT.flowlet_idle_time."""
LoadValue = Annotated[int, _whole(0, 2**32 - 1, "load")]
LoadWeight = Annotated[int, _whole(0, 255, "weight")]
"""SAI_ARS_PROFILE_ATTR_PORT_LOAD_PAST_WEIGHT: 8 bits."""
QpCount = Annotated[int, _whole(1, 128, "number of queue pairs")]
ClassWeight = Annotated[int, _field("bad-number", _class_weight, {"type": ["string", "integer"]})]
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
Messages = Annotated[int, _whole(0, 65536, "number of messages")]
PauseQuanta = Annotated[int, _whole(0, 65535, "number of pause quanta (16 bits)")]
_IPV4 = _prefix(IPv4Network, "IPv4", "10.0.0.0/16")
_IPV6 = _prefix(IPv6Network, "IPv6", "fd00::/48")
Pool = Annotated[str, _field("bad-prefix", _IPV4, _text("[0-9./]+", "10.0.0.0/16"))]
Pool6 = Annotated[str, _field("bad-prefix", _IPV6, _text("[0-9a-fA-F:./]+", "fd00::/48"))]
HashOffset = Annotated[
    int | Literal["per-tier", "sonic"] | None, _field("bad-number", _offset, {"type": ["string", "integer"]})
]
HashSeed = Annotated[
    int | Literal["sonic"] | None, _field("bad-number", _seed, {"type": ["string", "integer"]})
]
_PART = rf"({_PARTS})x[0-9.]+[GT]"
_OWN = rf"{_PART}\({_PARTS}\)"
BreakoutMode = Annotated[
    tuple[tuple[int, int, int], ...],
    _field("bad-breakout", parse_mode, _text(rf"{_PART}|{_OWN}(\+{_OWN})*", "2x400G")),
]
"""What one front-panel port becomes (`raddle.topology.devices.Mode`)."""
Range = Annotated[tuple[int, int], _field("bad-range", _range, _RANGE)]
"""First and last number, both included."""
HostSet = Annotated[
    str, _field("bad-hosts", check_host_set, _text(r"[A-Za-z0-9._\[\], -]+", "host[0-7,9],host12"))
]
"""Hosts: `host3`, those whose number is in a range, `host[0-7,9]`, or several such with commas."""
