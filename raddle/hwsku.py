"""What SONiC's Generic Config Updater lets change on a running switch, by chip, field and release.

The simulated switch refuses by it, the driver plans by it. The table is updater.json, which
`scripts/updater-permissions` makes of SONiC's own (source and date are in it).

Source: sonic-utilities generic_config_updater/field_operation_validators.py. Assumption: a platform that the
table does not name runs an image that goes by HwSKU alone, as the virtual switch's does, and Broadcom's,
which is one for XGS, DNX and older Tomahawks (sonic-buildimage platform/broadcom/one-image.mk).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

Operation = Literal["add", "remove", "replace"]

_RELEASE = re.compile(r"\d{8}")


@dataclass(frozen=True, slots=True)
class Updater:
    """The updater of one switch.

    Attributes:
        chip: as the table calls it (`spc4`, `th5`, `marvell-teralynx`); empty where it knows none.
        release: eight digits of the build (`20241110`); empty where it has none, as the community's have not:
            then nothing is too old.
    """

    chip: str = ""
    release: str = ""

    @staticmethod
    def of(metadata: Mapping[str, Any], build: str = "") -> Updater:
        """By DEVICE_METADATA's `localhost` and what the switch calls its build (`SONiC.20241110.05`)."""
        releases = [part for part in build.split(".") if _RELEASE.fullmatch(part)]
        chip = _chip(str(metadata.get("hwsku", "")), str(metadata.get("platform", "")))
        return Updater(chip, releases[-1] if releases else "")

    def allows(self, operation: Operation, path: tuple[str, ...], value: object = None) -> bool:
        """Whether a change at a path (`BUFFER_PROFILE`, key, field) of a guarded table passes.

        Buffer profiles come, go and are replaced as wholes everywhere.
        """
        table, *rest = path
        if table == "BUFFER_PROFILE" and len(path) == 2:
            return True
        if table == "PFC_WD":  # ports' names go, as every element with a digit does
            rest = [part for part in rest if not any(map(str.isdigit, part))]
        where = "/".join(rest).lower()
        names = [where]
        if isinstance(value, Mapping):
            names = [f"{where}/{name}" if where else name for name in value]
        if table != "PFC_WD":
            names = [name.rpartition("/")[2] for name in names]
        return bool(self.chip) and all(self._may(operation, table, name) for name in names)

    def _may(self, operation: Operation, table: str, field: str) -> bool:
        for each in _table()["permissions"]:
            if each["table"] == table and field in each["fields"]:
                since = each["since"].get(self.chip)
                return (
                    since is not None
                    and operation in each["operations"]
                    and (not self.release or self.release >= since)
                )
        return False


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    text = files("raddle").joinpath("updater.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


@lru_cache(maxsize=256)
def _chip(hwsku: str, platform: str) -> str:
    for chip, platforms in _table()["platforms"].items():
        if platform in platforms:
            return str(chip)
    name, hwskus = hwsku.lower(), _table()["hwskus"]
    for chip, known in hwskus["exact"].items():
        if name in map(str.lower, known):
            return str(chip)
    for chip, known in hwskus["contained"].items():
        if any(each.lower() in name for each in known):
            return str(chip)
    return ""
