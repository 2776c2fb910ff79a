"""The usable pixels of an X-ray: collimators, shutters and metal go, anatomy and air stay."""

import numpy as np
import pytest
from scipy import ndimage

from SphericalRegLib.imaging.mask import estimate_mask, judged_mask

SIZE = 256


def thickness(rows: np.ndarray, columns: np.ndarray, center, radii) -> np.ndarray:
    """Path through an ellipsoid of unit attenuation, as seen along one axis; pixels."""
    inside = 1 - ((rows - center[0]) / radii[0]) ** 2 - ((columns - center[1]) / radii[1]) ** 2
    return 2 * np.sqrt(np.maximum(inside, 0))


def trunk(shape=(SIZE, SIZE), shift=0.0) -> np.ndarray:
    """Line integrals of a trunk with spine, ribs and bowel gas; with ``shift`` beside it there is air."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] * (SIZE / max(shape))
    x = 2.2 * thickness(rows, columns, (128, 128 + shift), (600, 190))
    spine = 0.35 * thickness(rows, columns, (128, 128 + shift), (2000, 19))
    x += spine * (1 + 0.25 * np.cos(2 * np.pi * rows / 24))  # vertebrae and discs
    for level in range(-40, 220, 30):
        bow = level + 0.004 * (columns - 128 - shift) ** 2
        x += 0.25 * np.exp(-(((rows - bow) / 4) ** 2)) * (x > 0.5)
    x -= 0.5 * thickness(rows, columns, (180, 175 + shift), (25, 18)) * (x > 1.5)
    return ndimage.gaussian_filter(np.maximum(x, 0), 0.7)


def limb() -> np.ndarray:
    """A straight thigh with its bone: air on both sides, like a strip-shaped field."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(float)
    return 1.5 * thickness(rows, columns, (128, 120), (2000, 70)) + 0.6 * thickness(
        rows, columns, (128, 125), (2000, 18)
    )


def exposed(x: np.ndarray, opened=1.0, passed=1.0, seed=0, photons=2e4, scatter=0.15) -> np.ndarray:
    """What is read back from a detector: noise, scatter that also falls behind the collimator, 16 bits, logarithm."""
    primary = np.exp(-x) * opened * passed
    # air scatters nothing, and little comes out of a thick body
    spread = ndimage.gaussian_filter(x * np.exp(-x) * opened, 0.1 * x.shape[1])
    counts = np.random.default_rng(seed).poisson(photons * (primary + scatter * spread))
    stored = np.round(np.clip(counts / photons, 0, 1) * 65535)
    return np.log(65535 / np.maximum(stored, 0.5)).astype(np.float32)


