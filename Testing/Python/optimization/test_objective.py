"""Renderer and similarity put together: a small registration whose answer is known."""

import pytest
import torch

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.optimization.first_order import Adam
from SphericalRegLib.optimization.lbfgs import LBFGS
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.nelder_mead import NelderMead
from SphericalRegLib.optimization.objective import FixedView, Objective
from SphericalRegLib.optimization.problem import pick
from SphericalRegLib.optimization.state import pose_distance
from SphericalRegLib.rendering import render
from SphericalRegLib.similarity import NCC, GradientNCC, LocalNCC, ToneFreeGradient

SAMPLES = 48
SIMILARITIES = {
    "NCC": NCC(),
    "gradient NCC": GradientNCC(),
    "local NCC": LocalNCC(windows=(2.0, 4.0)),
    "tone-free": ToneFreeGradient(1.0),
}


def blobs() -> Volume:
    """A few Gaussian blobs in a box of 60 × 56 × 60 mm, oblique and away from the world's origin."""
    k, j, i = torch.meshgrid(*[torch.linspace(-1, 1, n).double() for n in (20, 28, 24)], indexing="ij")
    values = torch.zeros_like(i)
    spots = ((0.3, -0.2, 0.4, 0.25), (-0.4, 0.3, -0.3, 0.2), (0.1, 0.5, -0.1, 0.15), (-0.3, -0.5, 0.2, 0.3))
    for x, y, z, width in spots:
        values += 0.02 * torch.exp(-((i - x) ** 2 + (j - y) ** 2 + (k - z) ** 2) / (2 * width**2))
    world = se3.exp(torch.tensor([0.3, 0.2, -0.4, 50.0, -70.0, 30.0]).double())
    return Volume(values[None], world @ torch.diag(torch.tensor([2.5, 2.0, 3.0, 1.0]).double()))


def frontal(volume: Volume) -> torch.Tensor:
    """(1, 4, 4): the isocenter 700 mm in front of the source, seen at an angle."""
    turn = se3.so3_exp(torch.tensor([1.3, 0.2, -0.1]).double())
    return (se3.from_parts(turn, torch.tensor([0.0, 0.0, 700.0]).double()) @ se3.translation(-volume.center))[None]


def lateral(view: View, volume: Volume) -> View:
    """The same detector, a quarter turn about the isocenter away."""
    middle = torch.tensor([0.0, 0.0, 700.0]).double()
    turn = se3.exp(torch.tensor([0.0, torch.pi / 2, 0.0, 0.0, 0.0, 0.0]).double())
    rig = se3.translation(middle) @ turn @ se3.translation(-middle)
    return View(view.intrinsics, view.height, view.width, view.sdd, rig)


def objective(similarity, biplane: bool = False, occluder: float = 0.0, **options) -> tuple[Objective, torch.Tensor]:
    volume = blobs()
    truth = frontal(volume)
    view = View.from_spacing(30, 32, 1000, (4.0, 4.0), principal_point=(14.0, 16.0))
    views = []
    for each in [view, lateral(view, volume)] if biplane else [view]:
        image = render(volume, each, truth, samples=SAMPLES)[0, 0]
        if occluder:
            image[12:14, 8:14] += occluder * image.max()
        views.append(FixedView(each, similarity.fix(image, torch.ones_like(image))))
    return Objective(volume, views, SAMPLES, length=30.0, **options), truth


def started(problem: Objective, truth: torch.Tensor, share: float = 1.0) -> torch.Tensor:
    twists = torch.tensor([[0.06, -0.05, 0.08, 2.0, -3.0, 8.0], [-0.05, 0.07, -0.06, -3.0, 2.0, -6.0]]).double()
    return se3.about(share * twists, truth.expand(2, 4, 4), problem.center)


def error(problem: Objective, poses: torch.Tensor, truth: torch.Tensor) -> float:
    return float(pose_distance(poses, truth.expand_as(poses), problem.center, problem.length).max())


@pytest.mark.parametrize("name", SIMILARITIES)
def test_every_similarity_leads_home(name):
    problem, truth = objective(SIMILARITIES[name])
    *_, step = LevenbergMarquardt(tolerance=1e-4, relative_tolerance=0).steps(
        problem, problem.state(started(problem, truth))
    )
    assert error(problem, step.poses, truth) < 1e-3
    assert step.cost.max() < 1e-8


