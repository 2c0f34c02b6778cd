"""Checks of what the file says inside a host: how its accelerators share NICs, and who shares a domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from raddle.errors import Diagnostic
from raddle.topology.forms.layout import layout_of
from raddle.topology.forms.wiring import domain_size
from raddle.topology.yaml.schema import FabricFile
from raddle.topology.yaml.schema_devices import AcceleratorSpec, NicSpec
from raddle.topology.yaml.source import Place, Source


def check_insides(spec: FabricFile, source: Source) -> Iterator[Diagnostic]:
    """Problems of NICs and accelerators, of kinds of hosts and of listed hosts."""
    for i, kind in enumerate(spec.hosts or ()):
        yield from _check_inside(kind.nics, kind.accelerators, ("hosts", i), source)
    for name, device in (spec.devices or {}).items():
        yield from _check_inside(device.nics or NicSpec(), device.accelerators, ("devices", name), source)


def check_domains(spec: FabricFile, source: Source) -> Iterator[Diagnostic]:
    """Scale-up domains of several hosts that the hosts there are do not fill."""
    if spec.fabric and spec.hosts:
        layout = layout_of(spec.fabric, spec.hosts)
        for i, kind in enumerate(spec.hosts):
            yield from _uneven(layout.host_count(i), kind.accelerators, ("hosts", i), source)
    alike = Counter(device.accelerators for device in (spec.devices or {}).values() if device.accelerators)
    for inside, count in alike.items():
        name = next(name for name, device in (spec.devices or {}).items() if device.accelerators == inside)
        yield from _uneven(count, inside, ("devices", name), source)


def _check_inside(
    nics: NicSpec, inside: AcceleratorSpec | None, above: Place, source: Source
) -> Iterator[Diagnostic]:
    place: Place = (*above, "nics")
    ways = [key for key in ("count", "per_accelerator", "accelerators_per_nic") if getattr(nics, key)]
    for key in ways[1:]:
        message = f"'{key}' beside '{ways[0]}'"
        yield source.error("key-conflict", message, (*place, key), "keep one", at_key=True)
    for key in ways:
        if key != "count" and inside is None:
            hint = "add 'accelerators', or write 'count'"
            yield source.error(
                "missing-key", f"'{key}' without accelerators", (*place, key), hint, at_key=True
            )
    shared = nics.accelerators_per_nic
    if inside is None:
        return
    if shared and inside.count % shared:
        message = f"{inside.count} accelerators cannot share NICs by {shared}"
        hint = f"take a divisor of {inside.count}"
        yield source.error("uneven-form", message, (*place, "accelerators_per_nic"), hint)
    network = inside.scale_up
    if network and network.in_network and network.topology != "crossbar":
        message = f"'in_network' in a {network.topology} of links: its sums are a switch's"
        hint = "leave it out, or write 'topology: crossbar'"
        where: Place = (*above, "accelerators", "scale_up", "in_network")
        yield source.error("key-conflict", message, where, hint, at_key=True)


def _uneven(count: int, inside: AcceleratorSpec | None, above: Place, source: Source) -> Iterator[Diagnostic]:
    size = domain_size(inside)
    if count % size:
        down = count // size * size
        message = f"{count} hosts cannot be shared out to scale-up domains of {size}"
        hint = f"take {down} or {down + size} hosts" if down else f"take {size} hosts"
        place: Place = (*above, "accelerators", "scale_up", "hosts")
        yield source.error("uneven-form", message, place, hint)
