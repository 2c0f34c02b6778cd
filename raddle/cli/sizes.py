"""The sizes that -b, -e, -f and -i ask for."""

from __future__ import annotations

from raddle import traffic
from raddle.errors import InputError
from raddle.units import parse_message_bytes


def sizes_of(
    terms: traffic.Terms, least: str | None, most: str | None, factor: int | None, step: str | None
) -> tuple[int, ...]:
    """The sizes that -b, -e, -f and -i ask for, or the one of a matrix."""
    given = {"-b": least, "-e": most, "-f": factor, "-i": step}
    used = [option for option, value in given.items() if value is not None]
    if terms.matrix is not None:
        if used:
            raise InputError.of(
                "bad-option", f"--matrix says what is sent, and {used[0]} would say it again", "leave it out"
            )
        return (int(terms.matrix.sum(axis=1).max()),)
    if factor is not None and step is not None:
        raise InputError.of("bad-option", "-f and -i both say what comes next", "give one of them")
    return traffic.sweep(
        _size(least or "1M", "-b"),
        _size(most or "256M", "-e"),
        4 if factor is None else factor,
        None if step is None else _size(step, "-i"),
        terms.elements.bytes,
    )


def _size(text: str, option: str) -> int:
    try:
        return parse_message_bytes(text)
    except ValueError as error:
        raise InputError.of("bad-size", f"{option}: {error}") from None
