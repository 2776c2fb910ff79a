"""DRRs while somebody drags the pose: fast enough to follow the hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering import render
from SphericalRegLib.reporting.report import only_bone

_SIZE = 256
# Along each ray, for each voxel of the longest side that it may cross: more does not show.
_SAMPLES_PER_VOXEL = 0.75


class LiveDRR:
    """Renders a CT for its views with few pixels, at a voxel size to match.

    Args:
        volume: of the CT.
        views: that share a rig.
        size: pixels along the longer side; never more than a view has.
        kernel: of the renderer.
    """

    def __init__(self, volume: Volume, views: Sequence[View], size: int = _SIZE, kernel: str = "auto") -> None:
        self._views = [_small(view, size) for view in views]
        # mm at the isocenter, taken to be halfway or nearer the source: finer voxels than pixels are lost work
        pixel = 0.5 * min(min(view.spacing) for view in self._views)
        factors = [max(1, int(pixel / float(s))) for s in volume.spacing]
        self._volume = volume.coarsened((factors[0], factors[1], factors[2]))
        self._skeleton = only_bone(self._volume)
        self._samples = max(48, min(256, round(_SAMPLES_PER_VOXEL * max(self._volume.density.shape[1:]))))
        self._kernel = kernel

    def render(self, pose: Tensor) -> list[NDArray[np.float32]]:
        """(h, w) line integrals of each view at a pose (4, 4) rig_from_world; the detector's area is the full one."""
        return self._images(self._volume, pose)

    def render_bones(self, pose: Tensor) -> list[NDArray[np.float32]]:
        """The same of the bones alone, for drawing their edges."""
        return self._images(self._skeleton, pose)

    def _images(self, volume: Volume, pose: Tensor) -> list[NDArray[np.float32]]:
        with torch.no_grad():
            images = [
                render(volume, view, pose[None].to(torch.float64), samples=self._samples, kernel=self._kernel)
                for view in self._views
            ]
        return [image[0].sum(0).to("cpu", torch.float32).numpy() for image in images]


def _small(view: View, size: int) -> View:
    scale = min(1.0, size / max(view.height, view.width))
    return view.resized(max(1, round(view.height * scale)), max(1, round(view.width * scale)))
