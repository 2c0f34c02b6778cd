"""`raddle bench`: a collective on switches that the controller has programmed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated

import typer

from raddle import traffic
from raddle.cli.fabric_argument import FabricArg
from raddle.cli.input_digests import digests
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import (
    JsonOption,
    PlanOption,
    PlanOptions,
    RootOption,
    ScopeOptions,
    load_fabric,
    options_of,
    plan_for,
)
from raddle.cli.output_folder import OutputFolder
from raddle.cli.progress import Shown, progress_bar, watching
from raddle.cli.reports import HtmlOption, write_page
from raddle.cli.run_options import RunOptions, SeriesOption, TraceOption
from raddle.cli.sizes import sizes_of
from raddle.cli.terminal import is_terminal, plot, width
from raddle.errors import InputError
from raddle.lab.bench import run_jobs
from raddle.lab.bench_request import BenchRequest
from raddle.lab.expect.earlier import read_earlier
from raddle.lab.run.fault_spans import fault_spans
from raddle.lab.workloads.matrix_file import read_matrix
from raddle.lab.workloads.ranks import place_ranks, without_nics
from raddle.report.earlier import EarlierCurve, beside_lines
from raddle.report.json_report import jobs_json, to_json
from raddle.report.model import BenchResult
from raddle.report.page.bench_page import bench_page
from raddle.report.run_files import samples_csv
from raddle.report.table import NCCL_COLUMNS, Style, busbw_plot, table_foot, table_head, table_row, to_table
from raddle.sim.series import Sample
from raddle.topology.model import Fabric
from raddle.topology.views.cut_off import cut_off_endpoints

_FILES = ("bench.json", "series-*.csv", "capture-*.pcapng")


@with_option_groups
def bench(
    fabric: FabricArg,
    where: ScopeOptions,
    run: RunOptions,
    collective: Annotated[
        str, typer.Option(help="all_reduce, all_to_all, ...; a wrong name lists all.")
    ] = "all_reduce",
    algorithm: Annotated[
        str | None, typer.Option(help="Its algorithm; a wrong name lists all [default: the usual one]")
    ] = None,
    min_bytes: Annotated[
        str | None,
        typer.Option("-b", "--minbytes", help="Smallest size (powers of 1024: 32K, 1M) [default: 1M]"),
    ] = None,
    max_bytes: Annotated[
        str | None, typer.Option("-e", "--maxbytes", help="Largest size [default: 256M]")
    ] = None,
    factor: Annotated[
        int | None,
        typer.Option("-f", "--stepfactor", help="Each size is this many times the one before [default: 4]"),
    ] = None,
    step: Annotated[
        str | None, typer.Option("-i", "--stepbytes", help="Or it is this much larger.", metavar="BYTES")
    ] = None,
    datatype: Annotated[
        str, typer.Option("-d", "--datatype", help="Of elements; a wrong name lists all.")
    ] = "float",
    redop: Annotated[
        str | None, typer.Option(help="Reduction: sum, prod, max, min, avg, mulsum [default: sum]")
    ] = None,
    root: RootOption = None,
    matrix: Annotated[
        Path | None, typer.Option(help="CSV of bytes from each rank to each, for all_to_all_v.")
    ] = None,
    plan_file: PlanOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="For bench.json, --series and --trace."),
    ] = None,
    series: SeriesOption = None,
    trace: TraceOption = None,
    style: Annotated[
        Style | None,
        typer.Option(help="Rows as of nccl-tests, hccl_test, or short [default: nccl; short if narrow]"),
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Results of bench --json, or logs, to put beside; any number."),
    ] = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a collective and print the table of nccl-tests.

    The switches are programmed over gNMI and the simulation forwards with what they then report. With
    --inventory and without --push it forwards with what they hold already. Times of faults, --series and
    --until count from the start of each size. An interrupt keeps the rows that are done.
    """
    if as_json and style:
        raise InputError.of("bad-option", "--json has no rows of a style", "leave --style or --json out")
    loaded = load_fabric(fabric, run.strict)
    held = plan_for(loaded, PlanOptions(routing=run.routing), plan_file) if plan_file else None
    model = run.fabric_of(loaded)
    sizes = (read_matrix(matrix), str(matrix)) if matrix else (None, "")
    terms = traffic.Terms(datatype, redop, root, *sizes)
    request = BenchRequest(
        collective=collective,
        algorithm=algorithm,
        sizes_bytes=sizes_of(terms, min_bytes, max_bytes, factor, step),
        terms=terms,
        routing=held.plan.routing if held else run.routing or model.routing.policy,
        scopes=where.scopes(run.seed),
        settings=run.settings(model, series, trace or (), has_page=html is not None),
        plan=held.plan if held else None,
    )
    named = map(_named_file, (algorithm, where.placement))
    inputs = digests(fabric, plan_file, matrix, run.faults, *named)
    curves = _earlier(model, request, beside or ())
    if curves and as_json and not html:
        raise InputError.of("bad-option", "--json has no curves of other files", "leave out --beside")
    given = "--plan" if held else "--routing" if run.routing else ""
    source = run.switches(loaded, f"bench {fabric}", held, given)
    if held and held.plan.pins:
        _note_other_traffic(options_of(held), collective, algorithm, where, root)
    with _folder(output, None if html else series, trace) as folder, progress_bar() as progress:
        told = _Told(progress, folder, style or _usual_style(), is_quiet=as_json)
        results = run_jobs(model, request, source, watching(progress), told, told.capture)
        document = ""
        if folder or as_json:
            document = to_json(results[0], inputs) if len(results) == 1 else jobs_json(results, inputs)
        if folder:
            folder.finish({"bench.json": document})
    longest_ps = max((row.time_ps or 0 for row in results[0].rows), default=0)
    repairs = results[0].rows[-1].repairs if results[0].rows else ()
    faults = fault_spans(request.settings, longest_ps, repairs)
    write_page(html, lambda: bench_page(model, results, told.series, faults, curves))
    if as_json:
        print(document, end="")
    elif len(results) == 1:
        print(table_foot(results[0], width()), end="")
    else:
        print("\n".join(to_table(result, told.style, width()) for result in results), end="")
    if not as_json:
        for line in beside_lines(results[0], curves):
            print(line)
        for result in results:
            plot(partial(busbw_plot, result))
    idle = int(cut_off_endpoints(model).sum())
    if idle:
        lost = len(without_nics(model))
        what = "1 NIC port is" if idle == 1 else f"{idle} NIC ports are"
        ranks = f"; accelerators without a rank: {lost}" if lost else "; every accelerator is a rank"
        print(f"note: {what} cut off{ranks}", file=sys.stderr)
    if results[0].is_interrupted:
        raise KeyboardInterrupt
    if any(row.wrong or row.time_ps is None for result in results for row in result.rows):
        raise typer.Exit(1)


