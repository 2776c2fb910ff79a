"""The functions of one ray as plain Python, without a compiler: what they say holds on every target."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.rendering.ray.clip import make_clip
from SphericalRegLib.rendering.ray.columns import make_columns, make_cotangents
from SphericalRegLib.rendering.ray.samples import make_accumulate, make_scatter, make_total
from SphericalRegLib.rendering.ray.target import Target

SIZES = (6, 7, 8)


def as_written(function):
    return function


def add(flat, index, value):
    flat[index] += value


PYTHON = Target(
    as_written,
    as_written,
    np.int32,
    lambda a, b, c: np.int32(int(a) * int(b) + int(c)),
    lambda flat, index: (flat[index], flat[index + 1]),
)
clip, columns, cotangents = make_clip(PYTHON), make_columns(PYTHON), make_cotangents(PYTHON)
accumulate, total, scatter = make_accumulate(PYTHON), make_total(PYTHON), make_scatter(PYTHON, add)

#: Samples x0 + k·hx, ... that stay inside, leave through a face, and lie on one.
SAMPLES = {
    "inside": (1.2, 1.4, 1.7, 0.31, 0.37, 0.43),
    "backwards": (4.4, 5.4, 6.3, -0.31, -0.37, -0.41),
    "on a face": (0.5, 1.0, 6.5, 0.0, 0.5, 0.0),
    "rounded out": (5.0, 1.0, 1.0, 0.001, 0.1, 0.1),
}
every_line = pytest.mark.parametrize("line", SAMPLES.values(), ids=SAMPLES)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def ray(generator):
    """What ``columns`` takes after the sums: a ray that enters through axis 1 and leaves through axis 2."""
    first, h, scale = generator.random(3)
    u0, u1 = np.sort(generator.random(2))
    vectors = generator.standard_normal(9)
    return (first, h, scale, u0, u1, 1, 2, *vectors, generator.standard_normal((3, 3)))


@pytest.mark.parametrize(
    ("start", "direction", "expected"),
    [
        ((-1.0, 3.0, 3.0), (10.0, 0.0, 0.0), (0.15, 0.55, 0, 0)),
        ((3.0, 3.0, 3.0), (0.5, 0.0, 0.0), (0.0, 1.0, -1, -1)),
        ((3.0, 8.0, 3.0), (0.0, -10.0, 0.0), (0.25, 0.75, 1, 1)),
        ((2.0, 3.0, -2.0), (0.0, 0.0, 5.0), (0.5, 1.0, 2, -1)),
    ],
)
def test_a_ray_is_clipped_to_the_box_between_the_padding(start, direction, expected):
    n0, n1, n2 = SIZES
    assert clip(*np.array(start), *np.array(direction), n0, n1, n2) == pytest.approx(expected)


@pytest.mark.parametrize("start", [(0.4, 3.0, -1.0), (3.0, 9.0, -1.0), (3.0, 3.0, 20.0)])
def test_a_ray_that_misses_the_volume_leaves_before_it_enters(start):
    u0, u1, _, _ = clip(*np.array(start), 0.0, 0.0, 8.0, *SIZES)
    assert u1 <= u0


@every_line
def test_sums_of_parts_are_those_of_the_whole(line, generator):
    flat = generator.random(np.prod(SIZES))
    whole = accumulate(flat, *SIZES, *np.array(line), 0, 10)
    parts = [accumulate(flat, *SIZES, *np.array(line), *ends) for ends in ((0, 4), (4, 9), (9, 10))]
    np.testing.assert_allclose(np.sum(parts, axis=0), whole, rtol=1e-13, atol=1e-13)
    assert total(flat, *SIZES, *np.array(line), 0, 10) == pytest.approx(whole[0], rel=1e-13)


@pytest.mark.parametrize("axis", range(3))
def test_summed_gradients_are_the_derivative_of_the_sum(axis, generator):
    flat, step = generator.random(np.prod(SIZES)), 1e-6
    line = np.array(SAMPLES["inside"])
    sums = accumulate(flat, *SIZES, *line, 0, 10)
    for index, expected in ((axis, sums[1 + axis]), (3 + axis, sums[4 + axis])):
        ahead, behind = line.copy(), line.copy()
        ahead[index] += step
        behind[index] -= step
        difference = total(flat, *SIZES, *ahead, 0, 10) - total(flat, *SIZES, *behind, 0, 10)
        assert difference / (2 * step) == pytest.approx(expected, rel=1e-7, abs=1e-7)


@every_line
def test_what_is_scattered_is_the_transpose_of_what_is_accumulated(line, generator):
    flat, weights = generator.random(np.prod(SIZES)), generator.standard_normal(7)
    scattered = np.zeros_like(flat)
    scatter(scattered, *SIZES, *np.array(line), 0, 10, *weights)
    sums = accumulate(flat, *SIZES, *np.array(line), 0, 10)
    assert scattered @ flat == pytest.approx(np.dot(sums, weights), rel=1e-12)


def test_cotangents_of_sums_are_the_transpose_of_pixel_and_columns(generator):
    geometry = ray(generator)
    scale, span = geometry[2], geometry[4] - geometry[3]
    sums, weights = generator.standard_normal(7), generator.standard_normal(7)
    pixel = scale * sums[0] * span
    forward = weights[0] * pixel + np.dot(weights[1:], columns(*sums, *geometry))
    assert np.dot(cotangents(*weights, *geometry), sums) == pytest.approx(forward, rel=1e-12)
