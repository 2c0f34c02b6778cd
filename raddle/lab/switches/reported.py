"""What switches report, and what they forward with by it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.sonic.tables import Tables, bootstrap, pushed
from raddle.nos.db.databases import ConfigDb
from raddle.nos.orch import derive
from raddle.state import SwitchState

if TYPE_CHECKING:
    from raddle.nos.p4rt.entity_tables import EntityTables
    from raddle.nos.p4rt.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class ReportedSwitch:
    """What a switch reports: its databases and, of one programmed over P4Runtime, its pipeline and tables."""

    name: str
    config: ConfigDb
    appl: Tables
    is_p4: bool
    pipeline: Pipeline | None = None
    entities: EntityTables | None = None

    def with_static_routes(self, rows: Mapping[str, Mapping[str, str]]) -> ReportedSwitch:
        """The switch with other rows in CONFIG_DB's STATIC_ROUTE."""
        config = {**self.config, "STATIC_ROUTE": {key: dict(fields) for key, fields in rows.items()}}
        return dataclasses.replace(self, config=cast(ConfigDb, config))

    def with_routes(self, rows: Mapping[str, Mapping[str, str]]) -> ReportedSwitch:
        """The switch with more rows in CONFIG_DB's STATIC_ROUTE, where it has none of their prefix."""
        own = cast(Tables, self.config).get("STATIC_ROUTE", {})
        return self.with_static_routes({**rows, **own}) if rows else self

    def state(self, dark: frozenset[str] = frozenset()) -> SwitchState:
        """What it forwards with; `dark` are ports that have lost their light since."""
        ports = {port: dict(entry) for port, entry in self.appl.get("PORT_TABLE", {}).items()}
        for port in dark:
            ports.setdefault(port, {})["oper_status"] = "down"
        appl = {**self.appl, "PORT_TABLE": ports}
        state = self._derived_p4(appl) if self.is_p4 else derive(self.config, appl)
        return dataclasses.replace(state, name=self.name)

    def _derived_p4(self, appl: Tables) -> SwitchState:
        from raddle.nos.orch.p4 import derive_p4  # with P4Runtime's libraries
        from raddle.nos.p4rt.entity_tables import EntityTables

        return derive_p4(self.config, appl, self.pipeline, self.entities or EntityTables())


def planned_switch(switch: SwitchPlan) -> ReportedSwitch:
    """What a SONiC switch reports once it holds its part of a plan."""
    boot = bootstrap(switch)
    config = {table: dict(entries) for table, entries in boot.config_db.items()}
    for table, entries in pushed(switch).items():
        config.setdefault(table, {}).update(entries)
    oper = {port.name: {"oper_status": "up" if port.is_enabled else "down"} for port in switch.ports}
    appl = {"PORT_TABLE": oper, "SWITCH_TABLE": {"switch": boot.switch_json["SWITCH_TABLE:switch"]}}
    return ReportedSwitch(switch.name, cast(ConfigDb, config), appl, False)
