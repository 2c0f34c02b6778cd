"""A simulated SONiC switch: its databases, from boot on, and the state its ASIC forwards with."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nos.db.databases import ConfigDb, ConfigEntry, CountersDb, Databases, HashDb
from nos.db.gcu import apply_patch, replace_config
from nos.db.patch import PatchOp
from nos.db.schema import Violation, read_config, validate
from nos.db.store import ConfigStore
from nos.orch import derive
from nos.orch.counters import counter_layout, counters_db
from nos.orch.ports import DEFAULT_MTU_BYTES
from raddle.errors import Diagnostic, InputError
from raddle.state import SwitchCounters, SwitchState

_SWITCH_KEY = "SWITCH_TABLE:switch"
_SWITCH_FIELDS = ("ecmp_hash_seed", "ecmp_hash_offset", "lag_hash_seed", "lag_hash_offset", "fdb_aging_time")
_ETHERNET_SPEEDS_MBPS = (10_000, 25_000, 40_000, 50_000, 100_000, 200_000, 400_000, 800_000, 1_600_000)
_LANE_SPEEDS_MBPS = (10_000, 25_000, 50_000, 100_000, 200_000)
_FECS = "rs,fc,none,auto"


@dataclass(frozen=True, slots=True)
class BootConfig:
    """What a switch boots from.

    `config_db` is a config_db.json document, `switch` what SONiC keeps in switch.json:
    `{"SWITCH_TABLE:switch": {"ecmp_hash_seed": "10"}}`.
    """

    config_db: Mapping[str, object]
    switch: Mapping[str, object]


class SimulatedSwitch:
    """One switch. Reads are snapshots and need no lock; changes are made one at a time."""

    def __init__(
        self,
        name: str,
        boot: BootConfig,
        carrier: frozenset[str],
        store: ConfigStore | None = None,
        lock: threading.RLock | None = None,
    ) -> None:
        """Boot from `boot`, or from what `store` has; `carrier` are the ports with light.

        Every accepted change is saved in `store` before it takes effect. Switches that are cabled to each
        other share a `lock`, since a change at one may put out the light at another.

        Raises:
            InputError: the configuration is not one that this switch can run, or a port in `carrier` is
                not one of its ports.
        """
        self.name = name
        self._store = store
        config, violations = read_config(_saved(name, store) or boot.config_db)
        violations = violations or validate(config)
        violations += [
            Violation(f"PORT/{port}", "the port has a cable but is not configured")
            for port in sorted(carrier - config.get("PORT", {}).keys())
        ]
        switch_table, switch_violations = _read_switch_table(boot.switch)
        violations += switch_violations
        if violations:
            raise InputError(
                Diagnostic("bad-boot-config", f"{name}: {path}: {message}") for path, message in violations
            )
        self._lock = lock or threading.RLock()
        self._carrier = carrier
        self._counters = SwitchCounters()
        self._layout = counter_layout(config)
        self._watchers: dict[int, Callable[[], None]] = {}
        self._databases = Databases(
            config=config,
            appl={"SWITCH_TABLE": {"switch": switch_table}, "PORT_TABLE": _appl_ports(config, carrier)},
            state={"PORT_TABLE": _state_ports(config, carrier)},
            counters=counters_db(self._layout, config, self._counters),
        )

    @property
    def databases(self) -> Databases:
        """The databases as they are now; the value does not change afterwards."""
        return self._databases

    def state(self) -> SwitchState:
        """What the switch forwards with now, under the name it was started with."""
        databases = self._databases
        return dataclasses.replace(derive(databases.config, databases.appl), name=self.name)

    def apply_patch(self, operations: list[PatchOp]) -> None:
        """Change CONFIG_DB as `config apply-patch` does: all operations or none.

        Raises:
            nos.db.patch.PatchError: the patch is refused; the switch is as it was.
        """
        with self._lock:
            databases = self._databases
            self._accept(apply_patch(databases.config, operations, databases.state))

    def replace_config(self, document: object) -> None:
        """Replace CONFIG_DB as `config replace` does.

        Raises:
            nos.db.patch.PatchError: the document is refused; the switch is as it was.
        """
        with self._lock:
            databases = self._databases
            self._accept(replace_config(databases.config, document, databases.state))

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
            if validate(changed):
                return False
            self._accept(changed)
            return True

    def has_carrier(self, port: str) -> bool:
        """Whether there is light at `port`."""
        return port in self._carrier

    def is_enabled(self, port: str) -> bool:
        """Whether `port` is administratively up, so that its far end has light."""
        return self._databases.config.get("PORT", {}).get(port, {}).get("admin_status") == "up"

    def set_carrier(self, port: str, up: bool) -> None:
        """Light on the fibre at `port` comes or goes.

        Raises:
            KeyError: the switch has no such port.
        """
        with self._lock:
            config = self._databases.config
            if port not in config.get("PORT", {}):
                raise KeyError(f"{self.name} has no port {port}")
            self._commit(config, self._carrier | {port} if up else self._carrier - {port})

    def set_counters(self, counters: SwitchCounters) -> None:
        """COUNTERS_DB shows from now on what the ASIC has counted up to now."""
        with self._lock:
            self._counters = counters
            old = self._databases
            shown = {**old.counters, **counters_db(self._layout, old.config, counters)}
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
                Databases(
                    config={**old.config, **(config or {})},
                    appl=old.appl,
                    state={**old.state, **(state or {})},
                    counters={**old.counters, **(counters or {})},
                )
            )

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change`, from whichever thread makes a change, after every one; returns what ends that."""
        token = id(on_change)
        self._watchers[token] = on_change

        def stop() -> None:
            self._watchers.pop(token, None)

        return stop

    def _accept(self, config: ConfigDb) -> None:
        if self._store:
            self._store.save(config)
        self._commit(config, self._carrier)

    def _commit(self, config: ConfigDb, carrier: frozenset[str]) -> None:
        """Swap in a new snapshot; what the daemons write follows from CONFIG_DB and carrier."""
        old = self._databases
        self._carrier = carrier
        if any(old.config.get(table) is not config.get(table) for table in ("PORT", "BUFFER_POOL")):
            self._layout = counter_layout(config)
        self._swap(
            Databases(
                config=config,
                appl={**old.appl, "PORT_TABLE": _appl_ports(config, carrier)},
                state={**old.state, "PORT_TABLE": _state_ports(config, carrier)},
                counters={**old.counters, **counters_db(self._layout, config, self._counters)},
            )
        )

    def _swap(self, databases: Databases) -> None:
        self._databases = databases
        for on_change in list(self._watchers.values()):
            on_change()


