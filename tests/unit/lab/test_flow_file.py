"""FLOWS.csv: what it may say, and what is wrong with it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raddle.errors import InputError
from raddle.lab.workloads.flow_file import read_flows
from raddle.lab.workloads.plain_flows import plain_columns
from raddle.topology import find, load, loads
from raddle.topology.model import Fabric


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return load(find("leaf-spine-16"))


def write(folder: Path, text: str) -> Path:
    path = folder / "flows.csv"
    path.write_text(text)
    return path


def test_three_columns_are_enough(fabric: Fabric, tmp_path: Path) -> None:
    table = read_flows(fabric, write(tmp_path, "src,dst,bytes\nhost3,8,4096\n8,host3,0\n"))
    assert table.names == ("1", "2")
    assert table.schedule.src.tolist() == [3, 8]
    assert table.schedule.dst.tolist() == [8, 3]
    assert table.schedule.size_bytes.tolist() == [4096, 0]
    assert table.start_ps.tolist() == [0, 0]


def test_flows_share_a_queue_pair_only_when_told_to(fabric: Fabric, tmp_path: Path) -> None:
    rows = "src,dst,bytes,qp\n0,1,1,\n0,1,1,\n0,1,1,a\n0,1,1,a\n0,2,1,a\n"
    assert read_flows(fabric, write(tmp_path, rows)).schedule.qp.tolist() == [0, 1, 2, 2, 3]


def test_after_names_earlier_rows(fabric: Fabric, tmp_path: Path) -> None:
    rows = "id,src,dst,bytes,start_ns,after\na,0,1,1,,\nb,2,1,1,7,\nc,1,3,1,,a b\n"
    table = read_flows(fabric, write(tmp_path, rows))
    assert table.schedule.dep_offsets.tolist() == [0, 0, 0, 2]
    assert table.schedule.dep_ids.tolist() == [0, 1]
    assert table.start_ps.tolist() == [0, 7000, 0]


def test_a_delay_counts_from_what_a_flow_waits_for_and_from_its_start(fabric: Fabric, tmp_path: Path) -> None:
    rows = "id,src,dst,bytes,start_ns,after,delay_ns\na,0,1,1,,,5\nb,1,0,1,7,a,30\n"
    table = read_flows(fabric, write(tmp_path, rows))
    assert table.delays_ps.tolist() == [5000, 30000]
    assert table.starts_ps.tolist() == [5000, 37000]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "flows.csv:1:1: error[bad-header]: column src, dst, bytes is missing"),
        ("src,dst,size\n", "flows.csv:1:9: error[unknown-column]: unknown column 'size'"),
        ("src,dst,bytes\n", "flows.csv:1:1: error[no-flows]: the file has no flow"),
        ("src,dst,bytes\n0,99,1\n", "flows.csv:2:3: error[unknown-endpoint]: dst '99' is no endpoint"),
        ("src,dst,bytes\n0,1,-1\n", "flows.csv:2:5: error[bad-number]: bytes '-1' is not a whole number"),
        ("src,dst,bytes\n0,1\n", "flows.csv:2:1: error[bad-row]: 2 cells, the header has 3"),
        ("src,dst,bytes\n5,5,1\n", "flows.csv:2:3: error[same-endpoint]: '5' sends to itself"),
        ("src,dst,bytes\n5,host5,1\n", "flows.csv:2:3: error[same-endpoint]: '5' sends to itself"),
        ("id,src,dst,bytes\na,0,1,1\na,0,1,1\n", "flows.csv:3:1: error[duplicate-id]: id 'a' is there twice"),
        (
            "src,dst,bytes,after\n0,1,1,2\n",
            "flows.csv:2:7: error[unknown-flow]: after '2' names no earlier row",
        ),
        ("src,dst,bytes,after\n0,1,1,\n2,3,1,1\n", "flows.csv:3:7: error[foreign-flow]: flow '1' neither"),
        ("\nsrc,dst,bytes\n0,1,1\n", "flows.csv:1:1: error[bad-header]: the first line is empty"),
        ("src;dst;bytes\n0;1;1\n", "flows.csv:1:4: error[bad-header]: columns are separated by ';'"),
        ("src\tdst\tbytes\n", "flows.csv:1:4: error[bad-header]: columns are separated by tabs"),
        ("src,dst,bytes\n0;1;1\n", "hint: its cells are separated by ';'; separate them by commas"),
        ("src,dst,byte\n0,1,1\n", "hint: did you mean 'bytes'? known: src, dst, bytes, id"),
        ("src,dst,bytes\nHost3,1,1\n", "hint: did you mean 'host3'?"),
        ("src,dst,bytes\n0,hots14,1\n", "hint: did you mean 'host14'?"),
    ],
)
def test_bad_file_is_named_with_line_and_reason(
    fabric: Fabric, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_flows(fabric, write(tmp_path, text))
    assert message in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_first_name(fabric: Fabric, tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text("src,dst,bytes\r\n0,1,5\r\n", "utf-8-sig", newline="")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert read_flows(fabric, path).schedule.size_bytes.tolist() == [5]
    path.write_bytes(b"\xef\xbb\xbf")
    with pytest.raises(InputError, match="column src, dst, bytes is missing"):
        read_flows(fabric, path)


def test_all_problems_are_told_at_once(fabric: Fabric, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_flows(fabric, write(tmp_path, "src,dst,bytes\n99,1,1\n0,1,x\n"))
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["unknown-endpoint", "bad-number"]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet='src,dtbye0123456789-"\n\r after\x00', max_size=80))
def test_no_text_makes_the_reader_fail_in_another_way(fabric: Fabric, tmp_path: Path, text: str) -> None:
    path = tmp_path / "fuzz.csv"
    path.write_text(text, "utf-8")
    with contextlib.suppress(InputError):
        assert read_flows(fabric, path).names


BONDED = """
raddle: 1
name: bonded
fabric: {kind: rail-optimized, tors: 2, leaves: {count: 4}, spines: {count: 2}}
hosts:
  - {per_leaf: 3, nics: {ports: 2, bond: true}}
