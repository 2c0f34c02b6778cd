"""Bars and sparklines for a terminal."""

from __future__ import annotations

from raddle.report.plots import bars, in_ascii, sparkline


def test_a_bar_is_as_long_as_its_share_of_the_largest_and_no_line_is_wider_than_asked() -> None:
    title, half, whole, none = bars(
        "t", [("half", 5.0), ("a very long name" * 9, 10.0), ("n", None)], str, 80
    )
    assert title == "t"
    assert (half.count("█"), whole.count("█")) == (round(whole.count("█") / 2), whole.count("█"))
    assert max(map(len, (half, whole))) == 80
    assert none.split() == ["n", "-"]


def test_what_all_are_held_against_stands_at_its_place_even_beyond_all_bars() -> None:
    _, line = bars("t", [("a", 1.0)], lambda value: f"{value:g}", 46, mark=4.0)
    assert line.index("|") == len(line) - 1
    assert line.count("█") * 4 == len(line) - len("  a 1 ")


def test_nothing_known_is_no_plot_and_noughts_have_no_bar() -> None:
    assert list(bars("t", [("a", None)], str, 80)) == []
    assert list(bars("t", [("a", 0.0)], str, 80)) == ["t", "  a 0.0"]


def test_a_sparkline_has_a_column_for_each_value() -> None:
    assert sparkline([0, 4, None, 8]) == "▁▅ █"
    assert in_ascii("▁▅ █▎ …") == "15 # ~"
