"""A C-arm's angles in the words of its console, and views by name. Needs no torch, so that a panel can say them."""

from __future__ import annotations

import re

from SphericalRegLib.errors import GeometryError

#: (primary, secondary) in degrees, as DICOM's positioner angles. The first four are ``carm.PRESETS``; inlet and outlet
#: are those of the pelvis, from the front: the beam tilts 40° to the feet, or to the head.
NAMED_VIEWS: dict[str, tuple[float, float]] = {
    "AP": (180.0, 0.0),
    "PA": (0.0, 0.0),
    "left lateral": (90.0, 0.0),
    "right lateral": (-90.0, 0.0),
    "LAO 45": (45.0, 0.0),
    "RAO 45": (-45.0, 0.0),
    "LPO 45": (135.0, 0.0),
    "RPO 45": (-135.0, 0.0),
    "inlet": (180.0, -40.0),
    "outlet": (180.0, 40.0),
}

_WORD = re.compile(r"(LAO|RAO|CRA|CAU)\s*([0-9]+(?:[.,][0-9]+)?)\s*°?", re.IGNORECASE)
# Degrees by which a view may be off to be called by its name.
_SAME = 0.051


def view_angles(name: str) -> tuple[float, float]:
    """(primary, secondary) in degrees of one of :data:`NAMED_VIEWS`, in any case, or of words such as "RAO 30 CAU 15".

    Raises:
        GeometryError: for a text that is neither.
    """
    by_name = {key.casefold(): angles for key, angles in NAMED_VIEWS.items()}
    if name.strip().casefold() in by_name:
        return by_name[name.strip().casefold()]
    words = _WORD.findall(name)
    sides = [word.upper() for word, _ in words]
    if not words or _WORD.sub("", name).strip(" ,;/") or len({side in ("LAO", "RAO") for side in sides}) != len(sides):
        raise GeometryError(
            f"There is no view '{name}': choose one of {', '.join(NAMED_VIEWS)}, or give angles such as RAO 30 CAU 15."
        )
    primary = secondary = 0.0
    for side, number in zip(sides, (float(text.replace(",", ".")) for _, text in words), strict=True):
        if side in ("LAO", "RAO"):
            primary = number if side == "LAO" else -number
        else:
            secondary = number if side == "CRA" else -number
    if abs(primary) > 180 or abs(secondary) > 90:
        raise GeometryError(f"'{name}': LAO and RAO go to 180°, CRA and CAU to 90°.")
    return primary, secondary


def angle_words(primary_deg: float, secondary_deg: float, digits: int = 0) -> str:
    """Angles as a console shows them: "RAO 30° CAU 15°"; of an angle without a side its number alone."""
    pairs = ((primary_word(primary_deg), primary_deg), (secondary_word(secondary_deg), secondary_deg))
    return " ".join(f"{word} {abs(degrees):.{digits}f}°".strip() for word, degrees in pairs)


def view_name(primary_deg: float, secondary_deg: float) -> str | None:
    """The view that has these angles, or None."""
    for name, (primary, secondary) in NAMED_VIEWS.items():
        if abs((primary_deg - primary + 180) % 360 - 180) < _SAME and abs(secondary_deg - secondary) < _SAME:
            return name
    return None


def primary_word(degrees: float) -> str:
    """LAO or RAO, where the detector is to the patient's left or right; empty in the middle."""
    return _word(degrees, "LAO", "RAO")


def secondary_word(degrees: float) -> str:
    """CRA or CAU, where the detector is to the head or to the feet; empty in between."""
    return _word(degrees, "CRA", "CAU")


def _word(degrees: float, positive: str, negative: str) -> str:
    # of 0 and 180°, front and back, neither
    return "" if abs(abs(degrees) - 90) > 90 - _SAME else positive if degrees > 0 else negative
