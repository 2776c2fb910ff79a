"""A small CT seen at an angle by a mirrored, off-center camera that is not at the rig's origin."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.rendering import render


def blobs() -> Volume:
    """A few Gaussian blobs, oblique, anisotropic, with an isocenter that is not the grid's middle."""
    k, j, i = torch.meshgrid(*[torch.linspace(-1, 1, n).double() for n in (20, 28, 24)], indexing="ij")
    values = torch.zeros_like(i)
    spots = ((0.3, -0.2, 0.4, 0.25), (-0.4, 0.3, -0.3, 0.2), (0.1, 0.5, -0.1, 0.15), (-0.3, -0.5, 0.2, 0.3))
    for x, y, z, width in spots:
        values += 0.02 * torch.exp(-((i - x) ** 2 + (j - y) ** 2 + (k - z) ** 2) / (2 * width**2))
    world = se3.exp(torch.tensor([0.3, 0.2, -0.4, 50.0, -70.0, 30.0]).double())
    frame = world @ torch.diag(torch.tensor([2.5, 2.0, 3.0, 1.0]).double())
    return Volume(values[None].float(), frame, (frame @ torch.tensor([10.0, 16.0, 8.0, 1.0]).double())[:3])


def mirrored_view() -> View:
    """32 × 40 pixels of 4 mm, 1000 mm from the source."""
    k = torch.tensor([[-250.0, 0.0, 18.0], [0.0, 250.0, 17.0], [0.0, 0.0, 1.0]]).double()
    rig = se3.exp(torch.tensor([0.2, 0.1, -0.3, 20.0, -10.0, 40.0]).double())
    return View(k, 32, 40, 1000.0, rig)


def pose_before(view: View, volume: Volume) -> Tensor:
    """(4, 4) rig_from_world: the isocenter 700 mm in front of the source, seen at an angle."""
    turn = se3.so3_exp(torch.tensor([1.3, 0.2, -0.1]).double())
    camera = se3.from_parts(turn, torch.tensor([3.0, -4.0, 700.0]).double()) @ se3.translation(-volume.center)
    return se3.inverse(view.camera_from_rig) @ camera


def xray_at(volume: Volume, view: View, pose: Tensor) -> XRay:
    """The X-ray of the CT at a pose, with a tone curve and a corner that is not usable."""
    image = render(volume, view, pose[None], samples=64)[0, 0].numpy() ** 1.2
    mask = np.ones(image.shape, bool)
    mask[:5, :7] = False
    return XRay(image.astype(np.float32), view, mask)
