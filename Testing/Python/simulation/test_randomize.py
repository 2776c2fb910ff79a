"""Domain randomization: each step against its description, and reproducible from the state of one generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.randomize import STEPS, randomize


def pictures(count: int = 64, height: int = 20, width: int = 30) -> torch.Tensor:
    """(B, H, W) float64, between 0.1 and 0.8."""
    return 0.1 + 0.7 * torch.rand(count, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_seed_gives_the_same_images_and_the_input_stays_as_it_was():
    images = pictures()
    before = images.clone()
    first, second, other = (randomize(images, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1
    assert first.dtype == images.dtype


def test_training_resumes_exactly_from_the_generators_state():
    images, generator = pictures(), seeded()
    randomize(images, generator)
    state = generator.get_state()
    expected = randomize(images, generator)
    resumed = torch.Generator()
    resumed.set_state(state)
    assert torch.equal(randomize(images, resumed), expected)


def test_each_step_meets_about_half_of_the_images():
    images = pictures(2000, 4, 4)
    for name in STEPS:
        changed = (randomize(images, seeded(), [name]) != images).flatten(1).any(1).double().mean()
        # a rectangle of 2 % of 16 pixels may be none at all
        assert 0.35 < changed < 0.55, name


def test_smoothing_is_the_mean_of_nine_or_twenty_five_pixels():
    images = pictures()
    found = randomize(images, seeded(), ["smoothing"], probability=1).numpy()[:, 2:-2, 2:-2]
    three, five = (
        np.stack([ndimage.uniform_filter(i, size) for i in images.numpy()])[:, 2:-2, 2:-2] for size in (3, 5)
    )
    by_three = np.isclose(found, three).all((1, 2))
    by_five = np.isclose(found, five).all((1, 2))
    assert (by_three ^ by_five).all()
    assert 10 < by_three.sum() < 54


def test_noise_is_as_strong_as_told():
    images = torch.full((400, 30, 30), 0.5, dtype=torch.float64)
    added = randomize(images, seeded(), ["noise"], probability=1) - images
    deviation = added.std(dim=(1, 2))
    assert float(deviation.max()) < 0.4 * 0.15 * 0.5 * 1.1
    assert float(deviation.min()) < 0.001
    # |U(-0.15, 0.1)| has mean (0.15² + 0.1²) / (2 · 0.25) = 0.065
    assert float(deviation.mean()) == pytest.approx(0.4 * 0.065 * 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("scale", 0.9, 1.05), ("gamma", 0.7, 1.3)],
)
def test_scale_and_gamma_stay_in_their_ranges_and_fill_them(name, low, high):
    images = pictures(300)
    found = randomize(images, seeded(), [name], probability=1)
    factor = (found / images) if name == "scale" else found.log() / images.log()
    per_image = factor.flatten(1)[:, :50]
    torch.testing.assert_close(per_image, per_image[:, :1].expand_as(per_image))
    assert low <= float(factor.min()) < low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) < float(factor.max()) <= high


def test_new_bounds_are_linear_and_bring_the_maximum_near_one():
    images = pictures(300)
    peak = images.amax((1, 2))
    found = STEPS["bounds"](images, seeded())
    slope = (found[:, 0, 1] - found[:, 0, 0]) / (images[:, 0, 1] - images[:, 0, 0])
    lower = images[:, 0, 0] - found[:, 0, 0] / slope
    upper = lower + 1 / slope
    for value, low, high in ((lower / peak, -0.04, 0.02), (upper / peak, 0.9, 1.05)):
        assert low - 1e-6 <= float(value.min()) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < float(value.max()) <= high + 1e-6


def test_the_sine_is_a_sine():
    images = pictures(200)
    found = STEPS["sine"](images, seeded())
    generator = seeded()
    a, b, c = (
        low + (high - low) * torch.rand(200, 1, 1, generator=generator)
        for low, high in ((0.8, 1.1), (0.8, 1.1), (-0.5, 0.4))
    )
    torch.testing.assert_close(found, a.double() * torch.sin(b.double() * images + c.double()))


def test_one_rectangle_is_erased_of_the_size_and_shape_told():
    images = pictures(300, 60, 80)
    found = STEPS["erasing"](images, seeded())
    shares, aspects = [], []
    for image, erased in zip(images.numpy(), found.numpy(), strict=True):
        rows, columns = np.nonzero(erased != image)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height * width == len(rows)
        assert np.allclose(erased[rows, columns], image.mean())
        shares.append(height * width / image.size)
        aspects.append(height / width)
    assert 0.015 < min(shares) < 0.05
    assert 0.35 < max(shares) < 0.41
    assert min(aspects) < 0.5
    assert max(aspects) > 2
    assert min(aspects) > 0.25
    assert max(aspects) < 4


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value):
    images = pictures(2)
    images[1, 3, 3] = value
    with pytest.raises(InputError, match="NaN or infinity"):
        randomize(images, seeded())


def test_other_shapes_and_unknown_steps_are_refused():
    with pytest.raises(InputError, match=r"\(B, H, W\)"):
        randomize(torch.zeros(4, 4), seeded())
    with pytest.raises(InputError, match="no randomization fog"):
        randomize(pictures(1), seeded(), ["fog"])


def test_a_black_image_stays_finite():
    assert torch.isfinite(randomize(torch.zeros(50, 8, 8), seeded())).all()
