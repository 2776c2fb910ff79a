"""Initializer, renderer, similarity and optimizer put together."""

from typing import Any

from SphericalRegLib.initialization.case import Case, Conditions, Marks
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.registration import Registration, register
from SphericalRegLib.registration.result import Progress, Result, Verdict, ViewResult
from SphericalRegLib.registration.system import Judge, Limits, Stage, System
from SphericalRegLib.registration.systems import SYSTEMS, default_system, system_named

__all__ = [
    "SYSTEMS",
    "Case",
    "Conditions",
    "Judge",
    "Limits",
    "Look",
    "Marks",
    "Progress",
    "Registration",
    "Result",
    "Stage",
    "System",
    "Verdict",
    "ViewResult",
    "default_system",
    "register",
    "system_named",
]

# What the names of version 0.1 have become.
_REPLACED = {
    "Settings": "a System (registration.SYSTEMS has them by name), with Case and Conditions beside it",
    "Thresholds": "Limits",
    "Opinion": "Judge.opinion",
    "bone_settings": "SYSTEMS['bones']",
    "default_stages": "SYSTEMS['intensity'].stages",
    "ending_with": "System.ending_with",
}


def __getattr__(name: str) -> Any:
    if name in _REPLACED:
        raise ImportError(f"SphericalRegLib.registration.{name} is no more: it became {_REPLACED[name]}.")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
