"""The encoder's shapes, its locality, and that its forward derivatives can be differentiated again."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks import Encoder, layers


def random_images(batch, height, width, along=None):
    shape = (batch, 1, height, width) if along is None else (batch, along, 1, height, width)
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize(("height", "width", "grid"), [(64, 64, (8, 8)), (256, 256, (32, 32)), (61, 90, (8, 12))])
def test_one_feature_stands_for_eight_pixels_whatever_the_size(height, width, grid):
    torch.manual_seed(0)
    assert Encoder(channels=5, width=32, blocks=1)(torch.rand(2, 1, height, width)).shape == (2, 5, *grid)


@pytest.mark.parametrize("name", ["stem.0.weight", "stem.1.weight", "blocks.0.before.weight", "blocks.0.query.weight"])
def test_forward_mode_agrees_with_reverse_mode_and_can_be_differentiated_again(name):
    torch.manual_seed(0)
    encoder = Encoder(channels=2, width=16, blocks=1, heads=2).double()
    image, direction = torch.rand(2, 1, 1, 16, 16, dtype=torch.float64)
    _, forward = torch.func.jvp(encoder, (image,), (direction,))
    jacobian = torch.autograd.functional.jacobian(encoder, image)
    torch.testing.assert_close(forward, torch.einsum("bcijznuv,znuv->bcij", jacobian, direction))

    def of_weight(weight):
        parameters = {**dict(encoder.named_parameters()), name: weight}
        return torch.func.jvp(lambda x: torch.func.functional_call(encoder, parameters, (x,)), (image,), (direction,))[
            1
        ]

    weight = encoder.get_parameter(name).detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(of_weight, weight, eps=1e-5, atol=1e-5)


class TestLinearize:
    """The derivative that is written out, against torch's forward mode and against differences."""

    @pytest.fixture
    def encoder(self):
        torch.manual_seed(0)
        made = Encoder(channels=3, width=32, blocks=2, heads=4).double()
        # so that no part is at a special value
        for parameter in made.parameters():
            nn.init.normal_(parameter, std=0.3)
        return made

    @pytest.mark.parametrize("size", [(61, 90), (64, 64), (8, 8)])
    @pytest.mark.parametrize("gradients", [False, True])
    def test_is_what_forward_mode_gives(self, encoder, size, gradients):
        images, directions = random_images(3, *size), random_images(3, *size, along=4)
        before = images.clone(), directions.clone()
        with torch.set_grad_enabled(gradients):
            features, along = encoder.linearize(images, directions)
        assert (torch.equal(images, before[0]), torch.equal(directions, before[1])) == (True, True)
        torch.testing.assert_close(features, encoder(images))
        for n in range(4):
            expected = torch.func.jvp(encoder, (images,), (directions[:, n],))[1]
            torch.testing.assert_close(along[:, n], expected, atol=1e-10, rtol=1e-8)

    def test_is_the_limit_of_differences(self, encoder):
        images, directions = random_images(2, 40, 32), random_images(2, 40, 32, along=3)
        with torch.no_grad():
            along = encoder.linearize(images, directions)[1]
            step = 1e-5
            for n in range(3):
                after, before = (encoder(images + sign * step * directions[:, n]) for sign in (1, -1))
                torch.testing.assert_close(along[:, n], (after - before) / (2 * step), atol=1e-7, rtol=1e-5)

    def test_gradients_to_the_weights_are_those_through_forward_mode(self, encoder):
        images, directions = random_images(2, 32, 32), random_images(2, 32, 32, along=2)

        def gradients(features, along):
            loss = features.square().mean() + (along * along.roll(1, 1)).mean()
            return torch.autograd.grad(loss, list(encoder.parameters()))

        pairs = [torch.func.jvp(encoder, (images,), (directions[:, n],)) for n in range(2)]
        expected = gradients(pairs[0][0], torch.stack([along for _, along in pairs], dim=1))
        found = gradients(*encoder.linearize(images, directions))
        for (name, _), one, other in zip(encoder.named_parameters(), found, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-7, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(
    ("ours", "theirs"), [(layers.GroupNorm, nn.GroupNorm(4, 8)), (layers.LayerNorm, nn.LayerNorm(8))]
)
def test_normalization_written_out_is_torchs_own(ours, theirs):
    torch.manual_seed(0)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    made = ours(8)
    made.load_state_dict(theirs.state_dict())
    values = 5 + 3 * torch.randn(2, 8, 6, 8)
    torch.testing.assert_close(made(values), theirs(values))


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
    with pytest.raises(InputError, match=r"\(B, 1, H, W\)"):
        Encoder(width=16, heads=4).linearize(torch.rand(shape), torch.rand(1, 6, 1, 32, 32))


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(InputError, match="width 20"):
        Encoder(width=20, heads=4)
