"""Field types of the fabric file: texts that are parsed once, each with its unit and its limits.

Every parser raises `PydanticCustomError` whose type is the diagnostic's code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from raddle.units import (
    parse_length_m,
    parse_rate_bps,
    parse_ratio,
    parse_size_bytes,
    parse_time_ps,
)

T = TypeVar("T")

_COUNT = re.compile(r"0|[1-9][0-9]{0,11}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FRACTION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,12})?)(?:/([1-9][0-9]{0,5}))?")
_PS_PER_MS = 10**9


def refuse(code: str, message: str, hint: str = "") -> PydanticCustomError:
    """The error of a field, to be raised: its code, what the reader sees and one way out."""
    return PydanticCustomError(code, "{message}", {"message": message, "hint": hint})


def _field(code: str, parse: Callable[[str], T]) -> BeforeValidator:
    """A validator that gives `parse` of a text and lets a value that is parsed already through.

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

    return BeforeValidator(validate)


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


def _gain(text: str) -> float:
    match = _FRACTION.fullmatch(text)
    value = float(match[1]) / int(match[2] or 1) if match else 0.0
    if not 0 < value <= 1:
        raise ValueError(f"'{text}' is not a gain above 0 and at most 1; write it as 1/256")
    return value


def _pool(text: str) -> str:
    try:
        return str(IPv4Network(text))
    except ValueError:
        pass
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is not an IPv4 prefix; write it as 10.0.0.0/16") from None
    raise ValueError(f"'{text}' has bits set behind the prefix; write it as {network}")


def _version(text: str) -> int:
    if text != "1":
        raise ValueError(f"format version '{text}' is not known; this release reads version 1")
    return 1


def _seed(text: str) -> int | None:
    try:
        return None if text == "per-switch" else _between(0, 2**32 - 1, "hash seed")(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a hash seed; write 'per-switch' or a number below 2**32") from None


Version = Annotated[int, _field("unsupported-version", _version)]
Name = Annotated[str, _field("bad-name", parse_name)]
Text = Annotated[str, _field("bad-text", str)]
Switch = Annotated[bool, _field("bad-switch", _switch)]
State = Annotated[Literal["up", "down"], _field("bad-choice", str)]
Rate = Annotated[int, _field("bad-speed", _positive(parse_rate_bps, "speed", 10**14, "100T"))]
Size = Annotated[int, _field("bad-size", _positive(parse_size_bytes, "size", 2**40, "1024GiB"))]
Cable = Annotated[float, _field("bad-length", _positive(parse_length_m, "cable length", 1e5, "100km"))]
Time = Annotated[int, _field("bad-time", _limit_time_ps)]
Timer = Annotated[int, _field("bad-time", _positive(_limit_time_ps, "timer", 10**13, "10s"))]
DetectTime = Annotated[int, _field("bad-time", _milliseconds(100, 5000))]
"""SONiC's YANG model, PFC_WD.detection_time."""
RestoreTime = Annotated[int, _field("bad-time", _milliseconds(100, 60000))]
"""SONiC's YANG model, PFC_WD.restoration_time."""
Count = Annotated[int, _field("bad-number", _between(1, 65536, "count"))]
NicCount = Annotated[int, _field("bad-number", _between(1, 64, "NIC count"))]
PortCount = Annotated[int, _field("bad-number", _between(1, 512, "port count"))]
LaneCount = Annotated[int, _field("bad-number", _between(1, 16, "lane count"))]
Retries = Annotated[int, _field("bad-number", _between(0, 7, "retry count (3 bits)"))]
Priority = Annotated[int, _field("bad-number", _between(0, 7, "priority"))]
Dscp = Annotated[int, _field("bad-number", _between(0, 63, "DSCP"))]
DynamicTh = Annotated[int, _field("bad-number", _between(-8, 7, "dynamic_th", _signed))]
"""SONiC's YANG model, BUFFER_PROFILE.dynamic_th."""
PortMtu = Annotated[int, _field("bad-number", _between(68, 9216, "port MTU in bytes"))]
"""SONiC's YANG model, PORT.mtu."""
Probability = Annotated[float, _field("bad-percentage", _probability)]
Gain = Annotated[float, _field("bad-number", _gain)]
Pool = Annotated[str, _field("bad-prefix", _pool)]
HashSeed = Annotated[int | None, _field("bad-number", _seed)]
