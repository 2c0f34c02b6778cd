"""A reading's clock is what its counters carry, whatever the time stamps of its notifications say."""

from __future__ import annotations

import json

import pytest
from finsy.proto import gnmi

from raddle.controller.service.watch.counters import CounterWatch, Reading
from raddle.inventory import Access


def update(last: str, value: object) -> gnmi.Update:
    path = gnmi.Path(elem=[gnmi.PathElem(name="COUNTERS"), gnmi.PathElem(name=last)])
    return gnmi.Update(path=path, val=gnmi.TypedValue(json_ietf_val=json.dumps(value).encode()))


@pytest.mark.parametrize(("clock", "clock_s"), [({"SIMULATED_PS": "2500000000"}, 0.0025), ({}, 7.0)])
def test_clock_and_counts_are_of_one_hash(clock: dict[str, str], clock_s: float) -> None:
    heard: list[Reading] = []
    watch = CounterWatch(
        "leaf0", "", Access(), [3], lambda: {"etp1": "Ethernet0"}, heard.append, lambda *_: None, 1.0
    )
    watch._take(update("Ethernet*", {"etp1": {"SAI_PORT_STAT_IF_OUT_OCTETS": "9", **clock}}), 5 * 10**9)
    watch._take(update("Queues", {"etp1:3": {}}), 7 * 10**9)
    [reading] = heard
    assert (reading.clock_s, reading.is_simulated) == (clock_s, bool(clock))
    assert reading.ports["Ethernet0"][0] == 9
