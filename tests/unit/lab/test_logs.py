# ruff: noqa: E501 (the tools print longer lines)
"""Outputs of nccl-tests, rccl-tests, hccl_test and perftest are read, whatever stands around them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.errors import InputError
from raddle.lab.expect.logs.read import read_logs
from raddle.lab.expect.logs.record import Log

RANKS = "".join(
    f"#  Rank {rank:>2} Group  0 Pid  4{rank} on   pod-{rank // 2} device  {rank % 2} [0000:05:00] NVIDIA H100\n"
    for rank in range(4)
)
HEAD = (
    "#                                                              out-of-place                       in-place\n"
    "#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong\n"
    "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)\n"
)
OLD_HEAD = (
    "#       size         count      type   redop     time   algbw   busbw  error     time   algbw   busbw  error\n"
    "#        (B)    (elements)                       (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)\n"
)
FOOT = "# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 41.5\n"


def read(tmp_path: Path, text: str) -> Log:
    file = tmp_path / "run.log"
    file.write_text(text)
    (log,) = read_logs(file)
    return log


def told(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_a_table_of_2_19_has_operation_ranks_and_the_slower_half(tmp_path: Path) -> None:
    log = read(
        tmp_path,
        "# nccl-tests version 2.19.6 nccl-headers=22809 nccl-library=22809\n"
        "# Collective test starting: all_reduce_perf\n"
        "# nThread 1 nGpus 1 minBytes 1048576 maxBytes 4194304 step: 4(factor) warmup iters: 1 iters: 20\n"
        f"# Using devices\n{RANKS}{HEAD}"
        "     1048576        262144     float     sum      -1    85.10   12.32   18.48       0    84.00   12.48   18.72       0\n"
        "     4194304       1048576     float     sum      -1   1.2e+02  34.95   52.43       0   121.00   34.66   51.99       3\n"
        f"{FOOT}# Collective test concluded: all_reduce_perf\n",
    )
    assert (log.tool, log.collective, log.ranks) == ("nccl-tests", "all_reduce", 4)
    assert log.places == (("pod-0", 0), ("pod-0", 1), ("pod-1", 0), ("pod-1", 1))
    assert [(row.size_bytes, row.time_us, row.wrong) for row in log.rows] == [
        (1 << 20, 85.1, 0),
        (4 << 20, 121.0, 3),
    ]


def test_an_old_table_without_root_says_its_operation_by_its_bandwidths(tmp_path: Path) -> None:
    log = read(
        tmp_path,
        "#   Rank  0 Pid   1320 on pod-0 device  0 [0x00] Tesla V100\n"
        "#   Rank  1 Pid   1321 on pod-1 device  0 [0x00] Tesla V100\n"
        "#   Rank  2 Pid   1322 on pod-2 device  0 [0x00] Tesla V100\n"
        f"#\n{OLD_HEAD}"
        "    33554432       8388608     float     sum    931.3   36.03   48.04  0e+00    930.0   36.08   48.11  0e+00\n",
    )
    assert log.collective == "all_reduce"
    assert log.rows[0].wrong == 0


@pytest.mark.parametrize(
    "prefix",
    [
        "[1,0]<stdout>:",
        "0: ",
        "> ",
        "    ",
        "2026-03-04T05:06:07.{0}Z ",
        "03:04:05,{0} process   L045{0} DEBUG| [stdout] ",
        "[pod/job-0/main] ",
    ],
)
def test_what_launchers_put_before_lines_is_not_read(tmp_path: Path, prefix: str) -> None:
    lines = (
        f"{RANKS}{HEAD}[pod-0:02943] 15 more processes have sent help message help-mca.txt\n"
        "        1024            16     float    none      -1    55.66    0.02    0.02       0    29.21    0.04    0.03    N/A\n"
        "     8388608        131072     float    none      -1   700.00   11.98    8.99       0   690.00   12.16    9.12    N/A\n"
    ).splitlines()
    text = ["mpirun -np 4 alltoall_perf -b 1K", *lines]
    log = read(tmp_path, "".join(f"{prefix.format(at + 7)}{line}\n" for at, line in enumerate(text)))
    assert log.collective == "all_to_all"
    assert [row.size_bytes for row in log.rows] == [1024, 8388608]
    assert log.places[3] == ("pod-1", 1)


def test_a_log_of_rccl_with_settings_tells_them(tmp_path: Path) -> None:
    log = read(
        tmp_path,
        f"rccl-tests: Version develop:83d38d9\n{RANKS}"
        "pod-0:1:1 [0] NCCL INFO NCCL_IB_QPS_PER_CONNECTION set by environment to 4.\n"
        "pod-0:1:1 [0] NCCL INFO NCCL_ALGO set by environment to Tree\n"
        "pod-0:1:1 [0] NCCL INFO Using network Socket\n"
        f"# Collective test starting: all_gather_perf\n{HEAD}"
        "   536870912      67108864     float    none      -1  14594.4   36.79   18.39       0  13778.0   38.97   19.48       0\n",
    )
    assert log.tool == "rccl-tests"
    assert log.settings == {"qps": "4", "algorithm": "Tree", "network": "Socket"}


@pytest.mark.parametrize("bar", [" | ", "    "])
def test_hccl_tables_come_with_bars_and_without(tmp_path: Path, bar: str) -> None:
    log = read(
        tmp_path,
        "mpirun -n 8 ./bin/all_reduce_test -b 8K -e 64M -f 2 -p 8\n"
        f"data_size(Bytes):{bar}aveg_time(us):{bar}alg_bandwidth(GB/s):{bar}check_result:\n"
        f"8192{bar}12.50{bar}0.65{bar}success\n"
        f"67108864{bar}1200.00{bar}55.92{bar}NULL\n",
    )
    assert (log.tool, log.collective, log.ranks) == ("hccl_test", "all_reduce", 8)
    assert [row.wrong for row in log.rows] == [0, None]


GIDS = (
    " local address: LID 0000 QPN 0x0108 PSN 0x63ad7d RKey 0x17eedf VAddr 0x007f760c947000\n"
    " GID: 00:00:00:00:00:00:00:00:00:00:255:255:10:00:00:05\n"
    " remote address: LID 0000 QPN 0x0076 PSN 0xf3810c RKey 0x201600 VAddr 0x007fbb4c981000\n"
    " GID: 00:00:00:00:00:00:00:00:00:00:255:255:10:00:00:04\n"
)


@pytest.mark.parametrize(
    ("unit", "value"), [("Gb/sec", "392.10"), ("MB/sec", "46742.92"), ("MiB/sec", "46742.92")]
)
def test_the_units_of_perftest_are_one_bandwidth(tmp_path: Path, unit: str, value: str) -> None:
    log = read(
        tmp_path,
        "                    RDMA_Write BW Test\n Dual-port       : OFF\t\tDevice         : mlx5_0\n"
        f" Number of qps   : 2\t\tTransport type : IB\n{GIDS}"
        f" #bytes     #iterations    BW peak[{unit}]    BW average[{unit}]   MsgRate[Mpps]\n"
        "Conflicting CPU frequency values detected: 5008.1 != 3295.2\n"
        f" 65536      5000             0.00              {value}\t\t   0.744912\n",
    )
    assert log.pair
    assert (log.pair.source, log.pair.target) == ("10.0.0.5", "10.0.0.4")
    assert log.settings == {"qps": "2", "device": "mlx5_0"}
    assert 65536 / log.rows[0].time_us / 1e3 == pytest.approx(49.01, rel=1e-3)


def test_a_latency_test_of_accelerator_memory_has_the_average(tmp_path: Path) -> None:
    log = read(
        tmp_path,
        f"allocated GPU buffer of a 2 address at 0x7f\n RDMA_Write Latency Test\n{GIDS}"
        " #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]\n"
        " 2       1000          1.10           2.05         1.11     \t       1.12        \t0.00   \t\t1.19\n",
    )
    assert log.pair
    assert log.pair.is_latency
    assert log.pair.uses_accelerator_memory
    assert log.rows[0].time_us == 1.12


def test_a_latency_test_of_a_duration_has_its_average_of_three_columns(tmp_path: Path) -> None:
    log = read(
        tmp_path,
        f" Send Latency Test\n{GIDS} #bytes        #iterations       t_avg[usec]    tps average\n"
        " 2             61000            3.25           153846.15\n",
    )
    assert log.pair
    assert log.pair.is_latency
    assert log.rows[0].time_us == 3.25


def test_a_bandwidth_of_service_levels_is_in_its_column(tmp_path: Path) -> None:
    log = read(
        tmp_path,
        f" RDMA_Write BW Test\n{GIDS} #bytes    #sl      #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   MsgRate[Mpps]\n"
        " 65536      3           5000           98.00            80.00                  0.15\n"
        "15 more processes have sent help message\n",
    )
    assert [row.time_us for row in log.rows] == [pytest.approx(65536 * 8 / 80e3)]


def test_only_the_remote_address_is_no_local_one(tmp_path: Path) -> None:
    gids = GIDS.splitlines(keepends=True)
    log = read(
        tmp_path,
        f" Send BW Test\n{gids[0]} MGID: 255:01:00:00:00:02:201:133:00:00:00:00:00:00:00:00\n{gids[2]}{gids[3]}"
        " #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]\n 1024       1000             0.00               1476.74             1.5\n",
    )
    assert log.pair
    assert (log.pair.source, log.pair.target) == ("", "10.0.0.4")


def test_times_of_day_and_of_single_iterations_stand_beside_a_row(tmp_path: Path) -> None:
    half = "time   algbw   busbw  #wrong    i_min    i_max   i_cv%"
    log = read(
        tmp_path,
        f"# Collective test starting: all_gather_perf\n{RANKS}"
        f"#       size         count      type   redop    root     {half}     {half}           timestamp\n"
        "     1048576         65536     float    none      -1    40.00   26.21   19.66       0    38.1    44.0     2.1"
        "    41.00   25.58   19.18     N/A    39.9    44.2     2.0  2026-03-04 05:06:07\n",
    )
    assert log.rows[0].time_us == 41.0


def test_times_of_the_cpu_are_refused(tmp_path: Path) -> None:
    message = told(tmp_path, RANKS + HEAD.replace("    time", " cputime"))
    assert "has the CPU's times, not those of the operation" in message
    assert "run it without -C" in message


def test_tests_of_one_file_are_logs_of_their_own(tmp_path: Path) -> None:
    row = "     {0}        262144     float     {1}      -1    85.10   12.32   18.48       0    84.00   12.48   18.72       0\n"
    file = tmp_path / "night.log"
    file.write_text(
        f"mpirun -x NCCL_IB_QPS_PER_CONNECTION=4 all_reduce_perf -b 1M -e 2M\n{RANKS}{HEAD}"
        f"{row.format(1 << 20, 'sum')}{row.format(2 << 20, 'sum')}{FOOT}# Collective test concluded: all_reduce_perf\n"
        f"mpirun alltoall_perf -b 4M -e 4M\n{RANKS}{HEAD}{row.format(4 << 20, 'none')}{FOOT}"
        f"mpirun -n 8 ./bin/all_gather_test\n"
        "data_size(Bytes): |   avg_time(us): | alg_bandwidth(GB/s): | check_result:\n8192 | 12.50 | 0.65 | success\n"
        f" RDMA_Read BW Test\n{GIDS} #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   MsgRate[Mpps]\n"
        " 65536      5000             0.00              392.10   0.74\n----\n"
    )
    logs = read_logs(file)
    assert [(log.tool, log.collective, [row.size_bytes for row in log.rows]) for log in logs] == [
        ("nccl-tests", "all_reduce", [1 << 20, 2 << 20]),
        ("nccl-tests", "all_to_all", [4 << 20]),
        ("hccl_test", "all_gather", [8192]),
        ("perftest", "read", [65536]),
    ]
    assert [log.settings for log in logs[:2]] == [{"qps": "4"}, {}]
    assert [log.file.removeprefix(f"{file}:") for log in logs] == ["7", "20", "26", "33"]


def test_ranks_of_a_run_that_died_before_its_table_are_not_those_of_the_next(tmp_path: Path) -> None:
    begin = "# nThread 1 nGpus 1 minBytes 1048576 maxBytes 1048576 step: 2(factor)\n# Using devices\n"
    row = "     1048576        262144     float     sum      -1    85.10   12.32   18.48       0    84.00   12.48   18.72       0\n"
    log = read(
        tmp_path,
        begin + RANKS.replace("pod", "old") + "pod-0: Test NCCL failure\n" + begin + RANKS + HEAD + row,
    )
    assert log.places == (("pod-0", 0), ("pod-0", 1), ("pod-1", 0), ("pod-1", 1))


def test_a_row_that_is_cut_off_is_told_with_its_place(tmp_path: Path) -> None:
    row = "     1048576        262144     float     sum      -1    85.10   12.32\n"
    assert told(tmp_path, RANKS + HEAD + row).startswith(
        "run.log:8:65: error[bad-log]: a row of 7 columns, and the head has 13: size count type redop root time"
    )


def test_a_cell_that_is_no_number_is_told_with_its_place(tmp_path: Path) -> None:
    row = "     1048576        262144     float     sum      -1    8x.10   12.32   18.48  0  84.00  12.48  18.72  0\n"
    assert "run.log:8:57: error[bad-log]: '8x.10' is no time in us" in told(tmp_path, RANKS + HEAD + row)


def test_processes_that_each_ran_alone_are_told(tmp_path: Path) -> None:
    ranks = "".join(f"#  Rank  0 Pid  13 on {host} device  0 [0x00] V100\n" for host in ("a", "b"))
    message = told(tmp_path, ranks + HEAD)
    assert "there are two ranks 0, on a and b: each process ran alone" in message
    assert "build nccl-tests with MPI=1" in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello\n", "this is no output of nccl-tests, rccl-tests, hccl_test or perftest"),
        ("", "this is no output of nccl-tests"),
        (HEAD, "there is no row with a size and a time"),
        (
            " #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   MsgRate[Mpps]\n",
            "no row with bytes",
        ),
        (
            " #bytes     #iterations    BW peak[x/sec]    BW average[x/sec]   MsgRate[Mpps]\n",
            "names no 'BW average'",
        ),
        (
            "data_size(Bytes): aveg_time(us): alg_bandwidth(GB/s): check_result:\n8192 12 1 maybe\n",
            "success, failed or NULL",
        ),
    ],
)
def test_what_is_no_log_or_an_empty_one_is_told(tmp_path: Path, text: str, says: str) -> None:
    assert says in told(tmp_path, text)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no-log.*there is no such file"):
        read_logs(tmp_path / "nowhere.log")


@pytest.mark.parametrize("seed", [3, 4])
def test_a_log_without_hosts_of_ranks_over_leaves_in_turn_is_told_as_collisions_first(
    tmp_path: Path, seed: int
) -> None:
    """A bus that is as slow would explain it alike, and nothing speaks for it."""
    options = "--placement strided --routing ecmp --algorithm ring -b 64M -e 256M -f 2 --fidelity fluid"
    ran = CliRunner().invoke(app, ["bench", "leaf-spine-16", *options.split(), "--seed", str(seed)])
    file = tmp_path / "run.log"
    file.write_text("".join(line + "\n" for line in ran.stdout.splitlines() if "host" not in line))
    words = f"expect leaf-spine-16 --routing ecmp --collective all_reduce --log {file} --json"
    causes = json.loads(CliRunner().invoke(app, words.split(), catch_exceptions=False).stdout)["causes"]
    assert causes[0]["cause"] == "hash-collisions"
    assert "host-bus" in [each["cause"] for each in causes]  # it is not ruled out either


def report(**changes: object) -> str:
    """What nccl-tests writes with -J, in the order of src/util.cu; a root is padded text, as there."""
    half = {"time": 85.1, "alg_bw": 12.32, "bus_bw": 18.48, "nwrong": 0.0}
    document: dict[str, object] = {
        "version": 3,
        "start_time": "2026-01-01 00:00:00",
        "args": ["/opt/nccl-tests/build/all_reduce_perf", "-b", "1M", "-J", "run.json"],
        "env": ["PATH=/bin", "NCCL_ALGO=Ring", "NCCL_IB_QPS_PER_CONNECTION=4"],
        "nccl_version": 22809,
        "config": {
            "nthreads": 1,
            "devices": [
                {"rank": rank, "group": 0, "pid": 7, "hostname": f"pod-{rank // 2}", "device": rank % 2,
                 "device_hex": "0x05", "device_info": "NVIDIA H100"}
                for rank in (3, 0, 1, 2)
            ],
        },
        "results": [
            {"size": 1 << 20, "count": 1 << 18, "type": "float", "redop": "sum", "root": "    -1",
             "out_of_place": half, "in_place": {**half, "time": 84.0, "nwrong": 2.0}},
            {"size": 4 << 20, "count": 1 << 20, "type": "float", "redop": "sum", "root": "    -1",
             "out_of_place": None, "in_place": {**half, "time": 120.5, "nwrong": None}},
        ],
        "errors": 0,
        **changes,
    }  # fmt: skip
    return json.dumps(document, separators=(",", ":"))


def test_a_report_of_j_says_what_its_table_says(tmp_path: Path) -> None:
    log = read(tmp_path, report())
    assert (log.tool, log.collective, log.ranks) == ("nccl-tests", "all_reduce", 4)
    assert log.places == (("pod-0", 0), ("pod-0", 1), ("pod-1", 0), ("pod-1", 1))
    assert [(row.size_bytes, row.time_us, row.wrong) for row in log.rows] == [
        (1 << 20, 85.1, 2),
        (4 << 20, 120.5, None),
    ]
    assert log.settings == {"algorithm": "Ring", "qps": "4"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (report()[:-40], "run.log:1:"),
        (report(results=[]), "the report has no result with a time"),
        (report(results=[{"size": 8, "root": "-1", "in_place": {"time": "fast"}}]), "missing or no number"),
        (report(results=[{"size": 8, "root": "-1", "in_place": {"time": -1}}]), "a time of -1.0 us"),
        (report(results=[{"size": 8, "in_place": {"time": 1}}]), "missing or no number: 'root'"),
        (report(config={"devices": [{"rank": "first"}]}), "missing or no number"),
        (report(config=[1]), "missing or no number"),
        (report(results={"MsgSize": 65536}), "this JSON is no report of nccl-tests"),
        (
            '{"test_info": {"test": "RDMA_Write_BW_Test"}, "results": {"BW_average": 1}}',
            "give what the tool prints",
        ),
        ('{"a":' * 100_000, "this JSON cannot be read"),
    ],
    ids=range(10),
)
def test_a_report_that_is_none_is_told(text: str, says: str, tmp_path: Path) -> None:
    assert says in told(tmp_path, text)
