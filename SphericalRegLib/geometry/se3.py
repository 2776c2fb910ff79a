"""Rigid motions SE(3): exponential, logarithm, adjoint and Jacobians.

A twist is (..., 6) = (rotation vector in radians, translation part in mm); a pose is (..., 4, 4).
Everything is batched over leading dimensions, keeps dtype and device, and is differentiable in
reverse and forward mode, at 0 and near pi included. Formulas: Barfoot, State Estimation for Robotics (2017), chapter 7;
rotations (quaternion route near pi) through roma.
"""

import roma
import torch
from torch import Tensor

# Below this squared angle the trigonometric quotients are replaced by their Taylor series;
# the truncation error, angle**8 / 11!, is then far below float64 resolution.
_SMALL_SQUARED_ANGLE = 1e-2


def hat(vectors: Tensor) -> Tensor:
    """Skew-symmetric matrices (..., 3, 3) of vectors (..., 3), so that ``hat(a) @ b == cross(a, b)``."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = (zero, -z, y, z, zero, -x, -y, x, zero)
    return torch.stack(rows, dim=-1).reshape(*vectors.shape[:-1], 3, 3)


def _quotients(squared_angle: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """sin(a)/a, (1 - cos(a))/a², (a - sin(a))/a³ of a² (...,), each smooth at 0."""
    small = squared_angle < _SMALL_SQUARED_ANGLE
    # torch.where differentiates both branches: the unused one must stay finite.
    s = torch.where(small, torch.ones_like(squared_angle), squared_angle)
    t = torch.where(small, squared_angle, torch.zeros_like(squared_angle))
    angle = s.sqrt()
    sinc = torch.where(small, 1 - t / 6 * (1 - t / 20 * (1 - t / 42 * (1 - t / 72))), angle.sin() / angle)
    cosc = torch.where(small, 0.5 - t / 24 * (1 - t / 30 * (1 - t / 56 * (1 - t / 90))), (1 - angle.cos()) / s)
    third = torch.where(
        small,
        1 / 6 - t / 120 * (1 - t / 42 * (1 - t / 72 * (1 - t / 110))),
        (angle - angle.sin()) / (s * angle),
    )
    return sinc, cosc, third


def so3_exp(rotation_vectors: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) in radians (Rodrigues)."""
    sinc, cosc, _ = _quotients((rotation_vectors**2).sum(-1))
    k = hat(rotation_vectors)
    identity = torch.eye(3, dtype=k.dtype, device=k.device)
    return identity + sinc[..., None, None] * k + cosc[..., None, None] * (k @ k)


def so3_log(rotations: Tensor) -> Tensor:
    """Rotation vectors (..., 3), norm in [0, pi], of rotation matrices (..., 3, 3)."""
    return roma.rotmat_to_rotvec(rotations)


def so3_left_jacobian(rotation_vectors: Tensor) -> Tensor:
    """Left Jacobian (..., 3, 3) of SO(3): Exp(a + da) ≈ Exp(J da) Exp(a)."""
    _, cosc, third = _quotients((rotation_vectors**2).sum(-1))
    k = hat(rotation_vectors)
    identity = torch.eye(3, dtype=k.dtype, device=k.device)
    return identity + cosc[..., None, None] * k + third[..., None, None] * (k @ k)


def from_parts(rotations: Tensor, translations: Tensor) -> Tensor:
    """Poses (..., 4, 4) of rotations (..., 3, 3) and translations (..., 3) in mm."""
    top = torch.cat([rotations, translations[..., None]], dim=-1)
    bottom = torch.zeros_like(top[..., :1, :])
    bottom = bottom + torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=top.dtype, device=top.device)
    return torch.cat([top, bottom], dim=-2)


def translation(vectors: Tensor) -> Tensor:
    """Pure translations (..., 4, 4) by vectors (..., 3) in mm."""
    identity = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    return from_parts(identity.expand(*vectors.shape[:-1], 3, 3), vectors)


def exp(twists: Tensor) -> Tensor:
    """Poses (..., 4, 4) of twists (..., 6)."""
    rotation_vectors, rho = twists[..., :3], twists[..., 3:]
    moved = (so3_left_jacobian(rotation_vectors) @ rho[..., None])[..., 0]
    return from_parts(so3_exp(rotation_vectors), moved)


def log(poses: Tensor) -> Tensor:
    """Twists (..., 6) of poses (..., 4, 4); the inverse of :func:`exp` for angles below pi."""
    rotation_vectors = so3_log(poses[..., :3, :3])
    jacobian = so3_left_jacobian(rotation_vectors)
    rho = torch.linalg.solve(jacobian, poses[..., :3, 3:])[..., 0]
    return torch.cat([rotation_vectors, rho], dim=-1)


