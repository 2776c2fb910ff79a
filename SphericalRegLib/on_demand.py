"""What a table names is imported when it is used: tables are read where torch is not there, or not loaded yet."""

from __future__ import annotations

import importlib
from typing import Any


def on_demand(package: str, place: str) -> Any:
    """The class or function at a place such as ``ncc.LocalNCC``, within a package by its full name."""
    module, _, name = place.rpartition(".")
    return getattr(importlib.import_module(f"{package}.{module}"), name)
