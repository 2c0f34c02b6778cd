"""An outside gNMI client (pygnmi) against the switch at argv[1]; prints what it saw as JSON.

It gets, sets and subscribes in every mode.

It runs as a program of its own: pygnmi registers gNMI's protobuf files a second time, which one process
does not take.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pygnmi.client import gNMIclient, gNMIException

ROUTES = "/sonic-db:CONFIG_DB/localhost/STATIC_ROUTE"
ROUTE = f"{ROUTES}/default|10.20.0.0~116"


def session(client: Any) -> dict[str, object]:
    """Capabilities, then one route through update, replace and delete, reading the table after each."""

    def routes() -> object:
        answer = client.get(path=[ROUTES], encoding="json_ietf")
        return answer["notification"][0]["update"][0]["val"]

    seen: dict[str, object] = {"capabilities": client.capabilities(), "boot": routes()}
    client.set(update=[(ROUTE, {"nexthop": "172.16.0.1", "ifname": "Ethernet8"})], encoding="json_ietf")
    seen["update"] = routes()
    # pygnmi sends a string as it is, so that the quotes of a JSON string are the caller's.
    changes = [(f"{ROUTE}/nexthop", '"172.16.0.3"'), (f"{ROUTE}/ifname", '"Ethernet16"')]
    client.set(replace=changes, encoding="json_ietf")
    seen["replace"] = routes()
    client.set(delete=[ROUTE])
    seen["delete"] = routes()
    try:
        client.set(update=[("/sonic-db:CONFIG_DB/localhost/PORTABC/x", {})], encoding="json_ietf")
    except gNMIException as error:
        seen["refusal"] = str(error)
    return seen | {mode: subscription(client, mode) for mode in ("once", "poll", "sample", "on_change")}


def subscription(client: Any, mode: str) -> list[object]:
    """What a subscription to a route's next hop sends; in the long-lived modes it changes while it runs."""
    field = f"{ROUTES}/default|10.9.0.0~116/nexthop"
    is_stream = mode in ("sample", "on_change")
    asked = {
        "subscription": [{"path": field, "mode": mode if is_stream else "sample", "sample_interval": 10**9}],
        "mode": "stream" if is_stream else mode,
        "encoding": "json_ietf",
    }
    answers = client.subscribe2(subscribe=asked)
    if mode == "once":
        return [_value(next(answers)), _value(next(answers))]
    # pygnmi hands out what comes before the sync as one answer. Each poll reads one batch, and the switch
    # sends the first unasked, so the change is in the third at the latest.
    seen = [_value(next(answers))]
    client.set(replace=[(field, '"172.16.0.0"')], encoding="json_ietf")
    seen += [_value(next(answers)) for _ in range(2 if mode == "poll" else 1)]
    client.set(replace=[(field, '"172.16.0.1"')], encoding="json_ietf")
    answers.close()
    return seen


def _value(answer: Any) -> object:
    return (
        "sync"
        if "sync_response" in answer and "update" not in answer
        else answer["update"]["update"][0]["val"]
    )


def main() -> None:
    host, _, port = sys.argv[1].rpartition(":")
    with gNMIclient(target=(host, int(port)), insecure=True) as client:
        print(json.dumps(session(client)))


if __name__ == "__main__":
    main()
