"""What a check of switches finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be. `place` is the way to its cause in the fabric file."""

    code: str
    message: str
    hint: str
    place: tuple[str | int, ...]
    severity: str = "error"
