"""Optimizers on problems whose answer is known, and against SciPy's."""

import itertools
import sys

import numpy as np
import pytest
import scipy.optimize
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.derivative_free import BOBYQA, NelderMead
from SphericalRegLib.optimization.first_order import LBFGS, SGD, Adam, twist_per_mm, two_loops
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.problem import Step, step_length
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
    *_, step = optimizer.steps(problem, poses)
    return step


def distance(problem, poses, other) -> torch.Tensor:
    return step_length(se3.difference_about(poses, other.expand_as(poses), problem.center), problem.length)


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
    steps = list(OPTIMIZERS[name].steps(problem, starts(problem, truth, 4, 0.5, 40)))
    costs = torch.stack([s.cost for s in steps])
    assert (costs.diff(dim=0) <= 0).all()
    assert [s.iteration for s in steps] == list(range(len(steps)))
    for step in steps:
        torch.testing.assert_close(problem.linearize(step.poses).cost, step.cost)
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
    assert (step.weights[:, :2] < 0.01).all()


@every_optimizer
def test_an_optimizer_stays_at_a_perfect_match(name):
    problem, truth = points_problem()
    step = last(OPTIMIZERS[name], problem, truth[None])
    assert distance(problem, step.poses, truth).max() < 1e-9
    assert step.done.all() or name in ("SGD", "Adam", "Nelder-Mead")


def test_levenberg_marquardt_converges_quadratically():
    problem, truth = points_problem()
    steps = EXACT_LM.steps(problem, starts(problem, truth, 1, 0.3, 30))
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
    steps = list(make(longest_step=longest, iterations=12, **rate).steps(problem, starts(problem, truth, 3, 0.8, 80)))
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
    steps = list(LevenbergMarquardt(iterations=1).steps(flat, starts(problem, truth, 1, 0.05, 2)))
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
    direction, curved = two_loops(gradient, list(zip(s, y, strict=True)))
    torch.testing.assert_close(direction, -gradient @ inverse)
    assert curved.all()


def test_lbfgs_leaves_out_pairs_without_curvature_for_that_pose_alone():
    torch.manual_seed(4)
    s, y, gradient = (torch.randn(2, 6).double() for _ in range(3))
    y = torch.stack([s[0], -s[1]])
    direction, curved = two_loops(gradient, [(s, y)])
    assert curved.tolist() == [True, False]
    torch.testing.assert_close(direction[1], -gradient[1])


def test_nelder_mead_is_as_good_as_scipys():
    problem, truth = points_problem(noise=2.0)
    start = starts(problem, truth, 1, 0.3, 20)
    count = 0

    def cost(x: np.ndarray) -> float:
        nonlocal count
        count += 1
        twist = torch.from_numpy(x)[None] * twist_per_mm(problem.length)
        return float(problem.linearize(se3.about(twist, start, problem.center)).cost[0])

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
    steps = list(BOBYQA(tolerance=1e-4).steps(problem, starts(problem, truth, 2, 0.2, 15)))
    assert [s.done.tolist() for s in steps] == [[False, False], [True, False], [True, True]]
    assert distance(problem, steps[-1].poses, optimum).max() < 0.01
    torch.testing.assert_close(problem.linearize(steps[-1].poses).cost, steps[-1].cost)


def test_bobyqa_says_what_to_install_where_nlopt_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "nlopt", None)
    problem, truth = points_problem()
    with pytest.raises(InputError, match=r"sphericalreg\[evaluation\]"):
        next(BOBYQA().steps(problem, truth[None]))
