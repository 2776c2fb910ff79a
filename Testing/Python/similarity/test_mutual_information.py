"""Mutual information against a histogram made by hand, and what it is for."""

import numpy as np
import pytest
import torch

from SphericalRegLib.similarity import NCC, SIMILARITIES, MutualInformation, ToneFreeGradient
from Testing.Python.similarity.scenes import HEIGHT, WIDTH, moving_images, picture

everywhere = torch.ones(HEIGHT, WIDTH).double()


def cost(similarity, image, xray, mask=everywhere) -> float:
    fixed = similarity.fix(xray, mask)
    return float(fixed.compare(image[None], image.new_zeros(1, 0, *image.shape), fixed.support[None]).cost)


def textured(size: int = 96) -> torch.Tensor:
    """(size, size) of smooth random shading."""
    generator = np.random.default_rng(3)
    frequencies = generator.normal(size=(12, 2)) * 0.25
    phases = generator.uniform(0, 2 * np.pi, 12)
    v, u = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    waves = [np.cos(f[0] * u + f[1] * v + p) for f, p in zip(frequencies, phases, strict=True)]
    return torch.from_numpy(np.sum(waves, axis=0))


def test_it_is_the_share_of_information_that_a_plain_histogram_tells():
    """Parzen windows smear the DRR's bins; with many pixels and the same smoothing the shares are close."""
    xray = textured()
    drr = 0.6 * xray + 0.8 * torch.roll(xray, (31, 17), (0, 1))
    mask = torch.ones_like(xray)
    joint = np.histogram2d(xray.numpy().ravel(), drr.numpy().ravel(), bins=16)[0]
    joint /= joint.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        told = np.nansum(joint * np.log(joint / joint.sum(1, keepdims=True) / joint.sum(0)))
        own = -np.nansum(joint.sum(1) * np.log(joint.sum(1)))
    assert cost(MutualInformation(bins=16, sigma=0.0), drr, xray, mask) == pytest.approx(1 - told / own, abs=0.08)


def test_any_curve_between_the_images_costs_next_to_nothing_more_where_correlation_fails():
    xray = textured()
    mask = torch.ones_like(xray)
    bent = (xray - xray.mean()).abs()
    unlike = torch.roll(xray, (40, 23), (0, 1))
    similarity = MutualInformation()
    assert cost(similarity, bent, xray, mask) < 0.75 < 0.8 < cost(similarity, unlike, xray, mask)
    assert cost(NCC(), bent, xray, mask) > 0.8 * cost(NCC(), unlike, xray, mask)


def test_the_cost_is_a_share():
    for image in (
        *moving_images(0.3 * torch.randn(3, 6, generator=torch.Generator().manual_seed(1)).double()),
        picture(),
    ):
        assert 0 <= cost(MutualInformation(), image, picture()) <= 1
    assert cost(MutualInformation(), torch.zeros(HEIGHT, WIDTH).double(), picture()) == pytest.approx(1, abs=1e-9)


def test_every_entry_of_the_table_names_itself_and_its_cost():
    assert len({entry.title for entry in SIMILARITIES.values()}) == len(SIMILARITIES)
    for name, entry in SIMILARITIES.items():
        assert entry.name == name
        assert name == name.lower()
        assert entry.meaning
        hash(entry.make())
    assert isinstance(SIMILARITIES["tone-free"].make(), ToneFreeGradient)
