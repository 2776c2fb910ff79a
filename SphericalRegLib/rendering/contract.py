"""The renderer's contract: ``render`` gives images, ``linearize`` gives images and their exact pose Jacobian.

A DRR is the line integral of linear attenuation from the X-ray source to each pixel, without unit: ∫ μ dl, sampled at
the midpoints of equal steps on exactly the part of the ray inside of the volume, with trilinear interpolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering.function import RenderFunction
from SphericalRegLib.rendering.projection import Projector, project
from SphericalRegLib.rendering.rays import cast_rays
from SphericalRegLib.rendering.table import choose_kernel


def render(
    volume: Volume, view: View | Sequence[View], poses: Tensor, *, samples: int = 256, kernel: str = "auto"
) -> Tensor:
    """DRRs (B, C, H, W) of poses ``rig_from_world`` (B, 4, 4), differentiable in the poses and in the volume's density.

    Works with reverse mode, ``torch.func.jvp`` and ``vmap``. Derivatives with respect to a pose are those along SE(3).

    Args:
        volume: C channels of linear attenuation.
        view: one view for all poses, or B views of one image size.
        poses: (B, 4, 4).
        samples: midpoint samples on the clipped part of each ray.
        kernel: a name of ``KERNELS``, or ``auto``: the first of them that supports the volume.

    Raises:
        GeometryError: for poses or views that do not fit together.
        DeviceError: for a kernel that is not there or does not support the volume.
    """
    projector = _projector(volume, view, samples, kernel)
    density = volume.density
    keep = torch.is_grad_enabled()
    if (keep and poses.requires_grad) or _transformed(poses):
        image: Tensor = RenderFunction.apply(density, poses, volume.center, projector)[0]
        return image
    if (keep and density.requires_grad) or _transformed(density):
        return project(density, poses, projector, False)[0]
    return projector.render(density, poses, False)[0]


def linearize(
    volume: Volume, view: View | Sequence[View], poses: Tensor, *, samples: int = 256, kernel: str = "auto"
) -> tuple[Tensor, Tensor]:
    """DRRs (B, C, H, W) and their exact Jacobians (B, C, 6, H, W) with respect to a twist of the pose.

    The twist (rotation in radians, translation in mm) moves the pose as ``se3.about(twist, pose, volume.center)``:
    in the rig's axes, about the volume's isocenter. Arguments and errors are those of :func:`render`.

    If the density requires a gradient, image and Jacobian carry it, for both are linear in the volume. Poses are taken
    as constants.
    """
    projector = _projector(volume, view, samples, kernel)
    density = volume.density
    if (torch.is_grad_enabled() and density.requires_grad) or _transformed(density):
        image, jacobian = project(density, poses, projector, True)
    else:
        image, jacobian = projector.render(density, poses, True)
    return image, jacobian


def warm_up(volume: Volume, kernel: str = "auto") -> None:
    """Compile and load what the first image of such a volume would wait for; it is no part of a registration's time.

    The first time on a machine this takes some seconds, for compiled kernels are kept.

    Raises:
        DeviceError: as :func:`render`.
    """
    choose_kernel(kernel, volume).warm_up(volume.density.device, volume.density.dtype)


def _projector(volume: Volume, view: View | Sequence[View], samples: int, kernel: str) -> Projector:
    if samples < 1:
        raise InputError(f"A ray needs at least one sample, not {samples}.")
    chosen = choose_kernel(kernel, volume)
    device = chosen.rays_on(volume.density.device)
    return Projector(chosen, lambda poses: cast_rays(volume, view, poses, device), samples)


def _transformed(*tensors: Tensor) -> bool:
    """Whether a tensor is a dual number or belongs to a torch.func transform, so that derivatives must be kept."""
    functorch: Any = torch._C._functorch
    return any(
        functorch.is_functorch_wrapped_tensor(t) or torch.autograd.forward_ad.unpack_dual(t).tangent is not None
        for t in tensors
    )
