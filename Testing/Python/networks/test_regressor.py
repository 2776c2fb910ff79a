"""Regressors say seven numbers of each image, whatever their backbone, and refuse what they cannot take."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks.backbones import BACKBONES
from SphericalRegLib.networks.regressor import PoseRegressor, count_weights, half_precision

pytestmark = pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_every_backbone_predicts_a_twist_and_whether_it_is_inside_and_learns(backbone):
    regressor = PoseRegressor(backbone, 32, 64)
    found = regressor(torch.randn(3, 1, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert found.twists.shape == (3, 6)
    assert found.inside.shape == (3,)
    (found.twists.square().sum() + found.inside.square().sum()).backward()
    without = [n for n, p in regressor.named_parameters() if p.grad is None]
    assert without == []


def test_an_untrained_one_says_the_nominal_pose():
    found = PoseRegressor(size=32)(torch.randn(8, 1, 32, 32))
    assert float(found.twists.detach().abs().max()) < 0.3


def test_images_are_judged_one_by_one():
    regressor = PoseRegressor(size=32).eval()
    images = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    together, alone = regressor(images).twists, regressor(images[2:3]).twists
    torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-5)


def test_its_settings_rebuild_it():
    first = PoseRegressor("convnext", 16, 32)
    second = PoseRegressor(**first.settings)
    second.load_state_dict(first.state_dict())
    images = torch.randn(2, 1, 32, 32)
    assert torch.equal(first.eval()(images).twists, second.eval()(images).twists)
    assert count_weights(first) == count_weights(second) > 10_000


@pytest.mark.parametrize("shape", [(2, 1, 64, 32), (2, 3, 32, 32), (1, 32, 32)])
def test_other_images_are_refused(shape):
    with pytest.raises(InputError, match=r"images \(B, 1, 32, 32\), not"):
        PoseRegressor(size=32)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet1"}, "no backbone 'resnet1': choose from resnet18"),
        ({"width": 12}, "width 12 must be a multiple of 8"),
        ({"width": 48}, "width 48 must be a multiple of its 32 groups"),
        ({"backbone": "swin", "width": 40}, "width 40 must be a multiple of 32"),
        ({"size": 48}, "size 48 must be a multiple of 32"),
    ],
)
def test_what_there_is_not_is_refused_by_name(options, message):
    with pytest.raises(InputError, match=message):
        PoseRegressor(**options)


def test_sixteen_bits_keep_integers_and_refuse_what_they_cannot_hold():
    small = half_precision({"w": torch.tensor([0.5, 3.0]), "n": torch.tensor([70_000])})
    assert small["w"].dtype == torch.float16
    assert int(small["n"]) == 70_000
    with pytest.raises(InputError, match="w do not fit into 16 bits"):
        half_precision({"w": torch.tensor([1e6])})
