"""Cases as JUnit XML, as Jenkins' xUnit plugin reads it (its junit-10.xsd).

https://github.com/jenkinsci/xunit-plugin, src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import groupby

from raddle.report.cases import Case

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0, section 2.2."""


def junit_xml(cases: Sequence[Case]) -> str:
    """A test suite for each suite of the cases, which stand together."""
    root = ET.Element("testsuites", name="raddle")
    for name, each in groupby(cases, key=lambda case: case.suite):
        own = list(each)
        suite = ET.SubElement(
            root, "testsuite", name=_clean(name), tests=str(len(own)), errors="0",
            failures=str(sum(not case.ok for case in own)),
            time=f"{sum(case.seconds for case in own):.3f}",
        )  # fmt: skip
        suite.extend(map(_case, own))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(case: Case) -> ET.Element:
    made = ET.Element(
        "testcase", classname=_clean(case.suite), name=_clean(case.name), time=f"{case.seconds:.3f}"
    )
    errors = [each for each in case.problems if each.severity == "error"]
    if errors:
        failure = ET.SubElement(made, "failure", message=_clean(errors[0].message), type=errors[0].code)
        failure.text = _clean("\n".join(map(str, errors)))
    if rest := [each for each in case.problems if each.severity != "error"]:
        ET.SubElement(made, "system-out").text = _clean("\n".join(map(str, rest)))
    return made


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
