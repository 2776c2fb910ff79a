"""Options as people write them: ``--xray a.dcm b.dcm``, ``--angles -90 0``, ``--quiet``."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable, Collection, Sequence
from typing import Any


def list_options(function: Callable[..., Any]) -> set[str]:
    """Names of the parameters that hold a list or a tuple."""
    names = set()
    for name, hint in options_of(function).items():
        parts = [hint, *typing.get_args(hint)]
        if any(typing.get_origin(part) in (list, tuple) for part in parts):
            names.add(name)
    return names


def with_underscores(argv: Sequence[str]) -> list[str]:
    """The arguments with options such as ``--start-pose`` under the parameter's own name, ``--start_pose``."""
    spelled = []
    for argument in argv:
        name, equals, value = argument.partition("=")
        spelled.append(f"--{name[2:].replace('-', '_')}{equals}{value}" if name.startswith("--") else argument)
    return spelled


def flags(function: Callable[..., Any]) -> set[str]:
    """Names of the parameters that are true or false."""
    return {name for name, hint in options_of(function).items() if hint is bool}


def raise_flags(argv: Sequence[str], names: set[str]) -> list[str]:
    """The arguments with ``--quiet`` alone as ``--quiet=true``, for each of ``names``."""
    raised = []
    for argument, following in zip(argv, [*argv, "--"][1:], strict=True):
        alone = argument.startswith("--") and argument[2:] in names and following.lower() not in ("true", "false")
        raised.append(f"{argument}=true" if alone else argument)
    return raised


def text_options(function: Callable[..., Any]) -> set[str]:
    """Names of the parameters that hold a list of texts only: a file may well be called 00000001."""
    names = set()
    for name, hint in options_of(function).items():
        parts = [hint, *typing.get_args(hint)]
        if any(typing.get_origin(part) is list and typing.get_args(part) == (str,) for part in parts):
            names.add(name)
    return names


def join_values(argv: Sequence[str], options: set[str], texts: Collection[str] = ()) -> list[str]:
    """The arguments with all values of each of ``options`` joined into one JSON list; repeated options add up.

    Values end at the next argument that begins with ``--``. A value written as a list already is left as it is. Values
    of ``texts`` stay text even where they look like numbers.
    """
    joined: list[str] = []
    collected: dict[str, list[str]] = {}
    waiting = list(argv)
    while waiting:
        argument = waiting.pop(0)
        name, equals, value = argument.partition("=")
        if not (name.startswith("--") and name[2:] in options):
            joined.append(argument)
            continue
        values = [value] if equals else []
        while not equals and waiting and not waiting[0].startswith("--"):
            values.append(waiting.pop(0))
        if len(values) == 1 and values[0].startswith("["):
            joined.append(f"{name}={values[0]}")
        else:
            collected.setdefault(name, []).extend(values)
    return joined + [
        f"{name}={json.dumps([value if name[2:] in texts else _typed(value) for value in values])}"
        for name, values in collected.items()
    ]


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """{name: type} of the parameters, those of an unpacked TypedDict among them."""
    hints = typing.get_type_hints(function)
    options: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            (group,) = typing.get_args(hints[name])
            options |= typing.get_type_hints(group)
        else:
            options[name] = hints[name]
    return options


def _typed(value: str) -> Any:
    """Numbers as numbers, everything else as text."""
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return value
