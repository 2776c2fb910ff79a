"""What no pose explains is eliminated: scatter's veil, and how strong bone and soft tissue are where both are."""

import pytest
import torch
from scipy import optimize

from SphericalRegLib.similarity import ToneFreeGradient
from SphericalRegLib.similarity.gaussian import smoothed
from SphericalRegLib.similarity.tone_free import matched_strengths
from Testing.Python.similarity.scenes import HEIGHT, WIDTH, jacobians, moving_images, picture


@pytest.fixture(autouse=True)
def little_is_held(monkeypatch):
    """What the images say is looked at here, not what a prior makes of it."""
    monkeypatch.setattr("SphericalRegLib.similarity.tone_free._PRIOR", 1e-3)


everywhere = torch.ones(HEIGHT, WIDTH).double()
BOTH = ToneFreeGradient(0.7, veil=6.0)


def parameters() -> torch.Tensor:
    return 0.3 * torch.randn(2, 6, generator=torch.Generator().manual_seed(2)).double()


def rest_columns() -> torch.Tensor:
    """(2, 6, H, W)"""
    return torch.stack([picture(50 + n) for n in range(12)]).reshape(2, 6, HEIGHT, WIDTH)


def rest(x: torch.Tensor) -> torch.Tensor:
    """(2, H, W): something else for each of two poses, which moves with them."""
    return torch.stack([picture(30), picture(31)]) + torch.einsum("bp,bphw->bhw", x, rest_columns())


def test_gradient_is_the_derivative_where_the_rest_moves_too():
    fixed = BOTH.fix(picture(), everywhere)
    x = parameters()
    weights = torch.rand(2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(3)).double()

    def compared(x: torch.Tensor, part: slice = slice(None)):
        parts = (moving_images(x), jacobians(x), weights, rest(x), rest_columns())
        return fixed.compare_parted(*(one[part] for one in parts))

    term = compared(x)
    h = 1e-5
    for n in range(6):
        step = h * torch.eye(6).double()[n]
        ahead, behind = (compared(x + s * step).cost for s in (1, -1))
        torch.testing.assert_close(term.gradient[:, n], (ahead - behind) / (2 * h), rtol=1e-5, atol=1e-8)
    assert torch.linalg.eigvalsh(term.curvature).min() > 0
    alone = compared(x, slice(1, 2))
    torch.testing.assert_close(alone.cost[0], term.cost[1])
    torch.testing.assert_close(alone.gradient[0], term.gradient[1])


def test_strengths_that_follow_the_pose_leave_it_less_well_known():
    """Steps that another strength could make as well are no evidence: curvature is never more than with them held."""
    fixed, x = BOTH.fix(picture(), everywhere), parameters()
    weights = everywhere.expand(2, HEIGHT, WIDTH)
    free = fixed.compare_parted(moving_images(x), jacobians(x), weights, rest(x), rest_columns())
    # a step of the rest alone, in proportion to itself, is what a strength does
    columns, of_rest = jacobians(x).clone(), rest_columns().clone()
    columns[:, 0], of_rest[:, 0] = rest(x), rest(x)
    along = fixed.compare_parted(moving_images(x), columns, weights, rest(x), of_rest)
    assert (along.curvature[:, 0, 0] < 0.05 * free.curvature[:, 1, 1]).all()


@pytest.mark.parametrize(("weaker", "crossed"), [(-0.25, 0.0), (0.2, 0.0), (0.0, -0.2), (0.15, -0.2)])
def test_parts_of_other_strengths_cost_less_and_their_own_no_more(weaker, crossed):
    x = parameters()
    bone, soft = moving_images(x), rest(x)
    weights = everywhere.expand(2, HEIGHT, WIDTH)
    none = bone.new_zeros(2, 0, HEIGHT, WIDTH)
    for n in range(2):
        part = slice(n, n + 1)
        drr = (bone + soft)[part]
        seen = (bone + (1 + weaker) * soft + crossed * bone * soft)[n]
        wrong = ToneFreeGradient(0.7).fix(seen, everywhere)
        plain = float(wrong.compare(drr, none[part], weights[part]).cost)
        assert plain > 5e-4
        parted = float(wrong.compare_parted(drr, none[part], weights[part], soft[part], none[part]).cost)
        # what is left is the prior's
        assert parted < 0.4 * plain
        right = ToneFreeGradient(0.7).fix((bone + soft)[n], everywhere)
        assert float(right.compare_parted(drr, none[part], weights[part], soft[part], none[part]).cost) < 1e-10


def test_strengths_are_where_an_independent_minimizer_finds_them():
    generator = torch.Generator().manual_seed(4)
    roots = torch.randn(2, 3, 3, generator=generator).double()
    more = torch.randn(2, 3, 3, generator=generator).double()
    left = 0.2 * roots @ roots.transpose(1, 2)
    whole = left + more @ more.transpose(1, 2)
    held = torch.tensor([0.05, 0.3]).double()
    found = matched_strengths(left, whole, held)

    def cost(strengths, n: int) -> float:
        mix = torch.tensor([1.0, *strengths]).double()
        return float(mix @ left[n] @ mix / (mix @ whole[n] @ mix) + (held * mix[1:] ** 2).sum())

    for n in range(2):
        best = optimize.minimize(cost, found[n].numpy(), args=(n,), tol=1e-12)
        assert cost(found[n], n) <= best.fun + 1e-9
        torch.testing.assert_close(found[n], torch.from_numpy(best.x), rtol=1e-3, atol=1e-4)


def test_scatter_costs_less_under_a_veil():
    image = moving_images(parameters())[:1]
    scattered = image[0] + 0.6 * smoothed(image[0], 6.0)
    weights = everywhere[None]
    no_columns = image.new_zeros(1, 0, HEIGHT, WIDTH)
    plain, veiled = (
        float(one.fix(scattered, everywhere).compare(image, no_columns, weights).cost)
        for one in (ToneFreeGradient(0.7), BOTH)
    )
    assert veiled < 0.3 * plain
