"""RAS and LPS, and DICOM's letters."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import frames, se3

components = st.floats(-1e4, 1e4)


@given(st.tuples(components, components, components))
def test_flipping_points_twice_gives_them_back(point):
    p = torch.tensor([point], dtype=torch.float64)
    assert torch.equal(frames.flip_points(frames.flip_points(p)), p)


def test_left_and_posterior_are_positive_in_lps():
    left_posterior_superior = frames.direction("L") + frames.direction("P") + frames.direction("S")
    assert frames.flip_points(left_posterior_superior).tolist() == [1, 1, 1]


def test_a_flipped_affine_maps_the_same_voxel_to_the_flipped_point():
    pose = se3.exp(torch.tensor([0.3, -0.5, 0.2, -40, 25, 800], dtype=torch.float64))
    affine = pose @ torch.diag(torch.tensor([0.9, 1.3, 2.5, 1.0], dtype=torch.float64))
    voxel = torch.tensor([3.0, 5, 7, 1], dtype=torch.float64)
    flipped = (frames.flip_affine(affine) @ voxel)[:3]
    assert torch.allclose(flipped, frames.flip_points((affine @ voxel)[:3]))


def test_a_flipped_transform_moves_flipped_points_the_same_way():
    pose = se3.exp(torch.tensor([0.3, -0.5, 0.2, -40, 25, 800], dtype=torch.float64))
    points = torch.tensor([[1.0, 20, -300], [40, -5, 6]], dtype=torch.float64)
    there = se3.transform_points(frames.flip_transform(pose), frames.flip_points(points))
    assert torch.allclose(frames.flip_points(there), se3.transform_points(pose, points))


@pytest.mark.parametrize("letters", ["L", "R", "A", "P", "H", "F", "LP", "RA", "HL", "FAR"])
def test_letters_survive_a_round_trip(letters):
    assert frames.direction_letters(frames.direction(letters), smallest=0.1) == letters


def test_slicers_letters_for_head_and_foot_are_understood_too():
    assert torch.equal(frames.direction("S"), frames.direction("H"))
    assert torch.equal(frames.direction("i"), frames.direction("F"))


def test_small_components_are_left_out():
    assert frames.direction_letters(torch.tensor([-0.98, 0.05, 0.19])) == "L"


@pytest.mark.parametrize("letters", ["", "X", "LR", "LL", "HS"])
def test_letters_that_say_nothing_are_refused(letters):
    with pytest.raises(GeometryError, match="direction"):
        frames.direction(letters)
