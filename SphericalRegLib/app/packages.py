"""Which packages are here and which are missing or too old, found out without importing any of them."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib import metadata

#: Import names of what the engine needs, with the name by which each is installed and its least version: those of
#: pyproject.toml.
NEEDED = {
    "torch": ("torch", "2.5"),
    "numpy": ("numpy", "1.26"),
    "scipy": ("scipy", "1.11"),
    "SimpleITK": ("SimpleITK", "2.3"),
    "pydicom": ("pydicom", "3.0"),
    "numba": ("numba", "0.60"),
    "llvmlite": ("llvmlite", "0.43"),
    "roma": ("roma", "1.5"),
    "jsonargparse": ("jsonargparse", "4.35"),
    "yaml": ("pyyaml", "6.0"),
    "typing_extensions": ("typing-extensions", "4.10"),
    "tqdm": ("tqdm", "4.60"),
    "matplotlib": ("matplotlib", "3.8"),
    "cv2": ("opencv-python-headless", "4.8"),
    "safetensors": ("safetensors", "0.4.3"),
    "timm": ("timm", "1.0.15"),
}


def missing_packages(needed: Sequence[str] | None = None) -> list[str]:
    """Names by which to install what is missing or too old, in the order of :data:`NEEDED`."""
    importlib.invalidate_caches()
    names = list(NEEDED) if needed is None else needed
    return [NEEDED[module][0] for module in names if importlib.util.find_spec(module) is None or _too_old(module)]


def already_imported(packages: Sequence[str]) -> list[str]:
    """Those of some packages that this process has imported: it goes on with the old ones until it starts anew."""
    return [package for module, (package, _least) in NEEDED.items() if package in packages and module in sys.modules]


def _too_old(module: str) -> bool:
    package, least = NEEDED[module]
    try:
        found = metadata.version(package)
    except metadata.PackageNotFoundError:
        # installed under another name, such as opencv-python, or lying on the path
        return False
    return _numbers(found) < _numbers(least)


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version without zeros at its end: (2, 13) of "2.13.0+cpu"."""
    release = re.match(r"[\d.]*\d", version)
    parts = [int(part) for part in release[0].split(".")] if release else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
