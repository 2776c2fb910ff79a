"""The learned similarity: its Jacobian by forward mode against central differences, its weights, and its cost."""

from __future__ import annotations

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks import Encoder
from SphericalRegLib.similarity.learned import LearnedSimilarity, standardized
from SphericalRegLib.similarity.manifolds import MANIFOLDS
from Testing.Python.similarity import scenes


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(channels=4, width=32, blocks=1, heads=4).double().requires_grad_(False)


@pytest.fixture
def weights():
    values = torch.ones(2, scenes.HEIGHT, scenes.WIDTH, dtype=torch.float64)
    values[0, :, :8] = 0
    values[1, 3, 5] = 0.2
    return values


@pytest.mark.parametrize("name", list(MANIFOLDS))
def test_the_jacobian_is_the_derivative_of_the_values(name, encoder, weights):
    mask = torch.ones(scenes.HEIGHT, scenes.WIDTH, dtype=torch.float64)
    mask[:4] = 0
    fixed = LearnedSimilarity(encoder, encoder, MANIFOLDS[name]).fix(scenes.picture(4), mask)
    x = 0.1 * torch.randn(2, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        found = fixed.residual(scenes.moving_images(x), scenes.jacobians(x), weights)
        step = 1e-5
        for n in range(6):
            move = torch.zeros(6, dtype=torch.float64)
            move[n] = step
            after, before = (
                fixed.residual(scenes.moving_images(y), scenes.jacobians(y)[:, :0], weights).values
                for y in (x + move, x - move)
            )
            torch.testing.assert_close(found.jacobian[:, n], (after - before) / (2 * step), atol=1e-7, rtol=1e-5)


def test_an_encoder_without_a_derivative_of_its_own_is_differentiated_in_forward_mode(encoder, weights):
    ones = torch.ones(scenes.HEIGHT, scenes.WIDTH, dtype=torch.float64)
    x = torch.zeros(2, 6, dtype=torch.float64)
    written_out, forward_mode = (
        LearnedSimilarity(moving, encoder)
        .fix(scenes.picture(4), ones)
        .residual(scenes.moving_images(x), scenes.jacobians(x), weights)
        for moving in (encoder, encoder.forward)
    )
    torch.testing.assert_close(written_out.values, forward_mode.values)
    torch.testing.assert_close(written_out.jacobian, forward_mode.jacobian)


def test_the_cost_is_the_mean_of_one_minus_the_cosine_and_zero_for_the_same_image(encoder):
    similarity = LearnedSimilarity(encoder, encoder)
    ones = torch.ones(scenes.HEIGHT, scenes.WIDTH, dtype=torch.float64)
    xray, drr = scenes.picture(4), scenes.picture(5)
    fixed = similarity.fix(xray, ones)
    none = drr.new_zeros(1, 0, *drr.shape)
    cost = fixed.residual(drr[None], none, ones[None]).cost
    points = [similarity.manifold.embed(encoder(standardized(i[None], ones)[:, None])) for i in (drr, xray)]
    # 20 × 24 pixels are 3 × 3 features of unequal share; the weights' averages are all 1
    torch.testing.assert_close(cost, (1 - (points[0] * points[1]).sum(1)).mean()[None])
    assert float(fixed.residual(3 * xray[None] + 5, none, ones[None]).cost.detach()) < 1e-12


def test_pixels_without_weight_have_no_say(encoder):
    ones = torch.ones(scenes.HEIGHT, scenes.WIDTH, dtype=torch.float64)
    fixed = LearnedSimilarity(encoder, encoder).fix(scenes.picture(4), ones)
    x = torch.zeros(1, 6, dtype=torch.float64)
    half = ones.clone()
    half[:, :8] = 0
    found = fixed.residual(scenes.moving_images(x), scenes.jacobians(x), half[None])
    values, columns = found.values.unflatten(1, (-1, 3, 3)), found.jacobian.unflatten(2, (-1, 3, 3))
    assert float(values[..., 0].abs().max()) == float(columns[..., 0].abs().max()) == 0
    assert float(values[..., 1].abs().max()) > 0


def test_gradients_of_a_solved_step_reach_both_encoders():
    torch.manual_seed(1)
    moving, still = (Encoder(channels=4, width=32, blocks=1, heads=4).double() for _ in range(2))
    ones = torch.ones(scenes.HEIGHT, scenes.WIDTH, dtype=torch.float64)
    x = torch.zeros(2, 6, dtype=torch.float64)
    xrays = torch.stack([scenes.picture(4), scenes.picture(5)])
    fixed = LearnedSimilarity(moving, still).fix_batch(xrays, ones)
    found = fixed.residual(scenes.moving_images(x), scenes.jacobians(x), ones.expand(2, -1, -1))
    hessian = found.curvature + 1e-3 * torch.eye(6)
    step = torch.linalg.solve(hessian, found.gradient)
    step.square().sum().backward()
    for parameter in [*moving.parameters(), *still.parameters()]:
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
    assert all(float(e.out.weight.grad.abs().max()) > 0 for e in (moving, still))


def test_blank_images_are_finite_and_a_constant_xray_is_refused(encoder):
    ones = torch.ones(16, 16, dtype=torch.float64)
    with pytest.raises(InputError, match="constant"):
        LearnedSimilarity(encoder, encoder).fix(ones, ones)
    fixed = LearnedSimilarity(encoder, encoder).fix(scenes.picture(1)[:16, :16], ones)
    found = fixed.residual(torch.zeros(1, 16, 16).double(), torch.zeros(1, 6, 16, 16).double(), ones[None])
    assert torch.isfinite(found.values).all()
    assert torch.isfinite(found.jacobian).all()
