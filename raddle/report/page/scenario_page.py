"""The page of `raddle run`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from raddle.report.page.link_figures import link_figures
from raddle.report.page.model import Axis, Figure, Line, Page, Span, fault_figures, lines, table
from raddle.report.scenario import ScenarioResult, Verdict
from raddle.topology.model import Fabric


def scenario_page(
    fabrics: Sequence[Fabric], results: Sequence[ScenarioResult], faults: Sequence[Sequence[Span]]
) -> Page:
    """Of scenarios, what they expect and, for each, its fabric and faults; what does not hold comes first."""
    failed = [finding for result in results for finding in _failed(result)]
    count = sum(len(result.verdicts) + len(result.checks) for result in results)
    return Page(
        title="Scenarios" if len(results) > 1 else results[0].name,
        subtitle="raddle run: " + ", ".join(f"{result.name} on {result.fabric}" for result in results),
        state="failed" if failed else "ok",
        verdict=f"{len(failed)} of {count} expectations failed" if failed else f"{count} expectations hold",
        findings=tuple(failed),
        facts=tuple((f"seconds of {result.name}", f"{result.seconds:g}") for result in results),
        notes=tuple(
            f"{result.name} does not simulate {what}" for result in results for what in result.left_out
        ),
        figures=tuple(
            figure
            for fabric, result, spans in zip(fabrics, results, faults, strict=True)
            for figure in (*_figures(result), *fault_figures(spans), *_link_figures(fabric, result))
        ),
    )


def _failed(result: ScenarioResult) -> Iterator[str]:
    for each in result.verdicts:
        if each.holds is False:
            place = f"{result.file}:{each.line}:{each.column}" if each.line else result.file
            yield f"{place}: {each.text}: {each.shown}{'; ' if each.why else ''}{each.why}"
    for check in result.checks:
        if check.exit_code:
            place = f"{result.file}:{check.line}:{check.column}"
            yield f"{place}: {check.command}: exit code {check.exit_code}; {check.output}"


_HOLDS = {True: "yes", False: "no", None: "not judged"}


def _figures(result: ScenarioResult) -> Iterator[Figure]:
    yield table(
        f"{result.name}: expectations",
        f"On {result.fabric}: routing {result.routing}, {result.congestion_control}, {result.fidelity}.",
        [Axis("expectation"), Axis("holds"), Axis("measured"), Axis("line"), Axis("why not")],
        [
            *(
                [each.text, _HOLDS[each.holds], each.shown, each.line or None, each.why]
                for each in result.verdicts
            ),
            *(
                [
                    check.command,
                    "no" if check.exit_code else "yes",
                    f"exit code {check.exit_code}",
                    check.line,
                    check.output,
                ]
                for check in result.checks
            ),
        ],
    )
    if len(result.seeds) > 1:
        units: dict[str, list[Verdict]] = {}
        for each in result.verdicts:
            if all(value is None for value in each.values):
                continue
            units.setdefault(each.unit, []).append(each)
        for unit, verdicts in units.items():
            scale = 1e12 if unit == "ps" else 1
            yield lines(
                f"{result.name}: spread over seeds{f', {_unit(unit)}' if unit else ''}",
                "What was measured with each seed.",
                Axis("seed"),
                Axis("measured", _unit(unit)),
                [
                    Line(
                        name,
                        [
                            (seed, None if value is None else value / scale)
                            for seed, value in zip(result.seeds, values, strict=True)
                        ],
                        "points",
                    )
                    for name, values in {each.measured: each.values for each in verdicts}.items()
                ],
            )
    yield table(
        f"{result.name}: jobs",
        "The time of each job, for each seed.",
        [Axis("job"), Axis("what"), Axis("ranks"), *(Axis(f"seed {seed}", "s") for seed in result.seeds)],
        [
            [job.name, job.what, job.ranks, *(None if ps is None else ps / 1e12 for ps in job.times_ps)]
            for job in result.jobs
        ],
    )


def _link_figures(fabric: Fabric, result: ScenarioResult) -> Iterator[Figure]:
    """What links carried, with the name of the scenario."""
    which = f" The run with seed {result.seeds[0]}." if len(result.seeds) > 1 else ""
    for figure in link_figures(fabric, result.links, result.link_flows, samples=result.series):
        yield replace(figure, title=f"{result.name}: {figure.title}", about=f"{figure.about}{which}")


def _unit(unit: str) -> str:
    return {"ps": "s", "B": "bytes"}.get(unit, unit)
