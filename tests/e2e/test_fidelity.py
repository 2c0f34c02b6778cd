"""`--fidelity`: what moves, what a result then lacks, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from raddle.cli.main import app
from raddle.errors import InputError

FABRIC = "leaf-spine-16"


def raddle(*words: str) -> Result:
    return CliRunner().invoke(app, words, catch_exceptions=False)


def simulate(folder: Path, rows: str, *options: str) -> Result:
    (folder / "flows.csv").write_text(rows)
    return raddle(
        "simulate",
        FABRIC,
        "--flows",
        str(folder / "flows.csv"),
        "-o",
        str(folder / "out"),
        "--json",
        *options,
    )


def test_a_benchmark_as_fluid_names_what_it_lacks_and_has_no_zero_for_it() -> None:
    text = raddle("bench", FABRIC, "-b", "1M", "-e", "1M", "--fidelity", "fluid").stdout
    flat = " ".join(text.replace("\n#", " ").split())
    assert "not simulated: queues, ECN marks, PFC pauses, drops and what is sent again" in flat
    assert "No PFC pause" not in text
    done = raddle("bench", FABRIC, "-b", "1M", "-e", "1M", "--fidelity", "fluid", "--json")
    document = json.loads(done.stdout)
    (row,) = document["rows"]
    assert document["fidelity"] == "fluid"
    assert row["wrong"] == 0
    assert [row[name] for name in ("pfc_pauses", "pfc_pause_ps", "ecn_marks", "drops")] == [None] * 4
    assert {link["max_queue_bytes"] for link in document["links"]} == {None}
    packets = json.loads(raddle("bench", FABRIC, "-b", "1M", "-e", "1M", "--json").stdout)
    assert row["time_ps"] == pytest.approx(packets["rows"][0]["time_ps"], rel=0.01)
    assert [link["tx_bytes"] for link in document["links"]] == [link["tx_bytes"] for link in packets["links"]]


def test_a_run_as_fluid_has_empty_cells_where_packets_would_count(tmp_path: Path) -> None:
    done = simulate(tmp_path, "src,dst,bytes\n0,9,100000\n1,9,100000\n", "--fidelity", "fluid")
    document = json.loads(done.stdout)
    assert document["fidelity"] == "fluid"
    assert document["flows"] == {"done": 2}
    assert [document[name] for name in ("packets", "drops", "ecn_marks", "pfc_pauses")] == [None] * 4
    assert document["left_out"]
    with (tmp_path / "out/fct.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row[name] for row in rows for name in ("retransmitted", "timeouts", "cnps")} == {""}
    with (tmp_path / "out/ports.csv").open(newline="") as file:
        ports = list(csv.DictReader(file))
    assert {row[name] for row in ports for name in ("ecn_marks", "max_queue_bytes", "pauses")} == {""}
    assert sum(int(row["tx_frames"]) for row in ports) > 0


def test_auto_says_why_nothing_was_computed(tmp_path: Path) -> None:
    row = "src,dst,bytes\n0,9,100000\n"
    why = json.loads(simulate(tmp_path, row).stdout)["not_forwarded"]
    assert why == {
        "why": "its flows are not 64 or more steps that are all alike",
        "has_steps": False,
        "not_flowed": "",
    }
    assert json.loads(simulate(tmp_path, row, "--fidelity", "packet").stdout)["not_forwarded"] is None


def test_a_cut_as_fluid_costs_the_time_until_it_is_noticed(tmp_path: Path) -> None:
    row, cut = "src,dst,bytes\n0,9,4000000\n", ("--fail", "host9@10us..40us", "--detection", "5us")
    ends, left_out = [], []
    for options in ((), cut):
        document = json.loads(simulate(tmp_path, row, "--fidelity", "fluid", *options).stdout)
        ends.append(document["fct_ps"]["max"])
        left_out.append(document["left_out"])
    assert len(left_out[0]) == 1
    assert left_out[1][:1] == left_out[0]
    assert "timeout of 67.11ms" in left_out[1][1]
    assert ends[1] - ends[0] == pytest.approx(35e6, abs=2)  # its own cable: up again 5 us after the mending


def test_what_only_packets_have_is_refused_before_anything_is_programmed(tmp_path: Path) -> None:
    faults = tmp_path / "faults.csv"
    faults.write_text("what,where,from,until,value\nstorm,host3,1us,2us,3\n")
    options = ("--fidelity", "fluid", "--series", "1us", "--faults", str(faults), "--trace", "host3")
    with pytest.raises(InputError) as refused:
        simulate(tmp_path, "src,dst,bytes\n0,9,1\n", *options)
    assert str(refused.value) == "\n".join(
        f"error[no-fluid]: messages that flow have no packets: {what}\n  hint: take --fidelity packet"
        for what in (
            "there are no frames that --trace could record",
            "there are no queues that --series could sample",
            "a fault 'storm' would do nothing",
        )
    )
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_trains_end_with_packets_and_count_as_many_frames() -> None:
    runs = []
    for fidelity in ("packet", "train:8"):
        done = raddle("bench", FABRIC, "-b", "4M", "-e", "4M", "--fidelity", fidelity, "--json")
        runs.append(json.loads(done.stdout))
    packets, trains = runs
    assert trains["rows"][0]["time_ps"] == pytest.approx(packets["rows"][0]["time_ps"], rel=1e-3)
    sent = [[link["tx_bytes"] for link in run["links"]] for run in runs]
    assert sent[0] == sent[1]
    assert trains["left_out"][0].startswith("frames one by one, but up to 8 at once; against packets, ")


def test_what_trains_cannot_say_is_refused() -> None:
    length = "16 frames of 4158 bytes are 66528; a train has at most 65535"
    with pytest.raises(InputError) as too_long:
        raddle("bench", FABRIC, "-b", "1M", "-e", "1M", "--fidelity", "train:16")
    assert str(too_long.value) == f"error[no-train]: {length}\n  hint: take --fidelity train:15"
    none = raddle("bench", FABRIC, "--fidelity", "train:1")
    assert none.exit_code == 2
    assert (
        "'train:1' is no fidelity; expected auto, packet, fluid, or train:N with N from 2 to 32"
        in " ".join(none.output.split())
    )


def test_frames_that_are_recorded_are_no_trains(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        simulate(tmp_path, "src,dst,bytes\n0,9,1\n", "--fidelity", "train:8", "--trace", "host3")
    told = "error[no-train]: frames cannot go in trains: --trace records them one by one"
    assert str(refused.value) == f"{told}\n  hint: take --fidelity packet"
