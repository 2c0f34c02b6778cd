"""How another shell finds an emulation."""

from __future__ import annotations

import os
import uuid

from raddle.lab.emulation.presence import Running, announce, answer, name_of, running


def test_an_emulation_is_found_once_however_often_somebody_looks() -> None:
    fabric = uuid.uuid4().hex
    with announce(fabric) as door, announce(fabric) as second:
        assert name_of(second) == f"{fabric}-2"
        for each in (door, second):
            answer(each)
        wanted = [Running(fabric, os.getpid()), Running(f"{fabric}-2", os.getpid())]
        for _ in range(200):  # more than a socket has room for
            found = [each for each in running() if each.name.startswith(fabric)]
            assert sorted(found, key=lambda each: each.name) == wanted


def test_one_that_has_ended_is_not_found() -> None:
    fabric = uuid.uuid4().hex
    announce(fabric).close()
    assert fabric not in {each.name for each in running()}
