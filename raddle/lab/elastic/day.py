"""A day of an elastic pool: the schedule, what each of its periods comes to, and the changes between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raddle.errors import InputError
from raddle.lab.elastic.change import Setting, plan_of, stages
from raddle.lab.elastic.curve import Need, Period, schedule
from raddle.lab.elastic.file import SERVING, TRAINING, Pool
from raddle.lab.run.fidelity import left_out
from raddle.lab.run.watch import QUIET, Watch
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.report.elastic import AutoRow, ChangeRow, ElasticResult, PeriodRow
from raddle.report.workload import WorkloadResult


@dataclass(frozen=True, slots=True)
class _State:
    """What a period's jobs come to beside one another."""

    tokens_per_s: float
    step_ps: int | None


def run_day(pool: Pool, setting: Setting, watch: Watch = QUIET) -> ElasticResult:
    """Simulate an instance, make the schedule, simulate its periods and changes.

    Raises:
        InputError: the nodes are not as they must be, or changes take longer than the periods around them.
    """
    watch.tell("one instance")
    alone = _tokens_per_s(pool, _run(pool, pool.spec.inference.instance, 0, setting))
    spec = pool.spec
    need = Need(
        pool.size,
        spec.inference.instance,
        spec.training.replica,
        alone,
        spec.inference.headroom,
        spec.inference.least,
    )
    periods = schedule(pool.loads, need)
    states: dict[tuple[int, int], _State] = {}
    by_auto: list[AutoRow] = []
    for period in periods:
        key = period.serving, period.training
        if key not in states:
            watch.tell(f"{period.serving} accelerators serve, {period.training} train")
            result = _run(pool, *key, setting)
            states[key] = _state(pool, result)
            if setting.settings.fidelity == "auto":
                by_auto.append(AutoRow(*key, result.fast_forward, result.not_forwarded))
    changes = _changes(pool, periods, states, setting, watch)
    return ElasticResult(
        name=spec.name,
        fabric=pool.fabric.name,
        pool=pool.size,
        storage=len(pool.storage),
        fidelity=setting.settings.fidelity,
        left_out=left_out(pool.fabric, setting.settings),
        by_auto=tuple(by_auto),
        routing=setting.routing,
        instance=spec.inference.instance,
        tokens_per_s=alone,
        periods=tuple(_rows(pool, periods, states, changes)),
        changes=tuple(row for row in changes if row),
    )


def _run(pool: Pool, serving: int, training: int, setting: Setting) -> WorkloadResult:
    graph = pool.graph(serving, training)
    return run_workload(pool.fabric, WorkloadRequest(graph, setting.routing, setting.settings))


def _tokens_per_s(pool: Pool, result: WorkloadResult) -> float:
    rates = [node.served.tokens_per_s for node in result.nodes if node.served is not None]
    if len(rates) != 1:
        message = f"{len(rates)} of the nodes decode or prefill"
        where = (SERVING, "nodes")
        raise InputError(
            [pool.source.error("bad-workload", message, where, "give one that does", at_key=True)]
        )
    return rates[0]


def _state(pool: Pool, result: WorkloadResult) -> _State:
    step_ps = next((job.time_ps for job in result.jobs if job.name == TRAINING), None)
    return _State(_tokens_per_s(pool, result), step_ps)


def _changes(
    pool: Pool,
    periods: Sequence[Period],
    states: dict[tuple[int, int], _State],
    setting: Setting,
    watch: Watch,
) -> list[ChangeRow | None]:
    """Before each period the change to it; None where the one before (for the first, the last) is alike."""
    plans = {}
    found: list[ChangeRow | None] = []
    for at, after in enumerate(periods):
        before = periods[at - 1]
        if before.serving == after.serving:
            found.append(None)
            continue
        watch.tell(f"change at minute {after.begin_min}")
        for period in (before, after):
            key = period.serving, period.training
            if key not in plans:
                plans[key] = plan_of(pool, period, setting)
        both = plans[before.serving, before.training], plans[after.serving, after.training]
        parts = tuple(stages(pool, before, after, both, setting))
        time_ps = sum(stage.time_ps for stage in parts)
        state = states[before.serving, before.training]
        stands_ps = sum(stage.time_ps for stage in parts if stage.pauses)
        count, grows = abs(after.serving - before.serving), after.serving > before.serving
        # What serves more is ready when the load comes; what trains more begins when it is gone.
        begin_s = after.begin_min * 60 - (time_ps / 1e12 if grows else 0)
        found.append(
            ChangeRow(
                begin_s=begin_s,
                accelerators=count,
                to=SERVING if grows else TRAINING,
                stages=parts,
                time_ps=time_ps,
                network_ps=sum(stage.network_ps for stage in parts),
                lost_steps=stands_ps / state.step_ps if state.step_ps else 0.0,
                lost_tokens=count * state.tokens_per_s * time_ps / 1e12,
            )
        )
    return found


def _rows(
    pool: Pool,
    periods: Sequence[Period],
    states: dict[tuple[int, int], _State],
    changes: Sequence[ChangeRow | None],
) -> list[PeriodRow]:
    rows = []
    for at, period in enumerate(periods):
        state = states[period.serving, period.training]
        into, out = changes[at], changes[(at + 1) % len(periods)]
        within = [(into, TRAINING), (out, SERVING)]
        lost_ps = sum(_stands_ps(change) for change, to in within if change and change.to == to)
        trains_ps = (period.end_min - period.begin_min) * 60 * 10**12 - lost_ps
        if trains_ps < 0:
            clock = f"{period.begin_min // 60:02}:{period.begin_min % 60:02}"
            message = (
                f"changes take {lost_ps / 60e12:.1f} min of the period from {clock} on, which is shorter"
            )
            raise InputError.of("bad-load", message, "join rows of the load curve")
        capacity = period.serving * state.tokens_per_s
        rows.append(
            PeriodRow(
                begin_min=period.begin_min,
                end_min=period.end_min,
                load_per_s=period.most_per_s,
                serving=period.serving,
                training=period.training,
                idle=pool.size - period.serving - period.training,
                tokens_per_s=state.tokens_per_s,
                served_tokens=period.served(capacity),
                missing_per_s=max(0.0, period.most_per_s - capacity),
                step_ps=state.step_ps,
                steps=trains_ps / state.step_ps if state.step_ps else 0.0,
            )
        )
    return rows


def _stands_ps(change: ChangeRow) -> int:
    return sum(stage.time_ps for stage in change.stages if stage.pauses)
