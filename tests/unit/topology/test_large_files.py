"""How much a file may hold: what devices and links list is counted apart."""

from __future__ import annotations

import pytest

from raddle import InputError, loads
from raddle.topology.yaml import source


def explicit(hosts: int) -> str:
    devices = "".join(f"  host{i}: {{role: host}}\n" for i in range(hosts))
    links = "".join(
        f'  - {{ends: ["host{i}:eth0", "leaf{i // 32}:Ethernet{i % 32 * 8}"], speed: 400G, medium: dac}}\n'
        for i in range(hosts)
    )
    leaves = "".join(f"  leaf{i}: {{role: leaf, plane: {i}}}\n" for i in range(-(-hosts // 32)))
    return f"raddle: 1\nname: listed\ndevices:\n{leaves}{devices}links:\n{links}"


def test_listed_devices_and_links_do_not_count_as_other_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_NODES", 50)
    assert len(loads(explicit(96)).links) == 96
    for more in ("", "overrides: {links: []}\n"):
        with pytest.raises(InputError, match="file-too-large"):
            loads(explicit(4) + more + "ignore: [" + "a," * 400 + "a]\n")


def test_an_item_brings_what_it_may_hold_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_NODES", 50)
    words = ", ".join(f"k{i}: 1" for i in range(2 * source.LISTED_NODES))
    with pytest.raises(InputError) as caught:
        loads("raddle: 1\nname: deep\nlinks:\n" + f"  - {{{words}}}\n" * 4)
    assert "file-too-large" in [each.code for each in caught.value.diagnostics]


@pytest.mark.parametrize("text", ["links: [" + "x, " * 100 + "x]\n", "a: {b: {c: {links: [{}, {}]}}}\n" * 30])
def test_what_is_no_device_or_link_brings_nothing(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(source, "MAX_NODES", 50)
    with pytest.raises(InputError, match="file-too-large"):
        loads(f"raddle: 1\nname: flat\n{text}")


def test_lines_bring_bytes_and_a_long_line_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_BYTES", 1000)
    assert len(loads(explicit(96)).links) == 96
    with pytest.raises(InputError, match="file-too-large"):
        loads(f"raddle: 1\nname: {'x' * 2000}\n")
    monkeypatch.setattr(source, "MAX_LINES", 50)
    with pytest.raises(InputError, match="larger than 1000 characters"):
        loads(explicit(96))
