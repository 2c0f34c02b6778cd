"""What becomes of a message whose parts are on several queue pairs."""

from __future__ import annotations

import numpy as np
import pytest

from raddle.lab.workloads.connections import of_messages
from raddle.sim import FLOW_STATUS, NEVER, FlowColumns
from raddle.traffic import Lanes, build, stripe


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (("done", "done"), "done"),
        (("done", "active"), "active"),
        (("done", "waiting"), "active"),
        (("waiting", "waiting"), "waiting"),
        (("active", "failed"), "failed"),
        (("done", "failed"), "failed"),
    ],
)
def test_a_message_is_done_when_all_parts_are_and_failed_when_one_has(
    parts: tuple[str, str], whole: str
) -> None:
    ports = np.arange(2, dtype=np.int32)
    stripes = stripe(build("all_reduce", "ring", 2, 1024), Lanes.single(ports, ports), 2, splits_data=True)
    count = stripes.schedule.flows // 2
    times = np.array([5, NEVER] * count, np.int64)
    status = np.array([FLOW_STATUS.index(part) for part in parts] * count, np.uint8)
    columns = of_messages(stripes, FlowColumns(times, times, times, status))
    assert [FLOW_STATUS[number] for number in columns.status] == [whole] * count
    assert (columns.start_ps[0], columns.finish_ps[0], columns.acked_ps[0]) == (5, NEVER, NEVER)
