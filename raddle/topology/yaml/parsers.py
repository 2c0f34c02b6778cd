"""Parsers of texts of YAML files: numbers, times, names, addresses, modes of ports.

Each raises ValueError with what is wrong; what stands behind "; " is the hint.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface
from typing import Literal

from raddle.topology.yaml.rules import between, parse_count, positive
from raddle.units import ip_text, parse_rate_bps, parse_ratio, parse_size_bytes, parse_time_ps

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FRACTION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,12})?)(?:/([1-9][0-9]{0,5}))?")
LONGEST_PS = 2 * 10**18
"""Times are picoseconds in 63 bits, of which sums are made."""
_PS_PER_US = 10**6
_PS_PER_MS = 10**9
TEMPLATE_FIELD = re.compile(r"\{(i|n|k|pod|plane|rail|group)(?::0([1-9]))?\}")
"""A field of a naming template, with the digits it is padded to: `{i}`, `{pod}`, `{n:02}`."""


def parse_signed(text: str) -> int:
    return -parse_count(text[1:]) if text.startswith("-") else parse_count(text)


def parse_short_time_ps(text: str) -> int:
    value = parse_time_ps(text)
    if value > 10 * 10**12:
        raise ValueError(f"'{text}' is too long; the limit is 10s")
    return value


def parse_duration_ps(text: str) -> int:
    value = parse_time_ps(text)
    if value > LONGEST_PS:
        raise ValueError(f"'{text}' is too long; the limit is 2000000s, 23 days")
    return value


def milliseconds(low: int, high: int) -> Callable[[str], int]:
    def parse_ms(text: str) -> int:
        time_ps = parse_time_ps(text)
        if time_ps % _PS_PER_MS or not low <= time_ps // _PS_PER_MS <= high:
            raise ValueError(f"'{text}' is not a whole number of milliseconds from {low}ms to {high}ms")
        return time_ps // _PS_PER_MS

    return parse_ms


def microseconds(low: int, high: int) -> Callable[[str], int]:
    def parse_us(text: str) -> int:
        time_ps = parse_time_ps(text)
        if time_ps % _PS_PER_US or not low <= time_ps // _PS_PER_US <= high:
            raise ValueError(f"'{text}' is not a whole number of microseconds from {low}us to {high}us")
        return time_ps // _PS_PER_US

    return parse_us


def parse_switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"'{text}' is not a truth value; write true or false")
    return text == "true"


def parse_name(text: str) -> str:
    """A device's or fabric's name: letters, digits, dot, dash, underscore."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"'{text}' is not a name; use up to 63 letters, digits, '.', '-' and '_'")
    return text


def parse_probability(text: str) -> float:
    value = parse_ratio(text)
    if not 0 < value <= 1:
        raise ValueError(f"'{text}' is not a probability, which is above 0% and at most 100%")
    return value


def parse_factor(text: str) -> float:
    match = _FRACTION.fullmatch(text)
    value = float(match[1]) / int(match[2] or 1) if match else 0.0
    if not 0 < value <= 1000:
        raise ValueError(f"'{text}' is not a factor above 0 and at most 1000; write it as 1.5")
    return value


def parse_amount(text: str) -> float:
    """A decimal number, not negative."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or float(text) > 1e12:
        raise ValueError(f"{text!r} is not a number from 0 on; write it as 9500 or 12.50")
    return float(text)


def parse_power_w(text: str) -> float:
    """In watts."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(k?)W", text)
    if not found:
        raise ValueError(f"{text!r} is not a power; write it as 650 W or 1.2 kW")
    return float(found[1]) * (1000 if found[2] else 1)


def parse_copies(text: str) -> int:
    if text == "auto":
        return AUTO
    value = parse_count(text)
    if value > 65535:
        raise ValueError(f"{text} is not a number of copies, which is from 0 to 65535; or write auto")
    return value


def parse_window(text: str) -> int:
    return 0 if text == "0" else positive(parse_size_bytes, "size", 2**40, "1024GiB")(text)


def parse_error_ratio(text: str) -> float:
    """`1e-12` -> 1e-12; from 0 to below 1."""
    match = re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,12})?(e-?[0-9]{1,2})?", text)
    value = float(text) if match else -1.0
    if not 0 <= value < 1:
        raise ValueError(f"'{text}' is not a bit error ratio from 0 to below 1; write it as 1e-12")
    return value


def parse_gain(text: str) -> float:
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