def _saved(name: str, store: ConfigStore | None) -> dict[str, object] | None:
    if store is None:
        return None
    try:
        return store.load()
    except (OSError, ValueError) as error:
        raise InputError.of(
            "bad-saved-config", f"{name}: cannot boot from '{store.path}': {error}", "mend or remove the file"
        ) from None


def _read_switch_table(document: Mapping[str, object]) -> tuple[dict[str, str], list[Violation]]:
    fields: dict[str, str] = {"ecmp_hash_seed": "0"}
    violations = [
        Violation(str(key), f"unknown key in switch.json; expected '{_SWITCH_KEY}'")
        for key in document
        if key != _SWITCH_KEY
    ]
    entry = document.get(_SWITCH_KEY, {})
    if not isinstance(entry, Mapping):
        return fields, [*violations, Violation(_SWITCH_KEY, "an entry is a JSON object")]
    for name, value in entry.items():
        text = str(value)
        if name not in _SWITCH_FIELDS:
            violations.append(Violation(f"{_SWITCH_KEY}/{name}", "unknown field"))
        elif not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32):
            violations.append(Violation(f"{_SWITCH_KEY}/{name}", f"'{text}' is not an integer below 2**32"))
        else:
            fields[name] = text
    return fields, violations


def _appl_ports(config: ConfigDb, carrier: frozenset[str]) -> dict[str, dict[str, str]]:
    """APPL_DB PORT_TABLE, as portmgrd, portsyncd and portsorch write it."""
    table = {}
    for name, entry in config.get("PORT", {}).items():
        fields = {field: value for field, value in entry.items() if isinstance(value, str)}
        fields.setdefault("admin_status", "down")
        fields.setdefault("mtu", str(DEFAULT_MTU_BYTES))
        fields["oper_status"] = _oper_status(fields["admin_status"], name in carrier)
        table[name] = fields
    return table


def _oper_status(admin_status: str, has_carrier: bool) -> str:
    return "up" if admin_status == "up" and has_carrier else "down"


def _state_ports(config: ConfigDb, carrier: frozenset[str]) -> dict[str, dict[str, str]]:
    """STATE_DB PORT_TABLE: what a port can do, and that it is ready."""
    table = {}
    for name, entry in config.get("PORT", {}).items():
        lane_count = str(entry["lanes"]).count(",") + 1
        speeds = {lane_count * speed for speed in _LANE_SPEEDS_MBPS} & set(_ETHERNET_SPEEDS_MBPS)
        admin_status = str(entry.get("admin_status", "down"))
        table[name] = {
            "state": "ok",
            "admin_status": admin_status,
            "netdev_oper_status": _oper_status(admin_status, name in carrier),
            "mtu": str(entry.get("mtu", DEFAULT_MTU_BYTES)),
            "speed": str(entry["speed"]),
            "supported_speeds": ",".join(map(str, sorted(speeds | {int(str(entry["speed"]))}))),
            "supported_fecs": _FECS,
        }
    return table
