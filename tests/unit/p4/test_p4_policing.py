"""The meter before the CPU port: what is written, read back and told. Packets: test_bmv2_packets.py."""

from __future__ import annotations

from finsy.proto import p4r

from raddle.controller.plan.diff import Change
from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, schema_of
from raddle.controller.southbound.p4runtime.policing import cell_changes, cell_updates, wanted_cells

SCHEMA = schema_of(fabric_pipeline())
PORTS = {1: "Ethernet0", 2: "Ethernet8"}
OPEN = p4r.MeterConfig()


def test_only_cells_that_differ_are_written_each_with_its_port_as_index() -> None:
    wanted = wanted_cells(PORTS, 600)
    assert cell_updates(SCHEMA, wanted, wanted) == []
    (update,) = cell_updates(SCHEMA, {1: wanted[1], 2: OPEN}, wanted)
    entry = update.entity.meter_entry
    assert update.type == p4r.Update.MODIFY  # a cell is always there (9.4)
    assert (entry.meter_id, entry.index.index) == (SCHEMA.meters["cpu_meter"].id, 2)
    assert (entry.config.cir, entry.config.cburst, entry.config.pir, entry.config.pburst) == (600,) * 4


def test_what_goes_back_to_no_rates_has_no_config() -> None:
    (update,) = cell_updates(SCHEMA, {1: wanted_cells(PORTS, 600)[1]}, {1: OPEN})
    assert not update.entity.meter_entry.HasField("config")


def test_a_port_that_is_policed_otherwise_is_told_by_its_name() -> None:
    slow = p4r.MeterConfig(cir=5, cburst=6, pir=5, pburst=6)
    changes = cell_changes("leaf0", PORTS, {1: slow, 2: OPEN}, wanted_cells(PORTS, 600))
    assert changes == (
        Change("leaf0", "cpu_meter/Ethernet0", "5 packets/s, 6 at once", "600 packets/s, 600 at once"),
        Change("leaf0", "cpu_meter/Ethernet8", "all pass", "600 packets/s, 600 at once"),
    )


def test_a_switch_without_the_meter_has_nothing_to_police() -> None:
    assert cell_changes("leaf0", PORTS, {}, wanted_cells(PORTS, 600)) == ()
    assert cell_updates(SCHEMA, {}, wanted_cells(PORTS, 600)) == []
