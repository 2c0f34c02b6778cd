"""JSON as it is sent and taken, large values piece by piece, so that other threads run meanwhile."""

from __future__ import annotations

import json
import json.decoder
import json.scanner
import math
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

GoOn = Callable[[], None]
"""Called now and then by what may take long: `Work.go_on`."""

_QUICK_JSON_BYTES = 2**20
_MAX_PARTS = 4 * 2**20
"""Commas of a JSON value; a configuration of 100,000 routes has a tenth."""
_GROUP = 32
"""Entries that are written at a time: well below a millisecond."""


def no_matter() -> None:
    """For work that is short."""


def dump_json(value: object, go_on: GoOn = no_matter) -> bytes:
    """JSON as sonic-gnmi sends it; of large objects a few entries at a time."""
    return "".join(_pieces(value, 2, go_on)).encode()


def _pieces(value: object, depth: int, go_on: GoOn) -> list[str]:
    if depth == 0 or not isinstance(value, Mapping):
        return [_ENCODER.encode(value)]
    pieces = []
    if depth == 1:
        items = iter(value.items())
        while group := dict(islice(items, _GROUP)):
            go_on()
            pieces += [_ENCODER.encode(group)[1:-1], ","]
    else:
        for key, item in value.items():
            pieces += [_ENCODER.encode(str(key)), ":", *_pieces(item, depth - 1, go_on), ","]
    return ["{", *pieces[:-1], "}"]


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=dict)


def load_json(content: bytes) -> object:
    """A JSON value; a large one by Python's own scanner, which lets other threads run.

    As Go's encoding/json has it, the text is UTF-8, and what is none is replaced by U+FFFD.

    Raises:
        ValueError: it is not JSON, has NaN, Infinity or a number beyond float64, or too many parts.
        RecursionError: it is nested too deep.
    """
    text = content.decode("utf-8", "replace")
    if len(content) <= _QUICK_JSON_BYTES:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    if content.count(b",") > _MAX_PARTS:
        raise ValueError(f"more than {_MAX_PARTS} values")
    decoder: Any = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
    decoder.parse_object, decoder.parse_array = json.decoder.JSONObject, json.decoder.JSONArray  # type: ignore[attr-defined]
    decoder.scan_once = json.scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]
    result: object = decoder.decode(text)
    return result


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"cannot unmarshal number {text} into Go value of type float64")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"invalid literal {name}")
