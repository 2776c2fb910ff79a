"""The cost of a network of two images: its gradient is the derivative, and nothing outside of the mask counts."""

from __future__ import annotations

import torch

from SphericalRegLib.networks.pairs import pair_network
from SphericalRegLib.similarity.network_cost import NetworkCost

SIZE = 32


def images(x: torch.Tensor) -> torch.Tensor:
    """(B, H, W) of parameters (B, 6), linear in them."""
    modes = torch.randn(7, SIZE, SIZE, generator=torch.Generator().manual_seed(1)).double()
    return modes[6] + torch.einsum("bp,phw->bhw", x, modes[:6])


def columns(count: int) -> torch.Tensor:
    modes = torch.randn(7, SIZE, SIZE, generator=torch.Generator().manual_seed(1)).double()
    return modes[:6].expand(count, 6, SIZE, SIZE)


def fixed_and_weights(kind: str = "prost-t") -> tuple:
    torch.manual_seed(0)
    network = pair_network(kind, size=SIZE).double()
    mask = torch.ones(SIZE, SIZE).double()
    mask[:5, :9] = 0
    xray = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(4)).double()
    return NetworkCost(network).fix(xray, mask), mask


def test_gradient_is_the_derivative_of_the_cost() -> None:
    fixed, mask = fixed_and_weights()
    x = 0.3 * torch.randn(2, 6, generator=torch.Generator().manual_seed(2)).double()
    term = fixed.compare(images(x), columns(2), mask.expand(2, SIZE, SIZE))
    assert term.curvature is None
    assert not term.gradient.requires_grad
    for n in range(6):
        step = 1e-5 * torch.eye(6).double()[n]
        ahead, behind = (
            fixed.compare(images(x + s * step), columns(2)[:, :0], mask.expand(2, SIZE, SIZE)).cost for s in (1, -1)
        )
        torch.testing.assert_close(term.gradient[:, n], (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-9)


def test_no_column_is_a_cost_alone() -> None:
    fixed, mask = fixed_and_weights()
    x = torch.zeros(1, 6).double()
    alone = fixed.compare(images(x), columns(1)[:, :0], mask[None])
    assert alone.gradient.shape == (1, 0)
    torch.testing.assert_close(alone.cost, fixed.compare(images(x), columns(1), mask[None]).cost)


def test_what_lies_outside_of_the_mask_does_not_count() -> None:
    fixed, mask = fixed_and_weights()
    x = torch.zeros(1, 6).double()
    changed = images(x).clone()
    changed[:, :5, :9] += 100
    a, b = (fixed.compare(one, columns(1)[:, :0], mask[None]).cost for one in (images(x), changed))
    torch.testing.assert_close(a, b)
