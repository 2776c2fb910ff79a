"""Losses: zero where they should be, blind to what they should not see, gradients against central differences."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from SphericalRegLib.geometry import se3, so4
from SphericalRegLib.similarity.least_squares import Residual
from SphericalRegLib.training import gradient_loss, gradient_of_distance, step_loss

CENTER = torch.tensor([10.0, -20.0, 30.0], dtype=torch.float64)
SCALE = torch.tensor([1.0, 1, 1, 100, 100, 100], dtype=torch.float64)
DISTANCES = {
    "se(3)": partial(so4.geodesic_se3, isocenter=CENTER, length=100.0),
    "SO(4)": partial(so4.distance_so4, f=1000.0, isocenter=CENTER),
    "SO(4), projected": partial(so4.distance_so4, f=1000.0, projected=True, isocenter=CENTER),
}


def pair(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Poses, true poses (B, 4, 4), and the twists (B, 6) that lead from the first to the second."""
    generator = torch.Generator().manual_seed(4)
    twists = 0.3 * SCALE * torch.randn(batch, 6, generator=generator, dtype=torch.float64)
    poses = se3.exp(SCALE * torch.randn(batch, 6, generator=generator, dtype=torch.float64))
    return poses, se3.about(twists, poses, CENTER), twists


def linear_residual(target: torch.Tensor) -> Residual:
    """Residuals J(x − target) at x = 0, whose minimum one undamped step finds."""
    matrix = torch.randn(len(target), 40, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64) / SCALE
    values = -(matrix @ target[..., None])[..., 0]
    return Residual(values, matrix.transpose(1, 2), values.new_zeros(len(target), 1, 1))


def test_a_step_to_the_truth_costs_nothing_and_no_step_costs_one():
    _, _, target = pair()
    found = linear_residual(target)
    # the solver keeps 1e-9 of the curvature as damping
    assert float(step_loss(found, target, 0.0).max()) < 1e-8
    length = (target / SCALE).norm(dim=-1)
    stuck = step_loss(found, target, 1e12)
    torch.testing.assert_close(stuck, length / (length + 0.05), atol=1e-9, rtol=0)


def test_the_step_loss_passes_gradients_to_residual_jacobian_and_damping():
    _, _, target = pair()
    found = linear_residual(target)
    damping = torch.tensor(0.2, dtype=torch.float64)

    def loss(values, jacobian, factor):
        return step_loss(Residual(values + 0.1, jacobian, found.magnitude), target, factor)

    inputs = tuple(t.clone().requires_grad_() for t in (found.values, found.jacobian, damping))
    assert torch.autograd.gradcheck(loss, inputs, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", DISTANCES)
def test_the_gradient_of_a_distance_is_its_derivative_along_each_twist(name):
    poses, truth, _ = pair()
    found = gradient_of_distance(poses, truth, CENTER, DISTANCES[name])
    step = 1e-5
    for n in range(6):
        move = torch.zeros(3, 6, dtype=torch.float64)
        move[:, n] = step * SCALE[n]
        ends = [DISTANCES[name](se3.about(sign * move, poses, CENTER), truth) for sign in (1, -1)]
        torch.testing.assert_close(found[:, n], (ends[0] - ends[1]) / (2 * step * SCALE[n]), atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("name", DISTANCES)
def test_walking_against_the_gradient_comes_nearer(name):
    poses, truth, _ = pair()
    distance = DISTANCES[name]
    gradient = gradient_of_distance(poses, truth, CENTER, distance)
    nearer = se3.about(-1e-3 * SCALE**2 * gradient, poses, CENTER)
    assert (distance(nearer, truth) < distance(poses, truth)).all()


@pytest.mark.parametrize("name", [None, *DISTANCES])
def test_equal_gradients_cost_nothing_and_gradients_reach_the_residual(name):
    poses, truth, target = pair()
    found = linear_residual(target)
    distance = None if name is None else DISTANCES[name]
    same = found.gradient
    if name is not None:
        same = 0.1 * same
    assert float(gradient_loss(found, same, distance, 0.1).abs().max()) < 1e-6
    wanted = gradient_of_distance(poses, truth, CENTER, DISTANCES[name or "se(3)"])

    def loss(values, jacobian):
        return gradient_loss(Residual(values, jacobian, found.magnitude), wanted, distance, 0.1)

    inputs = tuple(t.clone().requires_grad_() for t in (found.values, found.jacobian))
    assert torch.autograd.gradcheck(loss, inputs, eps=1e-6, atol=1e-5)


def test_the_normalized_form_sees_directions_only():
    _, _, target = pair()
    found = linear_residual(target)
    wanted = torch.randn(3, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    scaled = torch.cat([7 * wanted[:, :3], 0.01 * wanted[:, 3:]], dim=-1)
    torch.testing.assert_close(gradient_loss(found, wanted), gradient_loss(found, scaled))
    torch.testing.assert_close(
        gradient_loss(found, wanted) + gradient_loss(found, -wanted), torch.full((3,), 8.0, dtype=torch.float64)
    )
