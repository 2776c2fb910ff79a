"""The embedding near SO(4), its projection, and distances between poses."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3, so4

SDD = 1000.0


def poses(count: int, seed: int = 0, rotation: float = 0.4, translation: float = 60.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=generator, dtype=torch.float64)
    return se3.exp(x * torch.tensor([rotation] * 3 + [translation] * 3, dtype=torch.float64))


def test_the_embedding_is_as_published():
    pose = poses(1)[0]
    r, t = pose[:3, :3], pose[:3, 3]
    h = so4.embed(pose, SDD)
    assert torch.allclose(h[:3, :3], r)
    assert torch.allclose(h[:3, 3], t / (2 * SDD))
    assert torch.allclose(h[3, :3], -t @ r / (2 * SDD))
    assert h[3, 3] == 1


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 3), st.floats(0, 3000))
def test_the_projection_is_the_polar_factor_that_a_singular_value_decomposition_finds(seed, rotation, translation):
    h = so4.embed(poses(4, seed, rotation, translation), SDD)
    u, _, vh = torch.linalg.svd(h)
    projected = so4.project(h)
    assert torch.allclose(projected, u @ vh, atol=1e-10)
    assert torch.allclose(projected @ projected.mT, torch.eye(4, dtype=torch.float64).expand(4, 4, 4), atol=1e-12)
    assert torch.allclose(torch.linalg.det(projected), torch.ones(4, dtype=torch.float64))


def test_translation_is_counted_at_the_isocenter_and_from_the_origin_given():
    pose = poses(1, rotation=0.1)[0]
    isocenter = torch.tensor([10.0, -200, 900], dtype=torch.float64)
    origin = torch.tensor([0.0, 0, 700], dtype=torch.float64)
    h = so4.embed(pose, SDD, isocenter, origin)
    assert torch.allclose(h[:3, 3] * 2 * SDD, pose[:3, :3] @ isocenter + pose[:3, 3] - origin)


@pytest.mark.parametrize("projected", [False, True])
def test_small_rotations_and_translations_count_as_documented(projected):
    identity = torch.eye(4, dtype=torch.float64)
    turned = se3.exp(torch.tensor([0, 1e-4, 0, 0, 0, 0], dtype=torch.float64))
    moved = se3.exp(torch.tensor([0, 0, 0, 0, 0, 0.1], dtype=torch.float64))
    assert so4.distance_so4(identity, turned, SDD, projected).item() == pytest.approx(math.sqrt(2) * 1e-4, rel=1e-6)
    assert so4.distance_so4(identity, moved, SDD, projected).item() == pytest.approx(0.1 / (2**0.5 * SDD), rel=1e-6)


@pytest.mark.parametrize("projected", [False, True])
def test_distances_are_symmetric_zero_for_equal_poses_and_batched(projected):
    a, b = poses(6, 1).reshape(2, 3, 4, 4), poses(3, 2)
    distances = so4.distance_so4(a, b, SDD, projected)
    assert distances.shape == (2, 3)
    assert torch.allclose(distances, so4.distance_so4(b, a, SDD, projected))
    assert so4.distance_so4(a, a, SDD, projected).abs().max() == 0
    assert torch.allclose(so4.geodesic_se3(a, b), so4.geodesic_se3(b.expand_as(a), a))


def test_the_geodesic_is_left_invariant_and_measures_motion_along_one_parameter_groups():
    a, b, c = poses(5, 1), poses(5, 2), poses(5, 3)
    assert torch.allclose(so4.geodesic_se3(c @ a, c @ b, length=100.0), so4.geodesic_se3(a, b, length=100.0))
    x = torch.tensor([0.3, -0.2, 0.1, 30, 40, 120], dtype=torch.float64)
    expected = math.hypot(x[:3].norm().item(), 1.3)
    assert so4.geodesic_se3(a[0], a[0] @ se3.exp(x), length=100.0).item() == pytest.approx(expected)


def test_the_geodesic_about_the_isocenter_does_not_see_a_rotation_as_translation():
    isocenter = torch.tensor([10.0, -200, 900], dtype=torch.float64)
    pose = poses(1)[0]
    turned = se3.about(torch.tensor([0.0, 0, 0.05, 0, 0, 0], dtype=torch.float64), pose, isocenter)
    assert so4.geodesic_se3(pose, turned, isocenter).item() == pytest.approx(0.05)
    assert so4.geodesic_se3(pose, turned).item() > 5


def test_the_projected_distance_is_nearer_to_bi_invariant():
    a, b, c = poses(300, 1), poses(300, 2), poses(300, 3)

    def spread(projected: bool) -> torch.Tensor:
        plain = so4.distance_so4(a, b, SDD, projected)
        left, right = so4.distance_so4(c @ a, c @ b, SDD, projected), so4.distance_so4(a @ c, b @ c, SDD, projected)
        return torch.stack([(left - plain).abs() / plain, (right - plain).abs() / plain]).median(dim=1).values

    assert (spread(True) < spread(False)).all()
    assert (spread(False) < 0.002).all()


@pytest.mark.parametrize("projected", [False, True])
def test_distances_have_exact_gradients(projected):
    a, b = poses(2, 1), poses(2, 2)
    x = torch.zeros(2, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda y: so4.distance_so4(se3.exp(y) @ a, b, SDD, projected), x, check_forward_ad=True
    )
    assert torch.autograd.gradcheck(lambda y: so4.geodesic_se3(se3.exp(y) @ a, b, length=100.0), x)


def test_the_projection_has_exact_second_derivatives_where_singular_values_coincide():
    identity = torch.eye(4, dtype=torch.float64)
    x = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    flat = torch.arange(16.0, dtype=torch.float64).reshape(4, 4)
    assert torch.autograd.gradgradcheck(lambda y: (flat * so4.project(so4.embed(se3.exp(y) @ identity, 2.0))).sum(), x)


@pytest.mark.parametrize(
    "distance",
    [
        lambda a, b: so4.distance_so4(a, b, SDD),
        lambda a, b: so4.distance_so4(a, b, SDD, projected=True),
        so4.geodesic_se3,
    ],
)
def test_at_equal_poses_the_derivative_is_zero_and_not_nan(distance):
    pose = poses(1)[0]
    x = torch.zeros(6, dtype=torch.float64)
    gradient = torch.func.grad(lambda y: distance(se3.exp(y) @ pose, pose))(x)
    assert torch.isfinite(gradient).all()


def test_a_length_that_is_not_positive_is_refused():
    pose = poses(1)[0]
    with pytest.raises(GeometryError, match=r"0\.0 mm"):
        so4.embed(pose, 0.0)
    with pytest.raises(GeometryError, match="-1"):
        so4.geodesic_se3(pose, pose, length=-1)
