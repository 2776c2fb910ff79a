"""``sphericalreg info``: what files hold and lack, and what this machine can compute with."""

from __future__ import annotations

import json as json_text
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from SphericalRegLib.app.device import available_devices
from SphericalRegLib.cli.commands.describe_file import describe
from SphericalRegLib.cli.process.remedies import in_options
from SphericalRegLib.cli.reading.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.running import Running, begin
from SphericalRegLib.errors import SphericalRegError
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.rendering import KERNELS
from SphericalRegLib.reporting.outcome import DISCLAIMER, versions

_DONE, _UNREADABLE = 0, 2
# Ends of names of facts, and how the value is printed with them.
_UNITS = {"_mm": " mm", "_deg": "°", "_px": " px", "_hu": " HU", "_mib": " MiB"}


class InfoOptions(CTReading, Running, total=False):
    """How CTs are read, and how the command runs."""


def info(
    file: list[str] | None = None,
    labels: str | None = None,
    label_names: str | None = None,
    frame: int | None = None,
    json: bool = False,
    **options: Unpack[InfoOptions],
) -> int:
    """Tell what CTs, X-rays and other files hold and what is missing from them; without a file, about this machine.

    Research software, not a medical device. Exit code 2: one of the files cannot be read; the others are described.

    Args:
        file: CT (file or folder of a DICOM series), X-ray, calibration, pose, landmarks or model; one or several.
        labels: label map of the CT.
        label_names: JSON file with the labels' names.
        frame: of a multi-frame X-ray, counted from 0.
        json: print JSON.
    """
    console = begin(options)
    read = partial(read_scan, reading=options, labels=labels, label_names=label_names)
    facts = {name: _facts(name, read, frame) for name in file} if file else {"machine": machine()}
    if json:
        print(json_text.dumps(_with_options(facts), allow_nan=False))
    else:
        for name, content in _with_options(facts).items():
            print(name)
            print("\n".join(_lines(content)))
        console.say(DISCLAIMER)
    return _UNREADABLE if any("error" in content for content in facts.values()) else _DONE


def machine() -> dict[str, Any]:
    """Devices, kernels and versions."""
    kernels = {name: kernel.title for name, kernel in KERNELS.items()}
    return {"devices": available_devices(), "kernels": kernels, "versions": versions()}


def _facts(name: str, read: Callable[[Path], CT], frame: int | None) -> dict[str, Any]:
    """Of one file; what cannot be read does not keep the others from being described."""
    try:
        return describe(Path(name), read, frame)
    except SphericalRegError as error:
        return {"kind": "unreadable", "error": str(error)}


def _with_options(value: Any) -> Any:
    """The facts with options in place of keywords, and no numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _with_options(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_options(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return in_options(value) if isinstance(value, str) else value


def _lines(facts: dict[str, Any]) -> list[str]:
    """Facts as aligned lines, numbers with unit and source; notes one below the other."""
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        if key.endswith("_from"):
            continue
        unit = next((end for end in _UNITS if key.endswith(end)), "")
        name = key.removesuffix(unit)
        if key == "notes":
            rows += [("note", str(note)) for note in value]
            continue
        text = _with_unit(value, _UNITS.get(unit, ""))
        source = facts.get(f"{name}_from")
        rows.append((name.replace("_", " "), f"{text}, {_from(source)}" if source else text))
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:{width}}  {text}" for name, text in rows]


def _with_unit(value: Any, unit: str) -> str:
    """Each angle has its degree sign; millimeters and the like stand once, after the last number."""
    if unit == "°" and isinstance(value, list):
        between = " / " if isinstance(value[0], list) else ", "
        return between.join(_with_unit(item, unit) for item in value)
    return _shown(value) + ("" if value is None else unit)


def _from(source: str) -> str:
    """Attributes are what a number is from; anything else says itself how it came about."""
    return source if source.startswith(("as ", "the ")) else f"from {source}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(item)}" for key, item in value.items())
    if isinstance(value, list) and value and isinstance(value[0], list):
        return " / ".join(_shown(row) for row in value)
    if isinstance(value, list):
        return " ".join(_shown(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not known" if value is None else f"{value + 0.0:.10g}" if isinstance(value, float) else str(value)
