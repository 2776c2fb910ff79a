"""The X-rays and the CT as a look sees them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.crop import cropped_around
from SphericalRegLib.imaging.pyramid import pyramid
from SphericalRegLib.imaging.skeleton import beyond
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.optimization.objective import FixedView, Objective
from SphericalRegLib.registration.look import Look
from SphericalRegLib.similarity.contract import PartedImage

# More is not more accurate: residuals against the truth are those of the X-ray.
_SAMPLES_PER_VOXEL = 0.75
# The margin that a look's size in pixels is meant for, where X-rays are cut.
_NARROW_MM = 10.0


class Levels:
    """Makes the objective of each look, once.

    Args:
        volume: the CT.
        xrays: the views.
        starts: (4, 4) or (S, 4, 4) rig_from_world, the first for the magnification.
        margin_mm: how far from its place at some start the CT may get, at the isocenter.
        kernel: of the renderer.
    """

    def __init__(
        self,
        volume: Volume,
        xrays: Sequence[XRay],
        starts: Tensor,
        margin_mm: float,
        kernel: str,
    ) -> None:
        self._volume = volume
        self._xrays = list(xrays)
        self._cropped: list[XRay] | None = None
        self._narrow: list[int] | None = None
        self._starts = starts.reshape(-1, 4, 4)
        self._margin_mm = margin_mm
        self._kernel = kernel
        self._objectives: list[tuple[Look, Objective]] = []
        # mm at the isocenter for one mm on the detector, by view
        self._shrink = []
        # from the source to the isocenter, world directions
        self._axes = []
        for xray in self._xrays:
            from_world = xray.view.camera_from_world(self._starts[0])
            self._axes.append(volume.center - se3.inverse(from_world)[:3, 3])
            camera = se3.transform_points(from_world, volume.center[None])
            self._shrink.append(max(0.1, float(camera[0, 2]) / xray.view.sdd))

    def objective(self, look: Look) -> Objective:
        """The cost function of a look."""
        for known, objective in self._objectives:
            if known == look:
                return objective
        objective = self._made(look)
        self._objectives.append((look, objective))
        return objective

    def _made(self, look: Look) -> Objective:
        views, pixels = [], []
        device = self._volume.density.device
        for xray, shrink, longer in zip(self.xrays(look), self._shrink, self._longer_sides(look), strict=True):
            views.append(fixed_view(xray, look, longer, device))
            pixels.append(shrink * views[-1].view.spacing[0])
        pixel = min(pixels)
        whole = self._volume if look.adapt is None else look.adapt(self._volume)
        volume = coarsened(whole, look.voxel * pixel)
        radius = 0 if look.footprint_mm is None else max(1, round(look.footprint_mm / pixel))
        return Objective(
            volume,
            views,
            samples_through(volume, self._axes),
            radius,
            self._kernel,
            robust_scale=look.robust_scale,
            length=self.length,
            bone=None if look.bone_hu is None else beyond(volume, look.bone_hu),
            parted=look.parted and all(isinstance(one.fixed, PartedImage) for one in views),
            saturation=look.saturation,
        )

    def xrays(self, look: Look) -> Sequence[XRay]:
        """The X-rays; where only what is near the DRR counts, cut to what the CT can reach, so that a small bone fills
        the pixels of every look."""
        if look.footprint_mm is None:
            return self._xrays
        if self._cropped is None:
            self._cropped = [cropped_around(xray, self._volume, self._starts, self._margin_mm) for xray in self._xrays]
        return self._cropped

    def _longer_sides(self, look: Look) -> list[int]:
        """Pixels of each X-ray that become ``look.size``: where only what is near the DRR counts, those that a narrow
        search would leave. A wide one so has larger pictures, not larger pixels, and a bone is seen as well in both."""
        if look.footprint_mm is None or (self._margin_mm == _NARROW_MM and len(self._starts) == 1):
            return [max(xray.image.shape) for xray in self.xrays(look)]
        if self._narrow is None:
            narrow = (cropped_around(xray, self._volume, self._starts[:1], _NARROW_MM) for xray in self._xrays)
            self._narrow = [max(xray.image.shape) for xray in narrow]
        return self._narrow

    @property
    def length(self) -> float:
        """See :func:`body_length`."""
        return body_length(self._volume)


def fixed_view(xray: XRay, look: Look, longer: int, device: torch.device) -> FixedView:
    """An X-ray as a look compares it, on a device, where so many pixels along a side become ``look.size``."""
    height = max(8, round(xray.view.height * min(1.0, look.size / longer)))
    image, mask, view = pyramid(xray.image, xray.mask, xray.view, [min(height, xray.view.height)])[0]
    return FixedView(view, look.similarity.fix(torch.from_numpy(image).to(device), torch.from_numpy(mask).to(device)))


def coarsened(volume: Volume, voxel: float) -> Volume:
    """A volume of voxels of about so many mm, where its own are smaller."""
    factors = tuple(max(1, int(voxel / float(s) + 0.25)) for s in volume.spacing)
    return volume.coarsened((factors[0], factors[1], factors[2]))


def samples_through(volume: Volume, axes: Sequence[Tensor]) -> int:
    """Somewhat less than one sample a voxel along central rays, (3,) world directions, through a volume."""
    from_world = torch.linalg.inv(volume.world_from_voxel[:3, :3])
    size = torch.tensor(volume.density.shape[:0:-1], dtype=torch.float64)
    crossed = 0.0
    for axis in axes:
        direction = from_world @ axis
        crossed = max(crossed, float((size / direction.abs().clamp(min=1e-9)).min() * direction.norm()))
    return max(16, min(512, round(_SAMPLES_PER_VOXEL * crossed)))


def body_length(volume: Volume) -> float:
    """mm: a third of a CT's middle extent, over which a rotation acts."""
    size = torch.tensor(volume.density.shape[:0:-1]) * volume.spacing
    return float(size.median()) / 3
