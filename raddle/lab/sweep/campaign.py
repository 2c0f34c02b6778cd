"""A campaign from its file to its results, going on where it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from raddle.lab.sweep.model import Sweep
from raddle.lab.sweep.store import opened
from raddle.lab.sweep.workers import local_rows, ray_rows

Progress = Callable[[int, int], None]
"""Told how many runs are finished, of how many."""


def run_sweep(sweep: Sweep, path: Path, jobs: int, ray: str | None, progress: Progress) -> int:
    """Run what is not finished, and return how many that were.

    Args:
        jobs: processes here, where no address of a Ray cluster is given.

    Raises:
        InputError: those of `opened`, `local_rows` and `ray_rows`.
    """
    subjects = {variables: subject for variables, (subject, _) in sweep.subjects.items()}
    with opened(path, sweep) as store:
        finished = store.finished()
        left = {number: spec for number, spec in sweep.runs.items() if number not in finished}
        done = len(finished)
        progress(done, len(sweep.runs))
        for rows in ray_rows(subjects, left, ray) if ray else local_rows(subjects, left, jobs):
            store.add(rows)
            done += len(rows)
            progress(done, len(sweep.runs))
        return len(left)
