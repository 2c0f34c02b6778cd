"""Breakouts that a model's ports, lanes and pipelines do not allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from raddle.errors import Diagnostic
from raddle.topology.devices import Mode, mode_text
from raddle.topology.forms.wiring import profile_of
from raddle.topology.model import SwitchModel
from raddle.topology.ports import front_panel
from raddle.topology.yaml.schema_devices import Breakout, PortRangeSpec
from raddle.topology.yaml.source import Place, Source
from raddle.units import format_rate

_ALL_PORTS = 1023
"""Last port of a breakout that is given for all ports."""


_FEWER = "break out fewer of them; a chip that can is a model of your own, under 'models'"


def check_breakout(
    breakout: Breakout, model: SwitchModel, place: Place, source: Source
) -> Iterator[Diagnostic]:
    """Breakouts that the model's ports cannot have."""
    found = list(_check_parts(breakout, model, place, source))
    yield from found
    if not found:
        yield from _check_port_counts(breakout, model, place, source)


def _check_parts(
    breakout: Breakout, model: SwitchModel, place: Place, source: Source
) -> Iterator[Diagnostic]:
    taken: list[tuple[int, int]] = []
    for i, each in enumerate(breakout):
        first, last = each.ports
        where: Place = (*place, "breakout", i)
        whole = last == _ALL_PORTS and first == 0
        shown = f"ports {first}-{last} are" if last > first else f"port {first} is"
        if not whole and last >= model.port_count:
            message = f"{shown} beyond '{model.name}', which has {model.port_count}"
            hint = f"the last port is {model.port_count - 1}"
            yield source.error("port-out-of-range", message, (*where, "ports"), hint)
        if model.cages:
            yield from _check_cages(each, model, (*where, "mode"), source)
        else:
            yield from _check_mode(each.mode, model, (*where, "mode"), source)
        if any(first <= earlier[1] and earlier[0] <= last for earlier in taken):
            message = f"{shown} in two breakouts"
            yield source.error("duplicate-breakout", message, (*where, "ports"), "delete one")
        taken.append((first, last))


def _check_mode(mode: Mode, model: SwitchModel, place: Place, source: Source) -> Iterator[Diagnostic]:
    """A mode that lanes or speed do not allow, or that the model does not have."""
    text, hint = mode_text(mode), ""
    for parts, speed_bps, own in mode:
        lanes = own or model.lanes_per_port
        most_bps = model.port_speed_bps * lanes // model.lanes_per_port
        if lanes % parts:
            hint = f"the number of parts must divide {lanes} lanes"
        elif parts * speed_bps > most_bps:
            hint = f"at most {parts}x{format_rate(most_bps // parts)}" + (f"({own})" if own else "")
    if sum(own for _, _, own in mode) > model.lanes_per_port:
        hint = f"its parts have more than {model.lanes_per_port} lanes"
    if hint:
        message = (
            f"breakout {text} does not fit a port of {model.lanes_per_port} lanes and "
            f"{format_rate(model.port_speed_bps)} of '{model.name}'"
        )
        yield source.error("bad-breakout", message, place, hint)
    elif model.breakouts and text not in model.breakouts and text != f"1x{format_rate(model.port_speed_bps)}":
        message = f"'{model.name}' has no breakout {text}"
        yield source.error("bad-breakout", message, place, f"it has {', '.join(model.breakouts)}")


def _check_cages(
    breakout: PortRangeSpec, model: SwitchModel, place: Place, source: Source
) -> Iterator[Diagnostic]:
    """A mode that the vendor's file does not give one of the cages."""
    first, last = breakout.ports
    for index, cage in enumerate(model.cages[first : last + 1], first):
        if cage.mode_of(breakout.mode) is None:
            text = mode_text(breakout.mode)
            message = f"port {index} of '{model.name}' (Ethernet{cage.first}) has no breakout {text}"
            hint = f"it has {', '.join(mode_text(each.mode) for each in cage.modes)}"
            yield source.error("bad-breakout", message, place, hint)
            return


def _check_port_counts(
    breakout: Breakout, model: SwitchModel, place: Place, source: Source
) -> Iterator[Diagnostic]:
    """More ports than the chip has, in all or in one of its pipelines."""
    ports = front_panel(model, profile_of(breakout))
    where: Place = (*place, "breakout")
    if model.max_ports and len(ports) > model.max_ports:
        message = f"{len(ports)} ports, and '{model.name}' has at most {model.max_ports}"
        yield source.error("too-many-ports", message, where, _FEWER, at_key=True)
    if not model.group_cages:
        return
    counts = Counter(port.index // model.group_cages for port in ports)
    full = sorted(group for group, count in counts.items() if count > model.group_max_ports)
    if full:
        first = full[0] * model.group_cages
        last = first + model.group_cages - 1
        own = [port.name for port in ports if first <= port.index <= last]
        more = f", and {len(full) - 1} more groups are so" if len(full) > 1 else ""
        message = (
            f"ports {first}-{last} of '{model.name}' share a pipeline of at most {model.group_max_ports} "
            f"ports, and have {len(own)} ({own[0]}..{own[-1]}){more}"
        )
        hint = f"break out {model.group_cages} neighbouring ports to {model.group_max_ports} at most"
        yield source.error("too-many-ports", message, where, hint, at_key=True)
