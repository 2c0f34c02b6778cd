"""What a TCP stream between two hosts carries, by iperf3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raddle.lab.emulation.network import Network

_RUN_S = 2
_PATIENCE_S = 30


def tcp_mbps(network: Network, src: tuple[str, str], dst: tuple[str, str]) -> float:
    """From a host and its address to another; 0 where nothing came."""
    server = network.popen(dst[0], ["iperf3", "-s", "-1", "-B", dst[1], "--forceflush"])
    assert server.stdout
    while "listening" not in (line := server.stdout.readline()):
        if not line:
            break
    words = ["iperf3", "-J", "-c", dst[1], "-B", src[1], "-t", str(_RUN_S)]
    words += ["--connect-timeout", str(1000 * _RUN_S)]
    said, _ = network.popen(src[0], words).communicate(timeout=_RUN_S + _PATIENCE_S)
    server.kill()
    server.wait()
    return _received_mbps(said)


def _received_mbps(report: str) -> float:
    try:
        return float(json.loads(report)["end"]["sum_received"]["bits_per_second"]) / 1e6
    except (ValueError, KeyError):
        return 0.0
