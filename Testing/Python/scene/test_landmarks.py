"""Landmarks in the CT and on X-ray images: to arrays and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.scene.landmarks import (
    landmarks_from_markups,
    markups_from_landmarks,
    markups_on_image,
    pixels_from_markups,
)
from Testing.Python.scene.builders import add_bent_transform, add_linear_transform, add_volume, voxel_in_world

POINTS = {"ASIS left": [-81.5, 12.25, -7.125], "L4": [3.0, -40.0, 155.0], "sacrum": [0.1, -66.6, 20.2]}
PLACES = {"ASIS left": [3.25, 41.5], "L4": [60.0, 0.0], "sacrum": [-0.5, 47.5]}


def oblique(name: str = "outer") -> np.ndarray:
    angle = {"outer": 0.4, "inner": -1.2}[name]
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
    matrix[:3, 3] = [15.0, -70.0, 33.0]
    return matrix


def test_points_come_back_to_the_last_digit(a_scene: Any) -> None:
    node = markups_from_landmarks(a_scene, POINTS, "landmarks")
    found = landmarks_from_markups(node)
    assert list(found) == list(POINTS)
    for name, point in POINTS.items():
        np.testing.assert_allclose(found[name], point, rtol=0, atol=1e-6)


def test_points_are_told_in_the_world_under_any_transform(a_scene: Any) -> None:
    node = markups_from_landmarks(a_scene, POINTS, "landmarks")
    outer = add_linear_transform(a_scene, oblique("outer"))
    inner = add_linear_transform(a_scene, oblique("inner"), outer)
    node.SetAndObserveTransformNodeID(inner.GetID())
    for name, point in landmarks_from_markups(node).items():
        expected = oblique("outer") @ oblique("inner") @ [*POINTS[name], 1.0]
        np.testing.assert_allclose(point, expected[:3], atol=1e-6)
    bent = add_bent_transform(a_scene)
    node.SetAndObserveTransformNodeID(bent.GetID())
    expected = bent.GetTransformToParent().TransformPoint(POINTS["L4"])
    np.testing.assert_allclose(landmarks_from_markups(node)["L4"], expected, atol=1e-6)


def test_points_that_are_not_placed_are_left_out(a_scene: Any) -> None:
    node = markups_from_landmarks(a_scene, POINTS, "landmarks")
    node.UnsetNthControlPointPosition(1)
    assert list(landmarks_from_markups(node)) == ["ASIS left", "sacrum"]


def test_names_must_tell_points_apart(a_scene: Any) -> None:
    node = markups_from_landmarks(a_scene, POINTS, "landmarks")
    node.SetNthControlPointLabel(2, "L4")
    with pytest.raises(InputError, match="'landmarks' has two landmarks named 'L4'"):
        landmarks_from_markups(node)
    node.SetNthControlPointLabel(2, " ")
    with pytest.raises(InputError, match="Point 3 of 'landmarks' has no name"):
        landmarks_from_markups(node)
    with pytest.raises(InputError, match="No list of landmarks was chosen"):
        landmarks_from_markups(None)


@pytest.mark.parametrize("lying", ["as loaded", "oblique and transformed"])
def test_marks_on_an_image_are_pixels_and_back(a_scene: Any, lying: str) -> None:
    matrix = np.diag([-0.4, -0.3, 1.0, 1.0]) if lying == "as loaded" else oblique() @ np.diag([0.4, 0.7, 1.0, 1.0])
    image = add_volume(a_scene, np.zeros((1, 48, 64), np.float32), matrix, "AP")
    if lying != "as loaded":
        image.SetAndObserveTransformNodeID(add_linear_transform(a_scene, oblique("inner")).GetID())
    node = markups_on_image(a_scene, PLACES, image, "marks")
    for name, (u, v) in PLACES.items():
        np.testing.assert_allclose(landmarks_from_markups(node)[name], voxel_in_world(image, (u, v, 0)), atol=1e-6)
        np.testing.assert_allclose(pixels_from_markups(node, image)[name], (u, v), atol=1e-6)


def test_marks_on_a_frame_of_a_run_are_told_from_others(a_scene: Any) -> None:
    image = add_volume(a_scene, np.zeros((3, 48, 64), np.float32), np.diag([-0.4, -0.3, 1.0, 1.0]), "run")
    node = markups_from_landmarks(a_scene, {"a": voxel_in_world(image, (5, 6, 2))}, "marks")
    np.testing.assert_allclose(pixels_from_markups(node, image, frame=2)["a"], (5, 6), atol=1e-6)
    with pytest.raises(InputError, match=r"'a' of 'marks' lies 2\.0 slices off the image 'run'"):
        pixels_from_markups(node, image, frame=0)


def test_marks_beside_the_image_are_refused(a_scene: Any) -> None:
    image = add_volume(a_scene, np.zeros((1, 48, 64), np.float32), np.diag([-0.4, -0.3, 1.0, 1.0]), "AP")
    node = markups_from_landmarks(a_scene, {"a": voxel_in_world(image, (64, 6, 0))}, "marks")
    with pytest.raises(InputError, match=r"'a' of 'marks' lies outside of the image 'AP', at column 64\.0, row 6\.0"):
        pixels_from_markups(node, image)
    image.SetAndObserveTransformNodeID(add_bent_transform(a_scene).GetID())
    with pytest.raises(GeometryError, match="not linear"):
        pixels_from_markups(node, image)
