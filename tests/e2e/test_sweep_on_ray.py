"""A campaign on a Ray cluster of two workers, one of which dies, comes to the rows of one without Ray."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from raddle.errors import InputError
from raddle.lab.sweep.campaign import run_sweep
from raddle.lab.sweep.file import read_sweep
from raddle.lab.sweep.model import TIMING, Row
from raddle.lab.sweep.store import opened
from tests.unit.lab.test_sweep import POD, SCENARIO, write_campaign

pytest.importorskip("ray", reason="pip install 'raddle[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Any, list[Any]]]:
    """A head without processors, and two workers with one each."""
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    workers = [found.add_node(num_cpus=1) for _ in range(2)]
    try:
        yield found, workers
    finally:
        found.shutdown()


def columns(rows: list[Row]) -> list[dict[str, object]]:
    return [{name: value for name, value in asdict(row).items() if name not in TIMING} for row in rows]


@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_dies_changes_no_row(cluster: tuple[Any, list[Any]], tmp_path: Path) -> None:
    ray, workers = cluster
    sweep = read_sweep(write_campaign(tmp_path, seeds="1-4"))
    killed = []

    def progress(done: int, total: int) -> None:
        if done >= total // 3 and not killed:
            killed.append(done)
            ray.remove_node(workers[0], allow_graceful=False)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_sweep(sweep, tmp_path / "ray.duckdb", 1, ray.address, progress)
    run_sweep(sweep, tmp_path / "here.duckdb", 2, None, lambda done, total: None)
    assert killed
    with opened(tmp_path / "ray.duckdb") as store:
        on_ray = store.rows()
    with opened(tmp_path / "here.duckdb") as store:
        here = store.rows()
    assert len(here) == len(sweep.runs)
    assert columns(on_ray) == columns(here)


@pytest.mark.filterwarnings("ignore")
def test_scenarios_come_to_the_same_on_ray(cluster: tuple[Any, list[Any]], tmp_path: Path) -> None:
    ray, _ = cluster
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / "ring.yaml").write_text(SCENARIO)
    file = tmp_path / "rings.yaml"
    file.write_text(
        "raddle: 1\nname: rings\nscenario: ring.yaml\nvariables: {size: [64K, 1M]}\n"
        "failures: [none, switches]\n"
    )
    sweep = read_sweep(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_sweep(sweep, tmp_path / "ray.duckdb", 1, ray.address, lambda done, total: None)
    run_sweep(sweep, tmp_path / "here.duckdb", 1, None, lambda done, total: None)
    with opened(tmp_path / "ray.duckdb") as store:
        on_ray = store.rows()
    with opened(tmp_path / "here.duckdb") as store:
        here = store.rows()
    assert len(here) == 6
    assert {row.not_held for row in here} == {0, 1}
    assert columns(on_ray) == columns(here)


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    sweep = read_sweep(write_campaign(tmp_path))
    with pytest.raises(InputError, match=r"no-ray.*no Ray cluster at '127\.0\.0\.1:1'"):
        run_sweep(sweep, tmp_path / "ray.duckdb", 1, "127.0.0.1:1", lambda done, total: None)
