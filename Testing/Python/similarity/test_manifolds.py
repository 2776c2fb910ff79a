"""Maps to the sphere and to hyperbolic space against their definitions, and their derivatives at the awkward places."""

from __future__ import annotations

import math

import pytest
import torch

from SphericalRegLib.similarity.manifolds import MANIFOLDS, Euclidean, Hyperbolic, Spherical

NAMES = list(MANIFOLDS)
# 0, around the change from series to closed form, ordinary, and so long that an unbounded map would wrap around
LENGTHS = [0.0, 1e-9, 1e-3, math.sqrt(1e-3) * math.pi, 0.3, 2.0, 3.0, 40.0]


def features(length: float, seed: int = 0, channels: int = 3) -> torch.Tensor:
    """(1, C, 2) float64 of a given length."""
    vectors = torch.randn(1, channels, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return length * vectors / vectors.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("length", LENGTHS)
def test_points_lie_on_the_sphere_where_the_exponential_map_puts_them(length):
    phi = features(length)
    point = Spherical().embed(phi)
    angle = math.pi * math.tanh(length / math.pi)
    assert point.norm(dim=1) == pytest.approx(1.0, abs=1e-14)
    assert point[0, 0].tolist() == pytest.approx([math.cos(angle)] * 2, abs=1e-14)
    if length:
        torch.testing.assert_close(point[:, 1:], math.sin(angle) * phi / length, atol=1e-14, rtol=1e-12)


@pytest.mark.parametrize("length", LENGTHS)
def test_points_lie_on_the_hyperboloid_where_the_exponential_map_puts_them(length):
    phi = features(length)
    point = Hyperbolic().embed(phi)
    distance = 3 * math.tanh(length / 3)
    assert (point[:, 0] ** 2 - (point[:, 1:] ** 2).sum(1))[0].tolist() == pytest.approx([1.0, 1.0], abs=1e-11)
    assert point[0, 0].tolist() == pytest.approx([math.cosh(distance)] * 2, rel=1e-12)


def test_half_the_squared_chord_is_one_minus_the_cosine():
    a, b = Spherical().embed(features(1.0, 1)), Spherical().embed(features(2.0, 2))
    half = Spherical().residual(a, b).square().sum(1) / 2
    torch.testing.assert_close(half, 1 - (a * b).sum(1))


@pytest.mark.parametrize("apart", [0.0, 1e-7, 1e-2, 1.0, 3.0])
def test_the_geodesic_residual_is_the_logarithm(apart):
    sphere = Spherical("geodesic")
    fixed = sphere.embed(features(0.7, 1))
    tangent = torch.randn(fixed.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    tangent = tangent - (tangent * fixed).sum(1, keepdim=True) * fixed
    tangent = apart * tangent / tangent.norm(dim=1, keepdim=True)
    moving = math.cos(apart) * fixed + (math.sin(apart) / apart * tangent if apart else 0)
    torch.testing.assert_close(sphere.residual(moving, fixed), tangent, atol=1e-13, rtol=1e-9)


def test_the_hyperbolic_residual_is_as_long_as_the_distance_and_zero_for_the_same_point():
    space = Hyperbolic()
    a, b = space.embed(features(1.3, 1)), space.embed(features(2.5, 2))
    product = a[:, 0] * b[:, 0] - (a[:, 1:] * b[:, 1:]).sum(1)
    torch.testing.assert_close(space.residual(a, b).norm(dim=1), product.acosh())
    torch.testing.assert_close(space.residual(b, a).norm(dim=1), product.acosh())
    assert float(space.residual(a, a).abs().max()) < 1e-12


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", LENGTHS)
def test_first_and_second_derivatives_are_exact_everywhere(name, length):
    manifold = MANIFOLDS[name]
    fixed = manifold.embed(features(0.8, 3))
    weights = torch.randn(10, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def residual(phi):
        value = manifold.residual(manifold.embed(phi), fixed).flatten()
        return weights[:, : len(value)] @ value

    phi = features(length).requires_grad_()
    assert torch.autograd.gradcheck(residual, phi, eps=1e-6, atol=1e-7, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(residual, phi, eps=1e-6, atol=1e-5, check_fwd_over_rev=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("gradients", [False, True])
def test_linearized_residuals_are_what_forward_mode_gives(name, length, gradients):
    manifold = MANIFOLDS[name]
    fixed = manifold.embed(features(0.8, 3))
    phi = features(length).requires_grad_(gradients)
    tangents = torch.randn(1, 4, 3, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found = manifold.linearize(phi, tangents, fixed)
    assert found[1].requires_grad == (gradients and name != "euclidean")
    for n in range(4):
        values, along = torch.func.jvp(
            lambda x: manifold.residual(manifold.embed(x), fixed), (phi.detach(),), (tangents[:, n],)
        )
        torch.testing.assert_close(found[0], values, atol=1e-14, rtol=1e-12)
        torch.testing.assert_close(found[1][:, n], along, atol=1e-10, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", LENGTHS)
def test_linearized_residuals_can_be_differentiated_again(name, length):
    manifold = MANIFOLDS[name]
    fixed = manifold.embed(features(0.8, 3))
    tangents = torch.randn(1, 2, 3, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    inputs = features(length).requires_grad_(), tangents.requires_grad_()
    assert torch.autograd.gradcheck(lambda *both: manifold.linearize(*both, fixed), inputs, eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_equal_features_have_no_residual_but_a_derivative(name):
    manifold = MANIFOLDS[name]
    phi = features(0.5)
    fixed = manifold.embed(phi)
    jacobian = torch.func.jacfwd(lambda x: manifold.residual(manifold.embed(x), fixed))(phi)
    assert float(manifold.residual(fixed, fixed).abs().max()) < 1e-12
    assert torch.isfinite(jacobian).all()
    assert int(torch.linalg.matrix_rank(jacobian.flatten(3).flatten(0, 2))) == phi.numel()


@pytest.mark.parametrize("name", NAMES)
def test_residuals_are_linearized_in_inference_mode_too(name):
    manifold = MANIFOLDS[name]
    tangents = torch.randn(1, 4, 3, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    expected = manifold.linearize(features(0.5), tangents, manifold.embed(features(0.8, 3)))
    with torch.inference_mode():
        found = manifold.linearize(features(0.5), tangents, manifold.embed(features(0.8, 3)))
    torch.testing.assert_close(found, expected)


def test_flat_space_leaves_features_as_they_are():
    phi = features(2.0)
    assert Euclidean().embed(phi) is phi
    assert torch.equal(Euclidean().residual(phi, phi / 2), phi / 2)
