"""Optimizers on problems whose answer is known, and against SciPy's."""

import dataclasses
import itertools
import sys

import numpy as np
import pytest
import scipy.optimize
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.first_order import SGD, Adam
from SphericalRegLib.optimization.lbfgs import LBFGS, two_loops
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.nelder_mead import NelderMead
from SphericalRegLib.optimization.problem import Step
from SphericalRegLib.optimization.quasi_newton import first_curvature, updated_curvature
from SphericalRegLib.optimization.sampling import BOBYQA, CMAES
from SphericalRegLib.optimization.state import pose_distance, pose_scale
from Testing.Python.optimization.toys import Points, points_problem, starts

EXACT_LM = LevenbergMarquardt(tolerance=1e-12, relative_tolerance=0)
OPTIMIZERS = {
    "Levenberg-Marquardt": LevenbergMarquardt(tolerance=1e-6, relative_tolerance=1e-12),
    "SGD": SGD(iterations=400, learning_rate=30.0, relative_tolerance=1e-12),
    "Adam": Adam(iterations=400, relative_tolerance=1e-12, decay=0.975),
    "L-BFGS": LBFGS(tolerance=1e-6, relative_tolerance=1e-12),
    "Nelder-Mead": NelderMead(iterations=600, tolerance=1e-3),
}
every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def last(optimizer, problem, poses) -> Step:
    *_, step = optimizer.steps(problem, problem.state(poses))
    return step


def distance(problem, poses, other) -> torch.Tensor:
    return pose_distance(poses, other.expand_as(poses), problem.center, problem.length)


@every_optimizer
def test_each_optimizer_reaches_the_same_optimum(name):
    problem, truth = points_problem(noise=2.0)
    poses = starts(problem, truth, 3, 0.2, 15)
    optimum = last(EXACT_LM, problem, truth[None]).poses
    step = last(OPTIMIZERS[name], problem, poses)
    assert distance(problem, step.poses, optimum).max() < 0.02


@every_optimizer
def test_the_best_cost_never_rises_and_belongs_to_the_pose_under_fixed_weights(name):
    problem, truth = points_problem(noise=2.0)
    steps = list(OPTIMIZERS[name].steps(problem, problem.state(starts(problem, truth, 4, 0.5, 40))))
    costs = torch.stack([s.cost for s in steps])
    assert (costs.diff(dim=0) <= 0).all()
    assert [s.iteration for s in steps] == list(range(len(steps)))
    for step in steps:
        torch.testing.assert_close(problem.linearize(step.state).cost, step.cost)
        rotation = step.poses[:, :3, :3]
        torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).double().expand(4, 3, 3))


@every_optimizer
def test_a_pose_fares_the_same_alone_and_in_a_batch(name):
    problem, truth = points_problem(noise=2.0)
    poses = starts(problem, truth, 3, 0.4, 30)
    together = last(OPTIMIZERS[name], problem, poses)
    for n in range(3):
        alone = last(OPTIMIZERS[name], problem, poses[n : n + 1])
        torch.testing.assert_close(alone.poses[0], together.poses[n], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "optimizer",
    [
        LevenbergMarquardt(renewal=3),
        SGD(iterations=300, learning_rate=30.0, renewal=20),
        Adam(iterations=200, renewal=20),
        LBFGS(renewal=10),
        NelderMead(iterations=600, renewal=60),
    ],
    ids=lambda o: type(o).__name__,
)
def test_renewed_weights_reject_outliers(optimizer):
    problem, truth = points_problem(noise=0.01)
    spoiled = problem.targets.clone()
    spoiled[:2] += torch.tensor([150.0, -80.0, 60.0])
    problem = Points(problem.points, spoiled, problem.center)
    step = last(optimizer, problem, starts(problem, truth, 2, 0.1, 8))
    plain = last(EXACT_LM, problem, truth[None])
    assert distance(problem, plain.poses, truth).min() > 10
    assert distance(problem, step.poses, truth).max() < 0.5
    assert (step.weights[0][:, :2] < 0.01).all()


@every_optimizer
def test_an_optimizer_stays_at_a_perfect_match(name):
    problem, truth = points_problem()
    step = last(OPTIMIZERS[name], problem, truth[None])
    assert distance(problem, step.poses, truth).max() < 1e-9
    assert step.done.all() or name in ("SGD", "Adam", "Nelder-Mead")


def test_levenberg_marquardt_converges_quadratically():
    problem, truth = points_problem()
    steps = EXACT_LM.steps(problem, problem.state(starts(problem, truth, 1, 0.3, 30)))
    errors = [float(distance(problem, s.poses, truth)) for s in steps]
    # the damping falls tenfold a step and so stays behind the error
    assert errors[5] < 1e-8
    fast = [b / a**1.5 for a, b in itertools.pairwise(errors) if 1e-6 < a < 20]
    assert len(fast) >= 2
    assert max(fast) < 0.01


