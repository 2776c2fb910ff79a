"""Pixels count by how much of their gradient is bone's."""

import torch

from SphericalRegLib.similarity.weights import bone_share


def ramp(slope_u: float, slope_v: float) -> torch.Tensor:
    v, u = torch.meshgrid(torch.arange(40.0), torch.arange(50.0), indexing="ij")
    return (slope_u * u + slope_v * v)[None]


def test_the_share_is_that_of_squared_gradients():
    bone, soft = ramp(0.3, 0.0), ramp(0.0, 0.4)
    share = bone_share(bone, bone + soft)[0, 8:-8, 8:-8]
    torch.testing.assert_close(share, torch.full_like(share, 0.09 / 0.25), rtol=1e-3, atol=1e-4)


def test_bone_alone_counts_fully_skin_alone_and_air_not_at_all():
    inside = (slice(None), slice(8, -8), slice(8, -8))
    bone, soft = ramp(0.3, 0.1), ramp(0.2, 0.4)
    assert bone_share(bone, bone)[inside].min() > 0.999
    assert bone_share(torch.zeros_like(soft), soft)[inside].max() < 1e-6
    assert float(bone_share(torch.zeros(1, 40, 50), torch.zeros(1, 40, 50)).abs().max()) == 0.0


def test_units_of_attenuation_do_not_matter():
    bone, soft = ramp(0.3, 0.1), ramp(0.2, 0.4)
    torch.testing.assert_close(bone_share(bone, bone + soft), bone_share(1e-3 * bone, 1e-3 * (bone + soft)))
