"""A simulated SONiC switch: its databases, from boot on, and the state its ASIC forwards with."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from raddle.errors import Diagnostic, InputError
from raddle.nos.boot import BootConfig, P4Boot, load_saved, read_boot_config, read_switch_table
from raddle.nos.db.checkpoints import Checkpoints
from raddle.nos.db.databases import ConfigDb, ConfigEntry, ConfigValue, CountersDb, Databases, HashDb
from raddle.nos.db.flap import flapping_ports, with_admin_status
from raddle.nos.db.gcu import apply_patch, invalid, replace_config
from raddle.nos.db.patch import PatchError, PatchOp
from raddle.nos.db.schema import TableSchema, Violation, read_config, tables_of, validate
from raddle.nos.db.store import ConfigStore
from raddle.nos.operator import CommandError, changed_by
from raddle.nos.orch import derive
from raddle.nos.orch.appl_db import Neighbors, appl_db
from raddle.nos.orch.asic_db import asic_db
from raddle.nos.orch.counter_views import Counted
from raddle.nos.orch.counters import counter_layout, counters_db
from raddle.nos.orch.lazy import LazyTables
from raddle.nos.orch.p4 import derive_p4
from raddle.nos.orch.ports import front_panel_order
from raddle.nos.orch.state_db import state_db
from raddle.nos.orch.watchdog import BIG_RED_SWITCH
from raddle.nos.orch.watermarks import Owner
from raddle.nos.p4_side import P4Side
from raddle.nos.p4rt.saved import P4Store
from raddle.state import SwitchCounters, SwitchState

__all__ = ["BootConfig", "SimulatedSwitch"]


class Change(Protocol):
    """What makes a CONFIG_DB of another, or raises PatchError: a patch, or a whole new document."""

    def __call__(self, config: ConfigDb, *, state: HashDb, tables: Mapping[str, TableSchema]) -> ConfigDb: ...


YangJudge = Callable[[ConfigDb], tuple[str, ...]]
"""What is wrong with a configuration by SONiC's YANG models."""


