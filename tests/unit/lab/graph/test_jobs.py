"""Jobs beside one another: what each takes alone, what they share, classes and stragglers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raddle.errors import InputError
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.run.settings import RunSettings
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.lab.workloads.demand import demand_of
from raddle.report.page.workload_page import workload_page
from raddle.report.workload import JobRow, WorkloadResult
from raddle.topology import find, load
from raddle.topology.model import Fabric, LosslessClass

US = 1_000_000
GROUPS = "groups: {a: {ranks: [0, 8]}, b: {ranks: [1, 9]}, s: {ranks: 4-7}, d: {ranks: [8-11]}}\n"


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return load(find("leaf-spine-16"))


def run(fabric: Fabric, folder: Path, jobs: str, settings: RunSettings | None = None) -> WorkloadResult:
    path = folder / "w.yaml"
    path.write_text(f"raddle: 1\nname: w\n{GROUPS}jobs:\n{jobs}")
    request = WorkloadRequest(read_workload(fabric, path), "ecmp", settings or RunSettings())
    return run_workload(fabric, request)


def by_name(result: WorkloadResult) -> dict[str, JobRow]:
    return {job.name: job for job in result.jobs}


def test_jobs_that_meet_nowhere_take_what_they_take_alone(fabric: Fabric, tmp_path: Path) -> None:
    """The later job's queue pairs have other numbers alone, but the same paths."""
    two = "{c: {compute: 3us, group: s}, r: {collective: all_reduce, size: 64KiB, group: s, after: c}}"
    jobs = "  one: {nodes: {r: {send: 1MB, from: a, to: b}}}\n  two: {start: 10us, nodes: " + two + "}\n"
    found = by_name(run(fabric, tmp_path, jobs))
    assert [job.slowdown for job in found.values()] == [1.0, 1.0]
    assert found["two"].start_ps == 10 * US


def test_who_shares_a_receivers_link_is_slowed_and_named(fabric: Fabric, tmp_path: Path) -> None:
    """Both send 4 MB to host8 over 400G: together its link carries 8 MB, in twice the time."""
    path = tmp_path / "w.yaml"
    path.write_text(
        "raddle: 1\nname: w\ngroups: {x: {ranks: 0}, y: {ranks: 4}, z: {ranks: 8}}\njobs:\n"
        "  one: {nodes: {r: {send: 4MB, from: x, to: z}}}\n  two: {nodes: {r: {send: 4MB, from: y, to: z}}}\n"
    )
    quiet = replace(fabric, roce=replace(fabric.roce, congestion_control="none"))
    found = run_workload(quiet, WorkloadRequest(read_workload(quiet, path), "ecmp"))
    assert [job.slowdown for job in found.jobs] == [pytest.approx(2, rel=0.02)] * 2
    last = next(link for link in found.shared_links if link.name.endswith("-> host8:eth0"))
    assert last.job_bytes == {"one": 4_000_000, "two": 4_000_000}
    assert [job.sent_bytes for job in found.jobs] == [4_000_000, 4_000_000]


def test_who_halts_and_marks_is_named_also_where_it_never_sends(fabric: Fabric, tmp_path: Path) -> None:
    """Jobs hot (two hosts) and one (a third) fill the queue to host4; `two` shares host1's link with hot.

    Three senders stand equally in that queue, so that one causes a third of what host1's link is halted for.
    """
    path = tmp_path / "w.yaml"
    path.write_text(
        "raddle: 1\nname: w\nranks: {hosts: 'host[0-7]'}\n"
        "groups: {a: {ranks: 0}, b: {ranks: 1}, c: {ranks: 2}, z: {ranks: 4}, y: {ranks: 5}}\njobs:\n"
        "  hot: {nodes: {r: {send: 100MB, from: a, to: z}, q: {send: 100MB, from: b, to: z}}}\n"
        "  one: {nodes: {r: {send: 100MB, from: c, to: z}}}\n"
        "  two: {nodes: {r: {send: 100MB, from: b, to: y}}}\n"
    )
    quiet = replace(fabric, roce=replace(fabric.roce, congestion_control="none"))
    found = run_workload(quiet, WorkloadRequest(read_workload(quiet, path), "pinned"))
    assert found.pfc_pause_ps
    jobs = by_name(found)
    causes = {cause.job: cause for cause in jobs["two"].causes}
    uplink = next(link for link in found.links if link.name.startswith("host1:eth0 ->"))
    assert causes["one"].sent_bytes == 0
    assert causes["hot"].sent_bytes == 100_000_000
    assert causes["two"].pause_ps == 0
    halted = (causes["one"].pause_ps or 0) + (causes["hot"].pause_ps or 0)
    assert halted == pytest.approx(uplink.pause_ps, rel=0.05)
    assert (causes["one"].pause_ps or 0) / halted == pytest.approx(1 / 3, abs=0.05)
    assert (jobs["two"].pause_ps, jobs["two"].suffered_ps) == (0, halted)
    (heat, *_) = workload_page(quiet, found).figures
    assert next(row for row in heat.data["rows"] if row[0] == "two")[-2:] == [0, halted / 1e12]
    assert sum(job.ecn_marks or 0 for job in found.jobs) == found.ecn_marks
    assert sum(job.pause_ps or 0 for job in found.jobs) == pytest.approx(found.pfc_pause_ps, rel=0.05)
    met = next(link for link in found.shared_links if link.name.startswith("host2:eth0 ->"))
    assert set(met.job_bytes) == {"one"}
    assert set(met.job_pause_ps or {}) == {"hot", "one"}


