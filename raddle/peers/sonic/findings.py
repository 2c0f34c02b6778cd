"""What an import could not take over, or took over as it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["conflict", "not adopted", "assumed", "recorded", "left alone"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that a person should know.

    Attributes:
        kind: `conflict`, two sources disagree; `not adopted`, the fabric file cannot say it, and raddle does
            not touch it; `assumed`, the switches do not tell; `recorded`, otherwise than raddle would have
            it, and kept so by the record; `left alone`, none of raddle's business.
        place: file, table and key: `leaf0.json: INTERFACE|Ethernet0`.
        text: what it is.
    """

    kind: Kind
    switch: str
    place: str
    text: str
