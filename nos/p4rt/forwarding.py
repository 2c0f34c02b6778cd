"""What P4Runtime programs of a switch: its pipeline, its entities, and packets to and from the controller."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from finsy.proto import p4r, rpc_code

from raddle.nos.p4rt.check import UpdateError, invalid
from raddle.nos.p4rt.check_selectors import HasPort
from raddle.nos.p4rt.entity_tables import EntityTables
from raddle.nos.p4rt.pipeline import Pipeline
from raddle.nos.p4rt.read import select, table_of_others
from raddle.nos.p4rt.saved import P4Store
from raddle.nos.p4rt.store import DirectCounts, EntityStore, IndexedCounts, Undo

_NO_PIPELINE = "No forwarding pipeline config set for this device"
_Action = p4r.SetForwardingPipelineConfigRequest.Action
_Set = p4r.SetForwardingPipelineConfigRequest
_Write = p4r.WriteRequest

_SAVED = ("table_entry", "action_profile_member", "action_profile_group")

Results = list[UpdateError | None]


def no_counts(name: str, index: int) -> tuple[int, int]:
    """The counts of a switch that has seen no packet."""
    return 0, 0


def any_port(port: bytes) -> bool:
    """The ports of a switch that has every one."""
    return True


def no_direct_counts(table: str, label: str) -> tuple[int, int]:
    """The same for an entry."""
    return 0, 0


class P4Forwarding:
    """The P4Runtime state of one switch. Changes and reads exclude each other and may come from any thread.

    Attributes:
        device_id: what a controller has to call the switch.
        fails_on_first: after the first failed update of a batch the others are not attempted, and a batch
            names every entity once (SONiC PINS); otherwise each is attempted (the specification's default).
    """

    def __init__(
        self,
        device_id: int,
        fails_on_first: bool = False,
        counts: IndexedCounts = no_counts,
        saved: P4Store | None = None,
        direct_counts: DirectCounts = no_direct_counts,
        has_port: HasPort = any_port,
    ) -> None:
        """Start empty, or with what is `saved`; every change is saved there before it is confirmed.

        Raises:
            OSError, ValueError, UpdateError: what is saved cannot be used.
        """
        self.device_id = device_id
        self.fails_on_first = fails_on_first
        self._counts = counts
        self._direct_counts = direct_counts
        self._has_port = has_port
        self._lock = threading.RLock()
        self._store: EntityStore | None = None
        self._saved: EntityStore | None = None
        self._disk = saved
        self.watchers: list[Callable[[], None]] = []
        if saved and (found := saved.load()):
            self._store = self._filled(_indexed(found[0]), found[1])
            for update in saved.written_since():
                self._store.update(update)

    @property
    def pipeline(self) -> Pipeline | None:
        """The pipeline that packets go through."""
        return self._store.pipeline if self._store else None

    def set_pipeline(self, config: p4r.ForwardingPipelineConfig, how: _Action.ValueType) -> None:
        """Carry out a SetForwardingPipelineConfig.

        Raises:
            UpdateError: the pipeline cannot be used, or what is in the tables does not fit it.
        """
        with self._lock:
            if how == _Set.COMMIT:
                if config != p4r.ForwardingPipelineConfig():
                    raise UpdateError(
                        rpc_code.INVALID_ARGUMENT, "a COMMIT brings no pipeline, it takes the saved one"
                    )
                if self._saved is None:
                    raise UpdateError(rpc_code.NOT_FOUND, "no pipeline was saved before the COMMIT")
                self._commit(self._saved)
            elif how == _Set.VERIFY:
                _indexed(config)
            elif how == _Set.VERIFY_AND_SAVE:
                self._saved = self._empty(_indexed(config))
            elif how == _Set.VERIFY_AND_COMMIT:
                self._commit(self._empty(_indexed(config)))
            elif how == _Set.RECONCILE_AND_COMMIT:
                pipeline = _indexed(config)
                self._commit(self._filled(pipeline, in_order(self._store) if self._store else ()))
            else:
                raise UpdateError(rpc_code.INVALID_ARGUMENT, f"unknown action {how}")
        self._tell()

    def _empty(self, pipeline: Pipeline) -> EntityStore:
        return EntityStore(pipeline, self._counts, self._direct_counts, self._has_port)

    def _commit(self, store: EntityStore) -> None:
        self._save(store)
        self._store, self._saved = store, None

    def _save(self, store: EntityStore, updates: Sequence[p4r.Update] | None = None) -> None:
        """Put what a restart will find on disk: all of it, or what these updates have changed.

        Raises:
            UpdateError: it cannot be written.
        """
        if self._disk is None or (updates is not None and store is self._saved):
            return  # What is written for a saved pipeline is kept with its COMMIT.
        try:
            if updates is None or (updates and not self._disk.append(updates)):
                self._disk.save(store.pipeline.config, in_order(store))
        except OSError as error:
            raise UpdateError(
                rpc_code.INTERNAL,
                f"nothing was changed, as {self._disk.path} cannot be saved: {error.strerror}",
            ) from None

    def _filled(self, pipeline: Pipeline, entities: Iterable[p4r.Entity]) -> EntityStore:
        """A pipeline with entities of another one, or of an earlier run.

        An entry may refer to a later one, where it was modified after that came; such wait for the next pass.
        """
        fresh = self._empty(pipeline)
        left = list(entities)
        while left:
            waiting = []
            for entity in left:
                try:
                    fresh.update(p4r.Update(type=_insertion(entity), entity=entity))
                except UpdateError as error:
                    problem = error
                    if error.code != rpc_code.NOT_FOUND:
                        raise _misfit(error) from None
                    waiting.append(entity)
            if len(waiting) == len(left):
                raise _misfit(problem)
            left = waiting
        return fresh

    def write(self, updates: Sequence[p4r.Update], atomicity: int, role: str = "") -> Results:
        """Carry out a batch; the result has one element per update, None for one that took effect.

        A `role` writes its own tables and those that are nobody's.

        Raises:
            UpdateError: the whole batch is refused.
        """
        if atomicity not in _Write.Atomicity.values():
            invalid(f"no atomicity {atomicity}: CONTINUE_ON_ERROR, ROLLBACK_ON_ERROR, DATAPLANE_ATOMIC")
        with self._lock:
            store = self._required()
            if self.fails_on_first:
                _refuse_duplicates(updates)
            results, done = self._carry_out(store, updates, atomicity, role)
            try:
                kept = [
                    update
                    for update, result in zip(updates, results, strict=True)
                    if result is None and update.entity.WhichOneof("entity") in _SAVED
                ]
                self._save(store, kept)
            except UpdateError:
                for undo in reversed(done):
                    undo()
                raise
        self._tell()
        return results

    def _carry_out(
        self, store: EntityStore, updates: Sequence[p4r.Update], atomicity: int, role: str
    ) -> tuple[Results, list[Undo]]:
        """The result of each update, and what takes back those that took effect."""
        is_atomic = atomicity != _Write.CONTINUE_ON_ERROR
        results: Results = []
        done: list[Undo] = []
        for update in updates:
            try:
                _check_role(store.pipeline, update.entity, role)
                done.append(store.update(update))
                results.append(None)
            except UpdateError as error:
                results.append(error)
                if is_atomic or self.fails_on_first:
                    break
        if len(done) == len(updates):
            return results, done
        if is_atomic:
            while done:
                done.pop()()
            results = [result or UpdateError(rpc_code.ABORTED, "taken back") for result in results]
        missing = len(updates) - len(results)
        return results + [UpdateError(rpc_code.ABORTED, "Not attempted") for _ in range(missing)], done

    def read(self, wanted: Iterable[p4r.Entity]) -> list[p4r.Entity]:
        """All entities that a Read names, of one moment.

        Raises:
            UpdateError: there is no pipeline, or it has no such entity.
        """
        found, results = self.read_batch(wanted)
        for result in filter(None, results):
            raise result
        return found

    def read_batch(self, wanted: Iterable[p4r.Entity], role: str = "") -> tuple[list[p4r.Entity], Results]:
        """The entities of a Read's good requests, and for each request None or why it is refused.

        A `role` sees its own tables and those that are nobody's.

        Raises:
            UpdateError: there is no pipeline.
        """
        found: list[p4r.Entity] = []
        results: Results = []
        with self._lock:
            store = self._required()
            for each in wanted:
                try:
                    found += [
                        entity
                        for entity in select(store, each)
                        if table_of_others(store.pipeline, entity, role) is None
                    ]
                    results.append(None)
                except UpdateError as error:
                    results.append(error)
        return found, results

    def snapshot(self) -> tuple[Pipeline | None, EntityTables]:
        """The pipeline and everything in its tables, of one moment."""
        with self._lock:
            store = self._store
            if store is None:
                return None, EntityTables()
            return store.pipeline, EntityTables.of(store.pipeline, in_order(store))

    def _required(self) -> EntityStore:
        """What reads and writes are about: the saved pipeline, or the one that packets go through."""
        store = self._saved or self._store
        if store is None:
            raise UpdateError(rpc_code.FAILED_PRECONDITION, _NO_PIPELINE)
        return store

    def _tell(self) -> None:
        for on_change in list(self.watchers):
            on_change()


def in_order(store: EntityStore) -> Iterator[p4r.Entity]:
    """All entities, what is referred to before what refers to it."""
    for members in store.members.values():
        yield from (p4r.Entity(action_profile_member=member) for member in members.values())
    for groups in store.groups.values():
        yield from (p4r.Entity(action_profile_group=group) for group in groups.values())
    # Python's dictionaries keep the order of insertion, in which all references held.
    left = [entry for rows in store.entries.values() for entry in rows.values()]
    yield from (p4r.Entity(table_entry=entry) for entry in [*left, *store.defaults.values()])


def _check_role(pipeline: Pipeline, entity: p4r.Entity, role: str) -> None:
    if table := table_of_others(pipeline, entity, role):
        raise UpdateError(
            rpc_code.PERMISSION_DENIED, f"Role '{role}' is not allowed access to table '{table.name}'."
        )


def _insertion(entity: p4r.Entity) -> p4r.Update.Type.ValueType:
    is_default = entity.HasField("table_entry") and entity.table_entry.is_default_action
    return p4r.Update.MODIFY if is_default else p4r.Update.INSERT


def _misfit(error: UpdateError) -> UpdateError:
    return UpdateError(
        rpc_code.INVALID_ARGUMENT,
        f"what is in the tables does not fit the new pipeline: {error.message}",
    )


def _indexed(config: p4r.ForwardingPipelineConfig) -> Pipeline:
    try:
        return Pipeline(config)
    except (ValueError, KeyError) as error:
        raise UpdateError(rpc_code.INVALID_ARGUMENT, f"the P4Info cannot be used: {error}") from None


def _refuse_duplicates(updates: Sequence[p4r.Update]) -> None:
    seen = set()
    for update in updates:
        entry = update.entity.table_entry
        key = (entry.table_id, *sorted(each.SerializeToString() for each in entry.match), entry.priority)
        if update.entity.HasField("table_entry"):
            if key in seen:
                raise UpdateError(
                    rpc_code.INVALID_ARGUMENT,
                    "[P4RT App] Found duplicated key in the same batch request.",
                )
            seen.add(key)
