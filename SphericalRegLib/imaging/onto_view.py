"""An X-ray as another X-ray system with the same source would have taken it."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.pyramid import pyramid

# Of a pixel, that must be usable for the pixel to count.
_USABLE_SHARE = 0.5


def onto_view(image: np.ndarray, mask: np.ndarray, view: View, target: View) -> tuple[Tensor, Tensor]:
    """Image and mask, (h, w) float32 each, on the pixels of ``target``.

    Rays from the source do not depend on where the detector stands: pixels of two views are linked by K_target K⁻¹, and
    a pose of one camera is a pose of the other. What ``target`` sees beyond the image is masked out. Where both show
    the same area the result is the exact mean over each pixel, else a bilinear one between means of about that size.

    Args:
        image: (H, W) float.
        mask: (H, W) bool, usable pixels.
        view: of the image.
        target: intrinsics and size are used.

    Raises:
        GeometryError: if ``target`` sees nothing usable of the image.
    """
    wanted = target.intrinsics
    magnified = max(
        1.0,
        min(abs(float(view.intrinsics[axis, axis] / wanted[axis, axis])) for axis in (0, 1)),
    )
    height = min(view.height, max(1, round(view.height / magnified)))
    smaller, usable, level = pyramid(image, mask, view, [height])[0]
    across = level.intrinsics @ torch.linalg.inv(wanted)
    grids = []
    for axis, (here, there) in enumerate(((target.width, level.width), (target.height, level.height))):
        pixels = across[axis, axis] * torch.arange(here, dtype=torch.float64) + across[axis, 2]
        grids.append((2 * pixels + 1) / there - 1)
    rows, columns = torch.meshgrid(grids[1], grids[0], indexing="ij")
    grid = torch.stack([columns, rows], dim=-1)[None].float()
    # masked pixels hold whatever was there: they must not reach their neighbors
    stacked = torch.from_numpy(np.stack([np.where(usable, smaller, 0), usable]).astype(np.float32))[None]
    sampled = F.grid_sample(stacked, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    share = sampled[1]
    counts = (share >= _USABLE_SHARE).float()
    if not bool(counts.any()):
        raise GeometryError(
            f"Nothing of the X-ray {view.name} lies within the field of view that the model was trained for: use the "
            "X-ray system it was trained for, or train a model for this one."
        )
    return sampled[0] / share.clamp(min=1e-6) * counts, counts
