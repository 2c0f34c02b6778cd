"""What a campaign runs, and what comes of each run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from raddle.topology.model import Fabric

Variables = tuple[tuple[str, str], ...]

NO_FAILURE = "none"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run: a collective on a fabric, some of whose links may be down from the start.

    Attributes:
        fabric: its name; variables: values of its file's, by name, as written.
        algorithm: None is the usual one.
        failure: what is down, in words; `down` its links by number.
    """

    fabric: str
    variables: Variables
    routing: str
    congestion_control: str
    collective: str
    algorithm: str | None
    size_bytes: int
    placement: str
    qps: int
    fidelity: str
    failure: str
    seed: int
    down: tuple[int, ...] = ()

    def run_id(self, digest: str) -> str:
        """What tells it from every other: 16 hexadecimal digits over all of it and the fabric's digest."""
        text = json.dumps([asdict(self), digest], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a run; None where it did not finish, or has no packets.

    Attributes:
        ranks: those that a NIC still connects.
        error: why it could not run; empty where it did.
        cpu_s, wall_s: of the process that ran it; they differ from run to run.
    """

    run_id: str
    fabric: str
    variables: str
    routing: str
    congestion_control: str
    collective: str
    algorithm: str
    size_bytes: int
    placement: str
    qps: int
    fidelity: str
    failure: str
    failed_links: int
    seed: int
    ranks: int
    time_ps: int | None
    algbw_gbs: float | None
    busbw_gbs: float | None
    wrong: int | None
    drops: int | None
    pfc_pauses: int | None
    ecn_marks: int | None
    error: str
    cpu_s: float
    wall_s: float


TIMING = ("cpu_s", "wall_s")
"""Columns that are not the same when a run is repeated."""


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """A campaign.

    Attributes:
        fabrics: by the values of their variables, with the digest of each.
        runs: in the order in which they are started; by their numbers.
    """

    name: str
    file: str
    fabrics: Mapping[Variables, tuple[Fabric, str]]
    runs: Mapping[str, RunSpec]

    @property
    def digest(self) -> str:
        """Of all its runs."""
        return hashlib.sha256("".join(self.runs).encode()).hexdigest()[:16]