def inverse(poses: Tensor) -> Tensor:
    """Inverse poses (..., 4, 4), exact for rigid motions."""
    transposed = poses[..., :3, :3].transpose(-1, -2)
    return from_parts(transposed, -(transposed @ poses[..., :3, 3:])[..., 0])


def transform_points(poses: Tensor, points: Tensor) -> Tensor:
    """Points (..., N, 3) in mm moved by poses (..., 4, 4)."""
    return points @ poses[..., :3, :3].transpose(-1, -2) + poses[..., None, :3, 3]


def adjoint(poses: Tensor) -> Tensor:
    """Adjoints (..., 6, 6): ``T exp(x) T⁻¹ == exp(adjoint(T) x)``."""
    rotation = poses[..., :3, :3]
    zero = torch.zeros_like(rotation)
    upper = torch.cat([rotation, zero], dim=-1)
    lower = torch.cat([hat(poses[..., :3, 3]) @ rotation, rotation], dim=-1)
    return torch.cat([upper, lower], dim=-2)


def left_jacobian(twists: Tensor) -> Tensor:
    """Left Jacobians (..., 6, 6) of SE(3): Exp(x + dx) ≈ Exp(J dx) Exp(x).

    The series Σ ad(x)ᵏ/(k+1)! is summed in closed form through Barfoot's equation 7.85 and its matrix Q.
    """
    rotation_vectors, rho = twists[..., :3], twists[..., 3:]
    squared = (rotation_vectors**2).sum(-1)
    _, cosc, third = _quotients(squared)
    # (1 - a²/2 - cos a)/a⁴ and (a - sin a - a³/6)/a⁵, from the quotients above or by Taylor
    small = squared < _SMALL_SQUARED_ANGLE
    s = torch.where(small, torch.ones_like(squared), squared)
    t = torch.where(small, squared, torch.zeros_like(squared))
    fourth = torch.where(small, -1 / 24 + t / 720 * (1 - t / 56 * (1 - t / 90 * (1 - t / 132))), (cosc - 0.5) / s)
    fifth = torch.where(small, -1 / 120 + t / 5040 * (1 - t / 72 * (1 - t / 110 * (1 - t / 156))), (third - 1 / 6) / s)
    a, b = hat(rotation_vectors), hat(rho)
    ab, ba = a @ b, b @ a
    aba, aab, baa = ab @ a, a @ ab, ba @ a
    q = (
        0.5 * b
        + third[..., None, None] * (ab + ba + aba)
        - fourth[..., None, None] * (aab + baa - 3 * aba)
        - 0.5 * (fourth - 3 * fifth)[..., None, None] * (aba @ a + a @ aba)
    )
    jacobian = so3_left_jacobian(rotation_vectors)
    upper = torch.cat([jacobian, torch.zeros_like(jacobian)], dim=-1)
    return torch.cat([upper, torch.cat([q, jacobian], dim=-1)], dim=-2)


def about(twists: Tensor, poses: Tensor, center: Tensor) -> Tensor:
    """Poses (..., 4, 4) moved by twists (..., 6) with the target frame's axes about a point of the source frame.

    With ``c = T·center`` the result is ``Trans(c) Exp(x) Trans(-c) T``: the increment that registration uses, so that
    rotation and translation stay separate although the camera's origin is 700 mm away from the patient.

    Args:
        twists: (..., 6) radians and mm, in the axes of the frame that ``poses`` map to.
        poses: (..., 4, 4).
        center: (3,) mm, in the frame that ``poses`` map from (the CT's isocenter, in world coordinates).
    """
    moved = transform_points(poses, center.to(poses)[None])[..., 0, :]
    increment = exp(twists)
    rotation = increment[..., :3, :3] @ poses[..., :3, :3]
    offset = (increment[..., :3, :3] @ (poses[..., :3, 3] - moved)[..., None])[..., 0]
    return from_parts(rotation, offset + moved + increment[..., :3, 3])


def difference_about(poses: Tensor, reference: Tensor, center: Tensor) -> Tensor:
    """Twists (..., 6) x with ``about(x, reference, center) == poses``: the inverse of :func:`about`."""
    moved = transform_points(reference, center.to(reference)[None])[..., 0, :]
    shift = translation(moved)
    return log(inverse(shift) @ poses @ inverse(reference) @ shift)
