"""The engine's rows of rate control and loss recovery under the names that fabric files have for them."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest

from raddle import _core
from raddle.topology.devices import LossRecovery
from raddle.topology.rate_control import RATE_CONTROLS, CongestionControl, Dcqcn, RateControl


def test_schema_python_and_engine_have_the_same_rate_controls() -> None:
    assert get_args(CongestionControl) == _core.RATE_CONTROLS
    assert tuple(record.name for record in RATE_CONTROLS) == _core.RATE_CONTROLS


def test_schema_and_engine_have_the_same_loss_recoveries() -> None:
    assert get_args(LossRecovery) == _core.LOSS_RECOVERIES


@pytest.mark.parametrize("record", RATE_CONTROLS, ids=lambda record: record.name)
def test_engine_takes_the_parameters_of_every_record_and_no_others(record: type[RateControl]) -> None:
    control = record()
    parameters = {item.name: getattr(control, item.name) for item in fields(control)}
    nics = _core.NicConfig()
    nics.set_rate_control(record.name, parameters)
    with pytest.raises(ValueError, match="a parameter that the rate control does not have"):
        nics.set_rate_control(record.name, parameters | {"beta": 1})
    for name in parameters:
        rest = {key: value for key, value in parameters.items() if key != name}
        with pytest.raises(ValueError, match=f"no '{name}' given"):
            nics.set_rate_control(record.name, rest)


def test_unknown_rows_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no rate control of the name 'timely'"):
        _core.NicConfig().set_rate_control("timely", {})
    with pytest.raises(ValueError, match="no loss recovery of the name 'none'"):
        _core.NicConfig().set_loss_recovery("none")


def test_parameter_of_another_type_is_refused() -> None:
    parameters = {item.name: getattr(Dcqcn(), item.name) for item in fields(Dcqcn)}
    with pytest.raises((TypeError, RuntimeError, ValueError)):
        _core.NicConfig().set_rate_control("dcqcn", parameters | {"g": "1/256"})
