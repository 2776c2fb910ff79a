"""Rigid motions against matrix exponentials, series and central differences."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SphericalRegLib.geometry import se3

ANGLES = (0.0, 1e-12, 1e-6, 1e-3, 0.0999, 0.1001, 1.0, 3.0, math.pi - 1e-3, math.pi - 1e-7)


def twists(angle: float, count: int = 8, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=generator, dtype=torch.float64)
    rotation = x[:, :3] / x[:, :3].norm(dim=1, keepdim=True) * angle
    return torch.cat([rotation, x[:, 3:] * 80], dim=1)


def generator_matrices(x: torch.Tensor) -> torch.Tensor:
    matrix = torch.zeros(*x.shape[:-1], 4, 4, dtype=x.dtype)
    matrix[..., :3, :3] = se3.hat(x[..., :3])
    matrix[..., :3, 3] = x[..., 3:]
    return matrix


vectors = st.lists(st.floats(-1, 1), min_size=6, max_size=6).map(lambda v: torch.tensor(v, dtype=torch.float64))


@pytest.mark.parametrize("angle", ANGLES)
def test_exp_is_the_matrix_exponential_at_every_angle(angle):
    x = twists(angle)
    assert torch.allclose(se3.exp(x), torch.matrix_exp(generator_matrices(x)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("angle", ANGLES)
def test_rotations_agree_with_scipy(angle):
    x = twists(angle)[:, :3]
    assert np.allclose(se3.so3_exp(x).numpy(), Rotation.from_rotvec(x.numpy()).as_matrix(), atol=1e-13)


@pytest.mark.parametrize("angle", ANGLES)
def test_log_inverts_exp_near_zero_and_near_pi(angle):
    x = twists(angle)
    # near pi the translation part is found through a Jacobian of condition 1 / (pi - angle)
    assert torch.allclose(se3.log(se3.exp(x)), x, rtol=0, atol=1e-8)


def test_log_at_exactly_pi_gives_a_rotation_by_pi_about_the_same_axis():
    for axis in ([1.0, 0, 0], [0, 1.0, 0], [0.6, 0, 0.8], [-2 / 3, 1 / 3, 2 / 3]):
        vector = torch.tensor(axis, dtype=torch.float64) * math.pi
        found = se3.so3_log(se3.so3_exp(vector))
        assert torch.isclose(found.norm(), torch.tensor(math.pi, dtype=torch.float64), atol=1e-7)
        assert torch.allclose(se3.so3_exp(found), se3.so3_exp(vector), atol=1e-7)


def test_float32_keeps_its_precision_and_type():
    x = twists(0.7).float()
    pose = se3.exp(x)
    assert pose.dtype == torch.float32
    assert torch.allclose(se3.log(pose), x, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(vectors, vectors)
def test_adjoint_carries_a_twist_through_a_pose(a, b):
    pose, x = se3.exp(a * 3), b * torch.tensor([1.0, 1, 1, 50, 50, 50], dtype=torch.float64)
    left = pose @ se3.exp(x) @ se3.inverse(pose)
    assert torch.allclose(left, se3.exp(se3.adjoint(pose) @ x), atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(vectors)
def test_inverse_undoes_a_pose(a):
    pose = se3.exp(a * torch.tensor([3.0, 3, 3, 900, 900, 900], dtype=torch.float64))
    assert torch.allclose(se3.inverse(pose) @ pose, torch.eye(4, dtype=torch.float64), atol=1e-10)


@pytest.mark.parametrize("angle", ANGLES[:-2])
def test_left_jacobian_is_the_derivative_of_exp(angle):
    step = 1e-6
    for x in twists(angle, count=3):
        pose_inverse = se3.inverse(se3.exp(x))
        columns = []
        for basis in torch.eye(6, dtype=torch.float64):
            ahead, behind = se3.exp(x + step * basis), se3.exp(x - step * basis)
            columns.append((se3.log(ahead @ pose_inverse) - se3.log(behind @ pose_inverse)) / (2 * step))
        numeric = torch.stack(columns, dim=1)
        analytic = se3.left_jacobian(x)
        assert torch.allclose(analytic, numeric, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("angle", ANGLES)
def test_left_jacobian_is_the_series_of_adjoints(angle):
    x = twists(angle)
    ad = torch.zeros(len(x), 6, 6, dtype=torch.float64)
    ad[:, :3, :3] = ad[:, 3:, 3:] = se3.hat(x[:, :3])
    ad[:, 3:, :3] = se3.hat(x[:, 3:])
    term = torch.eye(6, dtype=torch.float64).expand(len(x), 6, 6)
    total = term.clone()
    for k in range(1, 40):
        term = term @ ad / (k + 1)
        total = total + term
    assert torch.allclose(se3.left_jacobian(x), total, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("angle", [0.0, 1e-5, 0.09, 0.8, 3.1])
def test_exp_and_log_have_exact_gradients(angle):
    x = twists(angle, count=2) * torch.tensor([1.0, 1, 1, 0.01, 0.01, 0.01], dtype=torch.float64)
    assert torch.autograd.gradcheck(se3.exp, x.requires_grad_(), check_forward_ad=True)
    assert torch.autograd.gradcheck(lambda y: se3.log(se3.exp(y)), x, check_forward_ad=True)


def test_forward_mode_through_exp_gives_the_generators_at_zero():
    zero = torch.zeros(6, dtype=torch.float64)
    for direction in torch.eye(6, dtype=torch.float64):
        _, tangent = torch.func.jvp(se3.exp, (zero,), (direction,))
        assert torch.allclose(tangent, generator_matrices(direction))


def test_forward_mode_works_under_vmap():
    x = twists(0.4, count=1)[0]
    jacobian = torch.func.jacfwd(se3.exp)(x)
    assert torch.allclose(jacobian, torch.func.jacrev(se3.exp)(x), atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(vectors, vectors, vectors)
def test_difference_about_inverts_about(a, b, c):
    scale = torch.tensor([1.5, 1.5, 1.5, 100, 100, 100], dtype=torch.float64)
    pose, x, center = se3.exp(b * 2 * scale), a * scale, c[:3] * 500
    assert torch.allclose(se3.difference_about(se3.about(x, pose, center), pose, center), x, atol=1e-7)


def test_about_keeps_the_center_where_it_was_and_moves_it_by_the_translation():
    pose = se3.exp(torch.tensor([0.4, -0.2, 0.9, 30, 40, 700], dtype=torch.float64))
    center = torch.tensor([12.0, -150, 830], dtype=torch.float64)
    before = se3.transform_points(pose, center[None])
    turned = se3.about(torch.tensor([0.3, 0.2, -0.1, 0, 0, 0], dtype=torch.float64), pose, center)
    assert torch.allclose(se3.transform_points(turned, center[None]), before)
    shifted = se3.about(torch.tensor([0.0, 0, 0, 1, 2, 3], dtype=torch.float64), pose, center)
    moved = se3.transform_points(shifted, center[None]) - before
    assert torch.allclose(moved, torch.tensor([[1.0, 2, 3]], dtype=torch.float64))


def test_everything_is_batched_over_leading_dimensions():
    x = twists(0.5, count=6).reshape(2, 3, 6)
    poses = se3.exp(x)
    assert poses.shape == (2, 3, 4, 4)
    assert se3.log(poses).shape == (2, 3, 6)
    assert se3.adjoint(poses).shape == se3.left_jacobian(x).shape == (2, 3, 6, 6)
    points = torch.randn(5, 3, dtype=torch.float64)
    one_by_one = poses[1, 2, :3, :3] @ points[4] + poses[1, 2, :3, 3]
    assert torch.allclose(se3.transform_points(poses, points)[1, 2, 4], one_by_one)