@pytest.mark.parametrize("longest", [5.0, 17.0])
@pytest.mark.parametrize("make", [LevenbergMarquardt, SGD, Adam, LBFGS], ids=lambda o: o.__name__)
def test_no_step_is_longer_than_allowed(make, longest):
    problem, truth = points_problem()
    rate = {} if make in (LevenbergMarquardt, LBFGS) else {"learning_rate": 200.0}
    steps = list(
        make(longest_step=longest, iterations=12, **rate).steps(
            problem, problem.state(starts(problem, truth, 3, 0.8, 80))
        )
    )
    pairs = list(itertools.pairwise(steps))
    # SGD and Adam report the best pose, which may skip worse ones in between
    seen = pairs if make in (LevenbergMarquardt, LBFGS) else pairs[:1]
    moves = torch.stack([distance(problem, after.poses, before.poses) for before, after in seen])
    assert 0.5 * longest < moves.max() <= longest * (1 + 1e-9)


def test_levenberg_marquardt_does_not_move_along_a_direction_that_nobody_sees():
    problem, truth = points_problem()

    class Flat(Points):
        def jacobian(self, poses):
            columns = super().jacobian(poses).clone()
            columns[:, 2] = 0
            return columns

    flat = Flat(problem.points, problem.targets, problem.center)
    steps = list(LevenbergMarquardt(iterations=1).steps(flat, flat.state(starts(problem, truth, 1, 0.05, 2))))
    x = se3.difference_about(steps[1].poses, steps[0].poses, problem.center)
    assert x.abs().max() > 1e-3
    assert x[0, 2].abs() < 1e-9


def test_lbfgs_directions_are_those_of_dense_bfgs():
    torch.manual_seed(3)
    root = torch.randn(6, 6).double()
    matrix = root @ root.T + torch.eye(6)
    s = [torch.randn(1, 6).double() for _ in range(4)]
    y = [v @ matrix for v in s]
    gradient = torch.randn(1, 6).double()
    inverse = torch.eye(6).double() * float((s[-1] * y[-1]).sum() / (y[-1] ** 2).sum())
    for a, b in zip(s, y, strict=True):
        rho = 1 / float((a * b).sum())
        left = torch.eye(6).double() - rho * a.T @ b
        inverse = left @ inverse @ left.T + rho * a.T @ a
    direction, curved = two_loops(gradient, torch.stack(s, 1), torch.stack(y, 1))
    torch.testing.assert_close(direction, -gradient @ inverse)
    assert curved.all()


def test_lbfgs_leaves_out_pairs_without_curvature_for_that_pose_alone():
    torch.manual_seed(4)
    s, y, gradient = (torch.randn(2, 6).double() for _ in range(3))
    y = torch.stack([s[0], -s[1]])
    direction, curved = two_loops(gradient, s[:, None], y[:, None])
    assert curved.tolist() == [True, False]
    torch.testing.assert_close(direction[1], -gradient[1])


def test_nelder_mead_is_as_good_as_scipys():
    problem, truth = points_problem(noise=2.0)
    start = starts(problem, truth, 1, 0.3, 20)
    count = 0

    def cost(x: np.ndarray) -> float:
        nonlocal count
        count += 1
        twist = torch.from_numpy(x)[None] / pose_scale(problem.length)
        return float(problem.linearize(problem.state(start).retract(twist)).cost[0])

    simplex = np.vstack([np.zeros(6), 10 * np.eye(6)])
    options = {"initial_simplex": simplex, "adaptive": True, "xatol": 1e-3, "fatol": 1e-12, "maxiter": 1000}
    theirs = scipy.optimize.minimize(cost, np.zeros(6), method="Nelder-Mead", options=options)
    ours = last(NelderMead(iterations=1000, tolerance=1e-3), problem, start)
    assert float(ours.cost[0]) == pytest.approx(theirs.fun, rel=1e-6)
    assert ours.iteration < 1.5 * theirs.nit


def test_bobyqa_reaches_the_optimum():
    pytest.importorskip("nlopt")
    problem, truth = points_problem(noise=2.0)
    optimum = last(EXACT_LM, problem, truth[None]).poses
    steps = list(BOBYQA(tolerance=1e-4).steps(problem, problem.state(starts(problem, truth, 2, 0.2, 15))))
    assert [s.done.tolist() for s in steps] == [[False, False], [True, False], [True, True]]
    assert distance(problem, steps[-1].poses, optimum).max() < 0.01
    torch.testing.assert_close(problem.linearize(steps[-1].state).cost, steps[-1].cost)


def test_bobyqa_says_what_to_install_where_nlopt_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "nlopt", None)
    problem, truth = points_problem()
    with pytest.raises(InputError, match=r"sphericalreg\[evaluation\]"):
        next(BOBYQA().steps(problem, problem.state(truth[None])))


