"""Which of a view's fields came from a header: another image does not inherit them, what was typed stays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from SphericalRegLib.app.panel.geometry_fields import GROUPS, ViewFields
from SphericalRegLib.app.panel.packs import camel_case

# How far what is shown may be off from what was filled: a little more than half of the last digit shown.
_ROUNDING = {"row_spacing": 5.1e-5, "column_spacing": 5.1e-5, "rotation": 0.051}
_USUAL_ROUNDING = 5.1e-3
_EMPTY = ViewFields()


@dataclass(frozen=True)
class Filling:
    """What a header filled in.

    Attributes:
        frame: whose header it was, counted from 0.
        values: by field.
    """

    frame: int
    values: Mapping[str, float | bool | str]

    @staticmethod
    def from_text(text: str) -> Filling | None:
        """From what is saved with the scene; None for an empty text, where no header filled anything."""
        if not text:
            return None
        content = json.loads(text)
        values = content["values"]
        names = [name for group in GROUPS.values() for name in group if camel_case(name) in values]
        return Filling(content["frame"], {name: values[camel_case(name)] for name in names})

    def text(self) -> str:
        """For the scene, under the parameters' names."""
        values = {camel_case(name): value for name, value in self.values.items()}
        return json.dumps({"frame": self.frame, "values": values})


@dataclass(frozen=True)
class Filled:
    """Fields after a header was read.

    Attributes:
        fields: as they are now.
        filling: what of them the header filled in.
        kept: groups where something typed was kept that the header says otherwise.
    """

    fields: ViewFields
    filling: Filling
    kept: tuple[str, ...]


def typed_fields(fields: ViewFields, filling: Filling | None) -> set[str]:
    """What the user typed: other than what was filled, or other than empty where nothing was filled."""
    filled = {} if filling is None else filling.values
    typed: set[str] = set()
    for group in GROUPS.values():
        changed = {name for name in group if name in filled and not _same(fields, name, filled[name])}
        new = [name for name in group if name not in filled]
        if any(not _same(fields, name, getattr(_EMPTY, name)) for name in new):
            # a zero beside a number that was typed is typed too
            changed |= set(new)
        typed |= changed
    return typed


def taken_back(fields: ViewFields, filling: Filling | None) -> ViewFields:
    """Without what a header filled in and nobody typed over."""
    if filling is None:
        return fields
    typed = typed_fields(fields, filling)
    gone = {
        name: getattr(_EMPTY, name)
        for name in filling.values
        if name not in typed and not _same(fields, name, getattr(_EMPTY, name))
    }
    return replace(fields, **gone)


def fill(
    fields: ViewFields, filling: Filling | None, header: ViewFields, frame: int, everything: bool = False
) -> Filled:
    """The fields with what a header says; what the user typed stays.

    Args:
        fields: of the view.
        filling: what an earlier header filled in, which is replaced.
        header: the fields as the header has them.
        frame: that it is of, counted from 0.
        everything: whether to replace what was typed as well.
    """
    typed = set() if everything else typed_fields(fields, filling)
    kept = tuple(
        group
        for group, names in GROUPS.items()
        if any(name in typed and not _same(fields, name, getattr(header, name)) for name in names)
    )
    written: dict[str, Any] = {
        name: getattr(header, name) for names in GROUPS.values() for name in names if name not in typed
    }
    return Filled(replace(fields, **written), Filling(frame, written), kept)


def _same(fields: ViewFields, name: str, value: float | bool | str) -> bool:
    here = getattr(fields, name)
    if isinstance(value, bool | str):
        return bool(here == value)
    return bool(abs(here - value) <= _ROUNDING.get(name, _USUAL_ROUNDING))