def prefix_parser(
    kind: type[IPv4Network] | type[IPv6Network], what: str, example: str
) -> Callable[[str], str]:
    def parse_prefix(text: str) -> str:
        try:
            network = kind(text, strict=False)
        except ValueError:
            raise ValueError(f"'{text}' is not an {what} prefix; write it as {example}") from None
        try:
            kind(text)
        except ValueError:
            way_out = (
                f"take another, as {example}" if _special(network) else f"write it as {ip_text(network)}"
            )
            raise ValueError(f"'{text}' has bits set behind the prefix; {way_out}") from None
        if special := _special(network):
            raise ValueError(
                f"'{text}' holds {special[0]} addresses, {special[1]}; take others, as in {example}"
            )
        return ip_text(network)

    return parse_prefix


PARTS = r"(?:[1-9]|1[0-6])"
"""Parts of a port, or lanes of it: a port has up to 16 lanes."""


def parse_breakout(text: str) -> tuple[int, int]:
    match = re.fullmatch(rf"({PARTS})x(\S+)", text)
    if not match:
        raise ValueError(f"'{text}' is not a breakout mode; write it as 2x400G")
    return int(match[1]), positive(parse_rate_bps, "speed", 10**14, "100T")(match[2])


def parse_mode(text: str) -> tuple[tuple[int, int, int], ...]:
    """`1x400G(4)+4x100G(4)` -> ports, speed of each, lanes of them together; 0 lanes: all of the port."""
    if "+" not in text and "(" not in text:
        return ((*parse_breakout(text), 0),)
    parts = []
    for part in text.split("+"):
        match = re.fullmatch(rf"({PARTS}x[^()]+)\(({PARTS})\)", part)
        if not match:
            raise ValueError(f"'{text}' is not a breakout mode; write it as 2x400G or 1x400G(4)+4x100G(4)")
        parts.append((*parse_breakout(match[1]), int(match[2])))
    return tuple(parts)


def parse_range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise ValueError(f"'{text}' is not a range of numbers; write it as 0-15 or 3")
    return first, last


ENTRY_PATTERN = r"([^:/]+:)?[A-Z0-9_*?]+/.+"


def parse_entry_pattern(text: str) -> str:
    if not re.fullmatch(ENTRY_PATTERN, text):
        raise ValueError(f"'{text}' names no entries; write TABLE/KEY or SWITCH:TABLE/KEY, with * and ?")
    return text


def parse_switch_pattern(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._*?-]+", text):
        raise ValueError(f"'{text}' names no switches; write a name, with * and ?")
    return text


def parse_interface(text: str) -> str:
    try:
        address = str(ip_interface(text)) if "/" in text else ""
    except ValueError:
        address = ""
    if not address:
        raise ValueError(f"'{text}' is not an address with the length of its prefix, such as 192.0.2.10/24")
    return address


def parse_gateway(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"'{text}' is not an address such as 192.0.2.1") from None


def parse_mac(text: str) -> str:
    if not re.fullmatch(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", text):
        raise ValueError(f"'{text}' is not a MAC address such as 9c:00:5e:00:53:01")
    return text.lower()


def parse_name_template(text: str) -> str:
    if not re.fullmatch(rf"(?:[A-Za-z0-9._-]|{TEMPLATE_FIELD.pattern})+", text):
        raise ValueError(
            f"'{text}' is not a name template; write it as leaf{{i}} or pod{{pod}}-leaf{{n:02}} "
            "(fields: i, n, k, pod, plane, rail, group)"
        )
    return text


def parse_version(text: str) -> int:
    if text != "1":
        raise ValueError(f"format version '{text}' is not known; this release reads version 1")
    return 1


def parse_seed(text: str) -> int | Literal["sonic"] | None:
    if text == "sonic":
        return "sonic"
    try:
        return None if text == "per-switch" else between(0, 2**32 - 1, "hash seed")(text)
    except ValueError:
        raise ValueError(
            f"'{text}' is not a hash seed; write 'per-switch', 'sonic' or a number below 2**32"
        ) from None


def parse_offset(text: str) -> int | Literal["per-tier", "sonic"]:
    if text == "sonic":
        return "sonic"
    try:
        return "per-tier" if text == "per-tier" else between(0, 31, "hash offset")(text)
    except ValueError:
        raise ValueError(
            f"'{text}' is not a hash offset; write 'per-tier', 'sonic' or a number below 32"
        ) from None


def parse_class_weight(text: str) -> int:
    if text == "strict":
        return 0
    weight = parse_count(text)
    if not 1 <= weight <= 1000:
        raise ValueError(f"weight {text!r} is not from 1 to 1000; 'strict' goes before all weights")
    return weight


AUTO = -1
"""The number of copies that is to be found."""