@pytest.mark.parametrize("make", [SGD, Adam], ids=lambda o: o.__name__)
def test_the_spread_of_the_last_costs_ends_it_at_the_tenth_equal_one_and_not_before(make):
    problem, truth = points_problem()

    class Constant(Points):
        def residual(self, poses):
            return 0 * super().residual(poses) + 0.1

    flat = Constant(problem.points, problem.targets, problem.center)
    optimizer = make(spread=1e-12, window=10, patience=10**6, iterations=50)
    steps = list(optimizer.steps(flat, flat.state(truth[None])))
    assert [bool(step.done) for step in steps] == [False] * 10 + [True]
    endless = make(patience=10**6, iterations=50)
    assert len(list(endless.steps(flat, flat.state(truth[None])))) == 51


def test_what_is_not_the_best_is_shown_where_so_asked():
    problem, truth = points_problem(noise=2.0)
    start = problem.state(starts(problem, truth, 1, 0.3, 30))
    wild = SGD(iterations=12, learning_rate=150.0, keep_best=False)
    last_costs = [float(step.cost[0]) for step in wild.steps(problem, start)]
    best_costs = [float(step.cost[0]) for step in dataclasses.replace(wild, keep_best=True).steps(problem, start)]
    assert any(after > before for before, after in itertools.pairwise(last_costs))
    assert best_costs == list(itertools.accumulate(last_costs, min))


@pytest.mark.parametrize(
    ("common", "apart"),
    [
        (SGD(iterations=5, learning_rate=10.0), SGD(iterations=5, learning_rate=10.0, rotation_rate=10.0 / 100.0**2)),
        (Adam(iterations=5), Adam(iterations=5, rotation_rate_deg=np.rad2deg(2.0 / 100.0))),
    ],
    ids=["SGD", "Adam"],
)
def test_rotations_may_have_a_rate_of_their_own(common, apart):
    problem, truth = points_problem(noise=2.0)
    start = problem.state(starts(problem, truth, 2, 0.2, 15))
    torch.testing.assert_close(
        last(common, problem, start.values[0]).poses, last(apart, problem, start.values[0]).poses
    )
    field = "rotation_rate" if isinstance(apart, SGD) else "rotation_rate_deg"
    still = dataclasses.replace(apart, iterations=1, **{field: 0.0})
    twist = se3.difference_about(last(still, problem, start.values[0]).poses, start.values[0], problem.center)
    assert twist[:, :3].abs().max() < 1e-12
    assert twist[:, 3:].abs().max() > 0.1


def test_cma_es_reaches_the_optimum_and_repeats_by_its_seed():
    pytest.importorskip("cma")
    problem, truth = points_problem(noise=2.0)
    optimum = last(EXACT_LM, problem, truth[None]).poses
    poses = starts(problem, truth, 2, 0.2, 15)
    runs = [last(CMAES(iterations=300, tolerance=1e-3), problem, poses) for _ in range(2)]
    assert distance(problem, runs[0].poses, optimum).max() < 0.05
    assert torch.equal(runs[0].poses, runs[1].poses)
    assert runs[0].done.all()


def test_levenberg_marquardt_builds_the_curvature_that_a_problem_lacks():
    problem, truth = points_problem(noise=2.0)

    class Bare(Points):
        def linearize(self, state, weights=None, jacobian=True):
            return dataclasses.replace(super().linearize(state, weights, jacobian), curvature=None)

    bare = Bare(problem.points, problem.targets, problem.center)
    optimum = last(EXACT_LM, problem, truth[None]).poses
    optimizer = LevenbergMarquardt(iterations=100, tolerance=1e-7, relative_tolerance=0)
    step = last(optimizer, bare, starts(problem, truth, 3, 0.2, 15))
    assert distance(problem, step.poses, optimum).max() < 0.01


def test_bfgs_reproduces_the_curvature_along_its_steps_and_stays_positive():
    generator = torch.Generator().manual_seed(5)
    root = torch.randn(6, 6, generator=generator).double()
    truth = root @ root.T + torch.eye(6)
    matrix, fresh = first_curvature(torch.randn(1, 6, generator=generator).double()), torch.ones(1).double()
    for _ in range(40):
        step = torch.randn(1, 6, generator=generator).double()
        matrix, fresh = updated_curvature(matrix, fresh, step, step @ truth)
        torch.testing.assert_close((matrix @ step[..., None])[..., 0], step @ truth)
    assert fresh.item() == 0
    torch.testing.assert_close(matrix[0], truth, rtol=0.05, atol=0.05)
    # a step along which the cost curves downward does not spoil it
    bent, _ = updated_curvature(matrix, fresh, step, -(step @ truth))
    assert torch.linalg.eigvalsh(bent[0]).min() > 0
    for broken in (torch.full((1, 6), torch.nan).double(), torch.zeros(1, 6).double()):
        assert torch.isfinite(updated_curvature(matrix, fresh, step, broken)[0]).all()
