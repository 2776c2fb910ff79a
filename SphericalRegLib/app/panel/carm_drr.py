"""DRRs of a C-arm that is moved by its numbers: at once with few pixels, and when it rests with all, in bands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.geometry.carm_setting import CArmSetting
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.skeleton import denser
from SphericalRegLib.rendering import render, warm_up

#: Pixels along the longer side while the C-arm moves, the first that is fast enough.
SIZES = (256, 192, 128, 96)
# Along each ray, for each voxel of the longest side that it may cross: while it moves, and at rest.
_MOVING, _RESTING = 0.75, 1.5
# Voxels up to so many pixels at the isocenter are not told from smaller ones while the C-arm moves.
_COARSE = 1.5
_FRAME_S, _BAND_S = 0.07, 0.06
# Of what was measured before, the share that is kept: one slow frame is no slow machine.
_INERTIA = 0.6


class CArmDRR:
    """Renders a CT as a C-arm sees it.

    Args:
        volume: of the CT.
        kernel: of the renderer.
        clock: seconds.
    """

    def __init__(self, volume: Volume, kernel: str = "auto", clock: Callable[[], float] = time.perf_counter) -> None:
        self.volume = volume
        self._kernel, self._clock = kernel, clock
        self._bone: Volume | None = None
        # seconds for each ray and sample while the C-arm moves, by what is drawn
        self._pace: float | None = None
        self._samples = 1
        self._warm = False

    def moving(self, setting: CArmSetting, bone_only: bool = False) -> NDArray[np.float32]:
        """(h, w) line integrals over all of the detector, of as many pixels as a tenth of a second allows."""
        view = setting.view()
        size = self._size(view)
        small = _small(view, size)
        # mm at the isocenter
        pixel = _COARSE * min(small.spacing) * (small.sad or small.sdd) / small.sdd
        factors = [max(1, int(pixel / float(spacing))) for spacing in self.volume.spacing]
        volume = self._chosen(bone_only).coarsened((factors[0], factors[1], factors[2]))
        samples = _samples(volume, _MOVING)
        if not self._warm:
            # compiling is no part of the pace
            warm_up(volume, self._kernel)
            self._warm = True
        begun = self._clock()
        image = self._image(volume, small, setting, samples)
        taken = (self._clock() - begun) / (image.size * samples)
        self._pace = taken if self._pace is None else _INERTIA * self._pace + (1 - _INERTIA) * taken
        self._samples = samples
        return image

    def resting(self, setting: CArmSetting, bone_only: bool = False) -> Iterator[NDArray[np.float32] | None]:
        """Yields None after each band of rows, so that a window stays alive in between; at last all (H, W) pixels."""
        view, volume = setting.view(), self._chosen(bone_only)
        samples = _samples(volume, _RESTING)
        image = np.empty((view.height, view.width), np.float32)
        row, rows = 0, max(1, min(view.height, 20_000 // view.width))
        while row < view.height:
            count = min(rows, view.height - row)
            begun = self._clock()
            image[row : row + count] = self._image(volume, view.cropped(row, 0, count, view.width), setting, samples)
            taken = max(self._clock() - begun, 1e-6)
            row += count
            # no band takes four times as long as the one before
            rows = max(1, min(round(count * _BAND_S / taken), 4 * count))
            if row < view.height:
                yield None
        yield image

    def _size(self, view: View) -> int:
        if self._pace is None:
            return SIZES[0]
        shape = min(view.height, view.width) / max(view.height, view.width)
        for size in SIZES:
            if self._pace * size * size * shape * self._samples <= _FRAME_S:
                return size
        return SIZES[-1]

    def _chosen(self, bone_only: bool) -> Volume:
        if not bone_only:
            return self.volume
        if self._bone is None:
            self._bone = denser(self.volume)
        return self._bone

    def _image(self, volume: Volume, view: View, setting: CArmSetting, samples: int) -> NDArray[np.float32]:
        pose: Tensor = setting.pose(self.volume.center)
        with torch.no_grad():
            image = render(volume, view, pose[None], samples=samples, kernel=self._kernel)
        return np.asarray(image[0].sum(0).to("cpu", torch.float32).numpy())


def _samples(volume: Volume, share: float) -> int:
    return max(48, min(512, round(share * max(volume.density.shape[1:]))))


def _small(view: View, size: int) -> View:
    scale = min(1.0, size / max(view.height, view.width))
    return view.resized(max(1, round(view.height * scale)), max(1, round(view.width * scale)))
