"""Pages of `raddle plan`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli import options, plan
from raddle.cli.main import app


def test_the_page_of_hashed_flows_needs_no_routes_and_is_that_of_the_whole_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [tmp_path / name for name in ("whole.html", "outline.html")]
    command = ["plan", "failed-links", "--html"]
    whole = CliRunner().invoke(app, [*command, str(pages[0]), "-o", str(tmp_path / "plan.json")])
    for module, name in ((options, "make_plan"), (plan, "held_pieces")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("all routes were worked out"))
    outline = CliRunner().invoke(app, [*command, str(pages[1])])
    assert (whole.exit_code, outline.exit_code) == (0, 0)
    assert whole.stdout == outline.stdout
    assert pages[0].read_bytes() == pages[1].read_bytes()
