"""Every operation runs through planner, switches and engine, and leaves nothing wrong."""

import numpy as np
import pytest
from typer.testing import CliRunner

from raddle import loads, traffic
from raddle.cli.main import app
from raddle.errors import InputError
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from tests.fabrics import leaf_spine

FABRIC = loads(leaf_spine(per_leaf=3, more="roce: {congestion_control: none}\n"))
MIB = 1 << 20
LINE_GBS = 50 * 4096 / 4178
"""Payload of a 400G link in frames of 4,178 bytes with preamble and gap."""

DUPLEX_GBS = 50 * 4096 / (4178 + 86)
"""The same where the other direction is as full, whose acknowledgements it carries, 86 bytes each."""


def row_of(collective, algorithm=None, size=MIB, **terms):
    request = BenchRequest(collective, algorithm, (size,), "pinned", terms=traffic.Terms(**terms))
    [row] = run_bench(FABRIC, request).rows
    return row


@pytest.mark.parametrize(
    "collective", ["broadcast", "reduce", "gather", "scatter", "send_recv", "all_to_all_v"]
)
def test_it_leaves_nothing_wrong_by_any_algorithm(collective):
    flat = traffic.Shape.flat(6)
    fitting = [each.name for each in traffic.find_collective(collective).algorithms if not each.refuses(flat)]
    assert len(fitting) > 0
    for algorithm in (*fitting, "auto"):
        row = row_of(collective, algorithm)
        assert row.algorithm in traffic.algorithms()[collective]
        assert row.algorithm == algorithm or algorithm == "auto"
        assert (row.wrong, row.unfinished) == (0, ())
        assert row.in_place_wrong == (None if collective in ("send_recv", "all_to_all_v") else 0)


@pytest.mark.parametrize(
    ("collective", "bound"),
    [
        ("send_recv", DUPLEX_GBS),
        # The root receives or sends 5 of 6 shares.
        ("gather", LINE_GBS),
        ("scatter", LINE_GBS),
        # 32 MiB are 64 slices on 5 hops.
        ("broadcast", 64 / 68 * DUPLEX_GBS),
        ("reduce", 64 / 68 * DUPLEX_GBS),
    ],
)
def test_bus_bandwidth_of_32_MiB_is_the_closed_form_s(collective, bound):
    row = row_of(collective, size=32 * MIB)
    assert 0.98 * bound < row.busbw_gbs <= bound


def test_a_hot_receiver_s_link_bounds_a_matrix():
    matrix = np.full((6, 6), 2 * MIB)
    matrix[:, 4] = 8 * MIB
    row = row_of("all_to_all_v", "direct", matrix=matrix)
    # 48 MiB with rank 4's own block, of which 40 come over its link.
    assert row.size_bytes == 48 * MIB
    assert row.time_ps / 1e6 == pytest.approx(40 * MIB / LINE_GBS / 1e3, rel=0.02)


def test_a_root_beyond_the_ranks_is_refused():
    with pytest.raises(InputError, match=r"there is no rank 6; ranks are 0\.\.5"):
        row_of("reduce", root=6)


def test_options_that_say_the_same_twice_are_refused(tmp_path):
    matrix = tmp_path / "matrix.csv"
    matrix.write_text("0,64\n64,0\n")
    bench = ["bench", "leaf-spine-16", "--collective", "alltoallv"]
    for options, words in (
        (["--matrix", str(matrix), "-b", "1M"], "--matrix says what is sent, and -b would say it again"),
        (
            ["--matrix", str(matrix)],
            "matrix.csv:1:1: error[bad-matrix]: a matrix of 2 rows and columns is not for 16",
        ),
        (["-f", "2", "-i", "1M"], "-f and -i both say what comes next"),
        (["-i", "0"], "the step of 0 B between sizes is not above 0"),
    ):
        with pytest.raises(InputError) as caught:
            CliRunner().invoke(app, [*bench, *options], catch_exceptions=False)
        assert words in str(caught.value)
