"""A calibration that holds a pose as well tells where to start; nobody has to name the file a second time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from SphericalRegLib.cli.parsing.command_table import COMMANDS
from SphericalRegLib.errors import InputError
from SphericalRegLib.text_files import read_json_file

_POSE = "rig_from_world_ras_mm"


def start_of_calibration(
    command: str, typed: Mapping[str, Sequence[str]], configured: Mapping[str, Any]
) -> tuple[dict[str, list[str]], str]:
    """The option that a calibration's pose fills, and in a sentence what becomes of that pose.

    Args:
        command: its name.
        typed: {option: values} of the command line.
        configured: {option: value} of configuration files.

    Returns:
        {option: [file]}, and the sentence. Both are empty where no calibration (``--view``) holds a pose, and the first
        where another option gives the start.
    """
    start = COMMANDS[command].start
    views = typed.get("view", configured.get("view"))
    file = next((str(one) for one in _listed(views) if _holds_pose(str(one))), None)
    if start is None or file is None:
        return {}, ""
    name, others = start
    given = [one for one in (name, *others) if one in typed or configured.get(one) is not None]
    if not given:
        return {name: [file]}, f"{file} holds a pose as well, which is used as by --{name}: name another to replace it."
    if file in _listed(typed.get(name, configured.get(name))):
        return {}, ""
    return {}, f"{file} holds a pose as well, which is not used: --{given[0]} is given."


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _holds_pose(path: str) -> bool:
    """Whether a file is JSON with a pose; what else is wrong with it is told where its views are read."""
    if not path.lower().endswith(".json") or not os.path.isfile(path):
        return False
    try:
        content = read_json_file(path)
    except InputError:
        return False
    return isinstance(content, dict) and content.get(_POSE) is not None
