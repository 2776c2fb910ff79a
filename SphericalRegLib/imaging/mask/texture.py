"""How much an X-ray is structured like anatomy, place by place."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

# White noise after a 5 × 5 median and the band of ``texture``, against the noise itself.
_NOISE_IN_BAND = 0.25


def texture(image: np.ndarray) -> np.ndarray:
    """(H, W) local structure at the scale of anatomy, less what noise alone makes at that scale.

    Args:
        image: (H, W) float, about 256 pixels large.
    """
    single = image.astype(np.float32)
    calm = cv2.medianBlur(single, 5)
    band = np.abs(ndimage.gaussian_filter(calm, 1.5) - ndimage.gaussian_filter(calm, 5.0))
    return np.asarray(band - _NOISE_IN_BAND * np.abs(single - cv2.medianBlur(single, 3)))
