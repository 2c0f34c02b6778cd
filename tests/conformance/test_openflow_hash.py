"""By what Open vSwitch's select groups choose, with real packets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.test_openflow_queues import why_not

pytestmark = pytest.mark.system
SCRIPT = Path(__file__).with_name("openflow_hash_session.py")
FLOWS, UPLINKS = 64, 4


def test_queue_pairs_of_two_addresses_spread_over_openflow_1_5_and_not_over_1_3(tmp_path: Path) -> None:
    """64 source ports on 4 links: a fair hash leaves one empty once in 10^7 times (4 * (3/4)^64)."""
    if reason := why_not():
        pytest.skip(reason)
    words = ["unshare", "-n", sys.executable, str(SCRIPT), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for version in said.values():
        assert version["applied"] == "openflow, in sync"
        for family in ("IPv4", "IPv6"):
            assert sum(version[family].values()) == FLOWS
    assert "selection_method=dp_hash" in said["OpenFlow15"]["groups"]
    for family in ("IPv4", "IPv6"):
        assert len(said["OpenFlow13"][family]) == 1
        assert len(said["OpenFlow15"][family]) == UPLINKS
