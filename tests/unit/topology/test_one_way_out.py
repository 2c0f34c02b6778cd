"""Several problems of one value have one way out, which is the first one's."""

from __future__ import annotations

import pytest

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.topology import loads

FABRIC = "raddle: 1\nname: pod\nfabric: {leaves: {count: 4}, spines: {count: 2}}\nhosts: {per_leaf: 2}\n"
TWICE = "overrides: {links: [{ends: [leaf0, spine0], speed: 100G}, {ends: [leaf0, spine0], speed: 33G}]}\n"
POOL = "addressing: {hosts: 10.0.0.0/16, loopbacks: 10.0.0.0/32, underlay: 172.16.0.0/14}\n"
LOCAL = "addressing: {hosts: 169.254.0.0/14}\n"


@pytest.mark.parametrize(
    ("more", "codes", "hints"),
    [
        (TWICE, ["duplicate-override", "unknown-pause-delay"], ["delete one", ""]),
        (
            POOL,
            ["pool-overlap", "pool-too-small"],
            ["separate them, and make it a /29 or larger", ""],
        ),
    ],
    ids=["override", "pool"],
)
def test_only_the_first_problem_of_a_value_has_a_hint(more: str, codes: list[str], hints: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        loads(FABRIC + more)
    assert [each.code for each in caught.value.diagnostics] == codes
    assert [each.hint for each in caught.value.diagnostics] == hints


def test_a_prefix_that_would_be_refused_is_not_proposed() -> None:
    with pytest.raises(InputError) as caught:
        loads(FABRIC + LOCAL)
    assert [each.hint for each in caught.value.diagnostics] == ["take another, as 10.0.0.0/16"]


def test_equal_problems_are_told_once_and_missing_keys_each() -> None:
    place = SourceSpan("f.yaml", 1, 1)
    twice = [Diagnostic("a", "one", place, "so")] * 2
    missing = [Diagnostic("missing-key", f"'{key}' is missing", place, f"write {key}") for key in "xy"]
    told = InputError([*twice, *missing, Diagnostic("b", "other", place, "or so")]).diagnostics
    assert [(each.code, each.hint) for each in told] == [
        ("a", "so"),
        ("b", ""),
        ("missing-key", "write x"),
        ("missing-key", "write y"),
    ]
