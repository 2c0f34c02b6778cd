"""Headroom that priority groups share: planned, proven for so many groups at once, too small for more."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import raddle
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.sonic.tables import bootstrap
from raddle.errors import InputError

FAR = """
raddle: 1
name: far
models:
  m: {{ports: 32, port_speed: 400G, lanes_per_port: 8, buffer: 16MB, cell: 256B}}
fabric: {{leaves: {{count: 2, model: m}}, spines: {{count: 1, model: m}}}}
hosts: {{per_leaf: 12, nics: {{window: 0, cable: 300m}}}}
roce: {{congestion_control: none, watchdog: none, headroom: {headroom}}}
routing: {{policy: ecmp}}
"""
ROW = """
raddle: 1
name: row
models:
  chip: {{ports: 192, port_speed: 400G, lanes_per_port: 4, buffer: 200MiB, cell: 416B, latency: 850ns}}
fabric:
  leaves: {{count: 48, model: chip}}
  spines: {{count: 4, model: chip}}
  uplinks: {{per_pair: 4, speed: 400G, cable: 350m, medium: dr}}
hosts: {{per_leaf: 16}}
{rest}
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def leaf(headroom: str) -> SwitchPlan:
    return make_plan(raddle.loads(FAR.format(headroom=headroom)), "ecmp").switches[0]


def test_the_pool_is_the_sum_over_the_ratio_or_as_large_as_said_and_the_rest_is_shared() -> None:
    alone, half = (leaf(f"{{over_subscribe_ratio: {ratio}}}") for ratio in (1, 2))
    needs = sum(len(each.ports) * each.headroom_bytes for each in alone.buffers.profiles)
    assert alone.buffers.headroom_pool_bytes == needs
    assert half.buffers.headroom_pool_bytes == -(-needs // 2)
    gained = half.buffers.shared_bytes - alone.buffers.shared_bytes
    assert gained == needs - half.buffers.headroom_pool_bytes
    assert half.buffers.profiles == alone.buffers.profiles, "a group may still take all that it needs"
    said = leaf("{pool: 3MB}")
    pool = bootstrap(said).config_db["BUFFER_POOL"]["ingress_lossless_pool"]
    assert (said.buffers.headroom_pool_bytes, pool["xoff"]) == (3_000_000, "3000000")
    most = max(each.headroom_bytes for each in alone.buffers.profiles)
    assert leaf("{over_subscribe_ratio: 1000}").buffers.headroom_pool_bytes == most
    with pytest.raises(InputError, match=rf"headroom does not hold the {most} bytes that one") as caught:
        leaf("{pool: 1KB}")
    assert {each.code for each in caught.value.diagnostics} == {"headroom-pool-too-small"}


def test_fewer_small_packets_and_smaller_frames_need_less() -> None:
    worst, mixed, small = (
        leaf(text).buffers.profiles[-1].headroom_bytes
        for text in ("{}", "{small_packets: 10%}", "{mtu: 4200}")
    )
    assert mixed < worst / 2
    # One lossless frame that delays the pause is not multiplied with the cells' occupancy.
    assert 0 <= worst - small - (9100 - 4200) < 1024


def test_a_row_of_long_cables_fits_only_with_shared_headroom_and_says_what_that_means(tmp_path: Path) -> None:
    file = tmp_path / "row.yaml"
    file.write_text(ROW.format(rest=""))
    refused = str(run("validate", str(file)).exception)
    assert "error[headroom-exceeds-buffer]: spine0" in refused
    assert "share the headroom: 'roce: {headroom: {over_subscribe_ratio: 4}}'" in refused
    file.write_text(ROW.format(rest="roce: {headroom: {over_subscribe_ratio: 4}}"))
    assert run("validate", str(file)).exit_code == 0
    proven = run("verify", str(file), "--routing", "ecmp", "--failures", "0")
    assert proven.exit_code == 0
    # All 192 groups of a spine are alike, so that a quarter of them fits.
    assert (
        "warning[headroom-shared]: spine0 and 3 more: 48 of 192 lossless priority groups may be in"
        in proven.stderr
    )
    assert "outside the proof: loss where more priority groups are in headroom at once" in proven.stdout


@pytest.mark.parametrize(("ratio", "senders", "is_lossless"), [(1, 11, True), (2, 6, True), (2, 11, False)])
def test_an_incast_loses_only_where_more_groups_share_the_pool_than_verify_says(
    ratio: int, senders: int, is_lossless: bool, tmp_path: Path
) -> None:
    """6 of 13 may be in headroom at once; with 10 % of small packets the need is close to the use."""
    file, flows = tmp_path / "far.yaml", tmp_path / "in.csv"
    file.write_text(FAR.format(headroom=f"{{over_subscribe_ratio: {ratio}, small_packets: 10%}}"))
    rows = [f"{number},host{number},host0,4000000,0" for number in range(1, senders + 1)]
    flows.write_text("\n".join(["id,src,dst,bytes,start_ns", *rows]) + "\n")
    proven = run("verify", str(file), "--routing", "ecmp", "--failures", "0")
    assert ("6 of 13 lossless priority groups may be in headroom at once" in proven.stderr) == (ratio == 2)
    assert "loss where more than 10 % of lossless packets are of 64 bytes" in proven.stdout
    done = run("simulate", str(file), "--flows", str(flows), "-o", str(tmp_path / "out"), "--routing", "ecmp")
    assert done.exit_code in (0, 1), done.output
    drops = json.loads((tmp_path / "out/summary.json").read_text())["drops"]
    assert ("ingress_buffer" not in drops) == is_lossless


def test_a_pool_that_is_too_small_for_several_switches_has_one_way_out() -> None:
    """Cells of 400 B hold a 64-byte packet each, those of 256 B too: the first need more."""
    model = "{{ports: 32, port_speed: 400G, buffer: 64MB, cell: {}}}".format
    text = (
        f"raddle: 1\nname: two\nmodels: {{wide: {model('400B')}, fine: {model('256B')}}}\n"
        "fabric: {leaves: {count: 2, model: fine}, spines: {count: 2, model: wide}, uplinks: {cable: 300m}}\n"
        "hosts: {per_leaf: 2}\nroce: {headroom: {pool: %s}}\n"
    )
    with pytest.raises(InputError) as caught:
        make_plan(raddle.loads(text % "1KB"), "ecmp")
    (only,) = caught.value.diagnostics
    size = re.search(r"pool: (\d+B)", only.hint)
    assert size
    assert only.message.startswith("spine0: ")
    assert make_plan(raddle.loads(text % size[1]), "ecmp")
