"""An outside gNMI client (pygnmi), run as a process of its own: its protobuf files clash with finsy's.

Usage: outside_client.py ADDRESS delete PATH | update PATH JSON
"""

from __future__ import annotations

import json
import sys

from pygnmi.client import gNMIclient


def main() -> None:
    address, verb, path, *value = sys.argv[1:]
    host, port = address.rsplit(":", 1)
    with gNMIclient(target=(host, int(port)), insecure=True) as client:
        if verb == "delete":
            client.set(delete=[path], encoding="json_ietf")
        else:
            client.set(update=[(path, json.loads(value[0]))], encoding="json_ietf")


main()
