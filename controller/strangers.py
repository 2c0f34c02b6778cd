"""Switches that answer at an address and are others than those that are meant: nothing relies on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.identity import Expected, Identity, mismatches, read_identity
from raddle.controller.southbound.workers import everywhere
from raddle.errors import Diagnostic, InputError, UnreachableError
from raddle.inventory import Inventory

Doubts = Mapping[str, tuple[str, ...]]
"""Why switches are not those that are meant, in words, by name."""


def ask_identities(
    inventory: Inventory, names: Iterable[str]
) -> tuple[dict[str, Identity], dict[str, UnreachableError]]:
    """What switches say of themselves over gNMI, and the errors of those that do not."""
    clients = {name: partial(GnmiClient, name, inventory.addresses[name], inventory.access) for name in names}
    said = everywhere(clients, read_identity)
    errors = {name: each for name, each in said.items() if isinstance(each, UnreachableError)}
    return {name: each for name, each in said.items() if isinstance(each, Identity)}, errors


def find_strangers(
    expected: Iterable[Expected],
    seen: Mapping[str, Identity],
    before: Mapping[str, Mapping[str, str]],
    accepted: Collection[str],
) -> Doubts:
    """Why switches are others than expected; those that are `accepted` all the same are missing.

    Args:
        expected: all switches of the fabric, also those that are not `seen`.
        before: what the boxes at these addresses said of themselves when they were last programmed.
    """
    all_of_them = tuple(expected)
    macs = {each.mac: each.name for each in all_of_them}
    found = {
        each.name: tuple(mismatches(each, seen[each.name], macs, before.get(each.name, {})))
        for each in all_of_them
        if each.name in seen and each.name not in accepted
    }
    return {name: reasons for name, reasons in found.items() if reasons}


def stranger_text(inventory: Inventory, name: str, reasons: tuple[str, ...]) -> str:
    return f"{name} ({inventory.addresses[name]}) is another switch: {'; '.join(reasons)}"


def about_strangers(inventory: Inventory, doubts: Doubts) -> tuple[Diagnostic, ...]:
    """An error for each, with a way out."""
    return tuple(
        Diagnostic(
            "wrong-switch",
            stranger_text(inventory, name, reasons),
            hint=f"mend the inventory; if it is the right one, give --accept-identity {name}",
        )
        for name, reasons in doubts.items()
    )


def refuse_strangers(inventory: Inventory, doubts: Doubts) -> None:
    """Raises InputError: `wrong-switch`, one is not whom the inventory says."""
    if doubts:
        raise InputError(about_strangers(inventory, doubts))
