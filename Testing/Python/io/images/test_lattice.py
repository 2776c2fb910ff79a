"""Grids that share voxels: every order and direction of axes, crops, and grids that do not share them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from SphericalRegLib.io.images.lattice import onto_lattice, overlaps, place_on_lattice
from Testing.Python.io import builders

SIZE = (24, 20, 12)
ORDERS = [(axes, flips) for axes in itertools.permutations(range(3)) for flips in itertools.product((1, -1), repeat=3)]


def grid() -> np.ndarray:
    """Oblique, anisotropic, off-center."""
    spacing, directions, origin = builders.oblique_grid()
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = directions * spacing, origin
    return matrix


def reordered(axes: tuple[int, ...], flips: tuple[int, ...], low: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
    """The matrix of a grid whose axis n runs along (1) or against (-1) axis ``axes[n]`` of :func:`grid`.

    It covers ``size`` voxels of that from ``low`` on, both along the axes of :func:`grid`.
    """
    steps, first = np.zeros((3, 3)), np.array(low, dtype=float)
    for own, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        steps[axis, own] = flip
        if flip < 0:
            first[axis] += size[axis] - 1
    into = np.eye(4)
    into[:3, :3], into[:3, 3] = steps, first
    return grid() @ into


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_every_voxel_finds_its_place_whatever_the_axes(axes: tuple[int, ...], flips: tuple[int, ...]) -> None:
    low, size = (-2, 3, 1), (9, 8, 15)  # beyond the CT at two sides, within it at the others
    own_size = tuple(size[axis] for axis in axes)
    matrix = reordered(axes, flips, low, size)
    values = np.random.default_rng(0).integers(1, 1000, own_size[::-1])
    placement = place_on_lattice(matrix, own_size, grid(), 0.1)
    assert placement is not None
    assert overlaps(placement, SIZE)
    result = onto_lattice(values, placement, SIZE)
    # each voxel by itself, by where it lies in the world
    expected = np.zeros(SIZE[::-1], int)
    for k, j, i in np.ndindex(values.shape):
        place = np.round(np.linalg.inv(grid()) @ matrix @ [i, j, k, 1])[:3].astype(int)
        if (place >= 0).all() and (place < SIZE).all():
            expected[place[2], place[1], place[0]] = values[k, j, i]
    np.testing.assert_array_equal(result, expected)


def test_the_whole_grid_comes_back_as_it_is() -> None:
    placement = place_on_lattice(grid(), SIZE, grid(), 0.1)
    assert placement == ((0, 1, 2), (False, False, False), (0, 0, 0), SIZE)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m @ np.diag([1.05, 1, 1, 1]),
        lambda m: m @ np.diag([2.0, 1, 1, 1]),
        lambda m: m @ np.array([[1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        lambda m: m @ np.array([[1, 0.02, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        lambda m: m @ np.diag([1.0, 0, 1, 1]),
        lambda m: m * np.nan,
    ],
)
def test_other_voxels_are_told_apart(change) -> None:
    assert place_on_lattice(change(grid()), SIZE, grid(), 0.1) is None


def test_a_tenth_of_a_voxel_is_rounding() -> None:
    matrix = grid()
    matrix[:3, 3] += 0.05 * np.linalg.norm(matrix[:3, :3], axis=0).min()
    assert place_on_lattice(matrix, SIZE, grid(), 0.1) is not None


def test_a_grid_beside_the_other_does_not_overlap() -> None:
    beside = place_on_lattice(reordered((0, 1, 2), (1, 1, 1), (24, 0, 0), (4, 4, 4)), (4, 4, 4), grid(), 0.1)
    assert beside is not None
    assert not overlaps(beside, SIZE)
