"""What `raddle switch NAME clear ...` puts by, in the user's cache folder: a file for each switch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from raddle.errors import InputError
from raddle.nos.show.cleared import Counts


@dataclass(frozen=True, slots=True)
class Cleared:
    """When counters were cleared, and what they were then."""

    time: str
    counts: Counts


def read_cleared(switch: str, address: str) -> Mapping[str, Cleared]:
    """By clear command what was put by of a switch; a file that is not one of ours counts as none."""
    try:
        document = json.loads(_file(switch, address).read_text())
        return {name: Cleared(str(entry["time"]), dict(entry["counts"])) for name, entry in document.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def write_cleared(switch: str, address: str, cleared: Mapping[str, Cleared]) -> None:
    """Put by what the counters of a switch are.

    Raises:
        InputError: the file cannot be written.
    """
    path = _file(switch, address)
    document = {name: {"time": each.time, "counts": each.counts} for name, each in cleared.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
    except OSError as error:
        raise InputError.of(
            "cannot-save",
            f"cannot write '{path}': {error.strerror}",
            "set XDG_CACHE_HOME to a folder of yours",
        ) from None


def _file(switch: str, address: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = address.replace(":", "_").replace("/", "_")
    return Path(cache) / "raddle" / f"{switch}@{place}.json"
