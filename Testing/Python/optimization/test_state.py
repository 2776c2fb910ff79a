"""States of several blocks: what the same optimizers do with two bodies, and with a focal length beside a pose."""

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.first_order import Adam
from SphericalRegLib.optimization.lbfgs import LBFGS
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.numerical import numerical_curvature
from SphericalRegLib.optimization.problem import Linearization
from SphericalRegLib.optimization.state import PoseBlock, State, VectorBlock, pose_state
from Testing.Python.optimization.toys import points_problem, starts

OPTIMIZERS = {
    "Levenberg-Marquardt": LevenbergMarquardt(tolerance=1e-9, relative_tolerance=0),
    "L-BFGS": LBFGS(iterations=60, tolerance=1e-5, relative_tolerance=0),
    "Adam": Adam(iterations=250, decay=0.97),
}


class TwoBodies:
    """Two point sets, each moved by its own pose, and a tie between them that neither could satisfy alone."""

    def __init__(self):
        (self.first, self.first_truth), (self.second, self.second_truth) = (
            points_problem(seed=1),
            points_problem(seed=2),
        )

    def state(self, first, second):
        blocks = PoseBlock(self.first.center, 100.0), PoseBlock(self.second.center, 60.0)
        return State(blocks, (first, second))

    def linearize(self, state, weights=None, jacobian=True):
        parts = [
            points.linearize(points.state(poses), None, jacobian)
            for points, poses in zip((self.first, self.second), state.values, strict=True)
        ]
        pairs = zip(parts[0].curvature, parts[1].curvature, strict=True)
        curvature = torch.stack([torch.block_diag(*pair) for pair in pairs])
        gradient = torch.cat([part.gradient for part in parts], dim=1)
        return Linearization(parts[0].cost + parts[1].cost, gradient, curvature)

    def renew(self, at):
        raise AssertionError("nothing here has weights")


class Camera:
    """Pixels of known points under a pose and an unknown focal length: unlike depth, it scales all alike."""

    focal = 1400.0

    def __init__(self):
        generator = torch.Generator().manual_seed(4)
        self.points = 160 * (torch.rand(15, 3, generator=generator, dtype=torch.float64) - 0.5)
        self.truth = se3.exp(torch.tensor([0.3, -0.2, 0.5, 10.0, -20.0, 500.0], dtype=torch.float64))
        self.pixels = self.projected(self.truth[None], torch.tensor([[self.focal]], dtype=torch.float64))

    def state(self, poses, focal):
        blocks = PoseBlock(torch.zeros(3, dtype=torch.float64), 80.0), VectorBlock(torch.tensor([0.3]).double())
        return State(blocks, (poses, focal))

    def projected(self, poses, focal):
        camera = se3.transform_points(poses, self.points)
        return focal[..., None] * camera[..., :2] / camera[..., 2:]

    def linearize(self, state, weights=None, jacobian=True):
        def residual(steps):
            return ((self.projected(*state.retract(steps).values) - self.pixels) / 50).flatten(1)

        nothing = torch.zeros(len(state), 7, dtype=torch.float64)
        values = residual(nothing)
        # each hypothesis depends on its own step alone
        columns = torch.autograd.functional.jacobian(lambda s: residual(s).sum(0), nothing).permute(1, 2, 0)
        gradient = 2 * (columns @ values[..., None])[..., 0]
        return Linearization(values.square().sum(-1), gradient, 2 * columns @ columns.mT)

    def renew(self, at):
        raise AssertionError("nothing here has weights")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_bodies_are_twelve_parameters_to_every_optimizer(name):
    problem = TwoBodies()
    first = starts(problem.first, problem.first_truth, 2, 0.1, 8)
    second = starts(problem.second, problem.second_truth, 2, 0.1, 8, seed=3)
    *_, step = OPTIMIZERS[name].steps(problem, problem.state(first, second))
    torch.testing.assert_close(step.state.values[0], problem.first_truth.expand(2, 4, 4), rtol=0, atol=0.02)
    torch.testing.assert_close(step.state.values[1], problem.second_truth.expand(2, 4, 4), rtol=0, atol=0.02)


@pytest.mark.parametrize("name", ["Levenberg-Marquardt", "L-BFGS"])
def test_a_focal_length_is_one_more_column(name):
    problem = Camera()
    poses = se3.about(
        torch.tensor([[0.05, 0.04, -0.06, 5.0, -4.0, 30.0], [-0.03, 0.05, 0.04, -6.0, 5.0, -25.0]]).double(),
        problem.truth.expand(2, 4, 4),
        torch.zeros(3).double(),
    )
    start = problem.state(poses, torch.tensor([[1300.0], [1500.0]]).double())
    *_, step = OPTIMIZERS[name].steps(problem, start)
    tolerance = 1e-3 if name == "Levenberg-Marquardt" else 5.0
    torch.testing.assert_close(step.state.values[1], torch.full((2, 1), 1400.0).double(), rtol=0, atol=tolerance)


def test_numerical_curvature_is_that_of_the_cost():
    problem = Camera()
    state = problem.state(problem.truth[None], torch.tensor([[1400.0]]).double())
    # at a perfect match Gauss-Newton's model is the second derivative itself
    exact = problem.linearize(state).curvature[0] / state.scale / state.scale[:, None]
    found = numerical_curvature(problem, state, mm=0.01) / state.scale / state.scale[:, None]
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-4 * float(exact.abs().max()))


def test_a_step_is_as_long_as_its_blocks_say():
    state = Camera().state(torch.eye(4).double()[None], torch.tensor([[1000.0]]).double())
    assert state.scale.tolist() == [80.0, 80.0, 80.0, 1.0, 1.0, 1.0, pytest.approx(0.3)]
    assert state.angular.tolist() == [True] * 3 + [False] * 4
    step = torch.tensor([[0.01, 0.0, 0.0, 0.0, 0.6, 0.0, 10.0]]).double()
    assert float(state.length(step)) == pytest.approx((0.8**2 + 0.6**2 + 3.0**2) ** 0.5, rel=1e-6)
    moved = state.retract(step)
    assert float(moved.values[1]) == 1010.0
    assert float(moved.values[0][0, 1, 3]) == pytest.approx(0.6, rel=1e-4)


def test_hypotheses_are_chosen_replaced_and_joined_by_index():
    state = pose_state(torch.eye(4).double().expand(3, 4, 4), torch.zeros(3).double(), 100.0)
    moved = state.retract(torch.arange(18).double().view(3, 6) / 100)
    assert torch.equal(state.put(torch.tensor([2]), moved.select(torch.tensor([1]))).values[0][2], moved.values[0][1])
    mixed = state.where(torch.tensor([True, False, True]), moved).values[0]
    assert torch.equal(mixed[1], moved.values[0][1])
    assert torch.equal(mixed[2], torch.eye(4).double())


def test_blocks_of_different_batches_are_refused():
    with pytest.raises(InputError, match=r"\[2, 3\]"):
        State((VectorBlock(torch.ones(1)), VectorBlock(torch.ones(1))), (torch.zeros(2, 1), torch.zeros(3, 1)))