@pytest.mark.parametrize(
    "optimizer",
    [
        LBFGS(relative_tolerance=1e-9),
        Adam(30, learning_rate=1.5, decay=0.92),
        NelderMead(50, size=3.0),
    ],
    ids=lambda o: type(o).__name__,
)
def test_other_optimizers_get_near_too(optimizer):
    problem, truth = objective(GradientNCC(), biplane=True)
    poses = started(problem, truth)
    *_, step = optimizer.steps(problem, problem.state(poses))
    assert error(problem, step.poses, truth) < 0.6 * error(problem, poses, truth)
    assert (step.cost < 0.2 * problem.linearize(problem.state(poses)).cost).all()


@pytest.mark.parametrize("biplane", [False, True])
@pytest.mark.parametrize("name", SIMILARITIES)
def test_gradient_is_the_derivative_of_the_cost_and_cost_needs_no_jacobian(name, biplane):
    problem, truth = objective(SIMILARITIES[name], biplane)
    poses = started(problem, truth)
    model = problem.linearize(problem.state(poses))
    torch.testing.assert_close(problem.linearize(problem.state(poses), jacobian=False).cost, model.cost)
    h = 1e-6
    for n in range(6):
        twist = h * torch.eye(6).double()[n].expand(2, 6)
        ahead = problem.linearize(problem.state(poses).retract(twist), jacobian=False).cost
        behind = problem.linearize(problem.state(poses).retract(-twist), jacobian=False).cost
        # trilinear interpolation has kinks, a rare sample passes one
        torch.testing.assert_close((ahead - behind) / (2 * h), model.gradient[:, n], rtol=2e-3, atol=1e-5)


def test_two_views_share_one_pose_and_fix_what_one_cannot_see():
    single, truth = objective(GradientNCC())
    both, _ = objective(GradientNCC(), biplane=True)
    poses = started(both, truth)
    parts = [Objective(both.volume, [v], SAMPLES, length=30.0).linearize(both.state(poses)) for v in both.views]
    together = both.linearize(both.state(poses))
    for name in ("cost", "gradient", "curvature"):
        mean = (getattr(parts[0], name) + getattr(parts[1], name)) / 2
        torch.testing.assert_close(getattr(together, name), mean)
    # depth is what one view barely sees
    assert (
        both.linearize(both.state(truth)).curvature[0, 5, 5]
        > 10 * single.linearize(single.state(truth)).curvature[0, 5, 5]
    )
    *_, step = LevenbergMarquardt(tolerance=1e-4, relative_tolerance=0).steps(both, both.state(poses))
    assert error(both, step.poses, truth) < 1e-3


@pytest.mark.parametrize("renewal", [3, 8])
def test_renewed_weights_forget_an_occluder(renewal):
    problem, truth = objective(GradientNCC(), occluder=0.3, footprint_radius=1)
    poses = started(problem, truth, 0.3)
    *_, plain = LevenbergMarquardt().steps(problem, problem.state(poses))
    *_, robust = LevenbergMarquardt(renewal=renewal).steps(problem, problem.state(poses))
    assert error(problem, robust.poses, truth) < 0.01
    assert error(problem, plain.poses, truth) > 1


def test_renewal_and_pick_keep_each_pose_to_itself():
    problem, truth = objective(ToneFreeGradient(1.0), biplane=True, footprint_radius=3)
    poses = started(problem, truth)
    model, weights = problem.renew(problem.linearize(problem.state(poses)))
    again = problem.linearize(problem.state(poses), weights)
    torch.testing.assert_close(again.cost, model.cost)
    second = problem.linearize(problem.state(poses[1:]), pick(weights, torch.tensor([1])))
    torch.testing.assert_close(second.curvature[0], model.curvature[1])


def test_a_pose_that_looks_away_is_left_alone():
    problem, truth = objective(NCC())
    away = se3.translation(torch.tensor([0.0, 0.0, -1400.0]).double()) @ truth
    *_, step = LevenbergMarquardt().steps(problem, problem.state(torch.cat([away, truth])))
    assert step.done.all()
    torch.testing.assert_close(step.poses[0], away[0])


