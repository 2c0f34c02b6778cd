"""A digest of values: the same in every process, another where anything in them differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import is_dataclass
from enum import Enum
from hashlib import blake2b
from pathlib import PurePath
from typing import Any

import numpy as np

_SCALARS = (str, int, float, bytes, type(None), Enum, PurePath, np.generic)


def fingerprint(*values: Any) -> str:
    """The digest of values: of what they hold, not of what they are made as.

    Raises:
        TypeError: a value is, or holds, of a type that has no text of its own.
    """
    state = blake2b(digest_size=16)
    for value in values:
        _feed(state, value)
    return state.hexdigest()


def _feed(state: blake2b, value: Any) -> None:
    if isinstance(value, _SCALARS):  # first, as most are
        text = repr(value).encode()
        state.update(b"%d:%b" % (len(text), text))
    elif is_dataclass(value):
        state.update(f"{type(value).__name__}(".encode())
        for name in value.__dataclass_fields__:
            _feed(state, getattr(value, name))
        state.update(b")")
    elif isinstance(value, np.ndarray):
        state.update(f"{value.dtype.str}{value.shape}".encode())
        state.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        state.update(b"{%d " % len(value))
        for key in sorted(value, key=fingerprint):
            _feed(state, key)
            _feed(state, value[key])
    elif isinstance(value, AbstractSet):
        state.update(("<" + " ".join(sorted(map(fingerprint, value))) + ">").encode())
    elif isinstance(value, Sequence):
        state.update(b"[%d " % len(value))
        for each in value:
            _feed(state, each)
    else:
        raise TypeError(f"a fingerprint of {type(value).__name__}")
