"""Focal length and principal point as columns: exact derivatives, and what they find."""

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.optimization.calibration_block import CalibrationPrior, calibrated
from SphericalRegLib.optimization.image_objective import FixedView
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.prior import WithPriors
from SphericalRegLib.rendering import render
from SphericalRegLib.similarity import ToneFreeGradient
from Testing.Python.optimization.bodies import SAMPLES, TRUTH, VOLUMES, objective, rendered_bodies, started, views

OFF = [torch.tensor([[0.03, 2.0, -3.0], [-0.02, -4.0, 1.5]]).double()] * 2


def test_a_longer_focal_length_and_a_moved_center_are_where_pixels_go():
    view = views()[0]
    changed = calibrated(view, torch.tensor([0.1, 9.0, -5.0]).double())
    assert float(changed.intrinsics[0, 0] / view.intrinsics[0, 0]) == pytest.approx(2.718281828**0.1)
    assert float(changed.intrinsics[0, 2] - view.intrinsics[0, 2]) == pytest.approx(9.0 / 4.5)
    assert float(changed.intrinsics[1, 2] - view.intrinsics[1, 2]) == pytest.approx(-5.0 / 5.0)
    assert changed.spacing == pytest.approx(view.spacing)


def test_columns_are_the_derivative_of_the_image():
    problem = objective(calibrating=True, bodies=rendered_bodies())
    state = problem.state(started(), OFF)
    assert state.sizes == [6, 6, 3, 3]
    for item in problem.views:
        exact = problem.draw(item.view, state, True).jacobians
        h = 1e-5
        for n in range(12, 18):
            step = h * torch.eye(18).double()[n].expand(2, 18)
            ahead, behind = (problem.draw(item.view, state.retract(s), False).images for s in (step, -step))
            numerical = (ahead - behind) / (2 * h)
            # trilinear interpolation has kinks, which a few rays pass
            apart = (numerical - exact[:, n]).abs().flatten()
            assert float(apart.quantile(0.98)) < 1e-3 * float(exact[:, n].abs().max()) + 1e-9


def test_the_gradient_with_calibrations_is_the_derivative_of_the_cost():
    priors = [CalibrationPrior(2, 0.02, 3.0), CalibrationPrior(3, 0.01, 2.0)]
    problem = WithPriors(objective(calibrating=True), priors)
    state = problem.images.state(started(), OFF)
    model, weights = problem.renew(problem.linearize(state))
    h = 1e-6
    for n in range(12, 18):
        step = h * torch.eye(18).double()[n].expand(2, 18)
        ahead, behind = (problem.linearize(state.retract(s), weights, jacobian=False).cost for s in (step, -step))
        torch.testing.assert_close((ahead - behind) / (2 * h), model.gradient[:, n], rtol=5e-3, atol=5e-5)


def test_a_wrong_center_is_found_and_what_is_held_stays():
    # the X-rays' true centers lie 6 mm and -4 mm off what is believed
    true = torch.tensor([0.0, 6.0, -4.0]).double()
    fixed = []
    for view in views():
        image = sum(render(volume, calibrated(view, true), TRUTH, samples=SAMPLES)[0, 0] for volume in VOLUMES)
        fixed.append(FixedView(view, ToneFreeGradient(1.0).fix(image, torch.ones_like(image))))
    problem = objective(calibrating=True, views=fixed)
    # one view's center is in doubt: the other's fixes the bodies
    problem.views[1] = FixedView(views()[1], objective().views[1].fixed)
    priors = [CalibrationPrior(2, 0.0, 20.0), CalibrationPrior(3, 0.0, 0.0)]
    start = problem.state([TRUTH, TRUTH])
    optimizer = LevenbergMarquardt(iterations=60, tolerance=1e-4, relative_tolerance=0)
    first, *_, step = optimizer.steps(WithPriors(problem, priors), start)
    found = step.state.values[2][0]
    assert float(step.cost) < 1e-3 * float(first.cost)
    assert found[1:].tolist() == pytest.approx([6.0, -4.0], abs=0.05)
    assert abs(float(found[0])) < 1e-4
    assert float(step.state.values[3].abs().max()) < 0.05


def test_bodies_are_not_held_while_views_are_calibrated():
    first, second = rendered_bodies()
    with pytest.raises(InputError, match="held while views are calibrated"):
        objective(bodies=[second], held=[(first, TRUTH[0])], calibrating=True)
    with pytest.raises(InputError, match="focal is -1"):
        CalibrationPrior(2, -1, 0.0)
