"""What no pose explains is eliminated: scatter's veil, and how strong soft tissue is against bone."""

import pytest
import torch

from SphericalRegLib.similarity import ToneFreeGradient
from SphericalRegLib.similarity.gaussian import smoothed
from Testing.Python.similarity.scenes import HEIGHT, WIDTH, jacobians, moving_images, picture

everywhere = torch.ones(HEIGHT, WIDTH).double()
BOTH = ToneFreeGradient(0.7, veil=6.0)


def parameters() -> torch.Tensor:
    return 0.3 * torch.randn(2, 6, generator=torch.Generator().manual_seed(2)).double()


def rest() -> torch.Tensor:
    """(2, H, W): something else for each of two poses."""
    return torch.stack([picture(30), picture(31)])


def test_gradient_and_curvature_are_the_derivatives_while_the_rest_is_held():
    fixed = BOTH.fix(picture(), everywhere)
    x = parameters()
    weights = torch.rand(2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(3)).double()
    term = fixed.compare_parted(moving_images(x), jacobians(x), weights, rest())
    h = 1e-6
    for n in range(6):
        step = h * torch.eye(6).double()[n]
        ahead, behind = (
            fixed.compare_parted(moving_images(x + s * step), jacobians(x), weights, rest()) for s in (1, -1)
        )
        torch.testing.assert_close(term.gradient[:, n], (ahead.cost - behind.cost) / (2 * h), rtol=1e-6, atol=1e-8)
    assert torch.linalg.eigvalsh(term.curvature).min() > 0
    alone = fixed.compare_parted(moving_images(x)[1:], jacobians(x)[1:], weights[1:], rest()[1:])
    torch.testing.assert_close(alone.cost[0], term.cost[1])
    torch.testing.assert_close(alone.gradient[0], term.gradient[1])


@pytest.mark.parametrize("strength", [0.7, 1.4])
def test_a_rest_of_another_strength_costs_less_and_one_of_its_own_no_more(strength):
    bone, soft = moving_images(parameters()), rest()
    weights = everywhere.expand(2, HEIGHT, WIDTH)
    no_columns = bone.new_zeros(2, 0, HEIGHT, WIDTH)
    for n in range(2):
        part = slice(n, n + 1)
        drr = (bone + soft)[part]
        wrong = ToneFreeGradient(0.7).fix((bone + strength * soft)[n], everywhere)
        plain = float(wrong.compare(drr, no_columns[part], weights[part]).cost)
        parted = float(wrong.compare_parted(drr, no_columns[part], weights[part], soft[part]).cost)
        assert parted < 0.5 * plain
        right = ToneFreeGradient(0.7).fix((bone + soft)[n], everywhere)
        assert float(right.compare_parted(drr, no_columns[part], weights[part], soft[part]).cost) < 1e-10


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