def _usual_style() -> Style:
    """nccl-tests' rows, or short ones at a terminal that these do not fit."""
    return "nccl" if not is_terminal() or get_terminal_size().columns >= NCCL_COLUMNS else "short"


def _earlier(fabric: Fabric, request: BenchRequest, files: Sequence[Path]) -> list[EarlierCurve]:
    """The curves that the benchmark is held against."""
    if not files:
        return []
    name = traffic.find_collective(request.collective).name
    ranks = len(place_ranks(fabric, request.scopes[0]))
    return [curve for path in files for curve in read_earlier(path, name, ranks)]


def _note_other_traffic(
    then: PlanOptions, collective: str, algorithm: str | None, where: ScopeOptions, root: int | None
) -> None:
    """Say that a plan's pins are those of other flows than the ones that are sent."""
    planned = {"collective": then.collective or "all_reduce", "algorithm": then.algorithm, "root": then.root}
    planned |= {each.name: getattr(then, each.name) for each in fields(ScopeOptions)}
    asked = {"collective": collective, "algorithm": algorithm, "root": root}
    asked |= {each.name: getattr(where, each.name) for each in fields(ScopeOptions)}
    other = [f"--{name} {planned[name] or 'left out'}" for name in planned if planned[name] != asked[name]]
    if other:
        print(
            f"note: the plan's pins were made with {', '.join(other)}: not for these flows", file=sys.stderr
        )


def _named_file(name: str | None) -> Path | None:
    """The file that an option names which may also be a word, as `ring`."""
    return Path(name) if name and Path(name).is_file() else None


class _Told:
    """Prints the head of the table, and each row when it is done; writes what was recorded of its run.

    Tables of several jobs wait for the end.
    """

    def __init__(self, shown: Shown, folder: OutputFolder | None, style: Style, is_quiet: bool) -> None:
        self._shown, self._folder, self.style, self._is_quiet = shown, folder, style, is_quiet
        self.series: Sequence[Sample] = ()
        """Of the last size."""

    def __call__(self, so_far: tuple[BenchResult, ...], series: Sequence[Sample]) -> None:
        first, self.series = so_far[0], series
        if series and self._folder:
            self._folder.open(f"series-{first.rows[-1].size_bytes}.csv")(samples_csv(series).encode())
        if not self._is_quiet and len(so_far) == 1:
            style = self.style
            text = table_row(first.rows[-1], style) if first.rows else table_head(first, style, width())
            self._shown.say(text.removesuffix("\n"), is_result=True)

    def capture(self, size_bytes: int) -> Callable[[bytes], object]:
        """What takes the frames of one size."""
        assert self._folder
        return self._folder.open(f"capture-{size_bytes}.pcapng")


@contextmanager
def _folder(
    path: Path | None, series: str | None, trace: Sequence[str] | None
) -> Iterator[OutputFolder | None]:
    if path is None:
        if series or trace:
            option = "--series" if series else "--trace"
            raise InputError.of("bad-option", f"{option} needs a folder to write to", "give one with -o DIR")
        yield None
        return
    with OutputFolder(path, _FILES) as folder:
        yield folder
