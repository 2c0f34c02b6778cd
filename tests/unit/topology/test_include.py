"""Several files: what wins over what, where messages point, and that nothing runs away."""

from __future__ import annotations

from pathlib import Path

import pytest

from raddle import Fabric, InputError, load

BASE = """\
raddle: 1
name: base
variables: {far: 30m, leaves: 2}
fabric: {leaves: {count: "${leaves}"}, spines: {count: 2}, uplinks: {cable: "${far}"}}
hosts: {per_leaf: 2, nics: {cable: 3m}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "sites").mkdir()
    return tmp_path


def site(folder: Path, text: str, name: str = "a") -> Path:
    path = folder / "sites" / f"{name}.yaml"
    path.write_text(text)
    return path


def lengths(fabric: Fabric) -> set[float]:
    return {link.length_m for link in fabric.links if link.a.device.startswith("leaf")}


def refusal(path: Path, **variables: str) -> InputError:
    with pytest.raises(InputError) as caught:
        load(path, variables)
    return caught.value


def test_site_overrides_single_keys_of_the_file_it_includes(folder: Path) -> None:
    fabric = load(site(folder, "include: ../base.yaml\nname: a\nfabric: {spines: {count: 3}}\n"))
    assert (fabric.name, len(fabric.leaves), len(fabric.spines)) == ("a", 2, 3)
    assert lengths(fabric) == {30.0}


def test_caller_wins_over_site_and_site_over_base(folder: Path) -> None:
    path = site(folder, "include: ../base.yaml\nvariables: {far: 50m}\n")
    assert lengths(load(folder / "base.yaml")) == {30.0}
    assert lengths(load(path)) == {50.0}
    assert lengths(load(path, {"far": "80m"})) == {80.0}


def test_later_include_wins_over_an_earlier_one(folder: Path) -> None:
    (folder / "big.yaml").write_text("variables: {leaves: 5}\n")
    fabric = load(site(folder, "include: [../base.yaml, ../big.yaml]\n"))
    assert len(fabric.leaves) == 5
    assert len(load(site(folder, "include: [../big.yaml, ../base.yaml]\n")).leaves) == 2


def test_list_of_the_site_replaces_the_list_of_the_base(folder: Path) -> None:
    (folder / "base.yaml").write_text(
        BASE
        + "overrides: {links: [{ends: [leaf0, spine0], cable: 1m}, {ends: [leaf1, spine0], cable: 2m}]}\n"
    )
    path = site(folder, "include: ../base.yaml\noverrides: {links: [{ends: [leaf0, spine1], cable: 9m}]}\n")
    assert lengths(load(path)) == {30.0, 9.0}


def test_problems_stand_in_the_file_that_has_them(folder: Path) -> None:
    (folder / "base.yaml").write_text(BASE.replace("cable: 3m", "cable: three"))
    error = refusal(site(folder, "include: ../base.yaml\nfabric: {spines: {cuont: 3}}\n"))
    places = [
        (Path(item.span.file).name, item.span.line, item.code) for item in error.diagnostics if item.span
    ]
    assert sorted(places) == [("a.yaml", 2, "unknown-key"), ("base.yaml", 5, "bad-length")]
    assert "hosts: {per_leaf: 2, nics: {cable: three}}" in str(error)


def test_value_of_a_variable_is_checked_where_it_is_used(folder: Path) -> None:
    error = refusal(folder / "base.yaml", far="far away")
    assert "base.yaml:4:" in str(error)
    assert "'far away' is not a length" in str(error)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("include: ../none.yaml\n", "no-such-file"),
        ("include: a.yaml\n", "include-cycle"),
        ("include: {a: b}\n", "wrong-shape"),
        ("include: ../base.yaml\nhosts: {per_leaf: '${per_lefa}'}\n", "unknown-variable"),
        ("include: ../base.yaml\nvariables: [far]\n", "wrong-shape"),
        ("include: ../base.yaml\nvariables: {far: [1]}\n", "wrong-shape"),
        ("include: ..\n", "unreadable-file"),
    ],
)
def test_mistake_has_its_code_and_place(folder: Path, text: str, code: str) -> None:
    error = refusal(site(folder, text))
    assert code in [item.code for item in error.diagnostics]
    assert "a.yaml:" in str(error)


def test_variable_that_the_file_lacks_cannot_be_set(folder: Path) -> None:
    error = refusal(folder / "base.yaml", fra="1m")
    assert str(error) == "error[unknown-variable]: no variable 'fra' to set\n  hint: did you mean 'far'?"


def test_files_that_double_are_stopped(folder: Path) -> None:
    for i in range(12):
        (folder / f"{i}.yaml").write_text(f"include: [{i + 1}.yaml, {i + 1}.yaml]\n")
    (folder / "12.yaml").write_text(BASE)
    assert [item.code for item in refusal(folder / "0.yaml").diagnostics] == ["too-many-includes"]


def test_variable_does_not_stand_for_itself_or_grow(folder: Path) -> None:
    (folder / "base.yaml").write_text(BASE.replace("far: 30m", "far: '${far}'"))
    assert "'${far}' is not a length" in str(refusal(folder / "base.yaml"))
