"""Which system a command runs: a row of the table, a YAML file, or that of a former result; and what options change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from SphericalRegLib.cli.parsing.config_files import check_yaml
from SphericalRegLib.errors import InputError
from SphericalRegLib.registration import System, default_system, system_named
from SphericalRegLib.registration.plain import as_plain, from_plain
from SphericalRegLib.text_files import read_json_file, read_text

_MAX_BYTES = 2**24


def chosen_system(name: str | None, *, bones: bool = False, model: bool = False) -> System:
    """The system that an option names.

    Args:
        name: of the table; a YAML file as ``sphericalreg systems NAME`` prints it; a ``result.json``, whose system is
            run again; or None for the default.
        bones: whether only chosen bones are registered.
        model: whether there is a trained model.

    Raises:
        InputError: for a name or a file that is none of these.
    """
    if name is None:
        return default_system(bones, model)
    suffix = Path(name).suffix.lower()
    if suffix == ".json":
        content = read_json_file(name)
        if not isinstance(content, dict) or "system" not in content:
            raise InputError(f"{name} holds no system: name the result.json of a registration, or a YAML file.")
        return from_plain(content["system"], f"The system in {name}")
    if suffix in (".yaml", ".yml"):
        text = read_text(name, _MAX_BYTES)
        check_yaml(text, name)
        return from_plain(yaml.safe_load(text), name)
    return system_named(name)


def as_yaml(system: System) -> str:
    """A system as the text of a YAML file that :func:`chosen_system` reads."""
    content: Any = as_plain(system)
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return text