"""


def test_queue_pairs_of_a_bond_that_is_named_go_by_its_ports_in_turn(tmp_path: Path) -> None:
    bonded = loads(BONDED)
    name = [endpoint.name for endpoint in bonded.endpoints]
    rows = "id,src,dst,bytes,qp,after\n" + "\n".join(
        (
            "a,host0,host4,1,,",
            "b,host0:eth0,host4:eth0,1,,",
            "c,host0,host4:eth0p1,1,x,",
            "d,host0,host4:eth0p1,1,x,",  # of the same queue pair
            "e,host4,host0:eth0p0,1,,b",  # after what came in at a port, by that port
        )
    )
    table = read_flows(bonded, write(tmp_path, rows + "\n"))
    ends = zip(table.schedule.src.tolist(), table.schedule.dst.tolist(), strict=True)
    assert [(name[src], name[dst]) for src, dst in ends] == [
        ("host0:eth0p0", "host4:eth0p0"),
        ("host0:eth0p1", "host4:eth0p1"),
        ("host0:eth0p0", "host4:eth0p1"),
        ("host0:eth0p0", "host4:eth0p1"),
        ("host4:eth0p1", "host0:eth0p0"),
    ]


@pytest.mark.parametrize("row", ["host0,host0:eth0", "host0:eth0p0,host0:eth0p1", "host0,host0:eth0p1"])
def test_a_bond_does_not_send_to_itself(tmp_path: Path, row: str) -> None:
    with pytest.raises(InputError) as raised:
        read_flows(loads(BONDED), write(tmp_path, f"src,dst,bytes\n{row},1\n"))
    assert [each.code for each in raised.value.diagnostics] == ["same-endpoint"]


def test_a_host_with_two_bonds_has_no_name_for_both(tmp_path: Path) -> None:
    two = loads(BONDED.replace("ports: 2", "count: 2, ports: 2"))
    read_flows(two, write(tmp_path, "src,dst,bytes\nhost0:eth0,host1:eth1,1\n"))
    with pytest.raises(InputError, match="src 'host0' is no endpoint"):
        read_flows(two, write(tmp_path, "src,dst,bytes\nhost0,host1:eth1,1\n"))


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["0", "host1", "7", "host15"]),
            st.sampled_from(["2", "host3", "14"]),
            st.integers(0, 10**15),
            st.sampled_from(["", "0", "5", "1000000000000000"]),
        ),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_columns_at_once_say_what_rows_one_by_one_do(
    fabric: Fabric, tmp_path: Path, rows: list[tuple[str, str, int, str]]
) -> None:
    plain = "".join(f"{src},{dst},{size},{start}\n" for src, dst, size, start in rows)
    at_once = plain_columns(fabric, write(tmp_path, f"src,dst,bytes,start_ns\n{plain}"))
    assert at_once
    one_by_one = plain.replace("\n", ",\n")  # a column that plain files do not have, empty in every row
    path = write(tmp_path, f"src,dst,bytes,start_ns,after\n{one_by_one}")
    assert plain_columns(fabric, path) is None
    expected = read_flows(fabric, path)
    assert at_once.names == expected.names
    assert at_once.start_ps.tolist() == (expected.start_ps.tolist() if expected.start_ps is not None else [])
    for name in ("src", "dst", "size_bytes", "qp", "dep_offsets", "dep_ids"):
        assert getattr(at_once, name).tolist() == getattr(expected.schedule, name).tolist(), name


@pytest.mark.parametrize(
    "row",
    ["0, 1,5", "0,1,05 ", "0,1,-5", "0,1,5,6", "0,1", "", "00,1,5", "0,0,5", "0,1,\u0665", f"0,1,{10**16}",
     f"0,1,{10**30}", "0,host99,5", "0,1,"],
)  # fmt: skip
def test_what_is_out_of_the_ordinary_is_read_row_by_row(fabric: Fabric, tmp_path: Path, row: str) -> None:
    assert plain_columns(fabric, write(tmp_path, f"src,dst,bytes\n2,3,1\n{row}\n4,5,1\n")) is None


def test_bonds_are_read_row_by_row(tmp_path: Path) -> None:
    assert plain_columns(loads(BONDED), write(tmp_path, "src,dst,bytes\n0,5,1\n")) is None


def test_an_id_that_is_there_twice_is_no_plain_file(fabric: Fabric, tmp_path: Path) -> None:
    assert plain_columns(fabric, write(tmp_path, "id,src,dst,bytes\na,0,1,1\na,0,1,1\n")) is None
    assert plain_columns(fabric, write(tmp_path, "id,src,dst,bytes\na,0,1,1\n,0,1,1\n")) is None
