"""Which pixels of an X-ray can be compared with a DRR."""

from __future__ import annotations

import numpy as np


def estimate_mask(image: np.ndarray, usable: np.ndarray | None = None) -> np.ndarray:
    """(H, W) bool: usable pixels of an X-ray (H, W), bright = dense."""
    return np.ones(image.shape, bool) if usable is None else usable.copy()
