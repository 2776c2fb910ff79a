"""What an option takes, in words and as one would type it."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from typing import Any, Literal

from SphericalRegLib.cli.parsing.options import Option

#: Values that can be typed, of options without a default whose type alone would give poor ones.
EXAMPLES: dict[str, str] = {
    "angles": "90 0",
    "bones": "sacrum",
    "channel": "0",
    "config": "job.yaml",
    "ct_phase": "TemporalPositionIndex=2",
    "ct_rescale": "1 -1024",
    "ct_spacing": "0.8 0.8 1.5",
    "extent": "0.5 20",
    "footprint_mm": "3",
    "frame": "0",
    "learning_rate": "0.001",
    "max_voxels": "400000000",
    "sad": "800",
    "sdd": "1200",
    "size": "512 512",
    "spacing": "0.8 0.8",
    "threads": "2",
}

_COUNTS = ("no", "one", "two", "three", "four", "five", "six")
_PLURALS = {int: "whole numbers", float: "numbers"}
_SINGULARS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def form(option: Option) -> str:
    """What an option takes, with an example: "two numbers, such as --angles 90 0"."""
    shown = example(option)
    alternative = ", or a YAML file with them" if option.kind == "group" else ""
    return f"{_words(option)}{shown and f', such as --{option.name} {shown}'}{alternative}"


def example(option: Option) -> str:
    """Values that the option takes, as typed: the default if there is one; empty where the type says it all."""
    if option.kind == "flag" or choices(option):
        return ""
    if option.kind == "group" and option.default is not None:
        return " ".join(_typed(value) for value in dataclasses.astuple(option.default))
    if option.kind == "tuple" and option.default is not None:
        return " ".join(_typed(value) for value in option.default)
    if isinstance(option.default, int | float | str):
        return _typed(option.default)
    return EXAMPLES.get(option.name) or {int: "1", float: "1.5"}.get(option.hint, "")


def choices(option: Option) -> list[str]:
    """What can be chosen, where an option takes one of some words."""
    return [str(value) for value in typing.get_args(option.hint)] if _is_choice(option.hint) else []


def _words(option: Option) -> str:
    if words := choices(option):
        return f"one of {', '.join(words)}"
    if option.kind == "group":
        return f"{_number(option)} ({', '.join(option.members)})"
    if option.kind == "tuple":
        return _number(option)
    if option.kind == "list":
        return "one value or several"
    if dataclasses.is_dataclass(option.hint):
        fields = [field.name for field in dataclasses.fields(option.hint)]
        return f"a YAML file with {', '.join(fields)}; or each of them as --{option.name}.{fields[0]} and so on"
    return _SINGULARS.get(option.hint, "another kind of value")


def _number(option: Option) -> str:
    kinds: Sequence[Any] = list(option.members.values())
    plural = _PLURALS[float] if float in kinds else _PLURALS[int] if int in kinds else "words"
    return f"{_COUNTS[len(kinds)]} {plural}"


def _typed(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f'"{text}"' if " " in text or not text else text


def _is_choice(hint: Any) -> bool:
    return typing.get_origin(hint) is Literal
