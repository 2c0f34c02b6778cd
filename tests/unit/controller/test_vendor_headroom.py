"""A vendor's headroom counts before what is computed, and both numbers are told."""

from __future__ import annotations

from pathlib import Path

import pytest

import raddle
from raddle import Fabric, InputError
from raddle.controller.plan import make_plan
from raddle.controller.plan.lossless_check import vendor_headroom
from raddle.controller.southbound.sonic.tables import bootstrap
from raddle.controller.verify.lossless import check_lossless
from raddle.lab.planned_states import planned_state

FABRIC = """
raddle: 1
name: vendor
models: {own: {ports: 32, port_speed: 400G, buffer: 64MB, pg_profiles: lookup.ini}}
fabric: {leaves: {count: 2, model: own}, spines: {count: 2, model: own}, uplinks: {cable: 31m}}
hosts: {per_leaf: 2, nics: {cable: 5m}}
"""


def fabric(folder: Path, *rows: str) -> Fabric:
    (folder / "vendor.yaml").write_text(FABRIC)
    (folder / "lookup.ini").write_text("\n".join(["# speed cable size xon xoff threshold xon_offset", *rows]))
    return raddle.load(folder / "vendor.yaml")


def test_the_row_of_the_shortest_length_that_is_as_long_counts(tmp_path: Path) -> None:
    rows = (
        "400000 300m 1248 2288 700001 0",
        "400000 40m 1248 2288 500001 0",
        "400000 5m 1248 2288 400001 0 2288",
    )
    profiles = bootstrap(make_plan(fabric(tmp_path, *rows), "ecmp").switches[0]).config_db["BUFFER_PROFILE"]
    assert profiles["pg_lossless_400000_5m_profile"]["xoff"] == "400001"
    assert profiles["pg_lossless_400000_31m_profile"]["xoff"] == "500001"


def test_both_numbers_are_told_whichever_is_more(tmp_path: Path) -> None:
    more, less = vendor_headroom(fabric(tmp_path, "400000 5m 0 0 999999 0", "400000 40m 0 0 77777 0"))
    plain = raddle.loads(FABRIC.replace(", pg_profiles: lookup.ini", ""))
    computed = {
        int(each.cable_m): each.headroom_bytes
        for each in make_plan(plain, "ecmp").switches[0].buffers.profiles
    }
    assert f"headroom of {computed[5]} B is computed, below the 999999 B of its vendor" in more.message
    assert f"headroom of {computed[31]} B is computed, above the 77777 B of its vendor" in less.message
    assert {more.code, more.severity} == {"vendor-headroom", "warning"}
    assert vendor_headroom(plain) == ()


def test_verify_accepts_the_vendors_row_and_nothing_below_it(tmp_path: Path) -> None:
    small = fabric(tmp_path, "400000 40m 0 0 77777 0")
    plan = make_plan(small, "ecmp")
    states = {switch.name: planned_state(small, plan, switch.name) for switch in plan.switches}
    assert check_lossless(small, states) == ()
    other = fabric(tmp_path, "400000 40m 0 0 77778 0")
    assert {finding.code for finding in check_lossless(other, states)} == {"headroom-too-small"}


def test_a_length_without_a_row_is_computed_and_told(tmp_path: Path) -> None:
    short = fabric(tmp_path, "400000 5m 0 0 999999 0")
    assert "no row for 400G and 31m of cable" in str(vendor_headroom(short)[1])
    assert len(make_plan(short, "ecmp").switches[0].buffers.profiles) == 2


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"bad-pg-profiles.*has no row"):
        fabric(tmp_path)


def test_a_file_of_pools_is_refused_once_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"buffers_defaults file.*\n.*'pool_size'") as caught:
        fabric(tmp_path, "{%- macro pools() %}", '"BUFFER_POOL": {"in": {"size": "5"}}', "{%- endmacro %}")
    assert len(caught.value.diagnostics) == 1
