"""The settings of a network as a file's header holds them, bounded before anything is built from them."""

from __future__ import annotations

from typing import Any

from SphericalRegLib.errors import InputError

# The largest of each that a network of ours could have: ten times what was ever trained.
_LARGEST = {"width": 1024, "size": 1024, "channels": 1024, "blocks": 64, "heads": 64, "layers": 16}
_MOST_FIELDS, _LARGEST_FIELD = 16, 64
_LARGEST_RADIUS = 1000.0
_MOST_POINTS, _FARTHEST_MM = 1024, 3000.0


def check_settings(settings: Any) -> None:
    """See that settings are of the kind and within the bounds that a network can have.

    Args:
        settings: keyword arguments of a network's constructor, as JSON holds them.

    Raises:
        InputError: for anything else; the message names the setting.
    """
    if not isinstance(settings, dict):
        raise InputError(f"its settings are {str(settings)[:80]}")
    for name, value in settings.items():
        if name in _LARGEST:
            right = type(value) is int and 0 < value <= _LARGEST[name]
        elif name in ("backbone", "kind"):
            right = isinstance(value, str)
        elif name == "radius":
            right = type(value) in (int, float) and 0 < value <= _LARGEST_RADIUS
        elif name == "points":
            right = isinstance(value, list) and len(value) <= _MOST_POINTS and all(map(_is_point, value))
        elif name in ("fields", "hidden"):
            right = isinstance(value, list) and len(value) <= _MOST_FIELDS
            right = right and all(type(n) is int and 0 <= n <= _LARGEST_FIELD for n in value)
        else:
            right = False
        if not right:
            raise InputError(f"{name} is {str(value)[:80]}")


def _is_point(value: Any) -> bool:
    right = isinstance(value, list) and len(value) == 3
    return right and all(type(one) in (int, float) and abs(one) <= _FARTHEST_MM for one in value)
