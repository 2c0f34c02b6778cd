"""How a pipeline names the ports of its switch."""

from __future__ import annotations

from collections.abc import Sequence


class PortIds:
    """How a pipeline names ports: by number from 1 in the order of the front panel, or by SONiC's name."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._number = {name: place for place, name in enumerate(names, 1)}

    def name(self, value: bytes, is_text: bool) -> str | None:
        """The port that a value of the pipeline means; None where there is none."""
        if is_text:
            text = value.decode("utf-8", "replace")
            return text if text in self._number else None
        number = int.from_bytes(value, "big")
        return self._names[number - 1] if 0 < number <= len(self._names) else None

    def value(self, name: str, is_text: bool) -> bytes:
        """How the pipeline calls a port."""
        if is_text:
            return name.encode()
        number = self._number[name]
        return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
