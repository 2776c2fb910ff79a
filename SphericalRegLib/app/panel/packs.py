"""Between a panel's parameters and plain data: copied by name, so that each parameter is spelled out once.

Slicer's parameters are in camelCase and are saved under these names, the library's fields are in snake_case; one name
is made of the other. Of a choice (a member of an enumeration, or anything with a ``value``) the data hold the value.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints


class Data(Protocol):
    """A dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


D = TypeVar("D", bound=Data)


def camel_case(name: str) -> str:
    """The parameter of a field: ``rowSpacing`` of ``row_spacing``."""
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def read_pack(kind: type[D], pack: Any, **given: Any) -> D:
    """The data that a pack of parameters holds.

    Args:
        kind: a dataclass; a field that is of a dataclass itself is read from a pack within the pack.
        pack: Slicer's parameter node or parameter pack, or anything with such attributes.
        given: fields that are not read.
    """
    types = get_type_hints(kind)
    values = dict(given)
    for field in dataclasses.fields(kind):
        if field.name in given:
            continue
        value, inner = getattr(pack, camel_case(field.name)), types[field.name]
        within = isinstance(inner, type) and dataclasses.is_dataclass(inner)
        values[field.name] = read_pack(inner, value) if within else plain(value)
    return kind(**values)


def write_pack(pack: Any, data: Data) -> None:
    """Set the parameters that differ from the data; others keep as they are, and nobody hears of them."""
    for field in dataclasses.fields(data):
        name, value = camel_case(field.name), getattr(data, field.name)
        former = getattr(pack, name)
        if plain(former) != value:
            setattr(pack, name, type(former)(value) if hasattr(former, "value") else value)


def plain(value: Any) -> Any:
    """What a choice stands for; anything else is itself."""
    return getattr(value, "value", value)
