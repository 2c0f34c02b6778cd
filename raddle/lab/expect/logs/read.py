"""A file -> the measurements in it, by what they look like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.lab.expect.logs import hccl, nccl, perftest
from raddle.lab.expect.logs.nccl_json import read_nccl_json
from raddle.lab.expect.logs.record import Line, Log, lines_of

_TOOLS = (
    (perftest.HEAD, perftest.is_row, perftest.read_perftest),
    (hccl.HEAD, hccl.is_row, hccl.read_hccl),
    (nccl.HEAD, nccl.is_row, nccl.read_nccl),
)
_HEADS = tuple(head for head, _, _ in _TOOLS)
_MOST_BYTES = 256 << 20


def read_logs(path: Path) -> list[Log]:
    """Read the output of nccl-tests, rccl-tests, hccl_test or perftest, with whatever stands around it.

    The report of nccl-tests' -J is read, too.

    A file with several tables holds several tests; each is a log, named by the line of its head.

    Raises:
        InputError: `no-log`, the file cannot be read; `bad-log`, it is none of these, or a row is wrong.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError.of("bad-log", f"'{path}' is larger than 256 MiB", "cut the table out")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError.unreadable("no-log", path, error) from None
    if text.lstrip().startswith("{"):
        return [read_nccl_json(str(path), text)]
    tests = list(_tests(lines_of(text, _HEADS)))
    logs = [_read(str(path), lines) for lines in tests]
    if len(logs) == 1:
        return logs
    heads = [next(line.number for line in lines if _tool(line) is not None) for lines in tests]
    return [replace(log, file=f"{path}:{line}") for log, line in zip(logs, heads, strict=True)]


def _tests(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    """The lines of each test: one ends with its last row before the head of another table."""
    begin, last, tool = 0, None, None
    for at, line in enumerate(lines):
        if (found := _tool(line)) is not None:
            tool = found
            if last is not None:
                yield lines[begin : last + 1]
                begin, last = last + 1, None
        elif tool is not None and _TOOLS[tool][1](line.text):
            last = at
    yield lines[begin:]


def _tool(line: Line) -> int | None:
    """The tool that prints such a head of a table."""
    return next((at for at, head in enumerate(_HEADS) if head.match(line.text)), None)


def _read(file: str, lines: Sequence[Line]) -> Log:
    tool = next(filter(lambda at: at is not None, map(_tool, lines)), None)
    if tool is not None:
        return _TOOLS[tool][2](file, lines)
    if nccl.is_begun(lines):
        return nccl.read_nccl(file, lines)
    message = "this is no output of nccl-tests, rccl-tests, hccl_test or perftest"
    raise InputError([Diagnostic("bad-log", message, SourceSpan(file, 1, 1))])
