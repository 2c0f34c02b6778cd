"""Addresses read the same whichever Python writes them."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_interface

import pytest

from raddle.units import ip_text


@pytest.mark.parametrize(
    "mapped", ["::ffff:10.0.0.1", IPv6Address("::ffff:10.0.0.1"), IPv6Address("::ffff:a00:1")]
)
def test_mapped_address_is_written_in_groups(mapped: object) -> None:
    assert ip_text(mapped) == "::ffff:a00:1"


def test_prefixes_and_texts_with_several_addresses_too() -> None:
    assert ip_text(IPv6Network("::ffff:192.168.4.0/118")) == "::ffff:c0a8:400/118"
    assert ip_text("src=::ffff:10.0.0.1 dst=::ffff:0.0.0.0") == "src=::ffff:a00:1 dst=::ffff:0:0"


@pytest.mark.parametrize("text", ["10.0.0.1/31", "fd00::1/127", "fe80::2ff:feaa:1/64"])
def test_what_is_not_mapped_stays(text: str) -> None:
    assert ip_text(ip_interface(text)) == text