def rectangle(top, left, height, width, angle=0.0, shape=(SIZE, SIZE)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    y, x = rows - top - height / 2, columns - left - width / 2
    c, s = np.cos(angle), np.sin(angle)
    return (np.abs(c * y + s * x) < height / 2) & (np.abs(c * x - s * y) < width / 2)


def circle(radius, row=127.5, column=127.5) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return np.hypot(rows - row, columns - column) < radius


FIELDS = {
    "rectangle": rectangle(30, 50, 180, 150),
    "one side": rectangle(-10, -10, 400, 220),
    "slanted": rectangle(45, 40, 160, 170, 0.3),
    "circle": circle(110),
    "cut circle": circle(140),
    "octagon": rectangle(28, 28, 200, 200) & rectangle(28, 28, 200, 200, np.pi / 4),
}


def lost(mask, good) -> float:
    return float((good & ~mask).sum() / good.sum())


# Not the cut circle over air: its four corners then have little in common, and some of them stay.
@pytest.mark.parametrize(
    ("name", "shift"), [(name, shift) for name in FIELDS for shift in (0, 150) if (name, shift) != ("cut circle", 150)]
)
def test_what_lies_beyond_a_collimator_goes_and_the_field_stays(name, shift):
    field = FIELDS[name]
    mask = estimate_mask(exposed(trunk(shift=shift), field))
    assert (mask & ~field).sum() <= 0.01 * (~field).sum()
    assert lost(mask, ndimage.binary_erosion(field, iterations=4, border_value=1)) < 0.03


@pytest.mark.parametrize("x", [trunk(), trunk(shift=150), trunk(shift=-170), limb(), limb().T])
@pytest.mark.parametrize("seed", [0, 1])
def test_an_image_without_a_collimator_stays_whole(x, seed):
    assert lost(estimate_mask(exposed(x, seed=seed)), np.ones(x.shape, bool)) < 0.01


def test_noise_alone_loses_nothing():
    image = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype(np.float32)
    assert lost(estimate_mask(image), np.ones(image.shape, bool)) < 0.01


def test_large_and_oblong_images_are_judged_at_their_own_size():
    shape = (768, 600)
    field = rectangle(90, 130, 560, 400, -0.1, shape)
    mask = estimate_mask(exposed(trunk(shape), field))
    assert mask.shape == shape
    assert (mask & ~field).sum() <= 0.01 * (~field).sum()
    assert lost(mask, ndimage.binary_erosion(field, iterations=12)) < 0.03


@pytest.mark.parametrize("field", [circle(115), rectangle(20, 30, 200, 190)])
@pytest.mark.parametrize("shift", [0, 150])
def test_a_shutter_filled_with_the_value_of_air_goes(field, shift):
    image = exposed(trunk(shift=shift))
    image[~field] = image.min()
    mask = estimate_mask(image)
    if shift == 0:  # with air behind part of its edge it cannot be told from the air
        assert (mask & ~field).sum() <= 0.01 * (~field).sum()
    assert lost(mask, ndimage.binary_erosion(field, iterations=4)) < 0.03


def test_burnt_out_air_stays():
    image = np.maximum(exposed(trunk(shift=150)), 0.4)
    assert lost(estimate_mask(image), np.ones(image.shape, bool)) < 0.01


def test_an_area_without_signal_goes_but_not_single_dark_pixels():
    image = exposed(trunk())
    image[100:140, 60:90] = image.max() + 1
    specks = np.random.default_rng(0).integers(0, 90, (50, 2))
    image[tuple(specks.T)] = image.max()
    mask = estimate_mask(image)
    assert not mask[100:140, 60:90].any()
    assert mask[tuple(specks.T)].mean() > 0.9


def test_instruments_go_and_bone_stays():
    metal = rectangle(60, 150, 8, 70, 0.5) | rectangle(150, 40, 40, 30, 0.2)
    mask = estimate_mask(exposed(trunk(), passed=np.where(metal, 0.01, 1.0)))
    assert (mask & metal).sum() < 0.1 * metal.sum()
    assert lost(mask, ~ndimage.binary_dilation(metal, iterations=5)) < 0.01


def test_what_is_already_excluded_stays_excluded_and_makes_no_edges():
    usable = rectangle(30, 50, 180, 150)
    image = exposed(trunk(), usable)
    mask = estimate_mask(image, usable)
    assert not (mask & ~usable).any()
    assert lost(mask, usable) < 0.01


def test_small_images_are_not_judged():
    image = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    image[:, :10] = 9
    assert estimate_mask(image).all()


def thigh(center: float, radius: float, lean: float = 0.0) -> np.ndarray:
    """Line integrals of a straight thigh and its bone, both of unlimited length."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(float)
    across = columns + lean * (rows - 128)
    soft = 0.03 * thickness(rows, across, (128, center), (2000, radius))
    return soft + 0.02 * thickness(rows, across, (128, center + 5), (2000, 18))


def burnt_out(image: np.ndarray) -> np.ndarray:
    """8 bits, the densest half of the range at the limit."""
    return np.round(255 * np.clip(1.8 * (image - image.min()) / np.ptp(image), 0, 1) ** 0.6).astype(np.float32)


@pytest.mark.parametrize(("center", "radius", "lean"), [(200, 70, 0.0), (60, 120, 0.2), (128, 120, 0.0)])
def test_a_thigh_beside_air_is_no_shutter(center, radius, lean):
    image = exposed(thigh(center, radius, lean))
    assert lost(estimate_mask(image), np.ones(image.shape, bool)) < 0.01
    bright = burnt_out(image)
    assert lost(estimate_mask(bright), np.ones(image.shape, bool)) < 0.4


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_with_the_patient_s_scatter_beyond_is_found(name):
    field = FIELDS[name]
    mask = estimate_mask(exposed(trunk(), field, scatter=1.0))
    assert (mask & ~field).sum() <= 0.2 * (~field).sum()
    assert lost(mask, ndimage.binary_erosion(field, iterations=4, border_value=1)) < 0.03


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("filling", ["air", "dense"])
def test_a_shutter_of_any_shape_and_value_goes(name, filling):
    field = FIELDS[name]
    image = exposed(trunk())
    image[~field] = image.min() if filling == "air" else image.max()
    mask = estimate_mask(image)
    assert (mask & ~field).sum() <= 0.05 * (~field).sum()
    assert lost(mask, ndimage.binary_erosion(field, iterations=4, border_value=1)) < 0.03


def test_a_shutter_of_the_value_of_air_goes_where_it_cuts_the_body_off():
    field = rectangle(30, 40, 180, 180)
    image = np.maximum(exposed(trunk(shift=100)), 0.5)
    image[~field] = image.min()
    mask = estimate_mask(image)
    above_and_below = ~rectangle(30, -50, 180, 400)
    assert (mask & above_and_below).sum() <= 0.05 * above_and_below.sum()
    # a rim of the body that is as dark as the shutter goes with it
    assert lost(mask, ndimage.binary_erosion(field, iterations=4) & (image > 0.6)) < 0.05


def test_much_that_is_left_out_is_said():
    image = exposed(trunk(), rectangle(70, 70, 120, 120), scatter=0.05)
    mask, notes = judged_mask(image)
    assert 1 - mask.mean() > 0.5
    (note,) = notes
    assert f"{100 * (1 - mask.mean()):.0f} % of the picture" in note
    assert "mask='none'" in note


def test_little_that_is_left_out_is_not_said():
    mask, notes = judged_mask(exposed(trunk(), FIELDS["one side"]))
    assert not mask.all()
    assert notes == ()
    assert judged_mask(exposed(trunk()))[1] == ()
