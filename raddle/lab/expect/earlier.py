"""Files of earlier benchmarks and measured logs -> curves of bus bandwidth over size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from raddle import traffic
from raddle.errors import InputError
from raddle.lab.expect.logs.read import read_logs
from raddle.lab.expect.logs.record import Log
from raddle.report.earlier import EarlierCurve

_HINT = "give the output of 'raddle bench --json', of nccl-tests, rccl-tests or hccl_test"


def read_earlier(path: Path, collective: str, ranks: int) -> tuple[EarlierCurve, ...]:
    """The curves of a file, which are of this collective.

    Args:
        ranks: of a log that does not say how many it has.

    Raises:
        InputError: `bad-baseline` or those of `read_logs`: it cannot be read, or is of something else.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError.unreadable("bad-baseline", path, error) from None
    if text.lstrip().startswith("{"):
        return _of_results(path, text, collective)
    logs = read_logs(path)
    own = [log for log in logs if not log.pair and log.collective in ("", collective)]
    if not own:
        log = logs[0]
        what = f"{log.tool}'s {log.collective}" if log.pair else log.collective
        raise InputError.of("bad-baseline", f"'{path}' is of {what}, not of {collective}", _HINT)
    return tuple(_of_log(path, log, collective, ranks) for log in own)


def _of_log(path: Path, log: Log, collective: str, ranks: int) -> EarlierCurve:
    kind = traffic.find_collective(collective)
    points = tuple(
        (row.size_bytes, kind.bandwidth_gbs(log.ranks or ranks, row.size_bytes, round(row.time_us * 1e6))[1])
        for row in log.rows
        if row.size_bytes and row.time_us > 0
    )
    return EarlierCurve(path.name + log.file.removeprefix(str(path)), "log", log.ranks, points)


def _of_results(path: Path, text: str, collective: str) -> tuple[EarlierCurve, ...]:
    try:
        document = json.loads(text)
        curves = tuple(_of_result(path, each, collective) for each in document.get("jobs", [document]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise InputError.of("bad-baseline", f"'{path}' is no result of a benchmark", _HINT) from None
    return curves


def _of_result(path: Path, result: dict[str, Any], collective: str) -> EarlierCurve:
    if result["collective"] != collective:
        message = f"'{path}' is of {result['collective']}, not of {collective}"
        raise InputError.of("bad-baseline", message, _HINT)
    points = tuple(
        (int(row["size_bytes"]), float(row["busbw_gbs"]))
        for row in result["rows"]
        if row["busbw_gbs"] is not None
    )
    tenant = f", {result['tenant']}" if result["tenant"] else ""
    return EarlierCurve(f"{path.name}{tenant}", "baseline", int(result["ranks"]), points)
