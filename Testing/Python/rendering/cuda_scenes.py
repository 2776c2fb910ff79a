"""What the CUDA kernel is held to the reference on, in the simulator and on a device; small, for the simulator is slow.

    NUMBA_ENABLE_CUDASIM=1 python -m Testing.Python.rendering.cuda_scenes FILE

renders all of them in the simulator and saves the results as ``{scene: Drawn}``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering.rays import Rays, cast_rays
from Testing.Python.rendering.scenes import facing, mirrored_view, noisy_volume, smooth_volume


class Scene(NamedTuple):
    """A volume, one view or one for each pose, poses (B, 4, 4), and samples a ray."""

    volume: Volume
    view: View | Sequence[View]
    poses: Tensor
    samples: int

    @property
    def rays(self) -> Rays:
        return cast_rays(self.volume, self.view, self.poses)


class Drawn(NamedTuple):
    """Images alone, images with Jacobians, and the transposes of both for :func:`cotangents`."""

    alone: Tensor
    image: Tensor
    jacobian: Tensor
    from_image: Tensor
    from_both: Tensor


def draw(kernel: object, density: Tensor, scene: Scene) -> Drawn:
    """A scene in a kernel, or in a module with the functions of one."""
    rays = scene.rays
    image, jacobian = kernel.render(density, rays, scene.samples, True)
    alone, nothing = kernel.render(density, rays, scene.samples, False)
    assert nothing is None
    to_image, to_jacobian = (one.to(density) for one in cotangents(image, jacobian))
    from_image = kernel.backproject(density, rays, scene.samples, to_image, None)
    from_both = kernel.backproject(density, rays, scene.samples, to_image, to_jacobian)
    return Drawn(alone, image, jacobian, from_image, from_both)


def cotangents(image: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
    """Random ones of the same shapes, always the same."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(x.shape, generator=generator, dtype=torch.float64) for x in (image, jacobian))


def _batch() -> Scene:
    """Two channels, two poses, an oblique, anisotropic volume; rays in two parts each."""
    volume, view = smooth_volume(), mirrored_view(8, 8)
    return Scene(volume, view, facing(volume, view), 16)


def _single() -> Scene:
    volume, view = smooth_volume(1), mirrored_view(8, 8)
    return Scene(volume.to(dtype=torch.float32), view, facing(volume, view)[:1], 16)


def _boundary() -> Scene:
    """Blocks that reach beyond the image, and rays in four parts of unequal length."""
    volume, view = smooth_volume(1), View.from_spacing(9, 11, 1000.0, (12.0, 9.0))
    return Scene(volume, view, facing(volume, view)[:1], 67)


def _whole_rays() -> Scene:
    """Fewer samples than a part has."""
    volume, view = noisy_volume(), View.from_spacing(17, 5, 1000.0, (4.0, 8.0))
    return Scene(volume, view, facing(volume, view)[:1], 3)


def _views() -> Scene:
    """A view for each pose."""
    volume, first = noisy_volume(), View.from_spacing(5, 6, 1000.0, (10.0, 9.0))
    return Scene(volume, [first, View.from_spacing(5, 6, 1100.0, (9.0, 8.0))], facing(volume, first), 12)


def _grazing() -> Scene:
    """Rays along a voxel axis: past the volume, within its outer face to rounding, and inside."""
    volume = Volume(noisy_volume(shape=(6, 6, 6)).density, torch.eye(4, dtype=torch.float64))
    view = View.from_spacing(3, 3, 1000.0, (1e-3, 1e-3))
    shifts = torch.tensor([[x, 0.2, 700.0] for x in (0.3, 2.99, 3.01)], dtype=torch.float64)
    turn = torch.eye(3, dtype=torch.float64).expand(3, 3, 3)
    return Scene(volume, view, se3.from_parts(turn, shifts) @ se3.translation(-volume.center), 15)


def _inside() -> Scene:
    """A source within the volume: rays begin at no face."""
    volume = Volume(noisy_volume(shape=(6, 7, 8)).density, torch.eye(4, dtype=torch.float64))
    turned = se3.exp(torch.tensor([[0.1, 0.2, 0.3, 0.1, 0.2, 0.3]], dtype=torch.float64))
    return Scene(volume, View.from_spacing(4, 4, 1000.0, (90.0, 80.0)), turned @ se3.translation(-volume.center), 9)


def _slab() -> Scene:
    """An axis of one voxel."""
    volume, view = noisy_volume(shape=(1, 5, 4)), View.from_spacing(6, 6, 1000.0, (3.0, 3.0))
    return Scene(volume, view, facing(volume, view)[:1], 9)


def _empty() -> Scene:
    """Poses that look away."""
    volume, view = smooth_volume(1), mirrored_view(4, 4)
    away = se3.translation(torch.tensor([0.0, 0.0, -3000.0], dtype=torch.float64))
    return Scene(volume, view, away @ facing(volume, view), 4)


SCENES: dict[str, Callable[[], Scene]] = {
    "batch": _batch,
    "single precision": _single,
    "boundary": _boundary,
    "whole rays": _whole_rays,
    "views": _views,
    "grazing": _grazing,
    "inside": _inside,
    "slab": _slab,
    "empty": _empty,
}


if __name__ == "__main__":
    from SphericalRegLib.rendering.cuda import launch

    scenes = {name: make() for name, make in SCENES.items()}
    torch.save({name: tuple(draw(launch, scene.volume.density, scene)) for name, scene in scenes.items()}, sys.argv[1])
