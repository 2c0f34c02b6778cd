"""Who runs the runs of a campaign: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from raddle.errors import InputError
from raddle.lab.sweep.model import Row, RunSpec, Subject, Variables
from raddle.lab.sweep.work import run_one

_TRIES = 4
"""How often a run is tried whose worker dies."""

_ANSWER_S = 5.0

_AHEAD = 4
"""Runs that wait for each worker, so that none is idle."""

_subjects: Mapping[Variables, Subject] = {}


def _remember(subjects: Mapping[Variables, Subject]) -> None:
    global _subjects
    _subjects = subjects
    Thread(target=_follow_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"


def _follow_parent() -> None:
    """End with the process that started this one, which may be killed and then tells nobody."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _run(run_id: str, spec: RunSpec) -> Row:
    return run_one(_subjects[spec.variables], run_id, spec)


def local_rows(
    subjects: Mapping[Variables, Subject], runs: Mapping[str, RunSpec], jobs: int
) -> Iterator[list[Row]]:
    """Rows as they come, of so many processes. Those that die are started again.

    Raises:
        InputError: `worker-died`, a run has ended its process each time.
    """
    left, tries = dict(runs), dict.fromkeys(runs, 0)
    while left:
        try:
            for rows in _pool_rows(subjects, left, jobs, tries):
                for row in rows:
                    del left[row.run_id]
                yield rows
        except BrokenProcessPool:
            lost = [number for number in left if tries[number] >= _TRIES]
            if lost:
                message = f"run {lost[0]} has ended its process {_TRIES} times: {left[lost[0]]}"
                raise InputError.of(
                    "worker-died", message, "is there memory enough? try fewer --jobs"
                ) from None


def _pool_rows(
    subjects: Mapping[Variables, Subject], runs: Mapping[str, RunSpec], jobs: int, tries: dict[str, int]
) -> Iterator[list[Row]]:
    with ProcessPoolExecutor(jobs, get_context("spawn"), _remember, (subjects,)) as pool:
        pending: set[Future[Row]] = set()
        waiting = iter(list(runs.items()))
        try:
            while True:
                while len(pending) < jobs * _AHEAD and (following := next(waiting, None)):
                    tries[following[0]] += 1
                    pending.add(pool.submit(_run, *following))
                if not pending:
                    return
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield [each.result() for each in done]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def ray_rows(
    subjects: Mapping[Variables, Subject], runs: Mapping[str, RunSpec], address: str
) -> Iterator[list[Row]]:
    """Rows as they come, of the workers of a Ray cluster, which repeats what dead ones have not finished.

    Raises:
        InputError: `no-ray`, it is not installed or does not answer.
    """
    ray = _connected(address)
    try:
        task = ray.remote(max_retries=_TRIES, num_cpus=1)(run_one)
        held = {variables: ray.put(subject) for variables, subject in subjects.items()}
        most = max(2, round(ray.cluster_resources().get("CPU", 1))) * _AHEAD
        waiting = iter(runs.items())
        pending: list[Any] = []
        while True:
            while len(pending) < most and (following := next(waiting, None)):
                number, spec = following
                pending.append(task.remote(held[spec.variables], number, spec))
            if not pending:
                return
            done, pending = ray.wait(pending, num_returns=1)
            yield [ray.get(each) for each in done]
    finally:
        ray.shutdown()


def _connected(address: str) -> Any:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise InputError.of("no-ray", "Ray is not installed", "pip install 'raddle[ray]'") from None
    try:
        _answers(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError.of(
            "no-ray", f"no Ray cluster at '{address}': {reason}", "start it with ray start --head"
        ) from None
    return ray


def _answers(address: str) -> None:
    """Raise OSError where nothing listens, which Ray itself tries for a minute."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.removeprefix("ray://"), int(port)), _ANSWER_S).close()
