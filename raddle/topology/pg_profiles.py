"""SONiC's pg_profile_lookup.ini: a vendor's headroom by speed and cable length.

Source: sonic-swss cfgmgr/buffermgr.cpp (lines of speed in Mb/s, cable length, size, xon, xoff, threshold and
perhaps xon_offset; `#` begins a comment).
"""

from __future__ import annotations

import re
from pathlib import Path

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.topology.model import PgProfile, SwitchModel
from raddle.topology.yaml.source import read_text

_LINE = re.compile(r"(\d{1,9})\s+(\d{1,6})m\s+\d+\s+\d+\s+(\d{1,12})\s+-?\d+(\s+\d+)?")


def read_pg_profiles(path: Path) -> tuple[PgProfile, ...]:
    """The rows of a file, by speed and length.

    Raises:
        InputError: `bad-pg-profiles`, a line is no row or contradicts another, or there is none; or the file
            cannot be read.
    """
    rows: dict[tuple[str, str], PgProfile] = {}
    problems = []
    content = read_text(path)
    if "BUFFER_POOL" in content:
        raise InputError.of(
            "bad-pg-profiles",
            f"'{path}' has buffer pools: a buffers_defaults file, not a pg_profile_lookup.ini",
            "name it as 'buffers_defaults', and here the HwSKU's pg_profile_lookup.ini",
        )
    for number, line in enumerate(content.splitlines(), 1):
        text = line.partition("#")[0].strip()
        found = _LINE.fullmatch(text)
        if found:
            row = PgProfile(int(found[1]) * 10**6, float(found[2]), int(found[3]))
            if rows.setdefault((found[1], found[2]), row) != row:
                span = SourceSpan(str(path), number, 1, text=line)
                message = f"a second row of speed {found[1]} and {found[2]}m, with another size"
                hint = "leave one; SONiC's buffermgrd keeps the last"
                problems.append(Diagnostic("bad-pg-profiles", message, span, hint))
        elif text:
            span = SourceSpan(str(path), number, 1, text=line)
            hint = "write speed, cable, size, xon, xoff, threshold: 400000 40m 1248 2288 396640 0 2288"
            problems.append(Diagnostic("bad-pg-profiles", f"'{text}' is no row of profiles", span, hint))
    if problems:
        raise InputError(problems)
    if not rows:
        raise InputError.of(
            "bad-pg-profiles", f"'{path}' has no row", "give the HwSKU's pg_profile_lookup.ini"
        )
    return tuple(sorted(rows.values(), key=lambda row: (row.speed_bps, row.cable_m)))


def pg_profile(model: SwitchModel, speed_bps: int, cable_m: float) -> PgProfile | None:
    """The row that SONiC would take: that of the shortest length that is as long as the cable."""
    rows = (row for row in model.pg_profiles if row.speed_bps == speed_bps and row.cable_m >= cable_m)
    return next(rows, None)
