"""The reference kernel: plain torch on any device, differentiable in the volume, and the one that others are held to.

Along a ray x(u) = s + u·D through a volume V, clipped to the volume's box at u0 and u1, N midpoint samples give
    I = Δ Σ V(x(u_k)),   Δ = L (u1 - u0) / N,   u_k = u0 + (k + ½)(u1 - u0)/N,
with L the ray's length in mm. With a_k = ∇V(x(u_k)), the sums A = Σ a_k and B = Σ u_k a_k determine the derivative
with respect to both ends of the ray, the motion of the clip bounds included, and so all six pose columns.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering.kernel import Kernel
from SphericalRegLib.rendering.prepared import prepared
from SphericalRegLib.rendering.rays import Rays, has_float64

# A ray that runs exactly along a face has direction 0 across it; a tiny one instead keeps every quotient finite.
_TINY = 1e-9
# Of a block, in which about 60 numbers per sample live at once. Small ones stay in a core's cache, large ones keep a
# GPU busy; the transpose passes over whole volumes with each block, so it takes large ones as well.
_SAMPLES_A_THREAD = 2**16
_SAMPLES_AT_ONCE = 2**21


class TorchKernel(Kernel):
    """Every image row of all poses alike, in blocks that memory holds."""

    name = "torch"
    title = "any device"

    def supports(self, volume: Volume) -> str | None:
        """See :class:`Kernel`: whatever torch computes with."""
        dtype = volume.density.dtype
        return None if dtype.is_floating_point else f"renders floating-point numbers, not {dtype}"

    def rays_on(self, device: torch.device) -> torch.device:
        """See :class:`Kernel`: what belongs to a ray is computed in float64, on the CPU where the device has none."""
        return device if has_float64(device) else torch.device("cpu")

    def render(self, density: Tensor, rays: Rays, samples: int, jacobian: bool) -> tuple[Tensor, Tensor | None]:
        """See :class:`Kernel`; also differentiable in a density that requires a gradient."""
        padded = prepared(density, _padded)
        all_rows = _blocks(rays, _at_once(density.device) // (samples * density.shape[0]))
        blocks = [_render_rows(padded, rays, *rows, samples, jacobian) for rows in all_rows]
        image = torch.cat([block[0] for block in blocks], dim=-2)
        columns = [block[1] for block in blocks if block[1] is not None]
        return _by_pose(image, rays), _by_pose(torch.cat(columns, dim=-2), rays) if jacobian else None

    def backproject(self, like: Tensor, rays: Rays, samples: int, images: Tensor, jacobians: Tensor | None) -> Tensor:
        """See :class:`Kernel`."""
        gradient = torch.zeros_like(like)
        cotangents = [_by_row(images)] if jacobians is None else [_by_row(images), _by_row(jacobians)]
        for begin, end in _blocks(rays, _SAMPLES_AT_ONCE // (samples * like.shape[0])):
            # one block at a time, so that the graph of only one is ever held
            with torch.enable_grad():
                leaf = torch.zeros_like(like).requires_grad_()
                drawn = _render_rows(_padded(leaf), rays, begin, end, samples, jacobians is not None)
                weights = [one[..., begin:end, :] for one in cotangents]
                (part,) = torch.autograd.grad([d for d in drawn if d is not None], leaf, weights)
            gradient += part
        return gradient


def _by_row(values: Tensor) -> Tensor:
    """(..., B · H, W) of (B, ..., H, W): the images of all poses on top of one another."""
    return values.movedim(0, -3).flatten(-3, -2)


def _by_pose(values: Tensor, rays: Rays) -> Tensor:
    """(B, ..., H, W) of (..., B · H, W)."""
    return values.unflatten(-2, (rays.batch, rays.height)).movedim(-3, 0).contiguous()


def _padded(density: Tensor) -> Tensor:
    return F.pad(density[None], (1,) * 6, mode="replicate")[0]


def _at_once(device: torch.device) -> int:
    """Samples, of all channels, of a block of images."""
    return _SAMPLES_A_THREAD * torch.get_num_threads() if device.type == "cpu" else _SAMPLES_AT_ONCE


def _blocks(rays: Rays, at_once: int) -> list[tuple[int, int]]:
    """Rows [begin, end) of all images on top of one another, so many that they hold at most ``at_once`` rays."""
    height, all_rows = max(1, at_once // rays.width), rays.batch * rays.height
    return [(begin, min(begin + height, all_rows)) for begin in range(0, all_rows, height)]


def _render_rows(
    padded: Tensor, rays: Rays, begin: int, end: int, samples: int, jacobian: bool
) -> tuple[Tensor, Tensor | None]:
    """Image (C, R, W) and, if asked for, Jacobian (C, 6, R, W) of rows [begin, end) of all images."""
    like: dict[str, Any] = {"dtype": padded.dtype, "device": padded.device}
    # What belongs to a ray has the rays' precision, what belongs to a sample the volume's.
    exact: dict[str, Any] = {"dtype": rays.source.dtype, "device": rays.source.device}
    row = torch.arange(begin, end, device=rays.source.device)
    pose = row // rays.height
    v = (row % rays.height).to(**exact)[:, None].expand(-1, rays.width)
    u = torch.arange(rays.width, **exact).expand_as(v)
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1)
    size = torch.tensor(padded.shape[:0:-1], **exact)
    source = rays.source[pose][:, None] + 1  # the padding shifts every voxel by one
    direction = pixels @ rays.direction[pose].mT
    safe = torch.where(direction.abs() < _TINY, torch.full_like(direction, _TINY), direction)
    first = (0.5 - source) / safe
    second = (size - 1.5 - source) / safe
    near, near_axis = torch.minimum(first, second).max(dim=-1)
    far, far_axis = torch.maximum(first, second).min(dim=-1)
    lower, upper = near.clamp(min=0), far.clamp(max=1)
    hit = upper > lower
    upper = torch.where(hit, upper, lower)
    width = upper - lower

    middle = (torch.arange(samples, **like) + 0.5) / samples
    # from where the ray enters: float32 then holds a sample to 1e-5 of the volume's size
    entry = (source + lower[..., None] * direction).to(**like)
    inside = (width[..., None] * direction).to(**like)
    points = entry[..., None, :] + middle[:, None] * inside[..., None, :]
    values, gradients = _sample(padded, points, jacobian)

    rig = pixels @ rays.rig_direction[pose].mT
    scale = (rig.norm(dim=-1) / samples * hit).to(**like)
    total = values.sum(-1) * scale
    image = total * width.to(**like)
    if not jacobian:
        return image, None

    u_k = lower.to(**like)[..., None] + width.to(**like)[..., None] * middle
    a = gradients.sum(-2) * scale[..., None]
    b = (gradients * u_k[..., None]).sum(-2) * scale[..., None]
    d = direction.to(**like)
    u0, u1, h = lower.to(**like), upper.to(**like), width.to(**like)
    along_a, along_b = (a * d).sum(-1), (b * d).sum(-1)
    late = along_b - u0 * along_a + total
    early = along_a * h - late
    at_source, at_target = (a - b) * h[..., None], b * h[..., None]
    safe_d = safe.to(**like)
    for weight, bound, axis, active in (
        (early, u0, near_axis, near > 0),
        (late, u1, far_axis, far < 1),
    ):
        axis = axis.to(padded.device)
        axis_d = torch.gather(safe_d, -1, axis[..., None])[..., 0]
        push = -weight / axis_d * (active & hit).to(**like)
        one_hot = F.one_hot(axis, 3).to(**like)
        at_source = at_source + (push * (1 - bound))[..., None] * one_hot
        at_target = at_target + (push * bound)[..., None] * one_hot
    to_rig = rays.voxel_from_rig[pose].to(**like)
    force = (at_source + at_target) @ to_rig
    torque = torch.linalg.cross(rays.lever[pose][:, None].to(**like).expand_as(force), force) + torch.linalg.cross(
        rig.to(**like).expand_as(force), at_target @ to_rig
    )
    return image, -torch.cat([torque, force], dim=-1).movedim(-1, 1)


def _sample(padded: Tensor, points: Tensor, gradient: bool) -> tuple[Tensor, Tensor]:
    """Trilinear values (C, ...) and voxel-space gradients (C, ..., 3) at points (..., 3) = (i, j, k)."""
    _, nk, nj, ni = padded.shape
    flat = padded.reshape(padded.shape[0], -1)
    upper = torch.tensor([ni - 2, nj - 2, nk - 2], device=points.device)
    corner = torch.minimum(points.floor().long().clamp(min=0), upper)
    x, y, z = (points - corner).unbind(-1)
    base = (corner[..., 2] * nj + corner[..., 1]) * ni + corner[..., 0]

    def pair(offset: int) -> tuple[Tensor, Tensor]:
        at = flat[:, base + offset]
        step = flat[:, base + offset + 1] - at
        return at + x * step, step

    c00, g00 = pair(0)
    c10, g10 = pair(ni)
    c01, g01 = pair(nj * ni)
    c11, g11 = pair(nj * ni + ni)
    e0, e1 = c10 - c00, c11 - c01
    d0, d1 = c00 + y * e0, c01 + y * e1
    value = d0 + z * (d1 - d0)
    if not gradient:
        return value, value[..., None]
    g0, g1 = g00 + y * (g10 - g00), g01 + y * (g11 - g01)
    return value, torch.stack([g0 + z * (g1 - g0), e0 + z * (e1 - e0), d1 - d0], dim=-1)
