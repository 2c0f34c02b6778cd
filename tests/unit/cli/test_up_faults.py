"""Faults of live traffic: what `up` takes, and what it refuses with a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from raddle.cli.up import _faults
from raddle.errors import InputError
from raddle.lab.workloads.flow_file import read_flows
from raddle.topology import loads
from tests.fabrics import SMALL_POD

FABRIC = loads(SMALL_POD)


def test_faults_of_live_traffic_are_those_that_no_switch_has(tmp_path: Path) -> None:
    flows, faults = tmp_path / "flows.csv", tmp_path / "faults.csv"
    flows.write_text("src,dst,bytes\nhost0,host2,1000\n")
    work = read_flows(FABRIC, flows)
    faults.write_text("what,where,from,until,value\nstorm,host3,1us,,\n")
    assert [each.what for each in _faults(FABRIC, faults, work)] == ["storm"]
    assert _faults(FABRIC, None, None) == ()
    with pytest.raises(InputError, match="there is none"):
        _faults(FABRIC, faults, None)
    faults.write_text("what,where,from,until,value\ndown,leaf0:spine0,1us,,\n")
    with pytest.raises(InputError) as refused:
        _faults(FABRIC, faults, work)
    [told] = refused.value.diagnostics
    assert told.message == "--faults: 'down' at leaf0:Ethernet16 does not happen to live traffic"
    assert told.hint == "pull the cable: raddle switch leaf0 cable pull Ethernet16"
