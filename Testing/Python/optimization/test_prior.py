"""Gaussian priors on motion: exact derivatives, and what they do where images tell nothing."""

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.prior import MotionPrior, WithPriors, variance_of
from Testing.Python.optimization.bodies import TRUTH, VOLUMES, objective, started

EXPECTED = se3.exp(torch.tensor([0.1, -0.2, 0.3, 5.0, 8.0, -6.0]).double())
PRIORS = {
    "to the rig": MotionPrior(1, se3.about(torch.full((6,), 0.1).double(), TRUTH[0], VOLUMES[1].center)),
    "to a neighbor": MotionPrior(1, EXPECTED, 3.0, 2.0, neighbor=0),
    "to a later neighbor": MotionPrior(0, se3.inverse(EXPECTED), 3.0, 2.0, neighbor=1),
}


@pytest.mark.parametrize("name", PRIORS)
def test_the_twist_has_its_exact_derivative(name):
    prior, state = PRIORS[name], objective().state(started())
    twist, derivative = prior.linearize(state)
    torch.testing.assert_close(twist, prior.twist(state))
    h = 1e-6
    for n in range(12):
        step = h * torch.eye(12).double()[n].expand(2, 12)
        numerical = (prior.twist(state.retract(step)) - prior.twist(state.retract(-step))) / (2 * h)
        torch.testing.assert_close(numerical, derivative[:, :, n], rtol=1e-6, atol=1e-6)


def test_a_body_where_it_is_expected_has_no_twist():
    neighbor = started()[0]
    state = objective().state([neighbor, neighbor @ EXPECTED])
    assert float(MotionPrior(1, EXPECTED, neighbor=0).twist(state).abs().max()) < 1e-9


def test_a_neighbor_that_moves_along_changes_nothing():
    prior = MotionPrior(1, EXPECTED, neighbor=0)
    before = objective().state(started())
    rigid = se3.exp(torch.tensor([0.4, 0.1, -0.3, 30.0, -20.0, 60.0]).double())
    after = objective().state([rigid @ poses for poses in before.values])
    torch.testing.assert_close(prior.twist(after), prior.twist(before))


@pytest.mark.parametrize("robust", [False, True])
def test_the_gradient_with_priors_is_the_derivative_of_the_cost(robust):
    images = objective()
    problem, state = WithPriors(images, list(PRIORS.values())), objective().state(started())
    model, weights = problem.renew(problem.linearize(state))
    if not robust:
        # equal weights, and a variance that is held
        fresh = images.linearize(state)
        weights = (*(one.weights for one in fresh.memory), variance_of(fresh))
        model = problem.linearize(state, weights)
    torch.testing.assert_close(problem.linearize(state, weights, jacobian=False).cost, model.cost)
    h = 1e-6
    for n in range(12):
        step = h * torch.eye(12).double()[n].expand(2, 12)
        ahead, behind = (problem.linearize(state.retract(s), weights, jacobian=False).cost for s in (step, -step))
        torch.testing.assert_close((ahead - behind) / (2 * h), model.gradient[:, n], rtol=2e-3, atol=2e-5)


def test_the_normal_equations_gain_the_inverse_covariance_times_the_residuals_variance():
    images, prior = objective(), PRIORS["to the rig"]
    state = images.state(started())
    plain, added = images.linearize(state), WithPriors(images, [prior]).linearize(state)
    at = images.state([one[:1] for one in started()])
    twist, derivative = prior.linearize(at)
    expected = variance_of(plain)[0] * derivative[0].T @ prior.information @ derivative[0]
    torch.testing.assert_close((added.curvature - plain.curvature)[0] / 2, expected)
    assert float(twist.abs().max()) > 0


def test_a_narrow_prior_holds_a_body_that_a_wide_one_lets_go():
    images = objective()
    state = images.state(started())
    target = TRUTH[0] @ se3.translation(torch.tensor([1.5, -1.0, 2.0]).double())
    apart = {}
    for mm in (0.001, 1000.0):
        priors = [MotionPrior(body, target, mm, mm) for body in (0, 1)]
        *_, step = LevenbergMarquardt(tolerance=1e-4, relative_tolerance=0, renewal=3).steps(
            WithPriors(images, priors), state
        )
        apart[mm] = float((step.state.values[1][..., :3, 3] - target[:3, 3]).norm(dim=-1).max())
    assert apart[0.001] < 0.3
    assert apart[1000.0] > 2.0


def test_a_prior_without_a_width_or_on_itself_is_refused():
    with pytest.raises(InputError, match=r"translation_mm is 0"):
        MotionPrior(0, EXPECTED, 5.0, 0.0)
    with pytest.raises(InputError, match="relative to itself"):
        MotionPrior(0, EXPECTED, neighbor=0)