@pytest.mark.parametrize("biplane", [False, True])
@pytest.mark.parametrize("name", SIMILARITIES)
def test_a_bone_out_of_sight_is_no_match_though_nothing_differs(name, biplane):
    problem, truth = objective(SIMILARITIES[name], biplane, footprint_radius=2)
    aside = se3.translation(torch.tensor([400.0, 0.0, 0.0]).double()) @ truth
    poses = torch.cat([truth, aside])
    costs = problem.linearize(problem.state(poses)).cost
    assert float(costs[0]) < 0.05
    assert float(costs[1]) == float("inf")
    renewed, _weights = problem.renew(problem.linearize(problem.state(poses)))
    assert torch.isfinite(renewed.cost).tolist() == [True, False]
    last = list(LevenbergMarquardt(iterations=5).steps(problem, problem.state(poses)))[-1]
    assert torch.isfinite(last.cost).tolist() == [True, False]
    torch.testing.assert_close(last.poses[1], aside[0])


@pytest.mark.parametrize("name", SIMILARITIES)
@pytest.mark.parametrize("side", [0, 3, 12])
def test_a_pose_of_which_hardly_a_usable_pixel_shows_the_ct_costs_infinity(name, side):
    problem, truth = objective(SIMILARITIES[name])
    (item,) = problem.views
    item.fixed.support.zero_()
    item.fixed.support[10 : 10 + side, 8 : 8 + side] = 1
    finite = side == 12
    first = problem.linearize(problem.state(truth))
    assert torch.isfinite(first.cost).tolist() == [finite]
    assert torch.isfinite(problem.renew(first)[0].cost).tolist() == [finite]


@pytest.mark.parametrize("biplane", [False, True])
def test_parts_of_another_strength_lead_home_and_are_picked_with_their_weights(biplane):
    """Soft tissue that hardens the beam otherwise than bone; the rest travels with the weights of its hypothesis."""
    problem, truth = objective(ToneFreeGradient(1.0, order=1), biplane)
    whole = problem.volume
    bone = Volume((whole.density - 0.012).clamp(min=0), whole.world_from_voxel)
    views = []
    for item in problem.views:
        image, dense = (render(one, item.view, truth, samples=SAMPLES)[0, 0] for one in (whole, bone))
        fixed = ToneFreeGradient(1.0, order=1).fix(1.3 * image - 0.3 * dense, torch.ones_like(image))
        views.append(FixedView(item.view, fixed))
    ends = {}
    for parted in (False, True):
        blind = Objective(whole, views, SAMPLES, length=30.0, bone=bone, parted=parted)
        optimizer = LevenbergMarquardt(iterations=40, tolerance=1e-4, relative_tolerance=0, renewal=1)
        *_, step = optimizer.steps(blind, blind.state(started(blind, truth, 0.3)))
        ends[parted] = error(blind, step.poses, truth)
    # a prior holds the strength to what the CT says: not all of the error goes
    assert ends[True] < 0.9 * ends[False]
    state = blind.state(started(blind, truth))
    model, weights = blind.renew(blind.linearize(state))
    assert all(one.shape[1] == 2 for one in weights)
    second = blind.state(started(blind, truth)[1:])
    alone = blind.linearize(second, pick(weights, torch.tensor([1])))
    torch.testing.assert_close(alone.cost[0], model.cost[1])
    torch.testing.assert_close(alone.gradient[0], model.gradient[1])


@pytest.mark.parametrize("biplane", [False, True])
def test_what_a_step_needs_comes_from_the_device_at_once(biplane, monkeypatch):
    """Cost, gradient, curvature and whether there is enough to compare, of all poses and views: one wait."""
    problem, truth = objective(NCC(), biplane)
    state = problem.state(started(problem, truth))
    transfers = []
    whole = torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: transfers.append(tensor.shape) or whole(tensor))
    at = problem.linearize(state)
    assert transfers == [(2, 1 + 1 + 6 + 36)]
    assert (at.cost.shape, at.gradient.shape, at.curvature.shape) == ((2,), (2, 6), (2, 6, 6))
    problem.renew(at)
    assert len(transfers) == 2
