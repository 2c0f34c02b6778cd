"""A file -> the measurement in it, by what it looks like."""

from __future__ import annotations

from pathlib import Path

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.lab.expect.logs.hccl import is_hccl, read_hccl
from raddle.lab.expect.logs.nccl import is_nccl, read_nccl
from raddle.lab.expect.logs.perftest import is_perftest, read_perftest
from raddle.lab.expect.logs.record import Line, Log

_READERS = ((is_perftest, read_perftest), (is_hccl, read_hccl), (is_nccl, read_nccl))
_MOST_BYTES = 256 << 20


def read_log(path: Path) -> Log:
    """Read the output of nccl-tests, rccl-tests, hccl_test or perftest, with whatever stands around it.

    Raises:
        InputError: `no-log`, the file cannot be read; `bad-log`, it is none of these, or a row is wrong.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError.of("bad-log", f"'{path}' is larger than 256 MiB", "cut the table out")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError.unreadable("no-log", path, error) from None
    lines = [Line.of(number, line) for number, line in enumerate(text.splitlines(), 1)]
    for matches, read in _READERS:
        if matches(lines):
            return read(str(path), lines)
    message = "this is no output of nccl-tests, rccl-tests, hccl_test or perftest"
    raise InputError([Diagnostic("bad-log", message, SourceSpan(str(path), 1, 1))])
