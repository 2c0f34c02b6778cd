"""The source ports of a plan as a file for those who set them: hosts' NICs, or a collective library."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from raddle.controller.plan.model import Plan
from raddle.errors import InputError

COLUMNS = ("src", "dst", "data", "acks")


def source_ports_text(plan: Plan) -> str:
    """A row for each pair of hosts: the UDP source ports of the requester's and the responder's packets."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows((each.src, each.dst, each.data, each.acks) for each in plan.source_ports)
    return text.getvalue()


def write_source_ports(plan: Plan, file: Path) -> None:
    """Have a file say what a plan asks of hosts: whole or not at all, and only where that has changed.

    Raises:
        InputError: `cannot-write`.
    """
    text = source_ports_text(plan)
    draft = file.with_name(f"{file.name}.part")
    try:
        if file.exists() and file.read_text() == text:
            return
        draft.write_text(text)
        draft.replace(file)
    except OSError as error:
        raise InputError.of("cannot-write", f"cannot write '{file}': {error.strerror}") from None
