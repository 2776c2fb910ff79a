"""The encoder's shapes, its locality, and that its forward derivatives can be differentiated again."""

from __future__ import annotations

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks import Encoder


@pytest.mark.parametrize(("height", "width", "grid"), [(64, 64, (8, 8)), (256, 256, (32, 32)), (61, 90, (8, 12))])
def test_one_feature_stands_for_eight_pixels_whatever_the_size(height, width, grid):
    torch.manual_seed(0)
    assert Encoder(channels=5, width=32, blocks=1)(torch.rand(2, 1, height, width)).shape == (2, 5, *grid)


def test_forward_mode_agrees_with_reverse_mode_and_can_be_differentiated_again():
    torch.manual_seed(0)
    encoder = Encoder(channels=2, width=16, blocks=1, heads=2).double()
    image, direction = torch.rand(2, 1, 1, 16, 16, dtype=torch.float64)
    _, forward = torch.func.jvp(encoder, (image,), (direction,))
    jacobian = torch.autograd.functional.jacobian(encoder, image)
    torch.testing.assert_close(forward, torch.einsum("bcijznuv,znuv->bcij", jacobian, direction))

    def of_weight(weight):
        parameters = {**dict(encoder.named_parameters()), "blocks.0.query.weight": weight}
        return torch.func.jvp(lambda x: torch.func.functional_call(encoder, parameters, (x,)), (image,), (direction,))[
            1
        ]

    weight = encoder.blocks[0].query.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(of_weight, weight, eps=1e-5, atol=1e-5)


def test_its_settings_rebuild_it():
    torch.manual_seed(0)
    first = Encoder(channels=3, width=32, blocks=2, heads=4)
    second = Encoder(**first.settings)
    second.load_state_dict(first.state_dict())
    image = torch.rand(1, 1, 32, 32)
    assert torch.equal(first(image), second(image))


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 2, 32, 32), (1, 1, 7, 32)])
def test_other_images_are_refused(shape):
    with pytest.raises(InputError, match=r"\(B, 1, H, W\)"):
        Encoder(width=16, heads=4)(torch.rand(shape))


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(InputError, match="width 20"):
        Encoder(width=20, heads=4)
