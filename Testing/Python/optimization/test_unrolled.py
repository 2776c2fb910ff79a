"""Gradients through the unrolled solver, against central differences in float64."""

import itertools

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.problem import step_length
from SphericalRegLib.optimization.unrolled import unrolled_levenberg_marquardt
from Testing.Python.optimization.toys import points_problem, starts


def solver(problem, theta):
    """Residual of points under a pose, each weighted and shifted by parameters theta (2, N)."""

    def residual_and_jacobian(poses):
        weight = torch.exp(theta[0])[:, None]
        values = (problem.residual(poses) + theta[1][:, None]) * weight
        return values.flatten(1), (problem.jacobian(poses) * weight).flatten(2)

    return residual_and_jacobian


def test_it_converges_quadratically():
    problem, truth = points_problem()
    start = starts(problem, truth, 2, 0.3, 30)
    path = unrolled_levenberg_marquardt(
        solver(problem, torch.zeros(2, 12).double()), start, problem.center, 7, damping=0.01
    )
    error = [float(step_length(se3.difference_about(p, truth.expand_as(p), problem.center), 100.0).max()) for p in path]
    assert len(path) == 8
    assert error[-1] < 1e-9
    assert all(b < 0.01 * a**2 + 1e-9 for a, b in itertools.pairwise(error))


@pytest.mark.parametrize("shape", [(), (2,), (3, 1), (3, 2)], ids=["scalar", "per pose", "schedule", "both"])
def test_gradients_reach_parameters_damping_and_start(shape):
    problem, truth = points_problem(noise=3.0)
    base = starts(problem, truth, 2, 0.3, 20)
    generator = torch.Generator().manual_seed(5)
    theta = (0.2 * torch.randn(2, 12, generator=generator).double()).requires_grad_()
    damping = (0.05 + 0.2 * torch.rand(shape, generator=generator).double()).requires_grad_()
    twist = torch.zeros(2, 6).double().requires_grad_()

    def solved(theta, damping, twist):
        start = se3.about(twist, base, problem.center)
        path = unrolled_levenberg_marquardt(solver(problem, theta), start, problem.center, 3, damping)
        return torch.stack([se3.difference_about(p, truth.expand_as(p), problem.center) for p in path])

    assert torch.autograd.gradcheck(
        solved, (theta, damping, twist), eps=1e-6, atol=1e-6, rtol=1e-5, fast_mode=shape != ()
    )
    gradients = torch.autograd.grad(solved(theta, damping, twist)[-1].square().sum(), (theta, damping, twist))
    assert all((g != 0).any() and torch.isfinite(g).all() for g in gradients)


def test_gradients_are_finite_at_a_perfect_match():
    problem, truth = points_problem()
    theta = torch.zeros(2, 12).double().requires_grad_()
    twist = torch.zeros(1, 6).double().requires_grad_()
    start = se3.about(twist, truth[None], problem.center)
    path = unrolled_levenberg_marquardt(solver(problem, theta), start, problem.center, 3)
    gradients = torch.autograd.grad(path[-1].sum(), (theta, twist))
    assert all(torch.isfinite(g).all() for g in gradients)


def test_second_derivatives_and_forward_mode_pass_too():
    problem, truth = points_problem(noise=3.0)
    base = starts(problem, truth, 1, 0.1, 10)

    def loss(theta):
        path = unrolled_levenberg_marquardt(solver(problem, theta), base, problem.center, 2, 0.1)
        return se3.difference_about(path[-1], truth[None], problem.center).square().sum()

    theta = torch.zeros(2, 12).double()
    direction = torch.ones(2, 12).double()
    _, slope = torch.func.jvp(loss, (theta,), (direction,))
    torch.testing.assert_close(slope, (torch.func.grad(loss)(theta) * direction).sum())
    assert torch.isfinite(torch.func.hessian(loss)(theta)).all()


def test_steps_are_bounded_and_schedules_checked():
    problem, truth = points_problem()
    start = starts(problem, truth, 2, 1.5, 300)
    residual = solver(problem, torch.zeros(2, 12).double())
    path = unrolled_levenberg_marquardt(residual, start, problem.center, 1, longest_step=10.0)
    moved = step_length(se3.difference_about(path[1], path[0], problem.center), 100.0)
    assert (moved < 10).all()
    assert (moved > 9).all()
    with pytest.raises(InputError, match="2 rows does not fit 3"):
        unrolled_levenberg_marquardt(residual, start, problem.center, 3, torch.ones(2, 1))
    with pytest.raises(InputError, match="at least one iteration, not 0"):
        unrolled_levenberg_marquardt(residual, start, problem.center, 0)
