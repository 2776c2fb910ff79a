"""What of a CT is bone, as far as attenuation tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.attenuation import linear_attenuation


def beyond(volume: Volume, hu: float) -> Volume | None:
    """What a volume attenuates beyond a density, in Hounsfield units; None where nothing does.

    Args:
        volume: attenuation as :func:`~SphericalRegLib.imaging.attenuation.linear_attenuation` gives it, 1/mm.
        hu: above soft tissue and blood, below trabecular bone: some 150.
    """
    threshold = float(linear_attenuation(np.array([hu], np.float32))[0])
    density = (volume.density - threshold).clamp(min=0)
    return replace(volume, density=density) if bool((density > 0).any()) else None


def denser(volume: Volume, hu: float = 150.0) -> Volume:
    """A volume without all voxels that are not denser than ``hu``, in Hounsfield units: a DRR of bones alone."""
    threshold = float(linear_attenuation(np.array([hu], np.float32))[0])
    return replace(volume, density=torch.where(volume.density > threshold, volume.density, 0.0))
