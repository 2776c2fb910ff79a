"""Initializer, renderer, similarity and optimizer put together."""

from SphericalRegLib.registration.pipeline import Registration, register
from SphericalRegLib.registration.result import Progress, Result, Verdict, ViewResult
from SphericalRegLib.registration.settings import (
    Settings,
    Stage,
    Thresholds,
    bone_settings,
    default_stages,
    ending_with,
)

__all__ = [
    "Progress",
    "Registration",
    "Result",
    "Settings",
    "Stage",
    "Thresholds",
    "Verdict",
    "ViewResult",
    "bone_settings",
    "default_stages",
    "ending_with",
    "register",
]
