"""Pages: what they hold, and that they need nothing of the network."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from raddle import loads
from raddle.report.model import BenchResult, LinkUse, SizeRow
from raddle.report.page import Figure, Page, to_html
from raddle.report.page.bench_page import bench_page
from raddle.report.page.fabric_figure import fabric_figure
from raddle.report.page.link_figures import link_figures, pause_trees
from raddle.report.page.model import Branch
from raddle.sim.series import Sample
from tests.fabrics import SMALL_POD


def without_charts(text: str) -> str:
    """A page without the library of charts, which is the first script of code."""
    start = text.index("<script>")
    return text[:start] + text[text.index("</script>", start) :]


def paused(name: str, pause_ps: int) -> LinkUse:
    return LinkUse(name, 1000, 0.5, 0, pause_ps, 0, 0)


def test_pauses_hang_below_what_held_the_sender() -> None:
    uses = [
        paused("a:1 -> leaf0:1", 3_000_000),
        paused("leaf0:2 -> spine0:1", 5_000_000),
        paused("b:1 -> spine0:2", 1_000_000),
        paused("leaf0:3 -> c:1", 0),
    ]
    # spine0 held leaf0, which therefore held a; nobody held spine0.
    held = Branch("leaf0:2 -> spine0:1", 5e-6, (Branch("a:1 -> leaf0:1", 3e-6),))
    assert pause_trees(uses, {"a", "b", "c"}) == [
        Branch("spine0", 6e-6, (held, Branch("b:1 -> spine0:2", 1e-6)))
    ]


def test_a_host_that_is_held_passes_nothing_on() -> None:
    uses = [paused("leaf0:1 -> a:1", 7_000_000), paused("a:1 -> leaf0:1", 2_000_000)]
    (root,) = pause_trees(uses, {"a"})
    assert root == Branch("a", 7e-6, (Branch("leaf0:1 -> a:1", 7e-6, (Branch("a:1 -> leaf0:1", 2e-6),)),))


def test_pauses_in_a_ring_are_all_roots() -> None:
    uses = [paused("x:1 -> y:2", 3), paused("y:1 -> z:2", 3), paused("z:1 -> x:2", 3)]
    assert sorted(root.name for root in pause_trees(uses, ())) == ["x", "y", "z"]


def test_no_text_of_a_page_ends_its_script_or_becomes_an_element() -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    text = to_html(Page(evil, evil, (Figure("table", evil, evil, {"columns": [], "rows": []}),)))
    assert "<img" not in without_charts(text)
    (held,) = re.findall(r'<script type="application/json" id="page">(.*?)</script>', text, re.S)
    assert json.loads(held)["title"] == evil


def test_a_page_names_no_place_to_load_from() -> None:
    text = to_html(Page("t", "s", ()))
    assert not re.search(
        r"""(src|href)\s*=\s*["']?(https?:)?//|@import|url\(|fetch\(|XMLHttp""", without_charts(text)
    )


def test_the_fabric_has_every_link_with_what_each_direction_did() -> None:
    fabric = loads(SMALL_POD)
    first = fabric.links[0]
    (figure, *_) = link_figures(fabric, [LinkUse(f"{first.b} -> {first.a}", 10, 0.25, 2, 0, 0, 0)], ())
    assert [measure["name"] for measure in figure.data["measures"]] == ["utilisation", "flows of one step"]
    devices = [name for name, _, _ in figure.data["devices"]]
    assert len(devices) == len(fabric.switches) + len(fabric.hosts)
    links = {(devices[a], devices[b], pa, pb): values for a, b, pa, pb, _, _, *values in figure.data["links"]}
    assert len(links) == len(fabric.links)
    assert links[first.a.device, first.b.device, first.a.port, first.b.port] == [(), [0.25, 2]]


def test_a_page_of_too_many_links_says_what_it_leaves_out_and_keeps_what_is_dead() -> None:
    fabric = loads(SMALL_POD + "overrides: {links: [{ends: [leaf1, spine1], state: down}]}\n")
    busy = next(link for link in fabric.links if link.a.device == "leaf0" or link.b.device == "leaf0")
    figure = fabric_figure(fabric, (), {f"{busy.a} -> {busy.b}": [0.9]}, max_links=2)
    assert "6 links are left out" in figure.about
    dead, kept = figure.data["links"]
    assert dead[5] == "down"
    assert kept[6] == [0.9]


def test_samples_stand_at_the_link_of_their_port_and_fall_to_nought_between() -> None:
    fabric = loads(SMALL_POD)
    end = fabric.links[0].a
    # Sampled every microsecond; nothing was there at the second and third.
    samples = [
        Sample(time_us * 1_000_000, str(end), 3, 700, 0, 8_000, False, 900, 0, 0, 0) for time_us in (0, 1, 4)
    ]
    figure, queues = link_figures(fabric, (), (), samples=samples)
    (curves,) = figure.data["samples"]["links"].values()
    assert list(figure.data["samples"]["links"]) == [f"{end} -> {fabric.links[0].b}"]
    sent = [(0, 8_000), (1e-6, 8_000), (2e-6, 0), (3e-6, 0), (4e-6, 8_000), (5e-6, 0)]
    assert curves[0] == [["sent 3", sent]]
    (queue,) = queues.data["curves"]
    assert [value for _, value in queue["points"]] == [700, 700, 0, 0, 700, 0]


ROW = SizeRow(
    1024, 256, "float", "sum", -1, "ring", "", 10, 1.0, 1.0, 0, 0, 0, 0, 0, (), (), ()
)  # fmt: skip
RESULT = BenchResult(
    "pod", "all_reduce", "ring", "ecmp", "linear", 4, 1, 49.0, None, (ROW,), (), ()
)  # fmt: skip


def test_an_interrupted_benchmark_is_not_called_good() -> None:
    fabric = loads(SMALL_POD)
    assert bench_page(fabric, [RESULT]).state == "ok"
    page = bench_page(fabric, [replace(RESULT, is_interrupted=True)])
    assert (page.state, page.verdict.split(";")[0]) == ("", "interrupted before all sizes had run")


def test_sizes_that_are_not_right_are_counted_once() -> None:
    wrong = replace(ROW, time_ps=None, unfinished=(), diagnosis=("a", "b"))
    page = bench_page(loads(SMALL_POD), [replace(RESULT, rows=(ROW, replace(wrong, size_bytes=4096)))])
    assert page.verdict == "1 of 2 sizes is not right"
