"""A SONiC switch: its CONFIG_DB is read and written over gNMI."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType

from raddle.controller.plan.diff import Change
from raddle.controller.plan.model import SwitchPlan
from raddle.controller.plan.update import Write, shorter
from raddle.controller.southbound.channel import RefusedError
from raddle.controller.southbound.driver import RouteTable, Survey, Wire
from raddle.controller.southbound.sonic.beside import entries_beside
from raddle.controller.southbound.sonic.breakout import breakout
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.health import Health, moved_routes, read_health
from raddle.controller.southbound.sonic.ownership import Ownership
from raddle.controller.southbound.sonic.routes import TABLE, VRF, held_routes, prefix_of
from raddle.controller.southbound.sonic.sets import (
    FLAPPING_TABLES,
    Push,
    differences,
    entry_text,
    plan_push,
    restored,
    with_ports,
)
from raddle.controller.southbound.sonic.tables import OWNED_TABLES, Tables, hash_start, hop_fields
from raddle.inventory import Access

_GROUNDWORK = ("INTERFACE", "LOOPBACK_INTERFACE")


class SonicDriver:
    """One switch (see `raddle.controller.southbound.driver.Driver`)."""

    wire: Wire = "gnmi"
    watched = ("links", "routes in CONFIG_DB and APPL_DB", "buffer profiles", "PFC watchdog")

    def __init__(
        self,
        switch: SwitchPlan,
        address: str,
        access: Access,
        may_flap: bool,
        ownership: Ownership,
        election_id: int = 0,
    ) -> None:
        self.name, self.address = switch.name, address
        self._switch, self._access, self._may_flap = switch, access, may_flap
        self._ownership, self._election_id = ownership, election_id
        self._wanted: Tables = {}
        self._settled: Tables = {}
        self._foreign: frozenset[str] = frozenset()
        self._before: Tables = {}
        self._now: Tables = {}
        self._health = Health()
        self._build = ""
        self._changes: tuple[Change, ...] = ()
        self._bootstrap: tuple[str, ...] = ()
        self._open: GnmiClient | None = None
        self.sent = 0

    def __enter__(self) -> SonicDriver:
        self._open = GnmiClient(self.name, self.address, self._access, self._election_id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self._open.__exit__(kind, error, trace)

    @property
    def _client(self) -> GnmiClient:
        assert self._open, "a driver works within its own context"
        return self._open

    def survey(self) -> Survey:
        self._before = self._now = self._client.read_config()
        self._build = self._read_build()
        self._wanted = self._ownership.wanted(self._switch, self._before)
        self._foreign = self._ownership.foreign(self._switch, self._before, self._wanted)
        push = self._push(self._before, self._wanted)
        if push.requests:
            gone = breakout(self._before, self._wanted, self._build).gone
            health = read_health(self._client)
            self._health = replace(health, up=health.up - gone)
        self._changes = tuple(self._differences(self._before, self._wanted))
        self._bootstrap = push.bootstrap
        hashing = tuple(self._hash_change())
        return Survey(
            changes=(*self._changes, *hashing),
            routes=held_routes(self._before),
            wanted=self._routes_wanted(),
            planned=len(push.requests),
            estimate_s=push.estimate_s,
            flaps=push.flaps,
            bootstrap=(*push.bootstrap, *(change.path for change in hashing)),
            foreign=tuple(sorted(path for path in self._foreign if not self._is_told_to_stay(path))),
            beside=tuple(
                path
                for path in entries_beside(self._switch, self._before)
                if not self._ownership.is_ignored(self.name, path)
            ),
            held="" if self._may_flap else _would_flap(push),
            up=frozenset(_up(self._before)),
        )

    def _hash_change(self) -> Iterator[Change]:
        """How the hash's seed and offset differ from the plan's, where the switch tells what it has."""
        path, wanted = "SWITCH_TABLE/switch", hash_start(self._switch)
        if self._switch.adaptive or self._ownership.is_ignored(self.name, path):
            return
        held = self._client.read_tables("APPL_DB", ("SWITCH_TABLE",))["SWITCH_TABLE"].get("switch", {})
        found = {name: str(held.get(name, "0")) for name in wanted}
        if "ecmp_hash_seed" in held and found != wanted:
            yield Change(self.name, path, entry_text(found), entry_text(wanted))

    def _read_build(self) -> str:
        """What the switch calls its build; empty where it does not tell this caller."""
        try:
            return self._client.read_build()
        except RefusedError:
            return ""

    def _routes_wanted(self) -> RouteTable:
        """The plan's routes, and those that stay because they are not raddle's."""
        stay = {
            key: fields
            for key, fields in self._before.get(TABLE, {}).items()
            if f"{TABLE}/{key}" in self._foreign
        }
        return {**held_routes({TABLE: stay}), **held_routes(self._wanted)}

    def _is_told_to_stay(self, path: str) -> bool:
        return "/mgmt|" in path or self._ownership.is_ignored(self.name, path)

    def lay_groundwork(self, apart: Collection[str]) -> None:
        """Addresses, and ports that are to be up, with all that cannot be written to a port that is up."""
        coming = {name for name in _up(self._wanted) if name not in apart}
        coming -= _up(self._now)
        coming |= breakout(self._now, self._wanted, self._build).made
        tables = {table: self._wanted[table] for table in _GROUNDWORK if table in self._wanted}
        self._bring_up(coming, tables)

    def set_ports(self, ports: Collection[str], opens: bool) -> None:
        if opens:
            self._now = self._client.read_config()
            self._bring_up(set(ports), {})
        else:
            rows = {name: {"admin_status": "down"} for name in ports}
            self._send(self._push(self._now, {"PORT": rows}, ()))

    def _bring_up(self, coming: set[str], tables: Tables) -> None:
        wanted = self._wanted.get("PORT", {})
        stay = _up(self._wanted) & _up(self._now)
        ports = {name: wanted[name] if name in coming else {"admin_status": "up"} for name in stay | coming}
        tables = {**tables, **with_ports(self._now, self._wanted, coming)}
        self._send(self._push(self._now, {"PORT": ports, **tables}, FLAPPING_TABLES))

    def write_routes(self, writes: Sequence[Write]) -> None:
        """One Set, or two where routes would be gone for a moment."""
        self._bridge(writes)
        self._send_routes({write.prefix: write.after for write in writes})

    def _bridge(self, writes: Sequence[Write]) -> None:
        """Give routes whose old and new next hops have none in common both of them first.

        Source: sonic-bgpcfgd managers_static_rt.py takes the next hops that go from FRR before it gives it
        those that come.
        """
        gaps = [write for write in writes if self._leaves_gap(write)]
        if gaps:
            self._send_routes({write.prefix: (*write.before, *write.after) for write in gaps})

    def _leaves_gap(self, write: Write) -> bool:
        """Nothing would forward the prefix between what goes and what comes."""
        if not (write.before and write.after) or set(write.before) & set(write.after):
            return False
        return not shorter(held_routes(self._now), write.prefix)

    def _send_routes(self, routes: RouteTable) -> None:
        table = dict(self._now.get(TABLE, {}))
        for key in [key for key in table if prefix_of(key) in routes]:
            del table[key]
        for prefix, hops in routes.items():
            if hops:
                planned = self._wanted.get(TABLE, {}).get(VRF + prefix, {})
                table[VRF + prefix] = {**planned, **hop_fields(hops)}
        self._send(self._push({TABLE: self._now.get(TABLE, {})}, {TABLE: table}, (TABLE,)))
        self._now = {**self._now, TABLE: table}

    def finish(self, kept: Collection[str]) -> None:
        self._now = now = self._client.read_config()
        wanted = self._target(now, kept)
        have, want = held_routes(now), held_routes(wanted)
        self._bridge([Write(self.name, prefix, have.get(prefix, ()), hops) for prefix, hops in want.items()])
        self._send(self._push(self._now, wanted))

    def verify(self, kept: Collection[str]) -> str:
        now = self._client.read_config()
        self._settled = self._target(now, kept)
        left = [
            change for change in self._differences(now, self._settled) if change.path not in self._bootstrap
        ]
        if not left:
            return ""
        first = left[0]
        text = (
            f"{self.name} ({self.address}): {len(left)} difference{'s' * (len(left) > 1)} after the push; "
            f"the first: {first.path} is '{first.before}', not '{first.after}'"
        )
        if any(_entry(now, change.path) != _entry(self._before, change.path) for change in left):
            text += "\n  hint: another controller writes to this switch; stop it, then apply again"
        return text

    def look(self) -> str:
        said = self._health.worse(read_health(self._client), self._settled)
        return said or moved_routes(self._client.read_tables("CONFIG_DB", (TABLE,)), self._settled)

    def restore(self, kept: Collection[str]) -> str:
        """Put back the entries that differ from what they were, if they are as this push wrote them."""
        touched = [
            change.path
            for change in self._changes
            if not (change.path.startswith(f"{TABLE}/") and prefix_of(change.path.partition("/")[2]) in kept)
        ]
        now = self._client.read_config()
        tables = restored(self._before, now, self._wanted, touched)
        self._send(plan_push(now, tables, tables, build=self._build))
        if kept:
            return (
                f"its earlier configuration is back in place but for {len(kept)} routes that other switches "
                "rely on by now; apply again to retry"
            )
        return "its earlier configuration is back in place; apply again to retry"

    def _target(self, now: Tables, kept: Collection[str]) -> Tables:
        """What the switch is to hold, with the routes and ports `kept` as they are."""
        if not kept:
            return self._wanted
        held = now.get("PORT", {})
        ports = {
            name: {**fields, "admin_status": held[name].get("admin_status", "down")}
            if name in kept and name in held
            else fields
            for name, fields in self._wanted.get("PORT", {}).items()
        }
        routes = {
            key: fields for key, fields in self._wanted.get(TABLE, {}).items() if prefix_of(key) not in kept
        }
        routes |= {key: fields for key, fields in now.get(TABLE, {}).items() if prefix_of(key) in kept}
        return {**self._wanted, "PORT": ports, TABLE: routes}

    def _push(self, current: Tables, wanted: Tables, owned: Iterable[str] = OWNED_TABLES) -> Push:
        return plan_push(current, wanted, owned, self._foreign, self._build)

    def _differences(self, current: Tables, wanted: Tables) -> Iterator[Change]:
        return differences(self.name, current, wanted, foreign=self._foreign, build=self._build)

    def _send(self, push: Push) -> None:
        for request in push.requests:
            self._client.push(request)
            self.sent += 1


def _up(tables: Tables) -> set[str]:
    """The ports that are set up."""
    return {name for name, fields in tables.get("PORT", {}).items() if fields.get("admin_status") == "up"}


def _would_flap(push: Push) -> str:
    if not push.flaps:
        return ""
    ports = ", ".join(push.flaps[:4]) + (f" and {len(push.flaps) - 4} more" if len(push.flaps) > 4 else "")
    return f"{len(push.flaps)} port{'s' * (len(push.flaps) > 1)} would go down and up: {ports}"


def _entry(tables: Tables, path: str) -> dict[str, str] | None:
    table, _, key = path.partition("/")
    return tables.get(table, {}).get(key)
