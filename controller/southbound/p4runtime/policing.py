"""How many packets a switch lets up to its controller: the meter before the CPU port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from finsy import P4Schema
from finsy.proto import p4r

from raddle.controller.plan.diff import Change
from raddle.controller.southbound.p4runtime.session import P4Session, UnfitError

METER = "cpu_meter"

Cells = Mapping[int, p4r.MeterConfig]
"""Of a port's number how it is policed; one without rates lets all pass."""


def wanted_cells(ports: Mapping[int, str], packets: int) -> Cells:
    """Packets a second, and in a burst, from a port to the controller; what comes faster is dropped.

    All ports are alike; the meter has one rate, which is both of P4Runtime's (section 9.4).
    """
    rates = p4r.MeterConfig(cir=packets, cburst=packets, pir=packets, pburst=packets)
    return dict.fromkeys(ports, rates)


def read_cells(session: P4Session, schema: P4Schema, ports: Mapping[int, str]) -> Cells:
    """How ports are policed; none are where the program or the switch has no such meter."""
    meter = next((each for each in schema.meters if each.alias == METER), None)
    if meter is None:
        return {}
    asked = [_entity(meter.id, number) for number in ports]
    with suppress(UnfitError):
        found = [each.meter_entry for each in session.read(asked)]
        return {each.index.index: _rates(each.config) for each in found}
    return {}


def cell_updates(schema: P4Schema, held: Cells, wanted: Cells) -> list[p4r.Update]:
    """What makes `held` be `wanted`. A cell is always there, so that it is only ever modified."""
    made = []
    for number in _differing(held, wanted):
        entity = _entity(schema.meters[METER].id, number)
        if wanted[number] != p4r.MeterConfig():
            entity.meter_entry.config.CopyFrom(wanted[number])
        made.append(p4r.Update(type=p4r.Update.MODIFY, entity=entity))
    return made


def cell_changes(switch: str, ports: Mapping[int, str], held: Cells, wanted: Cells) -> tuple[Change, ...]:
    """How a switch polices other than it must."""
    return tuple(
        Change(switch, f"{METER}/{ports[number]}", _shown(held[number]), _shown(wanted[number]))
        for number in _differing(held, wanted)
    )


def _differing(held: Cells, wanted: Cells) -> Iterator[int]:
    return (number for number in wanted if number in held and held[number] != wanted[number])


def _entity(meter: int, number: int) -> p4r.Entity:
    return p4r.Entity(meter_entry=p4r.MeterEntry(meter_id=meter, index=p4r.Index(index=number)))


def _rates(config: p4r.MeterConfig) -> p4r.MeterConfig:
    """The rates alone."""
    return p4r.MeterConfig(cir=config.cir, cburst=config.cburst, pir=config.pir, pburst=config.pburst)


def _shown(config: p4r.MeterConfig) -> str:
    return f"{config.cir} packets/s, {config.cburst} at once" if config.cir else "all pass"
