"""Parameters that scenes of version 0.1 have under other names."""

from __future__ import annotations

from typing import Any

# Check boxes of a landscape, each once a parameter of its own.
_COMPARED = {
    "surveyNCC": "ncc",
    "surveyGradientNCC": "gradient-ncc",
    "surveyLocalNCC": "local-ncc",
    "surveyToneFree": "tone-free",
    "surveyMutualInformation": "mutual-information",
    "surveyLearned": "learned",
}


def take_compared(node: Any) -> list[str] | None:
    """The similarities that were checked for a landscape, taken out of a module's node; None where it holds none."""
    held = [name for name in _COMPARED if node.HasParameter(name)]
    if not held:
        return None
    # as Slicer writes a bool
    checked = [_COMPARED[name] for name in held if node.GetParameter(name) == "True"]
    for name in held:
        node.UnsetParameter(name)
    return checked
