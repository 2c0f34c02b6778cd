"""Make a P4Runtime switch what the plan says, or tell how it differs from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from finsy import P4Schema
from finsy.proto import p4r, rpc_code

from raddle.controller.plan.diff import Change
from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.hashing_only import refuse_adaptive
from raddle.controller.southbound.outcome import Outcome
from raddle.controller.southbound.p4runtime.fabric import fabric_entities
from raddle.controller.southbound.p4runtime.middleblock import middleblock_entities
from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, schema_of
from raddle.controller.southbound.p4runtime.session import BatchError, P4Session
from raddle.controller.southbound.p4runtime.text import describe_key, describe_value
from raddle.controller.southbound.p4runtime.updates import (
    Entities,
    Step,
    by_key,
    differences,
    plan_batches,
    undo_batches,
)
from raddle.errors import InputError, UnreachableError

_TABLE_FULL = "plan fewer pins, or compile p4/fabric.p4 with a larger size"

_Set = p4r.SetForwardingPipelineConfigRequest


@dataclass(frozen=True)
class P4Target:
    """What a switch must be: its pipeline and all that its tables hold."""

    config: p4r.ForwardingPipelineConfig
    schema: P4Schema
    entities: Entities
    is_pins: bool


def p4_target(
    switch: SwitchPlan,
    macs: Mapping[str, str],
    pins: p4r.ForwardingPipelineConfig | None = None,
    is_watching: bool = True,
) -> P4Target:
    """What a switch must be.

    Args:
        macs: MAC address of every switch and endpoint by name.
        pins: the pipeline of SONiC PINS, for the switches that run it.
        is_watching: the switch skips members of groups whose port is down.

    Raises:
        InputError: `no-p4info`, the switch runs SONiC PINS and its P4Info was not given;
            `adaptive-not-supported`.
    """
    refuse_adaptive(switch, "P4Runtime")
    if switch.nos == "pins":
        if pins is None:
            raise InputError.of(
                "no-p4info",
                f"{switch.name} runs SONiC PINS, whose P4Info does not come with raddle",
                "give middleblock.p4info.pb.txt of sonic-pins with --p4info",
            )
        schema = schema_of(pins)
        return P4Target(pins, schema, by_key(middleblock_entities(schema, switch, macs)), True)
    config = fabric_pipeline()
    schema = schema_of(config)
    entities = (entity.encode(schema) for entity in fabric_entities(switch, macs, is_watching))
    return P4Target(config, schema, by_key(entities), False)


def push_p4(session: P4Session, target: P4Target, dry_run: bool, may_replace: bool) -> Outcome:
    """Read a switch, write the least that makes it as planned, and read it back.

    Args:
        dry_run: only read.
        may_replace: a switch with another pipeline gets ours, which empties its tables.

    Raises:
        UnreachableError: the switch does not answer, refuses all, or has another primary controller.
    """
    if not dry_run:
        session.require_primary()
    running = session.read_pipeline()
    is_same = running is not None and _is_same(running, target)
    current = read_entities(session, target.schema) if is_same else {}
    changes = differences(session.name, target.schema, current, target.entities)
    batches = plan_batches(target.schema, current, target.entities)
    if too_many := _too_many(session, target):
        return Outcome(changes, len(batches), error=too_many)
    if running is not None and not is_same:
        name = running.p4info.pkg_info.name or "without a name"
        ours = target.config.p4info.pkg_info.name
        held = (
            f"pipeline mismatch: it runs the pipeline '{name}', not this '{ours}'; "
            "giving it ours empties its tables"
        )
        if not may_replace or dry_run:
            return Outcome(changes, len(batches), held=held)
    if dry_run or (is_same and not batches):
        return Outcome(changes, len(batches))
    if not is_same:
        action = (
            _Set.VERIFY_AND_COMMIT if running is None or not target.is_pins else _Set.RECONCILE_AND_COMMIT
        )
        session.set_pipeline(target.config, action)
        # A fresh pipeline has the program's own default entries, and a reconciled one what was there.
        current = read_entities(session, target.schema)
        batches = plan_batches(target.schema, current, target.entities)
    writes, error = _write(session, target.schema, batches)
    if not error:
        left = differences(
            session.name, target.schema, read_entities(session, target.schema), target.entities
        )
        error = _left(session, left)
    return Outcome(changes, len(batches), writes, error)


def describe_target(target: P4Target) -> dict[str, object]:
    """What would be sent to an empty switch: the pipeline's name, and the entities of each batch in order."""
    schema = target.schema
    return {
        "pipeline": target.config.p4info.pkg_info.name,
        "writes": [
            [
                {
                    "update": p4r.Update.Type.Name(step.update.type),
                    "entity": describe_key(schema, step.update.entity),
                    "value": describe_value(schema, step.update.entity),
                }
                for step in batch
            ]
            for batch in plan_batches(schema, {}, target.entities)
        ],
    }