def test_a_straggler_holds_up_its_job_alone(fabric: Fabric, tmp_path: Path) -> None:
    jobs = by_name(
        run(
            fabric,
            tmp_path,
            "  slow: {stragglers: {0: 1.5}, nodes: {c: {compute: 10us, group: a}}}\n"
            "  well: {nodes: {c: {compute: 10us, group: b}}}\n",
        )
    )
    assert jobs["slow"].time_ps == 15 * US
    assert jobs["well"].time_ps == 10 * US
    assert jobs["slow"].shares_ps == {"compute": 12_500_000, "idle": 2_500_000}


def test_a_lossy_job_is_dropped_where_a_lossless_one_waits(fabric: Fabric, tmp_path: Path) -> None:
    """7 to 1 of 20 MB each: more than a lossy queue holds, and what is dropped is sent again."""
    groups = ", ".join(f"g{i}: {{ranks: {i}}}" for i in range(12))
    sends = ", ".join(f"n{i}: {{send: 20MB, from: g{i}, to: g{{to}}}}" for i in range(1, 8))
    text = f"raddle: 1\nname: w\ngroups: {{{groups}}}\njobs:\n  j: {{class: {{kind}}, nodes: {{{sends}}}}}\n"
    quiet = replace(fabric, roce=replace(fabric.roce, congestion_control="none"))
    results = []
    for kind in ("lossless", "lossy"):
        path = tmp_path / "w.yaml"
        path.write_text(text.replace("{kind}", kind).replace("{to}", "8"))
        results.append(run_workload(quiet, WorkloadRequest(read_workload(quiet, path), "ecmp")))
    lossless, lossy = results
    assert lossless.drops == {}
    assert lossy.drops
    assert lossy.jobs[0].retransmitted
    assert lossy.is_done


def test_what_a_lossy_job_cannot_have_is_refused(fabric: Fabric, tmp_path: Path) -> None:
    jobs = "  j: {class: lossy, nodes: {c: {compute: 1us}}}\n"
    with pytest.raises(InputError, match="those of a lossy job could not be dropped"):
        run(fabric, tmp_path, jobs, RunSettings(fidelity="fluid"))
    zero = replace(fabric, roce=replace(fabric.roce, lossless=(LosslessClass(priority=0, dscp=0),)))
    with pytest.raises(InputError, match=r"w.yaml:5:14: error\[no-lossy-class\]"):
        run(zero, tmp_path, jobs)
    with pytest.raises(InputError, match=r"w.yaml:5:20: error\[bad-group\]: there is no rank 99"):
        run(fabric, tmp_path, "  j: {stragglers: {99: 2}, nodes: {c: {compute: 1us}}}\n")


def test_steps_of_several_jobs_with_one_number_count_as_sent_at_once(fabric: Fabric, tmp_path: Path) -> None:
    """So that pins of one job keep out of the other's way; each job's steps count from its own first."""
    file = tmp_path / "w.yaml"
    file.write_text(
        "raddle: 1\nname: w\n"
        "groups: {a: {ranks: 0-3}, b: {ranks: 4-7}, c: {ranks: 8-11}, d: {ranks: 12-15}}\n"
        "jobs:\n  x: {nodes: {s: {send: 1MB, from: a, to: c}}}\n"
        "  y: {nodes: {s: {send: 1MB, from: b, to: d}}}\n"
    )
    laid_out = assemble(read_workload(fabric, file))
    demand = demand_of(fabric, laid_out.workload.seats, laid_out.workload.schedule)
    assert len(demand.src) == 8
    assert len(set(demand.phase.tolist())) == 1
