"""JSON values as Go prints them, in which sonic-gnmi words its refusals.

Source: Go's fmt, verb %v, of what encoding/json makes of a value: maps by sorted keys, numbers as float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal

_ENOUGH = 2048
"""Characters of a value that are printed; a status carries fewer."""


def go_text(value: object) -> str:
    """A value as `%v` prints it, cut where it is long."""
    text, size = [], 0
    for piece in _pieces(value):
        text.append(piece)
        size += len(piece)
        if size > _ENOUGH:
            break
    return "".join(text)[:_ENOUGH]


def _pieces(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield "map["
        for number, key in enumerate(sorted(value)):
            yield f"{' ' * (number > 0)}{key}:"
            yield from _pieces(value[key])
        yield "]"
    elif isinstance(value, list | tuple):
        yield "["
        for number, item in enumerate(value):
            yield " " * (number > 0)
            yield from _pieces(item)
        yield "]"
    elif value is None:
        yield "<nil>"
    elif isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, int | float):
        yield _number(float(value))
    else:
        yield str(value)


def _number(value: float) -> str:
    """The fewest digits that are this float64 and no other, with an exponent from 1e6 on and below 1e-4.

    Source: Go's strconv, formatDigits of 'g' with the shortest precision.
    """
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int), "JSON has no other numbers"
    minus, power = "-" * sign, len(digits) - 1 + exponent
    if -4 <= power < 6:
        return minus + format(Decimal((0, digits, exponent)), "f")
    head, rest = str(digits[0]), "".join(map(str, digits[1:]))
    return f"{minus}{head}{'.' * bool(rest)}{rest}e{'-' if power < 0 else '+'}{abs(power):02}"
