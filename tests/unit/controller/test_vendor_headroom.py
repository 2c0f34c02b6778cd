"""A vendor's headroom counts before what is computed, and both numbers are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import raddle
from raddle import Fabric, InputError
from raddle.controller.plan import make_plan
from raddle.controller.plan.lossless_check import vendor_headroom
from raddle.controller.southbound.sonic.tables import bootstrap
from raddle.controller.verify.lossless import check_lossless
from raddle.lab.planned_states import planned_state
from raddle.topology.pg_profiles import read_pg_profiles

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
    with pytest.raises(
        InputError, match=r"buffers_defaults file.*\n.*name it as 'buffers_defaults'"
    ) as caught:
        fabric(tmp_path, "{%- macro pools() %}", '"BUFFER_POOL": {"in": {"size": "5"}}', "{%- endmacro %}")
    assert len(caught.value.diagnostics) == 1


TEMPLATE = """{%- set default_cable = '5m' %}
{# the pool takes "BUFFER_POOL": { all }} #}
{%- set pool_size = '60000000' %}
{%- macro generate_buffer_pool_and_profiles() %}
    "BUFFER_POOL": {
        "ingress_lossless_pool": {"size": "{{ pool_size }}", "type": "ingress", "xoff": "4000000",},
        "egress_lossless_pool": {"size": "60000000", "type": "egress", "mode": "static"}
    },
    "BUFFER_PROFILE": {"egress_lossy_profile": {"pool": "egress_lossless_pool", "dynamic_th": "2"}}
{%- endmacro %}
{%- macro generate_profile_lists(ports) %}
{% for port in ports %} "{{ port }}": {} {% endfor %}
{%- endmacro %}
"""
DECIDES = "only the switch decides about"
POOLED = FABRIC.replace("buffer: 64MB, pg_profiles: lookup.ini", "buffers_defaults: pools.j2")


def pooled(folder: Path, text: str, more: str = "") -> Fabric:
    (folder / "pools.j2").write_text(text)
    (folder / "pooled.yaml").write_text(POOLED.replace("pools.j2", f"pools.j2{more}"))
    return raddle.load(folder / "pooled.yaml")


def test_pools_of_a_template_are_the_buffer_and_what_its_size_counts(tmp_path: Path) -> None:
    """The egress pool is as large as `size` alone, so that holds `xoff`."""
    model = pooled(tmp_path, TEMPLATE).switches[0].model
    assert (model.buffer_bytes, model.headroom_pool_bytes) == (60_000_000, 4_000_000)
    assert model.pool_size == "shared-guaranteed-and-headroom"


def test_what_the_fabric_file_says_counts_before_the_vendors_file(tmp_path: Path) -> None:
    model = pooled(tmp_path, TEMPLATE, ", buffer: 50MB, pool_size: shared").switches[0].model
    assert (model.buffer_bytes, model.pool_size) == (50_000_000, "shared")


def test_a_configuration_that_was_made_of_a_template_is_read_as_well(tmp_path: Path) -> None:
    pools = {
        "in": {"size": "40000000", "type": "both", "xoff": "10000000"},
        "out": {"size": "50000000", "type": "egress"},
    }
    model = pooled(tmp_path, json.dumps({"PORT": {}, "BUFFER_POOL": pools})).switches[0].model
    assert (model.buffer_bytes, model.pool_size) == (50_000_000, "shared-and-guaranteed")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (TEMPLATE.replace("set pool_size", "set size"), 6, f"{DECIDES} 'pool_size'"),
        (TEMPLATE.replace("{%- set pool", "{%- if x %}{%- set pool"), 6, f"{DECIDES} 'pool_size'"),
        (f"{TEMPLATE}{TEMPLATE}", 18, f"{DECIDES} a second BUFFER_POOL"),
        (TEMPLATE.replace('"60000000"', '"a" "b"'), 5, "its BUFFER_POOL is no table of pools"),
        (TEMPLATE.replace('"ingress"', '"egress"'), 5, "none of its pools has a size for ingress"),
        ('"BUFFER_PROFILE": {}', 1, "it has no BUFFER_POOL"),
        ('"BUFFER_POOL": {' * 3000, 1, f"{DECIDES} a second BUFFER_POOL"),
        ('"BUFFER_POOL": ' + '{"a": ' * 100_000, 1, "its BUFFER_POOL is no table of pools"),
        ("", 1, "it has no BUFFER_POOL"),
    ],
)
def test_pools_that_no_file_says_are_refused_with_the_line(
    text: str, line: int, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        pooled(tmp_path, text)
    (only,) = caught.value.diagnostics
    assert (only.code, only.message) == ("bad-buffers-defaults", said)
    assert only.span
    assert only.span.line == line


def test_the_vendors_pool_of_headroom_is_told_and_taken_when_it_is_asked_for(tmp_path: Path) -> None:
    (plenty,) = vendor_headroom(pooled(tmp_path, TEMPLATE))
    given = pooled(tmp_path, TEMPLATE.replace("4000000", "1500000"))
    (found,) = vendor_headroom(given)
    planned = make_plan(given, "ecmp").switches[0].buffers.headroom_pool_bytes
    assert f"a pool of {planned} B of headroom is planned for leaf0, above the 1500000 B" in found.message
    assert f"a pool of {planned} B of headroom is planned for leaf0, below the 4000000 B" in plenty.message
    with (tmp_path / "pooled.yaml").open("a") as file:
        file.write("roce: {headroom: {pool: 1500000B}}\n")
    taken = raddle.load(tmp_path / "pooled.yaml")
    assert vendor_headroom(taken) == ()
    assert make_plan(taken, "ecmp").switches[0].buffers.headroom_pool_bytes == 1_500_000


def test_headroom_that_does_not_fit_may_be_shared_as_its_vendor_does(tmp_path: Path) -> None:
    text = TEMPLATE.replace("60000000", "2100000").replace("4000000", "1000000")
    with pytest.raises(InputError, match=r"hint: .*or share the headroom: .*\{pool: 1000000B\}"):
        make_plan(pooled(tmp_path, text), "ecmp")


def test_two_rows_of_one_speed_and_length_are_refused_where_they_differ(tmp_path: Path) -> None:
    file = tmp_path / "pg_profile_lookup.ini"
    row = "400000  40m  1248 2288 396640 0 2288\n"
    file.write_text(row + row)
    assert len(read_pg_profiles(file)) == 1
    file.write_text(row + row.replace("396640", "396641"))
    with pytest.raises(InputError, match=r"ini:2:1: error.*a second row of speed 400000 and 40m"):
        read_pg_profiles(file)
