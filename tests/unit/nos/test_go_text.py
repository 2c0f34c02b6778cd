"""Values print as Go's `%v` prints them."""

from __future__ import annotations

import pytest

from raddle.nos.server.go_text import go_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "<nil>"),
        (True, "true"),
        ("a b", "a b"),
        ([], "[]"),
        (["a", None, 1], "[a <nil> 1]"),
        ({"b": {}, "a": ["x"]}, "map[a:[x] b:map[]]"),
        # By strconv.FormatFloat(x, 'g', -1, 64).
        (0, "0"),
        (-0.0, "-0"),
        (9100, "9100"),
        (999999.5, "999999.5"),
        (1_000_000, "1e+06"),
        (1_234_567, "1.234567e+06"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-1.5e300, "-1.5e+300"),
        (2**53 + 1, "9.007199254740992e+15"),
    ],
)
def test_a_value_is_printed_as_go_does(value: object, text: str) -> None:
    assert go_text(value) == text


def test_a_large_value_is_cut() -> None:
    assert len(go_text({f"Ethernet{number}": {} for number in range(100_000)})) == 2048
