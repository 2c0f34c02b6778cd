"""A collective on every group of a set: any that `raddle bench` knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raddle.errors import InputError
from raddle.lab.graph.groups import EVERYONE, Group
from raddle.lab.graph.kinds.record import Context, Made, NodeKind, StreamSpec
from raddle.lab.graph.model import Ints, Part, Step
from raddle.lab.workloads.matrix_file import read_matrix
from raddle.topology.yaml.fields import MessageSize, Name, Position, Text
from raddle.traffic import Terms
from raddle.units import format_size
from raddle.workload import Workload


class CollectiveSpec(StreamSpec):
    """A collective: `{collective: all_reduce, size: 64MiB, group: GROUP}`."""

    collective: Text
    """Its name: all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, ..."""
    size: MessageSize
    """Bytes of the whole buffer, as `raddle bench` takes them."""
    group: Name = EVERYONE
    """The groups that run it, side by side."""
    algorithm: Text | None = None
    """One of its algorithms, `auto`, or a schedule FILE.xml [default: as `raddle bench`]."""
    root: Position | None = None
    """Rank of each group that it starts from or ends at."""


class MatrixSpec(StreamSpec):
    """An all-to-all with sizes from a file: `{matrix: FILE.csv, group: GROUP}`."""

    matrix: Text
    """CSV of bytes: what each rank of a group (row) sends each (column)."""
    group: Name = EVERYONE
    """The groups that run it, side by side."""
    algorithm: Text | None = None
    """`pairwise`, `direct` or `pxn` [default: as `raddle bench`]."""


_OF_ALGORITHMS = ("unknown-algorithm", "bad-algorithm", "bad-hccl-algo")


def collective_step(
    context: Context,
    group: Group,
    collective: str,
    algorithm: str | None,
    size_bytes: int,
    terms: Terms,
    stream: str,
    label: str,
) -> tuple[Step, str]:
    """A collective on each of some groups, and the algorithm that runs.

    Raises:
        InputError: as `find_job` does.
    """
    made: dict[tuple[object, ...], Workload] = {}
    parts, name = [], ""
    for ranks in group.parts:
        job = context.job(ranks, collective, algorithm, size_bytes, terms)
        name, protocol = job.chosen(size_bytes)
        shape = job.shape
        hosts = b"" if shape.host is None else _pattern(shape.host)
        connected = _pattern(shape.domain), hosts, shape.rail.tobytes(), shape.channels, shape.has_in_network
        key = (name, protocol, *connected)
        if key not in made:
            made[key] = job.workload(size_bytes)
        parts.append(Part(ranks, made[key]))
    return Step(tuple(parts), stream, label), name


def _pattern(domain: Ints | np.ndarray) -> bytes:
    """Which ranks share a domain, whatever its number."""
    number = np.unique(domain, return_inverse=True)[1]
    return np.where(domain < 0, -1, number).tobytes()


def _collective(spec: CollectiveSpec, context: Context) -> Made:
    group, terms = context.group(spec.group, "group"), Terms(root=spec.root)
    label = spec.collective.lower().replace("-", "_")
    try:
        step, algorithm = collective_step(
            context,
            group,
            spec.collective,
            spec.algorithm,
            spec.size,
            terms,
            spec.stream or spec.group,
            label,
        )
    except InputError as error:
        is_algorithm = spec.algorithm and all(each.code in _OF_ALGORITHMS for each in error.diagnostics)
        raise context.placed(error, "algorithm" if is_algorithm else "collective") from None
    of_size = {len(ranks): ranks for ranks in group.parts}.values()
    jobs = [context.job(ranks, spec.collective, spec.algorithm, spec.size, terms) for ranks in of_size]
    cut = {job.buffer(spec.size).size_bytes for job in jobs} - {spec.size}
    said = f", cut to {' and '.join(f'{each} B' for each in sorted(cut))}" if cut else ""
    return Made((step,), f"{label} {algorithm} {format_size(spec.size)}{said}")


def _matrix(spec: MatrixSpec, context: Context) -> Made:
    group, path = context.group(spec.group, "group"), context.folder / Path(spec.matrix)
    try:
        terms = Terms(matrix=read_matrix(path), matrix_file=str(path))
        size_bytes = int(terms.matrix.sum(axis=1).max())  # type: ignore[union-attr]
        step, algorithm = collective_step(
            context,
            group,
            "all_to_all_v",
            spec.algorithm,
            size_bytes,
            terms,
            spec.stream or spec.group,
            "all_to_all_v",
        )
    except InputError as error:
        raise context.placed(error, "matrix") from None
    return Made((step,), f"all_to_all_v {algorithm} of {spec.matrix}")


COLLECTIVE_KIND = NodeKind("collective", CollectiveSpec, _collective)
MATRIX_KIND = NodeKind("matrix", MatrixSpec, _matrix)
