"""Options that several commands share, declared once: a parameter that is a dataclass is its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters of dataclasses are options of their own on the command line.

    They come behind the command's own, and before --json, the last of all commands.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())
    groups: dict[str, Any] = {each.name: each.annotation for each in own if is_dataclass(each.annotation)}
    expanded = [each for each in own if each.name not in groups]
    options = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=get_type_hints(group, include_extras=True)[each.name],
        )
        for group in groups.values()
        for each in fields(group)
    ]
    is_json = bool(expanded) and expanded[-1].name == "as_json"
    end = len(expanded) - is_json
    expanded = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in expanded]
    expanded[end:end] = options

    @wraps(command)
    def run(**given: Any) -> None:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    run.__signature__ = inspect.Signature(expanded)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in expanded}
    return run
