"""The renderer as a torch function: reverse mode, forward mode and vmap through any kernel.

A pose is a point of SE(3): only rigid variations of it have a meaning. Forward mode reads the twist off the tangent
matrix; reverse mode returns the cotangent matrix G with <G, hat(x) T> = g·x for every twist x.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.rendering.projection import Projector, backproject, project


def twist_of_tangent(tangent: Tensor, poses: Tensor, center: Tensor) -> Tensor:
    """Twists (B, 6) about ``center`` whose motion of ``poses`` (B, 4, 4) is the matrix ``tangent`` (B, 4, 4)."""
    left = tangent @ se3.inverse(poses)
    skew = (left - left.transpose(-1, -2)) / 2
    omega = torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], dim=-1)
    moved = se3.transform_points(poses, center[None])[:, 0]
    return torch.cat([omega, left[:, :3, 3] + torch.linalg.cross(omega, moved)], dim=-1)


def cotangent_of_gradient(gradient: Tensor, poses: Tensor, center: Tensor) -> Tensor:
    """Matrix cotangents (B, 4, 4) of gradients (B, 6) with respect to twists about ``center``."""
    moved = se3.transform_points(poses, center[None])[:, 0]
    force = gradient[:, 3:]
    # the same gradient for twists about the rig's origin
    torque = gradient[:, :3] + torch.linalg.cross(moved, force)
    left = torch.cat(
        [torch.cat([se3.hat(torque) / 2, force[..., None]], dim=-1), torch.zeros_like(poses[:, :1])], dim=-2
    )
    return left @ se3.inverse(poses).transpose(-1, -2)


class RenderFunction(torch.autograd.Function):
    """(images, Jacobians) = f(density, poses, center, projector); only the images carry gradients."""

    @staticmethod
    def forward(density: Tensor, poses: Tensor, center: Tensor, projector: Projector) -> tuple[Tensor, ...]:
        return projector.render(density, poses, True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        density, poses, center, ctx.projector = inputs
        # an absent tangent stays absent: zeros would be rendered at full cost
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(density, poses, center, output[1])
        ctx.save_for_forward(density, poses, center, output[1])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        density, poses, center, jacobian = ctx.saved_tensors
        weight = cotangents[0]
        if weight is None:
            return None, None, None, None
        to_density = to_poses = None
        if ctx.needs_input_grad[0]:
            to_density = backproject(density, poses, ctx.projector, weight)
        if ctx.needs_input_grad[1]:
            gradient = torch.einsum("bchw,bcphw->bp", weight, jacobian).to(poses)
            to_poses = cotangent_of_gradient(gradient, poses, center.to(poses))
        return to_density, to_poses, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, None]:
        _, poses, center, jacobian = ctx.saved_tensors
        to_density, to_poses = tangents[:2]
        image = torch.zeros_like(jacobian[:, :, 0])
        if to_poses is not None:
            twist = twist_of_tangent(to_poses, poses, center.to(poses)).to(jacobian)
            image = image + torch.einsum("bcphw,bp->bchw", jacobian, twist)
        if to_density is not None:
            image = image + project(to_density, poses, ctx.projector, False)[0]
        return image, None

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        density: Tensor,
        poses: Tensor,
        center: Tensor,
        projector: Projector,
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        if in_dims[0] is not None:
            images = [
                RenderFunction.apply(
                    density.select(in_dims[0], i),
                    poses if in_dims[1] is None else poses.select(in_dims[1], i),
                    center,
                    projector,
                )
                for i in range(info.batch_size)
            ]
            return (torch.stack([x[0] for x in images]), torch.stack([x[1] for x in images])), (0, 0)
        assert in_dims[1] is not None, "vmap without a mapped input"
        folded = poses.movedim(in_dims[1], 0)
        image, jacobian = RenderFunction.apply(density, folded.flatten(0, 1), center, projector)
        return (image.unflatten(0, folded.shape[:2]), jacobian.unflatten(0, folded.shape[:2])), (0, 0)
