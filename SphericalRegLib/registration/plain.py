"""Systems as plain data: numbers, texts, lists and dictionaries, for YAML and JSON files, and back.

What has a name in a table (similarities, optimizers, initializers) becomes a dictionary with that name under ``kind``.
A number without bound becomes None.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from SphericalRegLib.errors import InputError, SphericalRegError
from SphericalRegLib.initialization import Initializer
from SphericalRegLib.optimization.problem import Optimizer
from SphericalRegLib.optimization.table import OPTIMIZERS
from SphericalRegLib.registration.initializers import INITIALIZERS
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.system import System
from SphericalRegLib.registration.trained import Trained
from SphericalRegLib.similarity.contract import Similarity
from SphericalRegLib.similarity.table import LEARNED, SIMILARITIES

_KIND = "kind"
# Of fields that exist only while a system runs.
_NOT_STORED = {(Look, "adapt")}


class _Named(Protocol):
    @property
    def make(self) -> Callable[..., Any]: ...


def _makers(table: Mapping[str, _Named], **others: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {name: entry.make for name, entry in table.items()} | others


_TABLES: dict[Any, dict[str, Callable[..., Any]]] = {
    Similarity: _makers(SIMILARITIES, **{LEARNED: Trained}),
    Optimizer: _makers(OPTIMIZERS),
    Initializer: _makers(INITIALIZERS),
}
_KINDS = {make: name for table in _TABLES.values() for name, make in table.items()}


def as_plain(system: System) -> dict[str, Any]:
    """A system as dictionaries, lists, texts and numbers.

    Raises:
        InputError: for a part that is in no table.
    """
    content: dict[str, Any] = _plain(system)
    return content


def from_plain(content: object, source: str = "The system") -> System:
    """The system that :func:`as_plain` described; what is left out keeps its default.

    Args:
        content: the description.
        source: what errors call it.

    Raises:
        InputError: for anything that is no system, with the place in it.
    """
    try:
        system = _made(System, content, source)
    except RecursionError:
        raise InputError(f"{source} is nested too deeply: it is no system of ours.") from None
    assert isinstance(system, System)
    return system


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if (type(value), field.name) not in _NOT_STORED
        }
        kind = _KINDS.get(type(value))
        return fields if kind is None else {_KIND: kind, **fields}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise InputError(f"{type(value).__name__} is in none of the tables of parts, so a system with it has no file.")


def _made(wanted: Any, content: object, where: str) -> Any:
    """What a type hint wants, out of plain content."""
    if wanted in _TABLES:
        return _of_kind(_TABLES[wanted], content, where)
    if dataclasses.is_dataclass(wanted):
        make = typing.cast("Callable[..., Any]", wanted)
        # a part that only one kind fits may still say which it is
        named = make in _KINDS and isinstance(content, Mapping) and _KIND in content
        return _of_kind({_KINDS[make]: make}, content, where) if named else _filled(make, content, where)
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        if content is None and type(None) in arguments:
            return None
        (other,) = (argument for argument in arguments if argument is not type(None))
        return _made(other, content, where)
    if origin is tuple:
        return _sequence(arguments, content, where)
    return _number_or_text(wanted, content, where)


def _of_kind(table: Mapping[str, Callable[..., Any]], content: object, where: str) -> Any:
    if isinstance(content, str):
        content = {_KIND: content}
    if not isinstance(content, Mapping) or _KIND not in content:
        raise InputError(f"{where} must name one of {', '.join(table)}, and is {_shown(content)}.")
    kind = content[_KIND]
    if not isinstance(kind, str) or kind not in table:
        raise InputError(f"{where} is of the kind {_shown(kind)}, which there is not: choose from {', '.join(table)}.")
    rest = {name: value for name, value in content.items() if name != _KIND}
    return _filled(table[kind], rest, f"{where} ({kind})")


def _filled(make: Callable[..., Any], content: object, where: str) -> Any:
    if not isinstance(content, Mapping):
        raise InputError(f"{where} must have named parts, and is {_shown(content)}.")
    fields = {
        field.name: field
        for field in dataclasses.fields(make)  # type: ignore[arg-type]
        if (make, field.name) not in _NOT_STORED
    }
    hints = typing.get_type_hints(make)
    if unknown := [str(name) for name in content if name not in fields]:
        raise InputError(f"{where} has no {', '.join(unknown)}: its parts are {', '.join(fields)}.")
    missing = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING and name not in content
    ]
    if missing:
        raise InputError(f"{where} lacks {', '.join(missing)}.")
    parts = {}
    for name, value in content.items():
        default: Any = fields[name].default
        unbounded = value is None and isinstance(default, float) and math.isinf(default)
        parts[name] = default if unbounded else _made(hints[name], value, f"{where}, {name}")
    try:
        return make(**parts)
    except SphericalRegError as error:
        raise InputError(f"{where}: {error}") from None


def _sequence(items: tuple[Any, ...], content: object, where: str) -> tuple[Any, ...]:
    if not isinstance(content, list | tuple):
        raise InputError(f"{where} must be a list, and is {_shown(content)}.")
    if items[-1:] == (Ellipsis,):
        items = (items[0],) * len(content)
    if len(items) != len(content):
        raise InputError(f"{where} must hold {len(items)} values, and holds {len(content)}.")
    return tuple(
        _made(item, value, f"{where} {n + 1}") for n, (item, value) in enumerate(zip(items, content, strict=True))
    )


def _number_or_text(wanted: Any, content: object, where: str) -> Any:
    if wanted is float and isinstance(content, int | float) and not isinstance(content, bool):
        # a whole number may be too large for a float
        if abs(content) <= sys.float_info.max:
            return float(content)
    elif isinstance(content, bool):
        if wanted is bool:
            return content
    elif wanted in (int, str) and isinstance(content, wanted):
        return content
    words = {float: "a finite number", int: "a whole number", bool: "true or false", str: "a text"}
    raise InputError(f"{where} must be {words.get(wanted, str(wanted))}, and is {_shown(content)}.")


def _shown(content: object) -> str:
    text = repr(content)
    return text if len(text) <= 60 else text[:57] + "..."
