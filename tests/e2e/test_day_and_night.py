"""A bank's day on npu-128: a load curve becomes a schedule, its periods run, and changes take minutes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from raddle.cli.documents import schema_of
from raddle.cli.main import app

DAY = """\
raddle: 1
name: bank
load: load.csv
storage: {hosts: "host[14-15]", rate: 200GBps}
inference:
  instance: 16
  headroom: 10%
  weights: 700GB
  drain: 90s
  warm_up: 60s
  nodes:
    token: {decode: 64, attention: 300us, expert_weights: 44MB, memory: 1.6TBps, simulate: 1}
training:
  replica: 16
  checkpoint: 180GB
  restart: 45s
  nodes:
    step: {training: gpt-13b, layers: 4, pp: 2, micro_batches: 2, tflops: 150}
"""
LOAD = "time,tokens_per_s\n00:00,12000\n08:00,85000\n20:00,12000\n"
GBPS_STORAGE = 16 * 200e9 / 8 / 1e9
"""Of the 16 NICs of storage, line rate."""


def test_day_serves_night_trains_and_changes_are_told_in_minutes(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text(LOAD)
    (tmp_path / "day.yaml").write_text(DAY)
    run = CliRunner().invoke(app, ["elastic", str(tmp_path / "day.yaml"), "npu-128-910b", "--json"])
    assert run.exit_code == 0, run.output
    day = json.loads(run.stdout)
    Draft202012Validator(schema_of("elastic-result")).validate(day)
    # Computing of a token: attention, and reading 16 experts of 44 MB, in 61 layers.
    computing_s = 61 * (300e-6 + 16 * 44e6 / 1.6e12)
    assert 0.5 * 64 / computing_s < day["tokens_per_s"] < 64 / computing_s
    night, noon, evening = day["periods"]
    instances = -(-85000 * 1.1 // (16 * day["tokens_per_s"]))
    assert (night["serving"], noon["serving"], evening["serving"]) == (16, 16 * instances, 16)
    assert all(row["serving"] + row["training"] + row["idle"] == 112 for row in day["periods"])
    assert night["training"] == 96
    assert noon["missing_per_s"] == 0
    assert noon["served_tokens"] == 85000 * 12 * 3600
    morning, back = day["changes"]
    assert [stage["name"] for stage in morning["stages"]] == [
        "checkpoint",
        "plan and push",
        "load",
        "groups",
        "warm up",
    ]
    assert back["stages"][0]["name"] == "drain"
    assert morning["begin_s"] + morning["time_ps"] / 1e12 == 8 * 3600
    load = morning["stages"][2]
    moved_gb = 700 * (instances - 1) + 180 * noon["training"] / 16
    # Over the fabric all NICs of storage are busy; the storage itself is the slower one.
    assert load["network_ps"] / 1e12 == pytest.approx(moved_gb / GBPS_STORAGE * 4178 / 4096, rel=0.01)
    assert load["time_ps"] / 1e12 == pytest.approx(moved_gb / 200, rel=1e-6)
    assert 0.03 < morning["network_ps"] / morning["time_ps"] < 0.5
    assert 1 < morning["time_ps"] / 60e12 < 5
    assert morning["lost_steps"] > 0
    assert back["lost_tokens"] == pytest.approx(
        16 * (instances - 1) * noon["tokens_per_s"] * back["time_ps"] / 1e12
    )
