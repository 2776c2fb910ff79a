"""How much an X-ray is structured like anatomy, place by place."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from scipy import ndimage

# White noise after a 5 × 5 median and the band of ``texture``, against the noise itself.
_NOISE_IN_BAND = 0.25
# The same of its change from pixel to pixel (0.05), and as much again for noise that the detector has smoothed.
_NOISE_IN_CHANGE = 0.1


def texture(image: np.ndarray) -> np.ndarray:
    """(H, W) local structure at the scale of anatomy, less what noise alone makes at that scale.

    Args:
        image: (H, W) float, about 256 pixels large.
    """
    single = image.astype(np.float32)
    calm = cv2.medianBlur(single, 5)
    band = np.abs(ndimage.gaussian_filter(calm, 1.5) - ndimage.gaussian_filter(calm, 5.0))
    return np.asarray(band - _NOISE_IN_BAND * np.abs(single - cv2.medianBlur(single, 3)))


def directed_texture(image: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The local change of structure along a direction: scatter, which falls off away from an edge, has none along it.

    Args:
        image: (H, W) float, about 256 pixels large.

    Returns:
        (2,) unit direction (row, column) to (H, W), less what noise alone makes.
    """
    single = image.astype(np.float32)
    calm = cv2.medianBlur(single, 5)
    rows, columns = np.gradient(ndimage.gaussian_filter(calm, 1.5) - ndimage.gaussian_filter(calm, 5.0))
    noise = _NOISE_IN_CHANGE * np.abs(single - cv2.medianBlur(single, 3))

    def along(direction: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(direction[0] * rows + direction[1] * columns) - noise)

    return along
