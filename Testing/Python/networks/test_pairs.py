"""Networks of two images: sizes as published, and derivatives twice over, without which nothing could be trained."""

from __future__ import annotations

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks.pairs import PAIR_NETWORKS, pair_network
from SphericalRegLib.networks.pairs.composite import Composite, CompositeEncoder
from SphericalRegLib.networks.pairs.crossvit import CrossVit
from SphericalRegLib.networks.pairs.dual_branch import Coupling, DualBranch
from SphericalRegLib.networks.pairs.prost import Prost
from SphericalRegLib.networks.regressor import count_weights

every_network = pytest.mark.parametrize("kind", PAIR_NETWORKS)


def images(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 1, size, size, generator=torch.Generator().manual_seed(seed))


def made(kind: str, size: int = 32) -> torch.nn.Module:
    torch.manual_seed(1)
    return pair_network(kind, size=size).double()


@every_network
def test_a_cost_is_one_number_a_pair_and_never_negative(kind: str) -> None:
    cost = made(kind)(images(3, 32).double(), images(1, 32, 5).double())
    assert cost.shape == (3,)
    assert bool((cost >= 0).all())
    assert float(cost.detach().std()) > 0


@every_network
def test_its_slope_in_the_drr_is_that_of_central_differences(kind: str) -> None:
    network, xrays = made(kind), images(1, 32, 5).double()
    at = images(1, 32).double().requires_grad_()
    (slope,) = torch.autograd.grad(network(at, xrays).sum(), at)
    for seed in range(3):
        along = images(1, 32, 10 + seed).double()
        # short, for the pieces of ReLU and of maxima are small
        step = 1e-8 * along
        with torch.no_grad():
            difference = (network(at + step, xrays) - network(at - step, xrays)) / 2e-8
        torch.testing.assert_close((slope * along).sum(), difference[0], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("kind", ["prost-t", "cdreg"])  # the slope of a network of ReLUs jumps from piece to piece
def test_the_slope_itself_has_the_derivative_of_central_differences_in_the_weights(kind: str) -> None:
    network, drrs, xrays = made(kind), images(1, 32).double(), images(1, 32, 5).double()
    along = images(1, 32, 7).double()

    def slope(again: bool) -> torch.Tensor:
        at = drrs.clone().requires_grad_()
        (found,) = torch.autograd.grad(network(at, xrays).sum(), at, create_graph=again)
        return (found * along).sum()

    slope(True).backward()
    generator = torch.Generator().manual_seed(3)
    weights = [parameter for parameter in network.parameters() if parameter.grad is not None]
    direction = [torch.randn(w.shape, generator=generator).double() for w in weights]
    expected = sum(float((w.grad * d).sum()) for w, d in zip(weights, direction, strict=True))
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            for w, d in zip(weights, direction, strict=True):
                w += sign * 1e-6 * d
        ends.append(float(slope(False).detach()))
        with torch.no_grad():
            for w, d in zip(weights, direction, strict=True):
                w -= sign * 1e-6 * d
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(expected, rel=2e-3, abs=1e-6)


@every_network
def test_other_sizes_are_refused_by_name(kind: str) -> None:
    with pytest.raises(InputError, match=rf"{kind} compares images of a multiple of 16², not 40²"):
        pair_network(kind, size=40)
    with pytest.raises(InputError, match=rf"{kind} compares images \(B, 1, 32, 32\)"):
        made(kind)(images(1, 48).double(), images(1, 48).double())


def test_a_network_that_there_is_not_lists_those_that_there_are() -> None:
    with pytest.raises(InputError, match="choose from prost-m, prost-t, sopi, cdreg"):
        pair_network("magic")
    with pytest.raises(InputError, match="cannot be built with"):
        pair_network("prost-t", size=32, width=3)


def test_shapes_and_weights_are_those_of_the_papers() -> None:
    prost = Prost()
    assert prost.moving(images(1, 128)).shape == (1, 64, 16, 16)
    assert 0.3e6 < count_weights(prost) < 0.4e6
    crossvit = CrossVit()
    assert [position.shape[1] for position in crossvit.positions] == [257, 5]
    assert [embed.kernel_size[0] for embed in crossvit.embeds] == [8, 64]
    published = CompositeEncoder(64)(images(1, 256))
    assert [tuple(level.shape[1:]) for level in published] == [(64, 32, 32), (64, 32, 32), (128, 16, 16)]
    assert DualBranch(256).shallow(images(1, 256)).shape == (1, 64, 16, 16)


def test_a_cost_has_a_gradient_however_far_down_it_is() -> None:
    numbers = torch.tensor([-500.0, -3.0, 0.0, 3.0, 500.0], requires_grad=True)
    costs = Prost.positive(numbers)
    (slopes,) = torch.autograd.grad(costs.sum(), numbers)
    assert bool((slopes > 0).all())
    assert bool((costs[1:] > costs[:-1]).all())
    assert float(costs[2]) == 1
    assert float(costs[4]) == pytest.approx(500, rel=1e-4)


def test_sopi_is_trained_by_its_last_level_and_used_with_all_three() -> None:
    torch.manual_seed(0)
    network, drrs, xrays = Composite(32), images(2, 32), images(1, 32, 5)
    last = network(drrs, xrays).detach()
    levels = [
        (a - b).square().mean(dim=(1, 2, 3)).detach()
        for a, b in zip(network.moving(drrs), network.fixed(xrays), strict=True)
    ]
    torch.testing.assert_close(last, levels[-1])
    torch.testing.assert_close(network.eval()(drrs, xrays).detach(), sum(levels))


def test_at_equal_images_prost_begins_with_no_cost_at_all() -> None:
    same = images(2, 32).double()
    assert float(made("prost-m")(same, same).abs().max()) == 0


def test_a_coupling_loses_nothing() -> None:
    torch.manual_seed(0)
    coupling, maps = Coupling(8).double(), images(1, 8).double().expand(1, 8, 8, 8)
    torch.testing.assert_close(coupling.inverse(coupling(maps)), maps)
