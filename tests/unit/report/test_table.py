import re
from dataclasses import replace

import pytest

from raddle.report.model import Collision, LinkUse
from raddle.report.table import to_table

# A line of nccl-tests' output.
HALF = r"\s+([\d.e+]+)\s+([\d.e+]+)\s+([\d.e+]+)\s+(\d+)"
NCCL_ROW = re.compile(rf"^\s*(\d+)\s+(\d+)\s+(float)\s+(sum|none)\s+(-?\d+){HALF}{HALF}$")

CLEAN = """\
# all_reduce ring on leaf-spine-16, 16 ranks
# routing pinned, placement strided, seed 1, line rate 49.02 GB/s
# pinned 16 flows with 12 host routes (edge colouring); most on a link between switches: data of 1
#   (bound 1), acknowledgements of 1 (bound 1)
#
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  (GB/s)
     1048576        262144     float     sum      -1    20.97   50.00   93.75       0    20.97   50.00   93.75       0
   268435456      67108864     float     sum      -1  5368.71   50.00   93.75       0  5368.71   50.00   93.75       0
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 93.75
#
# No PFC pause, no ECN mark, no drop.
#
# Busiest links of 2 in use, at the last size
# link                                     use      sent  flows     queue  ECN marks    paused
# leaf0:Ethernet32 -> spine1:Ethernet0   98.0%  513.0 MB      1    4.2 KB          0        0s
# host0:eth0 -> leaf0:Ethernet0          50.0%  510.0 MB      1    4.2 KB          0        0s
#
# No link carried two flows of one step.
"""  # noqa: E501


def test_the_whole_report_of_a_clean_run(clean_result):
    assert to_table(clean_result) == CLEAN


def test_rows_read_as_those_of_nccl_tests_and_all_else_is_a_comment(clean_result):
    lines = to_table(clean_result).splitlines()
    rows = [NCCL_ROW.match(line) for line in lines if not line.startswith("#")]
    assert [match and match.groups() for match in rows] == [
        ("1048576", "262144", "float", "sum", "-1", *("20.97", "50.00", "93.75", "0") * 2),
        ("268435456", "67108864", "float", "sum", "-1", *("5368.71", "50.00", "93.75", "0") * 2),
    ]


@pytest.mark.parametrize(
    ("time_us", "printed"),
    [
        (0.5, "0.50"),
        (9999.994, "9999.99"),
        (99999.94, "99999.9"),
        (99999.99, "100000"),
        (1234567.8, "1234568"),
        (12345678.9, "1.2e+07"),
    ],
)
def test_a_long_time_gives_up_decimals_not_its_column(clean_result, time_us, printed):
    rows = (replace(clean_result.rows[0], time_ps=round(time_us * 1e6)),)
    lines = to_table(replace(clean_result, rows=rows)).splitlines()
    (line,) = [line for line in lines if not line.startswith("#")]
    assert line.split()[5] == line.split()[9] == printed
    assert len(line) == 118


def test_rows_of_hccl_test_have_the_algorithms_bandwidth_in_1e9_bytes(clean_result):
    row = replace(clean_result.rows[0], size_bytes=2 << 20, time_ps=1_000_000_000, algbw_gbs=2.097152)
    lines = to_table(replace(clean_result, rows=(row, replace(row, wrong=3))), "hccl").splitlines()
    head, first, second = [line for line in lines if not line.startswith("#")]
    assert head == "data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:"
    assert first == "2097152           | 1000.00        | 2.09715              | success"
    assert second.endswith("| failed")
    never = replace(row, time_ps=None, algbw_gbs=None, busbw_gbs=None)
    assert "| N/A            | N/A                  | failed" in to_table(
        replace(clean_result, rows=(never,)), "hccl"
    )


def test_wrong_elements_are_counted_and_fail(congested_result):
    text = to_table(congested_result)
    assert "     N/A     N/A     N/A    1234      N/A     N/A     N/A    N/A\n" in text
    assert "# Out of bounds values : 1 FAILED\n" in text


