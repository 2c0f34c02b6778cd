"""What happens, as lines of a log: text for people, or JSON for machines (one object a line)."""

from __future__ import annotations

import json
import sys
from typing import Literal, TextIO

from raddle.controller.service.events import Event

LogFormat = Literal["text", "json"]

_BAD = ("gone", "stranger", "problem", "drift", "link-down")


class Journal:
    """Writes events as they come; no secret is in one."""

    def __init__(self, how: LogFormat, out: TextIO | None = None) -> None:
        self._how, self._out = how, out or sys.stderr

    def __call__(self, event: Event) -> None:
        print(_json(event) if self._how == "json" else _text(event), file=self._out, flush=True)


def _json(event: Event) -> str:
    document: dict[str, object] = {
        "time": event.time,
        "level": "warning" if event.kind in _BAD else "info",
        "kind": event.kind,
        "text": event.text,
    }
    if event.switch:
        document["switch"] = event.switch
    if event.seconds:
        document["seconds"] = round(event.seconds, 6)
    return json.dumps(document)


def _text(event: Event) -> str:
    where = f"{event.switch}: " if event.switch else ""
    took = f" ({event.seconds:.3f} s)" if event.seconds else ""
    return f"{event.time} {event.kind}: {where}{event.text}{took}"
