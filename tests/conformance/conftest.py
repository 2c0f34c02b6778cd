"""What the tests here left out for want of a switch is said at the end, with a count."""

from __future__ import annotations

import shutil

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests of BMv2 were skipped."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if "simple_switch_grpc" in str(report.longrepr)
    ]
    if skipped:
        why = "is built without Thrift" if shutil.which("simple_switch_grpc") else "is not on PATH"
        terminalreporter.write_line(
            f"BMv2: {len(skipped)} tests SKIPPED, as simple_switch_grpc {why} (docs/p4.md)", red=True
        )
