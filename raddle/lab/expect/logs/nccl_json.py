"""The report that nccl-tests writes with -J.

Source: nccl-tests, src/util.cu from 2.17 on: `args`, `env`, `config: devices`, `results` (JSON_FILE_VERSION).
What perftest writes with --out_json says neither its unit nor its ends, and is not read.
"""

from __future__ import annotations

import json
from typing import Any

from raddle import traffic
from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.lab.expect.logs.nccl import OPERATION, settings_of
from raddle.lab.expect.logs.record import Log, LogRow


def read_nccl_json(file: str, text: str) -> Log:
    """The log of a report, which is one line: its rows have the line of the file's begin.

    Raises:
        InputError: `bad-log`, it is no JSON, no such report, cut off, or has no row with a time.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = error if isinstance(error, json.JSONDecodeError) else json.JSONDecodeError("", text, 0)
        where = SourceSpan(file, place.lineno, place.colno)
        message = f"this JSON cannot be read: {place.msg or error}"
        raise InputError([Diagnostic("bad-log", message, where, "is it cut off? did the run end?")]) from None
    if not isinstance(document.get("results"), list) or not isinstance(document.get("args"), list):
        message = "this JSON is no report of nccl-tests (-J), which has 'args' and 'results'"
        raise _bad(file, message, "give what the tool prints, not its JSON")
    try:
        rows = tuple(row for each in document["results"] if (row := _row(each)) is not None)
        places = _places(document)
        roots = {str(each["root"]).strip() for each in document["results"]} - {"-1"}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(file, f"a part of the report is missing or no number: {error}") from None
    if not rows:
        raise _bad(file, "the report has no result with a time", "did the run fail? run it without -C")
    test = OPERATION.search(str(document["args"][0])) if document["args"] else None
    settings = settings_of(map(str, document.get("env", ())))
    if roots:
        settings["root"] = sorted(roots)[-1]
    name = traffic.find_collective(test[1]).name if test else ""
    return Log(file, "nccl-tests", name, len(places), places, rows, settings)


def _row(result: dict[str, Any]) -> LogRow | None:
    """Of both halves the slower time, as of a table; None where neither has one."""
    halves = [half for key in ("out_of_place", "in_place") if (half := result.get(key))]
    times = [float(half["time"]) for half in halves if "time" in half]
    wrong = [int(float(half["nwrong"])) for half in halves if half.get("nwrong") is not None]
    if not times:
        return None
    if not all(0 < time < 1e18 for time in times):
        raise ValueError(f"a time of {min(times)} us")
    return LogRow(int(result["size"]), max(times), max(wrong, default=None), 1)


def _places(document: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    """Host and device of each rank, in their order."""
    devices = (document.get("config") or {}).get("devices") or ()
    ranked = sorted((int(each["rank"]), str(each["hostname"]), int(each["device"])) for each in devices)
    return tuple((host, device) for _, host, device in ranked)


def _bad(file: str, message: str, hint: str = "") -> InputError:
    return InputError([Diagnostic("bad-log", message, SourceSpan(file, 1, 1), hint)])
