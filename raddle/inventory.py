"""Where the switches are: the file that `raddle up` writes and `apply`, `status` and `bench` take."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from raddle.errors import InputError

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Inventory:
    """Management addresses (`127.0.0.1:50051`) of a fabric's switches, by switch name."""

    fabric: str
    addresses: dict[str, str]

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "fabric": self.fabric,
            "switches": {name: {"address": address} for name, address in self.addresses.items()},
        }
        draft = path.with_name(path.name + ".part")
        draft.write_text(json.dumps(document, indent=2) + "\n")
        draft.replace(path)


def load_inventory(path: Path) -> Inventory:
    """Read an inventory file.

    Raises:
        InputError: the file is missing, is not JSON, or has no address for a switch.
    """
    try:
        document = json.loads(path.read_text())
        addresses = {name: entry["address"] for name, entry in document["switches"].items()}
        return Inventory(str(document["fabric"]), addresses)
    except FileNotFoundError:
        raise InputError.of(
            "no-inventory", f"no inventory file '{path}'", "start the switches with 'raddle up FABRIC.yaml'"
        ) from None
    except OSError as error:
        raise InputError.of("no-inventory", f"cannot read '{path}': {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError.of(
            "bad-inventory",
            f"'{path}' is not an inventory ({type(error).__name__}: {error})",
            'it looks like {"fabric": "pod", "switches": {"leaf0": {"address": "127.0.0.1:50051"}}}',
        ) from None
