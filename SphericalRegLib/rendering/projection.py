"""Density to images and Jacobians at fixed poses, and the transpose of it, as torch functions.

Both are linear, and each is the other's derivative: so reverse mode, forward mode and vmap work through any kernel, and
the graph holds no samples.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.former_names import served
from SphericalRegLib.rendering.kernel import Kernel
from SphericalRegLib.rendering.rays import Rays


@dataclass(frozen=True)
class Projector:
    """One kernel, and all that it needs to know besides density and poses.

    Attributes:
        kernel: one that supports the volume.
        cast: rays of poses (B, 4, 4), where the kernel wants them.
        samples: along each ray.
    """

    kernel: Kernel
    cast: Callable[[Tensor], Rays]
    samples: int

    def render(self, density: Tensor, poses: Tensor, jacobian: bool) -> tuple[Tensor, ...]:
        """(images,) or (images, Jacobians), without gradients."""
        rays = self.cast(poses)
        with torch.no_grad(), _enough_memory(density, rays, jacobian):
            drawn = self.kernel.render(density, rays, self.samples, jacobian)
        return tuple(part for part in drawn if part is not None)

    def backproject(self, like: Tensor, poses: Tensor, images: Tensor, jacobians: Tensor | None) -> Tensor:
        """(C, K, J, I): the transpose of :meth:`render`, without gradients."""
        rays = self.cast(poses)
        with torch.no_grad(), _enough_memory(like, rays, jacobians is not None):
            return self.kernel.backproject(like, rays, self.samples, images, jacobians)


@contextlib.contextmanager
def _enough_memory(density: Tensor, rays: Rays, jacobian: bool) -> Iterator[None]:
    """Say what memory was needed for, where it does not suffice.

    Raises:
        InputError: instead of a MemoryError.
    """
    try:
        yield
    except MemoryError:
        images, numbers = rays.batch * density.shape[0], 7 if jacobian else 1
        size = images * numbers * rays.height * rays.width * density.element_size() / 2**30
        raise InputError(
            f"There is too little memory to render {images} images of {rays.height}×{rays.width} pixels "
            f"({size:.1f} GiB{' with their derivatives' if jacobian else ''}) of a CT of {tuple(density.shape[1:])} "
            "voxels: use fewer poses at once, smaller images or a coarser CT."
        ) from None


def project(density: Tensor, poses: Tensor, projector: Projector, jacobian: bool) -> tuple[Tensor, ...]:
    """(images,) or (images, Jacobians), differentiable in the density; poses are constants."""
    result: tuple[Tensor, ...] = _Project.apply(density, poses.detach(), projector, jacobian)
    return result


def backproject(
    like: Tensor, poses: Tensor, projector: Projector, images: Tensor, jacobians: Tensor | None = None
) -> Tensor:
    """The transpose of :func:`project`, (C, K, J, I), differentiable in the cotangents."""
    result: Tensor = _Backproject.apply(images, jacobians, like.detach(), poses.detach(), projector)
    return result


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(density: Tensor, poses: Tensor, projector: Projector, jacobian: bool) -> tuple[Tensor, ...]:
        return projector.render(density, poses, jacobian)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        density, poses, ctx.projector, ctx.jacobian = inputs
        # only for its shape, dtype and device: the map is linear
        like = density.detach().new_empty(()).expand_as(density)
        ctx.save_for_backward(like, poses)
        ctx.save_for_forward(like, poses)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        like, poses = ctx.saved_tensors
        images, jacobians = cotangents[0], cotangents[1] if ctx.jacobian else None
        if images is None and jacobians is None:
            return None, None, None, None
        if images is None:
            assert jacobians is not None
            images = torch.zeros_like(jacobians[:, :, 0])
        return backproject(like, poses, ctx.projector, images, jacobians), None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, ...]:
        _, poses = ctx.saved_tensors
        assert tangents[0] is not None
        return project(tangents[0], poses, ctx.projector, ctx.jacobian)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        each = [_Project.apply(*_unbatched(inputs, in_dims, n)) for n in range(info.batch_size)]
        stacked = tuple(torch.stack(parts) for parts in zip(*each, strict=True))
        return stacked, (0,) * len(stacked)


class _Backproject(torch.autograd.Function):
    @staticmethod
    def forward(images: Tensor, jacobians: Tensor | None, like: Tensor, poses: Tensor, projector: Projector) -> Tensor:
        return projector.backproject(like, poses, images, jacobians)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, jacobians, like, poses, ctx.projector = inputs
        ctx.jacobian = jacobians is not None
        ctx.save_for_backward(like, poses)
        ctx.save_for_forward(like, poses)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        (change,) = cotangents
        if change is None:
            return None, None, None, None, None
        _, poses = ctx.saved_tensors
        drawn = project(change, poses, ctx.projector, ctx.jacobian)
        return drawn[0], drawn[1] if ctx.jacobian else None, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        like, poses = ctx.saved_tensors
        images, jacobians = tangents[:2]
        if images is None:
            assert jacobians is not None
            images = torch.zeros_like(jacobians[:, :, 0])
        return backproject(like, poses, ctx.projector, images, jacobians)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        each = [_Backproject.apply(*_unbatched(inputs, in_dims, n)) for n in range(info.batch_size)]
        return torch.stack(each), 0


def _unbatched(inputs: tuple[Any, ...], in_dims: tuple[int | None, ...], index: int) -> list[Any]:
    """The inputs of one item of a vmapped batch."""
    return [x if dim is None else x.select(dim, index) for x, dim in zip(inputs, in_dims, strict=True)]


if not TYPE_CHECKING:  # which would take any name for one of this module's
    __getattr__ = served(__name__)
