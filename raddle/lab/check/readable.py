"""What is tried of a file that needs a fabric to be run: can it be read?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from raddle.errors import InputError
from raddle.lab.check.files import Kind
from raddle.lab.cost.prices import read_prices
from raddle.lab.elastic.file import day_file
from raddle.lab.graph.file import workload_file
from raddle.lab.sweep.file import read_sweep
from raddle.report.cases import Case


def check_file(path: Path, kind: Kind) -> Case:
    """Whether a file of a kind can be read, and what it is."""
    file = str(path)
    try:
        return Case(file, "read", file, fact=_READERS[kind](path))
    except InputError as error:
        return Case(file, "read", file, error.diagnostics)


def _workload(path: Path) -> str:
    _, spec = workload_file(path)
    nodes = len(spec.nodes or ()) + sum(len(job.nodes) for job in (spec.jobs or {}).values())
    return f"a workload of {nodes} nodes; scenarios that name it run it"


def _sweep(path: Path) -> str:
    sweep = read_sweep(path)
    return f"a sweep of {len(sweep.runs)} runs; 'raddle sweep' runs it"


def _prices(path: Path) -> str:
    spec = read_prices(path).spec
    return f"prices of {len(spec.switches)} switches, {len(spec.nics)} NICs and {len(spec.cables)} cables"


def _day(path: Path) -> str:
    _, _, loads = day_file(path)
    return f"a day of {len(loads)} loads; 'raddle elastic' simulates it"


_READERS: Mapping[Kind, Callable[[Path], str]] = {
    "workload": _workload,
    "sweep": _sweep,
    "prices": _prices,
    "day": _day,
}
