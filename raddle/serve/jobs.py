"""Benches that somebody starts from the page: one at a time, each a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from raddle.controller.service.events import Event
from raddle.errors import InputError
from raddle.serve.view import LiveView
from raddle.traffic.registry import COLLECTIVES
from raddle.units import parse_message_bytes

_MOST_BYTES = 2**34


_ROW = re.compile(r"(\d+) +\d+ +\w+ +\w+ +-?\d+ +([\d.e+]+) +[\d.e+]+ +([\d.e+]+) ")
"""A row of nccl-tests' table: size, time in us, busbw; rows of what did not end have no numbers."""


def _bytes(size: object) -> int:
    try:
        size_bytes = parse_message_bytes(str(size))
    except ValueError as error:
        raise InputError.of("bad-bench", f"size: {error}", "write it as 16M") from None
    if not 0 < size_bytes <= _MOST_BYTES:
        raise InputError.of("bad-bench", f"the size {size} is not in 1..16G", "write it as 16M")
    return size_bytes


class Jobs:
    """Runs `raddle bench` on a fabric file and keeps its page in `folder`."""

    def __init__(self, view: LiveView, fabric: str, folder: Path) -> None:
        self._view, self._fabric, self._folder = view, fabric, folder
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def start(self, collective: object, size: object, largest: object = None) -> int:
        """Start one, of a size or of sizes up to another, and give its number.

        Raises:
            InputError: `bad-bench`: it cannot be, or one is running.
        """
        names = [each.name for each in COLLECTIVES]
        if collective not in names:
            raise InputError.of(
                "bad-bench", f"no collective {collective!r} to bench", f"there are {', '.join(names)}"
            )
        last = largest or size
        if _bytes(last) < _bytes(size):
            raise InputError.of("bad-bench", f"{last} is less than {size}", "give the smaller size first")
        with self._lock:
            if self._process and self._process.poll() is None:
                raise InputError.of("bad-bench", "a bench is running", "wait until it has ended")
            number = len(self._view.jobs) + 1
            words = ["bench", self._fabric, "--collective", str(collective), "--html", str(self.page(number))]
            words += ["-b", str(size), "-e", str(last), "-f", "4"]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "raddle", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            job = {
                "number": number,
                "collective": f"{collective} {size}{f' to {last}' if last != size else ''}",
                "state": "runs",
                "says": "",
                "has_page": False,
                "rows": [],
            }
            with self._view.lock:
                self._view.jobs.append(job)
        self._view.hear(Event("bench", f"{collective} {size} has started"))
        threading.Thread(target=self._follow, args=(self._process, job), daemon=True).start()
        return number

    def page(self, number: int) -> Path:
        """Where the page of a bench is, once there is one."""
        return self._folder / f"bench-{number}.html"

    def stop(self) -> None:
        """End what runs."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)

    def _follow(self, process: subprocess.Popen[str], job: dict[str, Any]) -> None:
        assert process.stdout
        for line in process.stdout:
            if text := line.strip():
                with self._view.lock:
                    job["says"] = text
                    if row := _ROW.match(text):
                        job["rows"].append([int(row[1]), float(row[2]) / 1e6, float(row[3])])
        code = process.wait()
        with self._view.lock:
            job["state"] = "done" if code == 0 else f"ended with {code}"
            job["has_page"] = self.page(job["number"]).exists()
        self._view.hear(Event("bench", f"{job['collective']}: {job['state']}"))
