"""Which packages are here and which are missing, found out without importing any of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

#: Import names of what the engine needs, with the name by which each is installed.
NEEDED = {
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "SimpleITK": "SimpleITK",
    "pydicom": "pydicom",
    "numba": "numba",
    "roma": "roma",
    "jsonargparse": "jsonargparse",
    "tqdm": "tqdm",
    "matplotlib": "matplotlib",
    "cv2": "opencv-python-headless",
    "safetensors": "safetensors",
    "timm": "timm",
}


def missing_packages(needed: Sequence[str] | None = None) -> list[str]:
    """Names by which to install what is missing, in the order of :data:`NEEDED`."""
    importlib.invalidate_caches()
    names = NEEDED if needed is None else {name: NEEDED.get(name, name) for name in needed}
    return [package for module, package in names.items() if importlib.util.find_spec(module) is None]
