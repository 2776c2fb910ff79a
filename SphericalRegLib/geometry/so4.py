"""Poses as 4×4 matrices near SO(4), and distances between poses.

The embedding (Chen and Kong, WACV 2026) of a rotation R and a translation t, with a length f that sets how much
translation counts against rotation::

    H = [[R, t/(2f)], [-tᵀR/(2f), 1]]

It is orthogonal up to |t|²/(4f²); :func:`project` gives the nearest rotation of four-space. All is batched over leading
dimensions and differentiable in reverse and forward mode.
"""

from __future__ import annotations

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3


def embed(poses: Tensor, f: float, isocenter: Tensor | None = None, origin: Tensor | None = None) -> Tensor:
    """Embeddings H (..., 4, 4) of poses (..., 4, 4).

    Args:
        poses: (..., 4, 4) camera_from_world.
        f: length in mm; the source-to-detector distance is usual. A large f makes rotation count more.
        isocenter: (3,) world mm: the point whose image is the translation t; the world's origin by default.
        origin: (3,) camera mm that t is counted from; the source by default. (0, 0, sad) keeps t small, hence H near
            SO(4), for poses whose isocenter is near the C-arm's.

    Raises:
        GeometryError: for an f that is not above 0.
    """
    if not f > 0:
        raise GeometryError(f"The embedding's length f is {f} mm: give a positive length, e.g. the SDD.")
    rotation, t = poses[..., :3, :3], poses[..., :3, 3]
    if isocenter is not None:
        t = se3.transform_points(poses, isocenter.to(poses)[None])[..., 0, :]
    if origin is not None:
        t = t - origin.to(poses)
    a = t / (2 * f)
    upper = torch.cat([rotation, a[..., :, None]], dim=-1)
    lower = torch.cat([-(a[..., None, :] @ rotation), torch.ones_like(a[..., :1, None])], dim=-1)
    return torch.cat([upper, lower], dim=-2)


def project(embeddings: Tensor) -> Tensor:
    """The rotations of four-space (..., 4, 4) nearest to embeddings H (..., 4, 4): polar decomposition.

    For H of the form above, with a = t/(2f), H Hᵀ = diag(I + a aᵀ, 1 + aᵀa), whose inverse square root is known in
    closed form; so no singular value decomposition, whose derivative fails at the equal singular values H always has.
    """
    rotation, a = embeddings[..., :3, :3], embeddings[..., :3, 3:]
    s = (1 + (a**2).sum(dim=(-2, -1), keepdim=True)).sqrt()
    upper = torch.cat([rotation - a @ (a.transpose(-1, -2) @ rotation) / (s * (s + 1)), a / s], dim=-1)
    return torch.cat([upper, embeddings[..., 3:, :] / s], dim=-2)


def distance_so4(
    a: Tensor,
    b: Tensor,
    f: float,
    projected: bool = False,
    isocenter: Tensor | None = None,
    origin: Tensor | None = None,
) -> Tensor:
    """Distances (...) ‖H_A − H_B‖ (Frobenius) of poses (..., 4, 4); 0 where they are equal, with derivative 0 there.

    A small rotation by θ counts √2·θ radians, a small translation by d counts d/(√2·f).

    Args:
        a, b: (..., 4, 4).
        f, isocenter, origin: as for :func:`embed`.
        projected: take the distance between the nearest rotations of four-space instead.

    Raises:
        GeometryError: for an f that is not above 0.
    """
    ha, hb = embed(a, f, isocenter, origin), embed(b, f, isocenter, origin)
    if projected:
        ha, hb = project(ha), project(hb)
    return torch.linalg.vector_norm(ha - hb, dim=(-2, -1))


def geodesic_se3(a: Tensor, b: Tensor, isocenter: Tensor | None = None, length: float = 1.0) -> Tensor:
    """Distances (...) ‖Log(A⁻¹B)‖ of poses (..., 4, 4); 0 where they are equal, with derivative 0 there.

    Args:
        a, b: (..., 4, 4) camera_from_world.
        isocenter: (3,) world mm about which the difference is taken; the world's origin by default.
        length: mm of translation that count as much as 1 radian.

    Raises:
        GeometryError: for a length that is not above 0.
    """
    if not length > 0:
        raise GeometryError(f"The length that counts as one radian is {length} mm: give a positive one, e.g. 100.")
    if isocenter is not None:
        shift = se3.translation(isocenter.to(a))
        a, b = a @ shift, b @ shift
    twists = se3.log(se3.inverse(a) @ b)
    scaled = torch.cat([twists[..., :3], twists[..., 3:] / length], dim=-1)
    return torch.linalg.vector_norm(scaled, dim=-1)
