"""`raddle run`: what scenarios measure, judge and refuse."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from raddle.cli.main import app
from raddle.errors import InputError
from raddle.lab.scenario.file import read_scenario
from raddle.lab.scenario.judge import confidence
from raddle.lab.scenario.run import run_scenario
from raddle.report.scenario import ScenarioResult, Verdict

HEAD = "raddle: 1\nname: trial\nfabric: leaf-spine-16\nrouting: pinned\ncongestion_control: none\n"
RING = "jobs:\n  train: {collective: all_reduce, algorithm: ring, size: 1M, placement: strided}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "scenario.yaml"
    path.write_text(text)
    return path


def invoked(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["run", *map(str, words)], catch_exceptions=False)


def result_of(folder: Path, text: str) -> ScenarioResult:
    return run_scenario(read_scenario(written(folder, text)))


def verdicts(folder: Path, *expected: str, head: str = HEAD + RING) -> dict[str, Verdict]:
    lines = "".join(f"  - {each}\n" for each in expected)
    found = result_of(folder, f"{head}expect:\n{lines}")
    return {each.text: each for each in found.verdicts}


def test_what_a_scenario_measures_is_what_bench_prints(tmp_path: Path) -> None:
    options = "--placement strided --algorithm ring -b 1M -e 1M --routing pinned --cc none --json"
    bench = CliRunner().invoke(app, ["bench", "leaf-spine-16", *options.split()], catch_exceptions=False)
    (row,) = json.loads(bench.stdout)["rows"]
    found = verdicts(
        tmp_path, "train.busbw > 1 GB/s", "train.algbw > 1 GB/s", "train.time < 1s", "ecn_marks >= 0",
        "drops == 0", "train.wrong == 0", "max_link_load > 0%",
    )  # fmt: skip
    assert found["train.busbw > 1 GB/s"].values == (row["busbw_gbs"],)
    assert found["train.algbw > 1 GB/s"].values == (row["algbw_gbs"],)
    assert found["train.time < 1s"].values == (row["time_ps"],)
    assert found["ecn_marks >= 0"].values == (row["ecn_marks"],)
    busiest = max(link["utilisation"] for link in json.loads(bench.stdout)["links"])
    assert found["max_link_load > 0%"].values == (pytest.approx(busiest),)
    assert all(each.holds for each in found.values())


def test_a_pinned_ring_runs_as_on_an_idle_fabric_and_all_its_messages_alike(tmp_path: Path) -> None:
    found = verdicts(tmp_path, "slowdown max <= 1.01", "train.jct_ratio == 1", "jain >= 0.99")
    assert all(each.holds for each in found.values())


@pytest.mark.parametrize(
    "expected", ["train.busbw >= 101% of line", "train.busbw >= 1.01x line", "fct p50 < 0.9x ideal"]
)
def test_nothing_is_better_than_the_line_or_the_ideal(tmp_path: Path, expected: str) -> None:
    assert not verdicts(tmp_path, expected)[expected].holds


def test_a_job_is_timed_from_its_start(tmp_path: Path) -> None:
    late = HEAD + RING.replace("size: 1M", "size: 1M, start: 300us")
    at_once, later = (
        verdicts(tmp_path, "train.time > 0s", head=head)["train.time > 0s"].values
        for head in (HEAD + RING, late)
    )
    assert at_once == later


def test_two_rings_over_the_same_nics_take_twice_as_long_as_one_alone(tmp_path: Path) -> None:
    ring = "{collective: all_reduce, algorithm: ring, size: 32M, hosts: 'host[0-3]'}"
    jobs = f"jobs:\n  a: {ring}\n  b: {ring}\n"
    found = verdicts(tmp_path, "a.jct_ratio >= 1.9", "b.jct_ratio <= 2.1", head=HEAD + jobs)
    assert all(each.holds for each in found.values()), found


def test_what_does_not_end_fails_and_says_why(tmp_path: Path) -> None:
    timeline = "timeline: {what: down, where: host3, from: 1us}\n"
    (asked, ended) = verdicts(tmp_path, "train.busbw >= 1 GB/s", head=HEAD + RING + timeline).values()
    assert (asked.values, asked.shown) == ((None,), "did not end")
    assert "host3" in asked.why
    assert (ended.text, ended.holds, ended.line) == ("train.done == 100%", False, 0)


def test_a_seed_changes_what_is_random_and_each_must_hold(tmp_path: Path) -> None:
    head = (HEAD + RING).replace("pinned", "ecmp").replace("name: trial", "name: trial\nseeds: 1-3")
    found = verdicts(tmp_path, "train.busbw > 0 GB/s", head=head)["train.busbw > 0 GB/s"]
    assert len(set(found.values)) > 1
    assert "at worst" in found.shown
    values = [value for value in found.values if value is not None]
    between = f"train.busbw > {sorted(values)[1] - 0.001:.3f} GB/s"
    assert not verdicts(tmp_path, between, head=head)[between].holds


def test_the_confidence_of_a_mean_is_about_two_standard_errors() -> None:
    values = [10.0 + (-1) ** number for number in range(400)]  # standard error 1/20
    low, high = confidence(values)
    assert (low, high) == (pytest.approx(9.9, abs=0.02), pytest.approx(10.1, abs=0.02))


def test_a_workload_file_is_a_job(tmp_path: Path) -> None:
    (tmp_path / "steps.yaml").write_text(
        "raddle: 1\nname: steps\nnodes:\n  think: {compute: 50us, group: all}\n"
        "  tell: {collective: all_reduce, size: 1MiB, group: all, after: think}\n"
    )
    head = HEAD + "jobs: {serve: {workload: steps.yaml}}\n"
    found = verdicts(tmp_path, "serve.time > 50us", "serve.time < 500us", head=head)
    assert all(each.holds for each in found.values())
    with pytest.raises(InputError, match="'busbw' is of a collective, and 'serve' is a workload"):
        verdicts(tmp_path, "serve.busbw > 1 GB/s", head=head)


def test_messages_can_flow_and_then_have_no_packets(tmp_path: Path) -> None:
    head = "fidelity: fluid\n" + HEAD + RING
    packets, fluid = (
        verdicts(tmp_path, "train.time > 0s", head=each)["train.time > 0s"].values[0]
        for each in (HEAD + RING, head)
    )
    assert packets
    assert fluid == pytest.approx(packets, rel=0.01)
    assert fluid != packets
    assert result_of(tmp_path, head).left_out
    with pytest.raises(InputError, match="'drops' is of packets, and messages that flow have none"):
        verdicts(tmp_path, "drops == 0", head=head)
    with pytest.raises(InputError, match="a fault 'storm' would do nothing") as raised:
        result_of(tmp_path, head + "timeline: {what: storm, where: host3, from: 1us}\n")
    assert str(raised.value.diagnostics[0].span).endswith(":1:11")


def test_later_runs_are_compared_with_a_baseline(tmp_path: Path) -> None:
    kept = tmp_path / "baseline.json"
    text = HEAD + RING + "expect: train.busbw >= 0.97x baseline\n"
    first = written(tmp_path, text.replace("0.97x baseline", "1 GB/s"))
    assert invoked(first, "--save-baseline", kept).exit_code == 0
    assert invoked(written(tmp_path, text), "--baseline", kept).exit_code == 0
    slower = written(tmp_path, text.replace("pinned", "ecmp"))
    found = invoked(slower, "--baseline", kept)
    assert found.exit_code == 1
    assert "GB/s is asked" in found.stdout
    with pytest.raises(InputError, match="compares with a baseline, and none is given") as raised:
        invoked(slower)
    assert raised.value.diagnostics[0].code == "no-baseline"
    kept.write_text("[]")
    with pytest.raises(InputError, match="is no baseline") as raised:
        invoked(slower, "--baseline", kept)
    assert raised.value.diagnostics[0].code == "bad-baseline"


SEEDS = HEAD.replace("pinned", "ecmp") + "seeds: 1-6\n" + RING + "expect: train.busbw >= 0.97x baseline\n"


def test_seeds_are_compared_with_the_same_seeds_of_the_baseline(tmp_path: Path) -> None:
    kept = tmp_path / "baseline.json"
    first = invoked(written(tmp_path, SEEDS), "--save-baseline", kept)
    assert first.exit_code == 0, first.output
    assert "new  train.busbw >= 0.97x baseline" in first.stdout
    seen = list(json.loads(kept.read_text())["scenarios"]["trial"]["train.busbw"].values())
    assert min(seen) < 0.97 * sum(seen) / len(seen)  # what the mean alone would fail
    again = invoked(written(tmp_path, SEEDS), "--baseline", kept)
    assert again.exit_code == 0, again.output
    assert "each seed beside the same of the baseline" in again.stdout
    path = written(tmp_path, SEEDS.replace("1-6", "2-3").replace("0.97x", "1.01x"))
    assert invoked(path, "--baseline", kept).exit_code == 1


def test_other_seeds_are_compared_by_their_means(tmp_path: Path) -> None:
    path, kept = written(tmp_path, SEEDS), tmp_path / "baseline.json"
    values = {
        each.measured: [value or 0.0 for value in each.values]
        for each in result_of(tmp_path, SEEDS.replace("0.97x baseline", "1 GB/s")).verdicts
    }["train.busbw"]
    mean = sum(values) / len(values)
    written(tmp_path, SEEDS)
    for version, earlier, code in (
        (1, mean, 0),
        (1, mean / 0.96, 1),
        (2, {"1": mean, "9": mean}, 0),
        (2, {"8": mean / 0.96}, 1),
    ):
        document = {"raddle-baseline": version, "scenarios": {"trial": {"train.busbw": earlier}}}
        kept.write_text(json.dumps(document))
        found = invoked(path, "--baseline", kept)
        assert found.exit_code == code, found.output
        assert "mean beside mean" in found.stdout


def test_scenarios_of_one_name_are_refused_as_a_baseline_would_hold_one_of_them(tmp_path: Path) -> None:
    first = written(tmp_path, HEAD + RING + "expect: drops == 0\n")
    other = tmp_path / "other.yaml"
    other.write_text(first.read_text())
    with pytest.raises(InputError, match=r"other.yaml:1:1: error\[same-name\].*has the name 'trial', too"):
        invoked(first, other, "--save-baseline", tmp_path / "kept.json")
    assert not (tmp_path / "kept.json").exists()


def test_a_wrong_expectation_is_quoted_whole_whatever_it_holds(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + RING + "expect: train.busbw >= 1 GB/s; drops == 0\n")
    with pytest.raises(InputError, match=r"'1 GB/s; drops == 0'") as raised:
        invoked(path)
    assert raised.value.diagnostics[0].hint == "'busbw' is written as 45 GB/s"


def test_reports_name_expectation_value_and_line(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + RING + "expect:\n  - drops == 0\n  - train.busbw >= 400 GB/s\n")
    junit, sarif = tmp_path / "junit.xml", tmp_path / "found.sarif"
    found = invoked(path, "--junit", junit, "--sarif", sarif)
    assert found.exit_code == 1
    assert f"{path}:10:5" in found.stdout
    suite = ET.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    (failure,) = suite.findall("testcase/failure")
    assert re.fullmatch(r"train.busbw >= 400 GB/s: [0-9.]+ GB/s", str(failure.get("message")))
    assert f"{path}:10" in str(failure.text)
    (result,) = json.loads(sarif.read_text())["runs"][0]["results"]
    place: dict[str, Any] = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == path.as_uri()
    assert place["region"] == {"startLine": 10, "startColumn": 5}


def test_a_summary_has_a_bar_of_what_passed_and_a_sparkline_of_the_seeds(tmp_path: Path) -> None:
    head = (HEAD + RING).replace("pinned", "ecmp").replace("name: trial", "name: trial\nseeds: 1-3")
    path, summary = written(tmp_path, head + "expect: train.busbw >= 400 GB/s\n"), tmp_path / "summary.md"
    assert invoked(path, "--markdown", summary).exit_code == 1
    lines = summary.read_text().splitlines()
    assert lines[2] == f"`{'█' * 10}{'░' * 10}`"  # it ends, and is not as fast
    assert re.search(r"\| ❌ .*\| `[▁-█]{3}` \|$", "\n".join(lines), re.MULTILINE)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("""python3 -c 'import json,sys; json.load(sys.stdin)["ok"] or sys.exit(9)'""", 0),
        ("""python3 -c 'import sys; print("not to my liking"); sys.exit(4)'""", 4),
        ("there-is-no-such-command --at all", 127),
    ],
)
def test_checks_of_the_users_own_see_the_result_and_count(tmp_path: Path, command: str, code: int) -> None:
    found = result_of(tmp_path, HEAD + RING + f"checks:\n  - {json.dumps(command)}\n")
    (check,) = found.checks
    assert (check.exit_code, found.ok) == (code, code == 0)
    assert code != 4 or check.output == "not to my liking"
    assert (check.line, check.column) == (9, 5)


@pytest.mark.parametrize(
    ("text", "code", "place", "words"),
    [
        ("", "not-a-scenario", "1:1", "the file is empty"),
        (HEAD + "jobs: {}\n", "bad-scenario", "6:1", "there is no job"),
        (HEAD + "seeds: 1-5000\n" + RING, "bad-scenario", "6:8", "5000 seeds are more than 1000"),
        (HEAD + "seeds: 1-100000\n" + RING, "bad-scenario", "6:8", "100000 seeds are more than 1000"),
        (HEAD + RING + "expect: recovery <= 1ms\n", "bad-expectation", "8:9", "first event of the timeline"),
        (HEAD + "jobs: {a: {workload: x.yaml, size: 1M}}\n", "unused-key", "6:8", "'size' says nothing"),
        (HEAD + "jobs: {a: {size: 1M}}\n", "missing-key", "6:8", "one of 'collective', 'workload' and"),
        (HEAD + "jobs: {a: {workload: x.yaml}}\n", "no-such-file", "6:8", "no file"),
        (HEAD + "jobs: {a: {collective: all_reduse, size: 1M}}\n", "unknown-collective", "6:8", "all_reduse"),
        (HEAD + "jobs: {a: {collective: all_reduce, size: 1Q}}\n", "bad-size", "6:42", "'1Q' is not a size"),
        (HEAD + RING + "timeline: {what: down, where: leaf9, from: 1us}\n", "bad-faults", "8:1", "leaf9"),
        (HEAD + RING + "expect: train is fast\n", "bad-expectation", "8:9", "is no expectation"),
        (HEAD + RING + "expect: train.bussbw > 1 GB/s\n", "bad-expectation", "8:9", "'bussbw' is no metric"),
        (HEAD + RING + "expect: trian.busbw > 1 GB/s\n", "bad-expectation", "8:9", "there is no job 'trian'"),
        (HEAD + RING + "expect: busbw > 1 GB/s\n", "bad-expectation", "8:9", "'busbw' is of a job"),
        (HEAD + RING + "expect: train.drops == 0\n", "bad-expectation", "8:9", "of the run as a whole"),
        (HEAD + RING + "expect: train.busbw > 4 ms\n", "bad-expectation", "8:9", "not a bandwidth"),
        (HEAD + RING + "expect: drops < 2x ideal\n", "bad-expectation", "8:9", "has no ideal"),
        (HEAD + RING + "expect: train.time < 2x line\n", "bad-expectation", "8:9", "is no bandwidth"),
        (HEAD.replace("leaf-spine-16", "leaf-spine-17") + RING, "no-such-file", "3:9", "leaf-spine-17"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, text: str, code: str, place: str, words: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as raised:
        read_scenario(path)
    (found,) = raised.value.diagnostics
    assert (found.code, str(found.span)) == (code, f"{path}:{place}")
    assert words in found.message
