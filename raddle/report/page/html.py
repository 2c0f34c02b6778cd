"""The page as HTML: one file that asks nothing of the network.

Charts are Apache ECharts (assets/echarts.min.js, Apache-2.0), which is written into the page; the fabric,
tables and heat maps of blocks are drawn by assets/page.js itself.
"""

from __future__ import annotations

import html
import json
from dataclasses import asdict
from functools import cache
from importlib.resources import files

from raddle.report.page.model import Page

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="raddle">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<noscript>This page draws its figures with JavaScript, which is switched off.</noscript>
<script type="application/json" id="page">{page}</script>
<script>{charts}</script>
<script>
{script}</script>
</body>
</html>
"""


def to_html(page: Page, more_script: str = "") -> str:
    """The whole page; the same for the same page. `more_script` runs when it is drawn."""
    return _FRAME.format(
        title=html.escape(page.title),
        style=_asset("page.css"),
        page=_json(page),
        charts=_asset("echarts.min.js"),
        script=_asset("page.js") + more_script,
    )


def _json(page: Page) -> str:
    """JSON that can stand in a script element: no text of it ends the element."""
    text = json.dumps(asdict(page), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


@cache
def _asset(name: str) -> str:
    return (files("raddle.report.page") / "assets" / name).read_text("utf-8")