class SimulatedSwitch:
    """One switch. Reads are snapshots and need no lock; changes are made one at a time.

    Attributes:
        starts: how often it has started again.
    """

    def __init__(
        self,
        name: str,
        boot: BootConfig,
        carrier: frozenset[str],
        store: ConfigStore | None = None,
        lock: threading.RLock | None = None,
        neighbors: Neighbors | None = None,
        yang: YangJudge | None = None,
    ) -> None:
        """Boot from `boot`, or from what `store` has; `carrier` are the ports with light.

        Every accepted change is saved in `store` before it takes effect. Switches that are cabled to each
        other share a `lock`, since a change at one may put out the light at another. `neighbors` are what
        LLDP and ARP find at the ports. The attribute `p4` is the switch's P4Runtime side, if it has one;
        `checkpoints` are configurations that an operator keeps by name. `yang` judges what the updater makes
        where there are tables that the switch has no schema of.

        Raises:
            InputError: the configuration is not one that this switch can run, or a port in `carrier` is
                not one of the ports in `boot`. A saved configuration may lack it; its cable is dark then.
        """
        self.name = name
        self._store = store
        self._tables = tables_of(boot.features)
        document = load_saved(name, store) or boot.config_db
        config, violations = read_boot_config(document, self._tables)
        if document is boot.config_db:
            violations += [
                Violation(f"PORT/{port}", "the port has a cable but is not configured")
                for port in sorted(carrier - config.get("PORT", {}).keys())
            ]
        self._switch_table, switch_violations = read_switch_table(boot.switch)
        violations += switch_violations
        if violations:
            raise InputError(
                Diagnostic("bad-boot-config", f"{name}: {path}: {message}") for path, message in violations
            )
        self._lock = lock or threading.RLock()
        self._carrier = carrier
        self._neighbors = neighbors or {}
        self._yang = yang
        self._is_booting = False
        self.starts = 0
        self._saved = config
        self.checkpoints = Checkpoints(store.path.with_name("checkpoints") if store else None)
        self._templates = config if document is boot.config_db else read_config(boot.config_db)[0]
        self._staged: ConfigDb | None = None
        self._counted = Counted()
        self._clock: Mapping[str, str] = {}
        self._layout = counter_layout(config)
        self._watchers: dict[object, Callable[[], None]] = {}
        self._databases = self._render(config)
        self.p4 = self._p4_side(boot.p4) if boot.p4 else None

    def _p4_side(self, boot: P4Boot) -> P4Side:
        saved = P4Store(self._store.path.with_name("p4_tables.pb")) if self._store else None
        ports = front_panel_order(self._databases.config)
        return P4Side(boot.device_id, boot.is_pins, ports, lambda: self._counted.asic, saved)

    @property
    def databases(self) -> Databases:
        """The databases as they are now; the value does not change afterwards."""
        return self._databases

    def state(self) -> SwitchState:
        """What the switch forwards with now, under the name it was started with."""
        databases = self._databases
        state = (
            derive_p4(databases.config, databases.appl, *self.p4.forwarding.snapshot())
            if self.p4
            else derive(databases.config, databases.appl)
        )
        return dataclasses.replace(state, name=self.name)

    def apply_patch(self, operations: list[PatchOp]) -> None:
        """Change CONFIG_DB as `config apply-patch` does, at one instant: all operations or none.

        Raises:
            raddle.nos.db.patch.PatchError: the patch is refused; the switch is as it was.
        """
        self.make(partial(apply_patch, operations=operations))

    def replace_config(self, document: object) -> None:
        """Replace CONFIG_DB as `config replace` does, at one instant.

        Raises:
            raddle.nos.db.patch.PatchError: the document is refused; the switch is as it was.
        """
        self.make(partial(replace_config, document=document))

    def begin(self, change: Change) -> frozenset[str]:
        """Make a change as SONiC does, or take down the ports that must be down for it.

        Returns:
            The ports that were taken down: `make` is to come. Empty where the change is made.

        Raises:
            raddle.nos.db.patch.PatchError: the change is refused; the switch is as it was.
        """
        with self._lock:
            databases = self._databases
            target = change(databases.config, state=databases.state, tables=self._tables)
            self._check_held(target)
            ports = flapping_ports(databases.config, target)
            if ports:
                self._commit(with_admin_status(databases.config, ports, "down"))
            else:
                self._accept(databases.config, target)
            return ports

    def make(self, change: Change, lowered: frozenset[str] = frozenset()) -> None:
        """Make a change at one instant, and take up the ports that were taken down for it.

        Raises:
            raddle.nos.db.patch.PatchError: the change is refused; the switch is as it was before.
        """
        with self._lock:
            databases = self._databases
            config = with_admin_status(databases.config, lowered, "up")
            try:
                target = change(config, state=databases.state, tables=self._tables)
                if not lowered:
                    self._check_held(target)
                self._accept(config, target)
            except PatchError:
                if lowered:
                    self._commit(config)
                raise

    @property
    def held_tables(self) -> tuple[str, ...]:
        """Tables that the switch has no schema of, and keeps as they are."""
        return tuple(sorted(self._databases.config.keys() - self._tables.keys()))

    def held_problems(self) -> tuple[str, ...]:
        """What SONiC's YANG models say against the configuration, where there are held tables and models."""
        return self._yang(self._databases.config) if self._yang and self.held_tables else ()

    def _check_held(self, target: ConfigDb) -> None:
        if self._yang and target.keys() - self._tables.keys() and (found := self._yang(target)):
            raise invalid(Violation("YANG", message) for message in found)

    def _accept(self, config: ConfigDb, target: ConfigDb) -> None:
        if self._store:
            self._store.replace(config, target)
        self._saved = target
        self._commit(target)

    def take_entry(self, table: str, key: str, entry: ConfigEntry | None) -> bool:
        """An entry of CONFIG_DB was written in Redis (None: deleted), past the Generic Config Updater.

        Returns:
            Whether the switch acts on it. As SONiC's daemons do, it ignores what it cannot use.
        """
        with self._lock:
            config = self._databases.config
            rows = {name: row for name, row in config.get(table, {}).items() if name != key}
            if entry is not None:
                rows[key] = entry
            changed = {name: entries for name, entries in {**config, table: rows}.items() if entries}
            if validate(_modelled(changed), self._tables, boots=True):
                return False
            self._commit(changed)
            return True

    def take_fields(self, table: str, key: str, fields: Mapping[str, ConfigValue | None] | None) -> bool:
        """Some fields of an entry were written in Redis (None: deleted; no `fields`: the entry was).

        The other fields stay as they are here. Returns as `take_entry` does.
        """
        if fields is None:
            return self.take_entry(table, key, None)
        with self._lock:
            entry = dict(self._databases.config.get(table, {}).get(key, {}))
            for name, value in fields.items():
                entry.pop(name, None)
                if value is not None:
                    entry[name] = value
            return self.take_entry(table, key, entry)

    def run_config(self, words: Sequence[str]) -> None:
        """Run one of SONiC's config commands on the switch itself; only `save` outlives a reboot.

        Raises:
            CommandError: there is no such command, or what it makes is not valid.
            PatchError: the configuration cannot be saved.
        """
        with self._lock:
            config = self._databases.config
            if list(words) == ["save"]:
                if self._store:
                    self._store.save(config)
                self._saved = config
                return
            changed = changed_by(words, config, self._templates)
            if violations := validate(_modelled(changed), self._tables, boots=True):
                path, message = violations[0]
                raise CommandError(f"{path}: {message}")
            self._commit(changed)

    def stage_config(self, document: object) -> None:
        """Take a whole configuration that the next reboot brings into force.

        Raises:
            PatchError: it is not one that this switch could boot from; what was staged before stays.
        """
        config, violations = read_boot_config(document, self._tables)
        if violations:
            lines = [f"{path}: {message}" for path, message in violations[:_SHOWN_VIOLATIONS]]
            raise PatchError("\n".join(["Yang validation failed!", *lines]))
        self._staged = config

    @property
    def is_booting(self) -> bool:
        """Whether the switch is down for a reboot."""
        return self._is_booting

    def shut_down(self) -> bool:
        """Begin a reboot: all ports go dark. False if one is under way."""
        with self._lock:
            if self._is_booting:
                return False
            self._is_booting = True
            self._swap(self._render(self._databases.config))
            return True

    def start_up(self) -> str:
        """End a reboot with the staged configuration, or else the saved one; counters start again from 0.

        Returns:
            Why the switch came up with the configuration that it had; empty if it has the new one.
        """
        with self._lock:
            problem = ""
            config = self._databases.config
            try:
                config = self._boot_file()
                if self._store and self._staged is not None:
                    self._store.save(config)
            except (InputError, PatchError) as error:
                problem = str(error)
            else:
                self._saved, self._staged = config, None
            self._is_booting = False
            self.starts += 1
            self._counted = self._counted.rebooted()
            self._commit(config)
            return problem

    def _boot_file(self) -> ConfigDb:
        if self._staged is not None:
            return self._staged
        document = load_saved(self.name, self._store)
        if document is None:
            return self._saved
        config, violations = read_boot_config(document, self._tables)
        if violations:
            raise InputError(Diagnostic("bad-boot-config", f"{path}: {text}") for path, text in violations)
        return config

    def has_carrier(self, port: str) -> bool:
        """Whether there is light at `port`."""
        return port in self._carrier

    def has_port(self, port: str) -> bool:
        """Whether `port` is configured."""
        return port in self._databases.config.get("PORT", {})

    def is_enabled(self, port: str) -> bool:
        """Whether `port` is administratively up, so that its far end has light."""
        is_up = self._databases.config.get("PORT", {}).get(port, {}).get("admin_status") == "up"
        return is_up and not self._is_booting

    def port_signal(self, port: str) -> tuple[str, str]:
        """Speed and FEC of a port, as set; no FEC where the port finds one itself."""
        row = self._databases.config.get("PORT", {}).get(port, {})
        fec = str(row.get("fec", ""))
        return str(row.get("speed", "")), "" if fec == "auto" else fec

    def set_carrier(self, port: str, up: bool) -> None:
        """Light on the fibre at `port` comes or goes.

        Raises:
            KeyError: the switch has no such port.
        """
        with self._lock:
            config = self._databases.config
            if port not in config.get("PORT", {}):
                raise KeyError(f"{self.name} has no port {port}")
            self._carrier = self._carrier | {port} if up else self._carrier - {port}
            self._commit(config)

    def set_counters(self, counters: SwitchCounters, clock: Mapping[str, str] | None = None) -> None:
        """COUNTERS_DB shows from now on what the ASIC has counted up to now.

        `clock` are the fields of STATE_DB SIMULATION|clock, which say what simulated time that is.
        """
        with self._lock:
            old = self._databases
            self._counted = self._counted.then(counters, old.config)
            state = old.state
            if clock is not None:
                self._clock = clock
                state = _with_tables(state, _clock_table(clock))
            shown = {**old.counters, **counters_db(self._layout, old.config, self._counted, self._clock)}
            self._swap(dataclasses.replace(old, counters=shown, state=state))

    def clear_watermarks(self, owner: Owner, request: str) -> None:
        """Set a kind of watermark, a key of `CLEARED`, to 0 for its owner, as watermarkorch does."""
        with self._lock:
            old = self._databases
            cleared = self._counted.watermarks.cleared(owner, request)
            self._counted = dataclasses.replace(self._counted, watermarks=cleared)
            shown = {**old.counters, **counters_db(self._layout, old.config, self._counted, self._clock)}
            self._swap(dataclasses.replace(old, counters=shown))

    def write(
        self,
        *,
        config: ConfigDb | None = None,
        state: HashDb | None = None,
        counters: CountersDb | None = None,
    ) -> None:
        """Put whole tables into databases as `redis-cli` does: nothing is checked and no daemon acts on it.

        A CONFIG_DB that was changed so may be one that SONiC would have refused, and then has no `state`.
        """
        with self._lock:
            old = self._databases
            self._swap(
                dataclasses.replace(
                    old,
                    config={**old.config, **(config or {})},
                    state=_with_tables(old.state, state or {}),
                    counters={**old.counters, **(counters or {})},
                )
            )

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change`, from whichever thread makes a change, after every one; returns what ends that."""
        token = object()
        self._watchers[token] = on_change

        def stop() -> None:
            self._watchers.pop(token, None)

        return stop

    def _commit(self, config: ConfigDb) -> None:
        """Swap in a new snapshot; what the daemons write follows from CONFIG_DB and carrier."""
        old = self._databases.config
        if any(old.get(table) is not config.get(table) for table in _COUNTED_TABLES):
            self._layout = counter_layout(config)
        self._swap(self._render(config))

    def _render(self, config: ConfigDb) -> Databases:
        """The databases with this CONFIG_DB."""
        appl = appl_db(
            config, frozenset() if self._is_booting else self._carrier, self._neighbors, self._switch_table
        )
        ports = appl["PORT_TABLE"]
        up = frozenset(name for name, fields in ports.items() if fields["oper_status"] == "up")
        return Databases(
            config=config,
            appl=appl,
            state=_with_tables(state_db(config, ports), _clock_table(self._clock)),
            counters=counters_db(self._layout, config, self._counted, self._clock),
            asic=asic_db(config, appl, up, self._neighbors, self._layout),
        )

    def _swap(self, databases: Databases) -> None:
        self._databases = databases
        for on_change in list(self._watchers.values()):
            on_change()


_SHOWN_VIOLATIONS = 20
_COUNTED_TABLES = ("PORT", "INTERFACE", "BUFFER_POOL", "ACL_TABLE", "ACL_TABLE_TYPE", "ACL_RULE")


def _modelled(config: ConfigDb) -> ConfigDb:
    """CONFIG_DB without the field that pfcwdorch knows and the YANG models do not."""
    everywhere = config.get("PFC_WD", {}).get("GLOBAL", {})
    if BIG_RED_SWITCH not in everywhere:
        return config
    rest = {name: value for name, value in everywhere.items() if name != BIG_RED_SWITCH}
    return {**config, "PFC_WD": {**config["PFC_WD"], "GLOBAL": rest}}


def _clock_table(clock: Mapping[str, str]) -> HashDb:
    return {"SIMULATION": {"clock": clock}} if clock else {}


def _with_tables(database: HashDb, tables: HashDb) -> HashDb:
    return database.with_tables(tables) if isinstance(database, LazyTables) else {**database, **tables}
