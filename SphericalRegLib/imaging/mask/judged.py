"""The mask of an X-ray, and what its user should know of it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from SphericalRegLib.imaging.mask.mask import at_working_size, estimate_mask
from SphericalRegLib.imaging.mask.texture import texture

# Pixels of the working size: an edge of the mask is the image's strongest edge, and no structure of the patient.
_EDGE = 6
_MUCH = 0.5


def judged_mask(image: np.ndarray, usable: np.ndarray | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """:func:`~SphericalRegLib.imaging.mask.mask.estimate_mask`, and in words where it left out very much.

    Args:
        image: (H, W), bright = dense.
        usable: (H, W) bool, pixels not yet excluded for other reasons (padding, collimator tags).

    Returns:
        (H, W) bool, and notes for the user: where more than half of the image, or of the structure in it, was left out.
    """
    mask = estimate_mask(image, usable)
    before = np.ones(image.shape, bool) if usable is None else usable
    if not before.any():
        return mask, ()
    left_out = float((before & ~mask).sum() / before.sum())
    of_structure = _structure_left_out(image, before, mask)
    if max(left_out, of_structure) <= _MUCH:
        return mask, ()
    what = f"{100 * left_out:.0f} % of the picture"
    if of_structure > _MUCH:
        what += f", with {100 * of_structure:.0f} % of the structure in it,"
    return mask, (
        f"{what} is taken for collimated, filled in, burnt out or metal, and not compared: look at it in the report. "
        "If that is the patient, use all of it (mask='none') or draw what is usable (mask=FILE).",
    )


def _structure_left_out(image: np.ndarray, before: np.ndarray, mask: np.ndarray) -> float:
    """The share of what is structured like anatomy, away from the mask's edges, that lies beyond the mask."""
    if mask.all() or not mask.any():
        return 0.0 if mask.all() else 1.0
    coarse, seen = at_working_size(image, before)
    _, kept = at_working_size(image, mask)
    strength = np.maximum(texture(coarse), 0)
    from_edge = ndimage.distance_transform_edt(kept) + ndimage.distance_transform_edt(~kept)
    away = seen & (from_edge > _EDGE)
    total = float(strength[away].sum())
    return float(strength[away & ~kept].sum()) / total if total > 0 else 0.0
