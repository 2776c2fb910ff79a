"""How line integrals become gray for the eye: a window, gamma, and bright or dark bone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError


@dataclass(frozen=True)
class GrayTone:
    """The line integrals that are black and white; bone is bright unless inverted.

    Attributes:
        low, high: values at the ends of the window.
        gamma: exponent between them: below 1 soft tissue is brighter, above 1 darker.
        inverted: whether bone is dark, as fluoroscopes show it.

    Raises:
        InputError: for a window without width, or a gamma that is not above 0.
    """

    low: float
    high: float
    gamma: float = 1.0
    inverted: bool = False

    def __post_init__(self) -> None:
        if not self.high > self.low:
            raise InputError(f"A window from {self.low:g} to {self.high:g} shows nothing: its end must be above.")
        if not self.gamma > 0:
            raise InputError(f"gamma is {self.gamma:g}: give a number above 0, 1 for none.")

    def share(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Brightness from 0 to 1 of shares (...,) of the window from 0 to 1."""
        curved = np.clip(values, 0, 1) ** self.gamma
        return 1 - curved if self.inverted else curved

    def gray(self, image: NDArray[np.floating]) -> NDArray[np.uint8]:
        """(H, W) uint8."""
        return np.round(255 * self.share((image - self.low) / (self.high - self.low))).astype(np.uint8)


def window_of(image: NDArray[np.floating]) -> tuple[float, float]:
    """(low, high) that show a DRR (H, W): all but the outermost half percent of what the CT casts a shadow on."""
    shadow = image[image > 1e-3 * float(image.max())] if image.size and float(image.max()) > 0 else image.ravel()
    low, high = (float(value) for value in np.percentile(shadow, [0.5, 99.5])) if shadow.size else (0.0, 1.0)
    return low, high if high > low else low + 1.0
