"""The step that training goes through: its values, its derivatives, and that blank images do no harm."""

import pytest
import torch

from SphericalRegLib.optimization.damping import damped_step


def step_of(residual, jacobian, damping):
    """Of a sum of squares, as training takes it."""
    gradient = (jacobian @ residual[..., None])[..., 0]
    return damped_step(jacobian @ jacobian.mT, gradient, damping, floor=1e-12)


def problems(dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    residual = torch.randn(2, 20, generator=generator, dtype=torch.float64).to(dtype)
    jacobian = torch.randn(2, 6, 20, generator=generator, dtype=torch.float64).to(dtype)
    return residual, jacobian, torch.tensor([0.01, 0.5], dtype=dtype)


def test_it_solves_the_damped_normal_equations():
    residual, jacobian, damping = problems()
    step = step_of(residual, jacobian, damping)
    for r, j, factor, found in zip(residual, jacobian, damping, step, strict=True):
        rows = torch.cat([j.T, torch.diag((factor * (j**2).sum(1)).sqrt())])
        expected = torch.linalg.lstsq(rows, -torch.cat([r, torch.zeros(6, dtype=r.dtype)])[:, None]).solution[:, 0]
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_its_derivatives_are_exact():
    inputs = [one.requires_grad_() for one in problems()]
    assert torch.autograd.gradcheck(step_of, inputs, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_nothing_is_seen_there_is_no_step_and_no_derivative_that_is_not_finite(dtype):
    residual, jacobian, damping = problems(dtype)
    jacobian[1] = 0
    residual.requires_grad_()
    jacobian.requires_grad_()
    step = step_of(residual, jacobian, damping)
    assert step[1].tolist() == [0.0] * 6
    gradients = torch.autograd.grad(step.square().sum() + step.sum(), (residual, jacobian))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
