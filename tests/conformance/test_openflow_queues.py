"""DSCP marking and egress queues of Open vSwitch's user-space datapath, with real packets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system
SCRIPT = Path(__file__).with_name("openflow_queues_session.py")


def why_not() -> str:
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in ("ovs-vswitchd", "ip", "tc", "unshare") if not shutil.which(name)]
    return f"{missing[0]} is missing; ./scripts/setup --tools installs it" if missing else ""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if reason := why_not():
        pytest.skip(reason)
    words = ["unshare", "-n", sys.executable, str(SCRIPT), str(tmp_path_factory.mktemp("ovs"))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_every_packet_leaves_by_the_queue_of_its_class(seen: dict[str, Any]) -> None:
    """Of each family 30 RoCE packets of DSCP 26 (priority 3), 7 of DSCP 48 (6), 20 + 10 without DSCP."""
    trusted = seen["trusted"]
    assert trusted["applied"] == "openflow, in sync"
    assert trusted["arrived"] == {"4791/0": 40, "4791/26": 60, "5000/0": 20, "5001/48": 14}
    assert trusted["queues"] == {"0": 60, "3": 60, "6": 14}


def test_a_leaf_that_marks_puts_unmarked_roce_packets_in_the_lossless_class(seen: dict[str, Any]) -> None:
    marked = seen["marked"]
    assert marked["applied"] == "openflow, in sync"
    assert marked["arrived"] == {"4791/26": 100, "5000/0": 20, "5001/48": 14}
    assert marked["queues"] == {"0": 20, "3": 100, "6": 14}
