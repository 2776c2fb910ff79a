"""Options out of YAML: what parsers and the memory stumble over is refused before jsonargparse gets it.

An alias that stands for ten aliases, some levels deep, grows without bound; brackets nested by the thousands and whole
numbers of thousands of digits end in a traceback; and of a key that stands twice the last counts without a word.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from typing import Any

import jsonargparse
import yaml

from SphericalRegLib.errors import InputError
from SphericalRegLib.text_files import read_text

_MAX_BYTES = 2**20
_DEEPEST = 20
_LONGEST_NUMBER = 1000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = ("!", *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map")))
_NUMERAL = re.compile(r"[-+]?[0-9.][0-9a-fA-FxXoO_:.eE+-]*")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)


def read_configs(configs: Sequence[str]) -> dict[str, Any]:
    """Check what ``--config`` names, and from now on all YAML that options hold or name.

    Args:
        configs: files, or YAML in place of a file.

    Returns:
        {option: value} as the parser will understand it, later ones over earlier ones.

    Raises:
        InputError: for files that are not there, that :func:`check_yaml` refuses, or that are too large or no text, and
            for what is no list of options with their values.
    """
    _guard_loader()
    content: dict[str, Any] = {}
    for config in configs:
        inline = any(mark in config for mark in ("{", ": ", "\n"))
        if not inline and not os.path.exists(config):
            raise InputError(f"There is no file {config} (--config): check the path.")
        text, name = (config, "--config") if inline else (read_text(config, _MAX_BYTES), config)
        check_yaml(text, name)
        options = yaml.load(text, Loader=_LOADER)
        if not isinstance(options, dict):
            raise InputError(f"{name} holds no options: write one a line, as in 'ct: pelvis.nii.gz'.")
        content |= options
    return content


def check_yaml(text: str, name: str) -> None:
    """Refuse YAML with aliases, tags, deep nesting, doubled keys, or numbers that are not finite or have no end.

    Args:
        text: the YAML; JSON is YAML too.
        name: what the errors call it.

    Raises:
        InputError: with the line.
    """
    # For each open list or mapping: the keys met, or None for lists; and whether the next scalar is a key.
    keys: list[set[str] | None] = []
    awaits_key: list[bool] = []
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            where = f"{name}, line {event.start_mark.line + 1}"
            if isinstance(event, yaml.AliasEvent):
                raise InputError(f"{where} repeats a part of the file (*{event.anchor[:40]}): write it out.")
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                keys.pop()
                awaits_key.pop()
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            if event.tag is not None and event.tag not in _TAGS:
                raise InputError(f"{where} has the tag {event.tag[:60]!r}, which no option needs: leave it out.")
            if keys and keys[-1] is not None:
                if awaits_key[-1] and isinstance(event, yaml.ScalarEvent):
                    if event.value in keys[-1]:
                        raise InputError(f"{where} gives {event.value[:60]!r} a second time: leave one of them out.")
                    keys[-1].add(event.value)
                awaits_key[-1] = not awaits_key[-1]
            if isinstance(event, yaml.ScalarEvent):
                _check_number(event, where)
                continue
            keys.append(set() if isinstance(event, yaml.MappingStartEvent) else None)
            awaits_key.append(True)
            if len(keys) > _DEEPEST:
                raise InputError(f"{where} is nested more than {_DEEPEST} deep: these are no options of ours.")
    except yaml.YAMLError as error:
        raise InputError(f"{name} is no YAML: {' '.join(str(error).split())[:300]}.") from None


def _check_number(event: yaml.ScalarEvent, where: str) -> None:
    text = event.value
    if not event.implicit[0]:  # in quotes: a text
        return
    if _NOT_FINITE.fullmatch(text):
        raise InputError(f"{where} has the number {text}: options are finite.")
    if not _NUMERAL.fullmatch(text):
        return
    if len(text) > _LONGEST_NUMBER:
        raise InputError(f"{where} has a number of {len(text)} digits: no option is so large.")
    try:
        finite = math.isfinite(float(text))
    except ValueError:
        return
    if not finite:
        raise InputError(f"{where} has the number {text[:40]}, which is too large.")


def _guard_loader() -> None:
    """Let jsonargparse check all YAML, also that of files which options name, with an error that it understands."""
    load = jsonargparse.get_loader("yaml")
    if getattr(load, "checks", False):
        return

    def checked(text: str) -> Any:
        try:
            check_yaml(text, "The value")
        except InputError as error:
            raise yaml.YAMLError(str(error)) from None
        return load(text)

    checked.checks = True  # type: ignore[attr-defined]
    jsonargparse.set_loader("yaml", checked, exceptions=(yaml.YAMLError,))
