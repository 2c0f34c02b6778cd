"""Scenario results as JUnit XML, as Jenkins' xUnit plugin reads it (its junit-10.xsd).

https://github.com/jenkinsci/xunit-plugin, src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from raddle.report.scenario import Check, ScenarioResult, Verdict


def junit_xml(results: Sequence[ScenarioResult]) -> str:
    """A test suite for each scenario, with a test for each expectation and each check."""
    root = ET.Element("testsuites", name="raddle")
    for result in results:
        cases = [_verdict_case(result, each) for each in result.verdicts]
        cases += [_check_case(result, each) for each in result.checks]
        failed = sum(case.find("failure") is not None for case in cases)
        suite = ET.SubElement(
            root, "testsuite", name=result.name, tests=str(len(cases)), failures=str(failed), errors="0",
            time=str(result.seconds),
        )  # fmt: skip
        suite.extend(cases)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _verdict_case(result: ScenarioResult, verdict: Verdict) -> ET.Element:
    case = ET.Element("testcase", classname=result.name, name=verdict.text, time="0")
    if not verdict.holds:
        place = f"{result.file}:{verdict.line}" if verdict.line else result.file
        message = f"{verdict.text}: {verdict.shown}"
        failure = ET.SubElement(case, "failure", message=message, type="expectation")
        failure.text = "\n".join(filter(None, [place, verdict.why]))
    return case


def _check_case(result: ScenarioResult, check: Check) -> ET.Element:
    case = ET.Element("testcase", classname=result.name, name=check.command, time="0")
    if check.exit_code:
        failure = ET.SubElement(case, "failure", message=f"exit code {check.exit_code}", type="check")
        failure.text = check.output
    return case
