"""What options a command has, out of its function's signature, and what each of them takes."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from typing_extensions import get_original_bases

#: How values of an option are written: a flag alone; one value; any number of values; a known number of them; or a
#: group of numbers, in their order or by name.
Kind = Literal["flag", "single", "list", "tuple", "group"]


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: with underscores; of one within a group, the group's name and a dot come first.
        hint: its type, without None.
        kind: how values are written.
        members: of a tuple, the types of its values; of a group of numbers, its {name: type}; of a list, the one type.
        required: whether it has no default.
        default: None where there is none.
    """

    name: str
    hint: Any
    kind: Kind
    members: dict[str, Any]
    required: bool
    default: Any

    @property
    def numeric(self) -> bool:
        """Whether all its values are numbers."""
        return bool(self.members) and all(member in (int, float) for member in self.members.values())


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """{name: type} of the parameters, those of an unpacked TypedDict among them."""
    return {name: hint for name, (hint, _) in _parameters(function).items()}


def command_options(function: Callable[..., Any]) -> dict[str, Option]:
    """{name: option} of a command, those within groups (``search.depth_mm``) among them."""
    options: dict[str, Option] = {}
    for name, (hint, default) in _parameters(function).items():
        for option in _with_nested(name, hint, default):
            options[option.name] = option
    return options


def documented(function: Callable[..., Any]) -> dict[str, str]:
    """{name: what its docstring says} of options out of an unpacked TypedDict and of those that it inherits from."""
    return {
        name: " ".join(text.split())
        for group in _unpacked(function)
        for base in reversed(_with_bases(group))
        for name, text in _arguments(inspect.getdoc(base) or "").items()
    }


def _parameters(function: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """{name: (type, default)}; ``inspect.Parameter.empty`` where there is no default."""
    hints = typing.get_type_hints(function)
    parameters: dict[str, tuple[Any, Any]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        parameters[name] = (hints[name], parameter.default)
    for group in _unpacked(function):
        parameters |= {name: (hint, None) for name, hint in typing.get_type_hints(group).items()}
    return parameters


def _unpacked(function: Callable[..., Any]) -> list[Any]:
    """TypedDicts whose keys are keywords of the function."""
    hints = typing.get_type_hints(function)
    return [
        typing.get_args(hints[name])[0]
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.VAR_KEYWORD
    ]


def _with_bases(group: Any) -> list[Any]:
    """A TypedDict and those that it inherits from, which Python forgets but for their names."""
    bases = [base for base in get_original_bases(group) if hasattr(base, "__total__")]
    return [group, *(ancestor for base in bases for ancestor in _with_bases(base))]


def _arguments(doc: str) -> dict[str, str]:
    """{name: text} below "Args:" of a docstring, whose lines begin with four spaces, and with more where they go on."""
    _, _, below = doc.partition("Args:\n")
    (own, *_) = re.split(r"\n(?=\S)", below, maxsplit=1)
    entries = re.split(r"^ {4}(\w+):\s", own, flags=re.MULTILINE)[1:]
    return dict(zip(entries[::2], entries[1::2], strict=True))


def _holds_settings(hint: Any) -> bool:
    """Whether a type is a group of settings, or may be one of several, or a list of them."""
    return dataclasses.is_dataclass(hint) or any(map(_holds_settings, typing.get_args(hint)))


def _with_nested(name: str, hint: Any, default: Any) -> Iterator[Option]:
    """The option, and where it is a group of settings those within it."""
    required = default is inspect.Parameter.empty
    default = None if required else default
    hint = _without_none(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    kind: Kind = "single"
    members: dict[str, Any] = {}
    if hint is bool:
        kind = "flag"
    elif origin is list:
        kind, members = "list", {"": arguments[0]}
    elif origin is tuple and Ellipsis not in arguments:
        kind, members = "tuple", {str(n): member for n, member in enumerate(arguments)}
    elif dataclasses.is_dataclass(hint):
        inner = typing.get_type_hints(hint)
        members = {field.name: inner[field.name] for field in dataclasses.fields(hint)}
        if all(member in (int, float) for member in members.values()):
            kind = "group"
        for field in dataclasses.fields(hint):
            # a part that may be absent as a whole cannot be typed piece by piece
            if members[field.name] is not (part := _without_none(members[field.name])) and _holds_settings(part):
                continue
            # what stands in a group is optional: the group has a default as a whole
            yield from _with_nested(f"{name}.{field.name}", members[field.name], getattr(default, field.name, None))
        members = members if kind == "group" else {}
    yield Option(name, hint, kind, members, required, default)


def _without_none(hint: Any) -> Any:
    """The type of what an option holds when it is given."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        return parts[0] if len(parts) == 1 else typing.Union[tuple(parts)]  # noqa: UP007
    return hint
