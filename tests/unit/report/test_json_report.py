import json
import math
from dataclasses import replace

import pytest

from raddle.report.json_report import to_json


def test_keys_are_sorted_and_the_schema_version_is_there(clean_result):
    text = to_json(clean_result)
    document = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    assert [key for key, _ in document] == sorted(key for key, _ in document)
    assert dict(document)["schema_version"] == 1
    assert text.endswith("}\n")


def test_every_field_of_the_result_is_there(congested_result):
    document = json.loads(to_json(congested_result))
    assert document["fabric"] == "leaf-spine-16"
    assert document["average_busbw_gbs"] == 46.875
    assert document["pins"] is None
    bad = document["rows"][1]
    assert bad["time_ps"] is None
    assert bad["wrong"] == 1234
    assert bad["drops"] == {"buffer": 4, "no-route": 31}
    assert bad["unfinished"][0] == {
        "name": "rank0 host0 -> rank1 host1",
        "reason": "no route on leaf0",
        "step": 3,
    }
    assert len(document["collisions"]) == 42
    assert document["links"][1]["tx_bytes"] == 513_000_000


def test_equal_results_give_equal_bytes(clean_result):
    assert to_json(clean_result) == to_json(replace(clean_result))


def test_a_number_that_json_cannot_hold_is_refused(clean_result):
    with pytest.raises(ValueError, match="Out of range float"):
        to_json(replace(clean_result, line_rate_gbs=math.nan))
