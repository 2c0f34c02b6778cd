"""Live traffic that the engine has no room for is refused before a switch starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raddle.errors import InputError
from raddle.lab import live
from raddle.lab.live import check_size
from raddle.lab.workloads.collective import find_job
from raddle.topology import bundled_examples, load, loads
from raddle.traffic import repeated, waits_of
from tests.fabrics import SMALL_POD


@pytest.mark.parametrize("collective", ["all_to_all", "all_reduce"])
def test_waits_are_counted_without_making_them(collective: str) -> None:
    schedule = find_job(loads(SMALL_POD), collective, None).workload(2**20).schedule
    for times in (1, 2, 5):
        assert waits_of(schedule, times) == len(repeated(schedule, times).dep_ids)


def test_as_often_as_the_refusal_says_is_taken_and_once_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    fabric = loads(SMALL_POD)
    work = find_job(fabric, "all_to_all", None).workload(2**20)
    monkeypatch.setattr(live, "_MOST_WAITS", waits_of(work.schedule, 7))
    check_size(fabric, replace(work, repeat=7))
    with pytest.raises(InputError) as refused:
        check_size(fabric, replace(work, repeat=8))
    [told] = refused.value.diagnostics
    assert told.code == "bad-option"
    assert "--repeat 8 makes" in told.message
    assert told.hint
    assert told.hint.startswith("--repeat 7 at most")
    monkeypatch.setattr(live, "_MOST_FLOWS", work.schedule.flows - 1)
    with pytest.raises(InputError, match="room for"):
        check_size(fabric, work)


def test_an_all_to_all_of_256_gpus_a_thousand_times_is_refused() -> None:
    fabric = load(bundled_examples()["rail-256-h100"])
    work = find_job(fabric, "all_to_all", None).workload(64 * 2**20)
    with pytest.raises(InputError, match="--repeat 1000 makes"):
        check_size(fabric, replace(work, repeat=1000))
