"""From what a detector or a viewer stored to something like a line integral: bright where the patient is dense."""

from __future__ import annotations

from typing import Literal

import numpy as np

from SphericalRegLib.errors import InputError

# How stored values relate to what the beam went through:
#   intensity    proportional to the X-rays that arrived (raw detector): x = ln(I0 / I)
#   inverted     bright where many X-rays arrived, but already logarithmic or made for display: x = max - value
#   attenuation  bright where the patient is dense: taken as it is
Tone = Literal["intensity", "inverted", "attenuation"]
TONES: tuple[Tone, ...] = ("intensity", "inverted", "attenuation")


def to_attenuation(values: np.ndarray, tone: Tone, i0: float | None = None) -> np.ndarray:
    """(H, W) float32, bright = dense, of stored values.

    Args:
        values: (H, W), any real type.
        tone: what the values are.
        i0: for "intensity": the value with nothing in the beam; the image's largest value by default, which shifts the
            result by a constant where the air is not in the image.

    Raises:
        InputError: for NaN or infinite values (how many, where first), a constant image, or an impossible ``i0``.
    """
    if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
        bad = np.argwhere(~finite)
        row, column = (int(n) for n in bad[0])
        raise InputError(
            f"The X-ray holds {len(bad)} values that are not finite, the first ({values[row, column]}) at row {row}, "
            f"column {column}: repair the file, or crop it."
        )
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise InputError(
            f"The X-ray is {low:g} everywhere: there is nothing to register. Check that it is the right file."
        )
    if tone == "attenuation":
        return values.astype(np.float32)
    if tone == "inverted":
        return (high - values.astype(np.float64)).astype(np.float32)
    if high <= 0:
        raise InputError(f"The X-ray's values end at {high:g}: intensities are positive. Pass intensity='inverted'.")
    if i0 is not None and not (np.isfinite(i0) and i0 > 0):
        raise InputError(f"i0={i0} is no intensity: give the value with nothing in the beam, a positive number.")
    intensity = values.astype(np.float64)
    # A pixel with no count is darker than the darkest one that has some; half of that keeps the logarithm finite.
    darkest = float(intensity[intensity > 0].min())
    return np.log((i0 or high) / np.maximum(intensity, darkest / 2)).astype(np.float32)
