"""A P4Runtime switch, SONiC PINS among them: its pipeline and its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from types import TracebackType

from finsy import P4Schema
from finsy.proto import p4r, rpc_code

from raddle.controller.plan.diff import Change
from raddle.controller.plan.update import Write
from raddle.controller.southbound.channel import RefusedError
from raddle.controller.southbound.driver import Survey, Wire
from raddle.controller.southbound.p4runtime.policing import (
    Cells,
    cell_changes,
    cell_updates,
    read_cells,
    wanted_cells,
)
from raddle.controller.southbound.p4runtime.routes import EntityRoutes
from raddle.controller.southbound.p4runtime.session import BatchError, P4Session, UnfitError
from raddle.controller.southbound.p4runtime.target import P4Target
from raddle.controller.southbound.p4runtime.text import describe_key
from raddle.controller.southbound.p4runtime.updates import (
    Entities,
    by_key,
    differences,
    key_of,
    plan_batches,
)
from raddle.errors import UnreachableError

_TABLE_FULL = "plan fewer pins, or compile p4/fabric.p4 with a larger size"

_Set = p4r.SetForwardingPipelineConfigRequest


class P4Driver:
    """One switch (see `raddle.controller.southbound.driver.Driver`).

    Args:
        connect: makes a session with it.
        may_replace: a switch with another pipeline gets ours, which empties its tables.
    """

    wire: Wire = "p4runtime"
    watched = ("table entries",)

    def __init__(
        self,
        name: str,
        address: str,
        target: P4Target,
        connect: Callable[[], P4Session],
        may_replace: bool = False,
    ) -> None:
        self.name, self.address = name, address
        self._target, self._connect, self._may_replace = target, connect, may_replace
        self._has_pipeline = False
        self._is_empty = False
        self._before: Entities = {}
        self._counted: Entities = {}
        self._cells: Cells = {}
        self._open: P4Session | None = None
        self.sent = 0

    def __enter__(self) -> P4Driver:
        self._open = self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self._open.__exit__(kind, error, trace)

    def use(self, session: P4Session) -> None:
        """Work in a session that somebody else has opened and will close."""
        self._open = session

    @property
    def _session(self) -> P4Session:
        assert self._open, "a driver works within its own context"
        return self._open

    def survey(self) -> Survey:
        session, target = self._session, self._target
        running = session.read_pipeline()
        self._is_empty = running is None
        self._has_pipeline = running is not None and _is_same(running, target)
        self._before = self._read() if self._has_pipeline else {}
        self._cells = self._read_cells() if self._has_pipeline else {}
        self._keep_style()
        target = self._target
        policing = self._policing(self._cells)
        held = ""
        if running is not None and not self._has_pipeline and not self._may_replace:
            name = running.p4info.pkg_info.name or "without a name"
            held = (
                f"pipeline mismatch: it runs the pipeline '{name}', not this "
                f"'{target.config.p4info.pkg_info.name}'; giving it ours empties its tables"
            )
        return Survey(
            changes=(*self._differences(self._before), *policing),
            routes=self._routes(self._before).table,
            wanted=self._routes(target.entities).table,
            planned=len(plan_batches(target.schema, self._before, target.entities)) + bool(policing),
            held=held,
            error=self._too_many(),
        )

    def lay_groundwork(self, apart: Collection[str]) -> None:
        """The pipeline, and all entities but routes: members and groups that no route names yet."""
        self._give_pipeline()

        def then(now: Entities) -> Entities:
            routes = {key for keys in self._routes(self._target.entities).keys.values() for key in keys}
            return now | {key: entity for key, entity in self._target.entities.items() if key not in routes}

        self._bring(then)

    def set_ports(self, ports: Collection[str], opens: bool) -> None:
        """P4Runtime sets no ports, so that none is said to be up."""

    def write_routes(self, writes: Sequence[Write]) -> None:
        def then(now: Entities) -> Entities:
            wanted, made = self._target.entities, dict(now)
            have, want = self._routes(now).keys, self._routes(wanted).keys
            for write in writes:
                for key in have.get(write.prefix, ()):
                    del made[key]
                made |= {key: wanted[key] for key in want.get(write.prefix, ())}
            return made

        self._bring(then)

    def finish(self, kept: Collection[str]) -> None:
        self._give_pipeline()
        self._bring(lambda now: self._wanted(now, kept))
        self._police(self._wanted_cells)

    def _bring(self, then: Callable[[Entities], Entities]) -> None:
        """Make the tables hold `then`, in members and groups where the switch lacks one-shot groups."""
        now = self._read()
        try:
            self._write(now, then(now))
        except NoOneShotError:
            assert self._target.in_groups
            self._target = self._target.in_groups()
            self.lay_groundwork(())
            self._bring(then)

    def _keep_style(self) -> None:
        """A selector is programmed in one style: one that has members and groups keeps them."""
        if self._target.in_groups and any(kind in ("member", "group") for kind, _, _ in self._before):
            self._target = self._target.in_groups()

    def verify(self, kept: Collection[str]) -> str:
        left = self._left(kept)
        if not left:
            return ""
        first = left[0]
        return (
            f"{self.name} ({self.address}): {len(left)} differences after the push; the first: "
            f"{first.path} is '{first.before}', not '{first.after}'\n"
            "  hint: another controller writes to this switch; stop it, then apply again"
        )

    def look(self) -> str:
        left = self._left(self._routes(self._read()).keys.keys())
        return (
            f"{len(left)} entries are no longer as they were pushed, the first {left[0].path},"
            if left
            else ""
        )

    def _left(self, kept: Collection[str]) -> tuple[Change, ...]:
        now = self._read()
        left = differences(self.name, self._target.schema, now, self._wanted(now, kept))
        return (*left, *self._policing(self._read_cells()))

    def restore(self, kept: Collection[str]) -> str:
        """Put back all entities, those that were deleted with the counts that they had then.

        A pipeline that replaced another stays, empty.
        """
        now = self._read()
        before = {key: self._counted.get(key, entity) for key, entity in self._before.items()}
        if kept:
            stay = {key for prefix in kept for key in self._routes(now).keys.get(prefix, ())}
            before = now | {key: entity for key, entity in before.items() if key not in stay}
        self._write(now, before)
        self._police(self._cells)
        if kept:
            return (
                f"what it had accepted was taken back but for {len(kept)} routes that other switches rely on "
                "by now; apply again to retry"
            )
        return "what it had accepted was taken back; apply again to retry"

    def _give_pipeline(self) -> None:
        if self._has_pipeline:
            return
        self._session.require_primary()
        config = self._target.config
        if not self._is_empty and self._session.reconcile_pipeline(config):
            self.sent += 1  # It may be all that there was to do.
        else:
            self._session.set_pipeline(config, _Set.VERIFY_AND_COMMIT)
        self._has_pipeline = True
        # A fresh pipeline has the program's own default entries, and a reconciled one what was there.
        self._before = self._read()
        self._keep_style()

    def _read(self) -> Entities:
        return read_entities(self._session, self._target.schema)

    def _read_cells(self) -> Cells:
        return read_cells(self._session, self._target.schema, self._target.ports)

    @property
    def _wanted_cells(self) -> Cells:
        return wanted_cells(self._target.ports, self._target.cpu_packets)

    def _policing(self, cells: Cells) -> tuple[Change, ...]:
        return cell_changes(self.name, self._target.ports, cells, self._wanted_cells)

    def _police(self, wanted: Cells) -> None:
        self._send(cell_updates(self._target.schema, self._read_cells(), wanted))

    def _routes(self, entities: Entities) -> EntityRoutes:
        return EntityRoutes(self._target.schema, entities, self._target.ports)

    def _wanted(self, now: Entities, kept: Collection[str]) -> Entities:
        """What the tables are to hold, with the routes `kept` and all that they may refer to as they are."""
        if not kept:
            return self._target.entities
        have, want = self._routes(now).keys, self._routes(self._target.entities).keys
        ours = {key for prefix in kept for key in want.get(prefix, ())}
        theirs = {key for prefix, keys in have.items() if prefix not in kept for key in keys}
        return {key: entity for key, entity in now.items() if key not in theirs} | {
            key: entity for key, entity in self._target.entities.items() if key not in ours
        }

    def _differences(self, now: Entities) -> tuple[Change, ...]:
        return differences(self.name, self._target.schema, now, self._target.entities)

    def _too_many(self) -> str:
        """Which table the plan does not fit into; a switch would refuse it halfway, and BMv2 not say why."""
        counts = Counter(holder for kind, holder, _ in self._target.entities if kind == "entry")
        for profile in self._target.schema.action_profiles:
            if (size := self._target.size(profile.id)) > profile.size:
                return (
                    f"{self.name} ({self.address}): the routes have next hops of weight {size} in all, and "
                    f"{profile.alias} holds {profile.size}\n"
                    "  hint: compile p4/fabric.p4 with a larger GROUP_MEMBERS"
                )
        for table in self._target.schema.tables:
            if counts[table.id] > table.size:
                return (
                    f"{self.name} ({self.address}): the plan has {counts[table.id]} entries of "
                    f"{table.alias}, which holds {table.size}\n  hint: {_TABLE_FULL}"
                )
        return ""

    def _write(self, now: Entities, then: Entities) -> None:
        """Write batches.

        Raises:
            RefusedError: the switch has refused updates of one.
        """
        for batch in plan_batches(self._target.schema, now, then):
            self._remember_counts(batch)
            self._send(batch)

    def _send(self, batch: list[p4r.Update]) -> None:
        if not batch:
            return
        self._session.require_primary()
        try:
            self._session.write(batch)
        except BatchError as error:
            self.sent += len(error.refusals) < len(batch)
            if self._target.in_groups and _lacks_one_shots(batch, error):
                raise NoOneShotError from None
            raise RefusedError(_refused(self._session, self._target.schema, batch, error)) from None
        self.sent += 1

    def _remember_counts(self, batch: Sequence[p4r.Update]) -> None:
        """Read the direct counters of entries that are about to be deleted; not all switches tell them."""
        gone = [update.entity for update in batch if update.type == p4r.Update.DELETE]
        counted = {table.id for table in self._target.schema.tables if table.direct_counter is not None}
        asked = []
        for entity in gone:
            if entity.WhichOneof("entity") == "table_entry" and entity.table_entry.table_id in counted:
                each = p4r.Entity()
                each.CopyFrom(entity)
                each.table_entry.counter_data.SetInParent()
                asked.append(each)
        if asked:
            with suppress(RefusedError):
                self._counted |= {
                    key_of(entity): _with_counts(entity) for entity in self._session.read(asked)
                }


class NoOneShotError(Exception):
    """A switch takes no one-shot groups."""


def _lacks_one_shots(batch: Sequence[p4r.Update], error: BatchError) -> bool:
    return any(
        each.code == rpc_code.UNIMPLEMENTED
        and batch[each.place].entity.table_entry.action.HasField("action_profile_action_set")
        for each in error.refusals
    )


def push_p4(session: P4Session, target: P4Target, may_replace: bool = False) -> int:
    """Make one switch as planned in a session that is open; returns the Writes that it took.

    Raises:
        UnreachableError: it refused, or holds something else afterwards.
    """
    driver = P4Driver(session.name, session.address, target, lambda: session, may_replace)
    driver.use(session)
    found = driver.survey()
    if found.held or found.error:
        raise UnreachableError(found.held or found.error)
    try:
        driver.finish(())
    except RefusedError as refusal:
        raise RefusedError(f"{refusal}\n  {driver.restore(())}") from None
    if error := driver.verify(()):
        raise UnreachableError(error)
    return driver.sent


def change_p4(session: P4Session, held: P4Target, wanted: P4Target) -> None:
    """Make a switch that is known to hold `held` hold `wanted`, without reading it.

    Raises:
        UnreachableError: it refused, and may hold a part.
    """
    for batch in plan_batches(wanted.schema, held.entities, wanted.entities):
        try:
            session.write(batch)
        except BatchError as error:
            raise RefusedError(_refused(session, wanted.schema, batch, error)) from None


def see_p4(session: P4Session, target: P4Target) -> None:
    """Read a switch back.

    Raises:
        UnreachableError: it holds something else.
    """
    driver = P4Driver(session.name, session.address, target, lambda: session)
    driver.use(session)
    if error := driver.verify(()):
        raise UnreachableError(error)


def _with_counts(entity: p4r.Entity) -> p4r.Entity:
    for name in ("time_since_last_hit", "meter_config", "meter_counter_data"):
        entity.table_entry.ClearField(name)
    return entity


def read_entities(session: P4Session, schema: P4Schema) -> Entities:
    """Everything that a controller can have written to the tables that we program."""
    wanted = [p4r.Entity(table_entry=p4r.TableEntry())]
    wanted += [
        p4r.Entity(table_entry=p4r.TableEntry(table_id=table.id, is_default_action=True))
        for table in schema.tables
        if not table.match_fields
    ]
    found = list(session.read(wanted))
    if any(True for _ in schema.action_profiles):
        grouped = [
            p4r.Entity(action_profile_member=p4r.ActionProfileMember()),
            p4r.Entity(action_profile_group=p4r.ActionProfileGroup()),
        ]
        with suppress(UnfitError):  # A server need not have them (section 9.2.3).
            found += session.read(grouped)
    return by_key(found)


def _is_same(running: p4r.ForwardingPipelineConfig, target: P4Target) -> bool:
    if running.HasField("cookie") and running.cookie.cookie:
        return running.cookie.cookie == target.config.cookie.cookie
    return running.p4info == target.config.p4info


def _refused(session: P4Session, schema: P4Schema, batch: list[p4r.Update], error: BatchError) -> str:
    attempted = [refusal for refusal in error.refusals if refusal.code != rpc_code.ABORTED]
    first = (attempted or list(error.refusals))[0]
    what = describe_key(schema, batch[first.place].entity)
    text = (
        f"{session.name} ({session.address}) refused {len(attempted)} of {len(batch)} updates; the first: "
        f"{what}: {first.code_name}: {first.message}"
    )
    if first.code == rpc_code.RESOURCE_EXHAUSTED:
        text += f"\n  hint: the table is full; {_TABLE_FULL}"
    return text
