"""Several bodies in one image: sums, block Jacobians, joint steps, and bodies that are held."""

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.bodies_objective import BodiesObjective
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.objective import Objective
from Testing.Python.optimization.bodies import SAMPLES, TRUTH, VOLUMES, objective, rendered_bodies, started


def test_the_image_is_the_sum_and_the_jacobians_stand_side_by_side():
    problem, poses = objective(), started()
    state = problem.state(poses)
    for item in problem.views:
        alone = [Objective(volume, [item], SAMPLES) for volume in VOLUMES]
        drawn = [one.draw(item.view, one.state(pose), True) for one, pose in zip(alone, poses, strict=True)]
        both = problem.draw(item.view, state, True)
        torch.testing.assert_close(both.images, drawn[0].images + drawn[1].images)
        torch.testing.assert_close(both.jacobians, torch.cat([one.jacobians for one in drawn], 1))


@pytest.mark.parametrize("saturation", [None, 0.3])
@pytest.mark.parametrize("robust", [False, True])
def test_the_gradient_is_the_derivative_of_the_cost(robust, saturation):
    problem = objective(saturation=saturation)
    state = problem.state(started())
    model, weights = problem.linearize(state), None
    if robust:
        model, weights = problem.renew(model)
    assert model.gradient.shape == (2, 12)
    h = 1e-6
    for n in range(12):
        step = h * torch.eye(12).double()[n].expand(2, 12)
        ahead, behind = (problem.linearize(state.retract(s), weights, jacobian=False).cost for s in (step, -step))
        torch.testing.assert_close((ahead - behind) / (2 * h), model.gradient[:, n], rtol=2e-3, atol=2e-5)


def test_one_step_moves_both_home():
    problem = objective()
    *_, step = LevenbergMarquardt(tolerance=1e-4, relative_tolerance=0).steps(problem, problem.state(started()))
    for poses, volume in zip(step.state.values, VOLUMES, strict=True):
        twist = se3.difference_about(poses, TRUTH.expand(2, 4, 4), volume.center)
        assert float(twist[:, :3].abs().max()) < 1e-4
        assert float(twist[:, 3:].abs().max()) < 5e-3


def test_a_held_body_is_drawn_where_it_is_held_and_has_no_columns():
    first, second = rendered_bodies()
    problem = objective(bodies=[second], held=[(first, TRUTH[0])])
    state = problem.state(started()[1:])
    joint = objective()
    both = joint.state([TRUTH.expand(2, 4, 4), started()[1]])
    for item, other in zip(problem.views, joint.views, strict=True):
        alone, together = problem.draw(item.view, state, True), joint.draw(other.view, both, True)
        torch.testing.assert_close(alone.images, together.images)
        torch.testing.assert_close(alone.jacobians, together.jacobians[:, 6:])
        # what counts near the moving body does not count near the held one
        assert float(alone.outline.sum()) < float(alone.images.sum())


def test_bone_weights_see_all_bodies():
    first, second = rendered_bodies()
    problem = objective(bodies=[first, second], by_bone=True)
    assert problem.draw_bone(problem.views[0].view, problem.state(started())) is None


def test_what_is_saturated_tends_to_its_limit_and_thin_things_stay():
    problem = objective(saturation=0.2)
    drawn = problem.draw(problem.views[0].view, problem.state(started()), False)
    shown = drawn.saturated(0.2).images
    assert float(shown.max()) < 0.2
    thin = (drawn.images > 0) & (drawn.images < 0.002)
    torch.testing.assert_close(shown[thin], drawn.images[thin], rtol=0.01, atol=0)


def test_nothing_that_moves_is_refused():
    with pytest.raises(InputError, match="no body to move"):
        BodiesObjective([], objective().views)
