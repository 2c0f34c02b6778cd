"""The table as hccl_test prints it.

Source: Huawei's hccl_test (oam-tools, src/hccl_test), HcclOpBaseTest::print_execution_time, with its
spelling. Sizes are powers of 1024 and a GB/s is 1e9 bytes in a second; the bandwidth is of the algorithm, for
all operations of the whole buffer. hccl_test rounds what it runs up to whole shares and prints what was asked
for; here a row's size is what was simulated.
"""

from __future__ import annotations

from raddle.report.model import SizeRow

COLUMN_NAMES = ("data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result: ",)


def size_line(row: SizeRow) -> str:
    """The line of one size; `failed` where elements are wrong or it did not end, `NULL` where they are not
    counted."""
    if row.time_ps is None or row.algbw_gbs is None:
        return f"{row.size_bytes:<17} | {'N/A':<14} | {'N/A':<20} | failed\n"
    result = "NULL" if row.wrong is None else "failed" if row.wrong else "success"
    return f"{row.size_bytes:<17} | {row.time_ps / 1e6:<14.2f} | {row.algbw_gbs:<20.5f} | {result}\n"
