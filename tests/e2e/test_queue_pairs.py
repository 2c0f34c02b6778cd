"""Several queue pairs per connection, through the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from raddle.cli.main import app


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def flow(folder: Path, *options: str) -> dict[str, str]:
    """fct.csv's row of one flow of 100 packets, alone."""
    (folder / "flows.csv").write_text("src,dst,bytes\n0,9,409600\n")
    run(
        "simulate", "leaf-spine-16", "--flows", str(folder / "flows.csv"), "-o", str(folder / "out"), *options
    )
    with (folder / "out/fct.csv").open(newline="") as file:
        return next(csv.DictReader(file))


def bench(*options: str) -> dict[str, Any]:
    arguments = ("bench", "leaf-spine-16", "--placement", "strided", "--routing", "ecmp", "--json")
    document: dict[str, Any] = json.loads(run(*arguments, "-b", "4M", "-e", "4M", *options))
    return document


def test_message_in_whole_packets_takes_as_long_over_two_queue_pairs_as_over_one(tmp_path: Path) -> None:
    # 409600 bytes are 100 packets on one queue pair and 2 x 50 on two: the NIC's line is what bounds both.
    one = flow(tmp_path)
    assert one["slowdown"] == "1.000000"
    for split in ("--split-data", "--no-split-data"):
        assert flow(tmp_path, "--qps-per-connection", "2", split)["fct_ps"] == one["fct_ps"]


def test_parts_that_do_not_fill_their_packets_cost_the_headers_of_one_more(tmp_path: Path) -> None:
    # Three parts of 136576, 136576 and 136448 bytes: 34 packets each, the last of each 1408 and 1280 bytes.
    # Together 102 packets, 2 x 82 bytes more on the first wire; but the last frame is of 1280 bytes, not of
    # 4096, and on the later wires waits for none where the paths part.
    one, three = (
        int(flow(tmp_path, *o)["fct_ps"]) for o in ((), ("--qps-per-connection", "3", "--split-data"))
    )
    byte_ps = 20
    assert (2 * 82 - 3 * (4096 - 1280)) * byte_ps <= three - one <= 2 * 82 * byte_ps


def test_more_queue_pairs_spread_a_strided_ring_over_the_spines_and_finish_sooner() -> None:
    one, two, eight = (bench("--qps-per-connection", str(count), "--split-data") for count in (1, 2, 8))
    time_ps = [document["rows"][0]["time_ps"] for document in (one, two, eight)]
    assert time_ps[2] < time_ps[0]
    assert all(document["rows"][0]["wrong"] == 0 for document in (one, two, eight))
    # The most loaded link bounds each run: what it carries at the rate of its line.
    for document in (one, two, eight):
        most = max(link["tx_bytes"] for link in document["links"])
        assert document["rows"][0]["time_ps"] >= most * 20
    worst = [max(link["tx_bytes"] for link in document["links"]) for document in (one, eight)]
    assert worst[1] < worst[0]


def test_turns_of_a_rings_messages_end_with_right_data() -> None:
    assert bench("--qps-per-connection", "4")["rows"][0]["wrong"] == 0