def read_entities(session: P4Session, schema: P4Schema) -> Entities:
    """Everything that a controller can have written to the tables that we program."""
    wanted = [p4r.Entity(table_entry=p4r.TableEntry())]
    wanted += [
        p4r.Entity(table_entry=p4r.TableEntry(table_id=table.id, is_default_action=True))
        for table in schema.tables
        if not table.match_fields
    ]
    if any(True for _ in schema.action_profiles):
        wanted.append(p4r.Entity(action_profile_member=p4r.ActionProfileMember()))
        wanted.append(p4r.Entity(action_profile_group=p4r.ActionProfileGroup()))
    return by_key(session.read(wanted))


def _too_many(session: P4Session, target: P4Target) -> str:
    """Which table the plan does not fit into; a switch would refuse it halfway, and BMv2 not say why."""
    counts = Counter(holder for kind, holder, _ in target.entities if kind == "entry")
    for table in target.schema.tables:
        if counts[table.id] > table.size:
            return (
                f"{session.name} ({session.address}): the plan has {counts[table.id]} entries of "
                f"{table.alias}, which holds {table.size}\n  hint: {_TABLE_FULL}"
            )
    return ""


def _is_same(running: p4r.ForwardingPipelineConfig, target: P4Target) -> bool:
    if running.HasField("cookie") and running.cookie.cookie:
        return running.cookie.cookie == target.config.cookie.cookie
    return running.p4info == target.config.p4info


@dataclass
class _Progress:
    """Steps that took effect, by batch."""

    done: list[list[Step]] = field(default_factory=list)
    writes: int = 0


def _write(session: P4Session, schema: P4Schema, batches: Iterable[list[Step]]) -> tuple[int, str]:
    """Write batches; after a refusal take back what took effect.

    Returns:
        Write requests that were accepted, and what went wrong.
    """
    progress = _Progress()
    for batch in batches:
        try:
            session.write([step.update for step in batch])
        except BatchError as error:
            failed = {refusal.place for refusal in error.refusals}
            progress.done.append([step for place, step in enumerate(batch) if place not in failed])
            return progress.writes, f"{_refused(session, schema, batch, error)}\n  {_undo(session, progress)}"
        except UnreachableError as error:
            if not progress.done:
                raise
            return progress.writes, f"{error}\n  {_undo(session, progress)}"
        progress.done.append(batch)
        progress.writes += 1
    return progress.writes, ""


def _refused(session: P4Session, schema: P4Schema, batch: list[Step], error: BatchError) -> str:
    attempted = [refusal for refusal in error.refusals if refusal.code != rpc_code.ABORTED]
    first = (attempted or list(error.refusals))[0]
    what = describe_key(schema, batch[first.place].update.entity)
    text = (
        f"{session.name} ({session.address}) refused {len(attempted)} of {len(batch)} updates; the first: "
        f"{what}: {first.code_name}: {first.message}"
    )
    if first.code == rpc_code.RESOURCE_EXHAUSTED:
        text += f"\n  hint: the table is full; {_TABLE_FULL}"
    return text


def _undo(session: P4Session, progress: _Progress) -> str:
    """Take back what took effect; returns what came of it."""
    try:
        for updates in undo_batches(progress.done):
            session.write(updates)
    except (BatchError, UnreachableError) as error:
        return f"and not all of it could be put back: {error}; apply again when it answers"
    return "what it had accepted was taken back; apply again to retry"


def _left(session: P4Session, left: tuple[Change, ...]) -> str:
    if not left:
        return ""
    first = left[0]
    return (
        f"{session.name} ({session.address}): {len(left)} differences after the push; the first: "
        f"{first.path} is '{first.before}', not '{first.after}'\n"
        "  hint: another controller writes to this switch; stop it, then apply again"
    )
