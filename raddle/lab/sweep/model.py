"""What a campaign runs, and what comes of each run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from raddle.lab.scenario.file import Scenario
from raddle.topology.model import Fabric

Variables = tuple[tuple[str, str], ...]

Subject = Fabric | Scenario
"""What runs run: a collective on a fabric, or a scenario."""

NO_FAILURE = "none"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run: a collective on a fabric, some of whose links may be down from the start.

    Attributes:
        fabric: its name; variables: values of its file's, by name, as written.
        algorithm: None is the usual one.
        failure: what is down, in words; `down` its links by number.
        of: the scenario or workload that runs, by name, in place of a collective; empty where one does. Then
            `collective` and `placement` are empty, `size_bytes` and `qps` are 0.
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
    of: str = ""

    def run_id(self, digest: str) -> str:
        """What tells it from every other: 16 hexadecimal digits over all of it and the fabric's digest."""
        text = json.dumps([asdict(self), digest], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a run; None where it did not finish, or has no packets.

    Attributes:
        of: as in `RunSpec`.
        ranks: those that a NIC still connects; of a scenario, those of all jobs.
        measured: what a scenario expects something of, and the times of jobs in ps, by name: a JSON object.
            Empty for a collective.
        not_held: expectations that do not hold; None for a collective.
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
    of: str
    measured: str
    not_held: int | None
    error: str
    cpu_s: float
    wall_s: float


TIMING = ("cpu_s", "wall_s")
"""Columns that are not the same when a run is repeated."""


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """A campaign.

    Attributes:
        subjects: what runs, by the values of variables, with the digest of each: a fabric, for a collective
            on it, or a scenario.
        runs: in the order in which they are started; by their numbers.
    """

    name: str
    file: str
    subjects: Mapping[Variables, tuple[Subject, str]]
    runs: Mapping[str, RunSpec]

    @property
    def digest(self) -> str:
        """Of all its runs."""
        return hashlib.sha256("".join(self.runs).encode()).hexdigest()[:16]
