"""Leaf types of CONFIG_DB's schema: each says in libyang's words what is wrong with a value.

A `Check` takes a string and returns None, or the message for a value that does not conform.
Source of the types: SONiC's YANG models (sonic-types.yang) and RFC 6991 (ietf-inet-types, ietf-yang-types).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

Check = Callable[[str], str | None]

_INTEGER = re.compile(r"-?[0-9]+")
_INTEGER_BOUNDS = {
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "int8": (-128, 127),
    "int32": (-(2**31), 2**31 - 1),
}


def integer(name: str, low: int | None = None, high: int | None = None) -> Check:
    """An integer of the YANG type `name`, optionally restricted to low..high."""
    type_low, type_high = _INTEGER_BOUNDS[name]

    def check(value: str) -> str | None:
        if not _INTEGER.fullmatch(value) or len(value) > 20:
            return f'Invalid type {name} value "{value}".'
        number = int(value)
        if not type_low <= number <= type_high:
            return f'Value "{value}" is out of type {name} min/max bounds.'
        if (low is not None and number < low) or (high is not None and number > high):
            return f'Unsatisfied range - value "{value}" is out of the allowed range {low}..{high}.'
        return None

    return check


def text(low: int = 0, high: int | None = None, pattern: str = "") -> Check:
    """A string of low..high characters that matches `pattern` as a whole."""
    compiled = re.compile(pattern) if pattern else None

    def check(value: str) -> str | None:
        if len(value) < low or (high is not None and len(value) > high):
            return f"Unsatisfied length - string length {len(value)} is not allowed ({low}..{high})."
        if compiled and not compiled.fullmatch(value):
            return f'Unsatisfied pattern - "{value}" does not conform to "{pattern}".'
        return None

    return check


def enum(*names: str) -> Check:
    """One of `names`."""
    allowed = frozenset(names)

    def check(value: str) -> str | None:
        if value in allowed:
            return None
        return f'Invalid enumeration value "{value}" (one of {", ".join(names)}).'

    return check


def either(first: Check, second: Check) -> Check:
    """A union: what either type accepts. The message is the second type's."""
    return lambda value: first(value) and second(value)


def boolean(value: str) -> str | None:
    """`true` or `false`."""
    return None if value in ("true", "false") else f'Invalid boolean value "{value}".'


def lax_boolean(value: str) -> str | None:
    """`true` or `false`, also with a capital (stypes:boolean_type)."""
    return None if value in ("True", "False") else boolean(value)


_OCTET = r"(?:[0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
_IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}")
_IPV4_PREFIX = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}/(?:[0-9]|[12][0-9]|3[0-2])")


def ip_address(value: str) -> str | None:
    """An IPv4 or IPv6 address."""
    if _IPV4.fullmatch(value):
        return None
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return f'Unsatisfied pattern - "{value}" is not an IP address.'
    return None


def ipv4_address(value: str) -> str | None:
    """An IPv4 address."""
    return None if _IPV4.fullmatch(value) else f'Unsatisfied pattern - "{value}" is not an IPv4 address.'


def ipv6_address(value: str) -> str | None:
    """An IPv6 address."""
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return f'Unsatisfied pattern - "{value}" is not an IPv6 address.'
    return None


def ipv4_prefix(value: str) -> str | None:
    """An IPv4 address with a prefix length; host bits are allowed, as in sonic-ip4-prefix."""
    return None if _IPV4_PREFIX.fullmatch(value) else _no_prefix(value)


def ipv6_prefix(value: str) -> str | None:
    """An IPv6 address with a prefix length."""
    address, slash, length = value.partition("/")
    is_length = slash and length.isascii() and length.isdigit() and len(length) < 4 and int(length) <= 128
    return None if is_length and not ipv6_address(address) else _no_prefix(value)


def _no_prefix(value: str) -> str:
    return f'Unsatisfied pattern - "{value}" is not an IP prefix (address/length).'


def ip_prefix(value: str) -> str | None:
    """An IPv4 or IPv6 address with a prefix length."""
    return ipv4_prefix(value) and ipv6_prefix(value)


_LABEL = r"[a-zA-Z0-9_](?:[a-zA-Z0-9\-_]{0,61}[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}\.?|\.")


def host(value: str) -> str | None:
    """An IP address or a domain name (RFC 6991 inet:host)."""
    if not ip_address(value) or (len(value) <= 253 and _DOMAIN.fullmatch(value)):
        return None
    return f'Unsatisfied pattern - "{value}" is neither an IP address nor a domain name.'


any_string = text()
admin_status = enum("up", "down")
mac_address = text(pattern="[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
map_name = text(1, 32, "[a-zA-Z0-9]{1}([-a-zA-Z0-9_]{0,31})")