def test_what_nobody_counted_is_not_said_to_be_right(clean_result):
    row = replace(clean_result.rows[0], wrong=None, in_place_wrong=None)
    result = replace(clean_result, rows=(row,))
    text = to_table(result)
    assert "# Out of bounds values : not counted\n" in text
    assert "# #wrong is N/A where" in text
    assert [line.split()[8] for line in text.splitlines() if not line.startswith("#")] == ["N/A"]
    assert "| NULL\n" in to_table(result, "hccl")


def test_a_size_that_did_not_finish_counts_as_no_bandwidth(congested_result):
    assert "# Avg bus bandwidth    : 46.875\n" in to_table(congested_result)


def test_pauses_marks_and_drops_are_listed_by_size(congested_result):
    text = to_table(congested_result)
    assert "#    1048576           0          0s           0  0\n" in text
    assert "#  268435456           7      12.5us          99  4 buffer, 31 no-route\n" in text


def test_the_same_collision_of_many_steps_is_told_once_with_its_flows(congested_result):
    text = to_table(congested_result)
    assert "# Collisions on 13 links, at most 3 flows of one step on a link\n" in text
    assert (
        "# leaf0:Ethernet32 -> spine1:Ethernet0: 3 flows, steps 0-29\n"
        "#     rank0 host0 -> rank1 host4; rank4 host4 -> rank5 host8; rank8 host8 -> rank9 host12\n"
    ) in text


def test_many_collisions_are_cut_and_counted(congested_result):
    text = to_table(congested_result)
    assert text.count(" -> spine0:Ethernet8: 2 flows, step 5\n") == 9
    assert "#   and 3 more collisions\n" in text


def test_a_collision_of_many_flows_names_six_and_counts_the_rest(clean_result):
    flows = tuple(f"rank{r} host{r} -> rank0 host0" for r in range(1, 16))
    text = to_table(replace(clean_result, collisions=(Collision("leaf0:Ethernet0 -> host0:eth0", 0, flows),)))
    assert ": 15 flows, step 0\n" in text
    assert "rank6 host6 -> rank0 host0; and 9 more\n" in text
    assert "rank7 " not in text


def test_steps_that_do_not_follow_each_other_are_listed_as_ranges(clean_result):
    flows = ("rank0 host0 -> rank1 host1", "rank2 host2 -> rank3 host3")
    steps = (0, 1, 2, 8, 10, 12, 14)
    collisions = tuple(Collision("leaf0:Ethernet0 -> host0:eth0", step, flows) for step in steps)
    text = to_table(replace(clean_result, collisions=collisions))
    assert ": 2 flows, steps 0-2, 8, 10, 12, ...\n" in text


def test_unfinished_flows_are_named_with_their_reason(congested_result):
    text = to_table(congested_result)
    assert "# 12 flows of size 268435456 did not finish\n" in text
    assert "#   rank0 host0 -> rank1 host1, step 3: no route on leaf0\n" in text
    assert text.endswith("#   and 2 more flows\n")


def test_only_the_ten_busiest_links_are_shown(clean_result):
    links = tuple(LinkUse(f"link{i}", 1000, i / 20, 1, 0, 0, 0) for i in range(14))
    text = to_table(replace(clean_result, links=links))
    assert "# Busiest links of 14 in use" in text
    assert re.findall(r"^# (link\d+)", text, re.M) == [f"link{i}" for i in range(13, 3, -1)]
    assert "#   and 4 more links\n" in text


def test_lines_beside_the_table_fit_100_columns(clean_result, congested_result):
    longest = LinkUse("leaf31:Ethernet124 -> spine15:Ethernet124", 16 * 10**9, 1.0, 16, 10**12, 10**8, 10**7)
    wide = replace(congested_result, links=(longest,))
    for result in (clean_result, wide):
        lines = to_table(result).splitlines()
        first = next(place for place, line in enumerate(lines) if "out-of-place" in line)
        beside = lines[:first] + lines[first + 3 + len(result.rows) :]
        assert max(map(len, beside)) <= 100
