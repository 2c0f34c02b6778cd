"""JSON as it is sent and taken, large values piece by piece, so that other threads run meanwhile."""

from __future__ import annotations

import json
import json.decoder
import json.scanner
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


def load_json(text: bytes) -> object:
    """A JSON value; a large one by Python's own scanner, which lets other threads run.

    Raises:
        ValueError: it is not JSON, has NaN or Infinity, or too many parts.
        RecursionError: it is nested too deep.
    """
    if len(text) <= _QUICK_JSON_BYTES:
        return json.loads(text, parse_constant=_no_constant)
    if text.count(b",") > _MAX_PARTS:
        raise ValueError(f"more than {_MAX_PARTS} values")
    decoder: Any = json.JSONDecoder(parse_constant=_no_constant)
    decoder.parse_object, decoder.parse_array = json.decoder.JSONObject, json.decoder.JSONArray  # type: ignore[attr-defined]
    decoder.scan_once = json.scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]
    result: object = decoder.decode(text.decode(json.detect_encoding(text), "surrogatepass"))
    return result


def _no_constant(name: str) -> object:
    raise ValueError(f"invalid literal {name}")
