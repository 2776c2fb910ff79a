"""Cheap looks at inputs, on Slicer's own nodes."""

import os

import numpy as np
import pytest

from Testing.Python.module.builders import stand_with, volume_node


@pytest.fixture
def checks():
    from SphericalRegUI import InputChecks

    return InputChecks


def marks(scene, names, unplaced=()):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    for index, name in enumerate([*names, *unplaced]):
        node.AddControlPoint([0.0, float(index), 0.0], name)
        if name in unplaced:
            node.UnsetNthControlPointPosition(index)
    return node


def test_slices_are_counted(checks, scene):
    assert checks.sliceCount(None) == 0
    assert checks.sliceCount(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")) == 0
    assert checks.sliceCount(volume_node(scene, "image", np.zeros((1, 4, 5), np.float32), np.eye(4))) == 1
    assert checks.sliceCount(volume_node(scene, "CT", np.zeros((7, 4, 5), np.float32), np.eye(4))) == 7


def test_pairs_are_counted_by_name_in_each_chosen_xray(checks, parameters, scene):
    chosen = stand_with(
        parameters,
        ctLandmarks=marks(scene, ["a", "b", "c"], unplaced=["d"]),
        xray1Landmarks=marks(scene, ["a", " b ", "d", "misspelled"]),
        xray2Landmarks=marks(scene, ["a"]),
    )
    assert checks.pairCounts(chosen) == [2]
    assert checks.pairCounts(stand_with(chosen, xray2Volume=chosen.xray1Volume)) == [2, 1]
    assert checks.pairCounts(stand_with(chosen, ctLandmarks=None)) == [0]


def test_segments_that_are_not_there_are_named(checks, scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    there = node.GetSegmentation().AddEmptySegment("Segment_1")
    assert checks.lostSegments(node, [there, "Segment_2"]) == ["Segment_2"]
    assert checks.lostSegments(None, [there]) == [there]


def test_one_image_is_not_two_views(checks, scene):
    one = volume_node(scene, "one", np.zeros((1, 4, 5), np.float32), np.eye(4))
    other = volume_node(scene, "other", np.zeros((1, 4, 5), np.float32), np.eye(4))
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert checks.sameData(one, one)
    assert not checks.sameData(one, other)
    assert not checks.sameData(one, None)
    assert not checks.sameData(empty, scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))
    other.SetAndObserveImageData(one.GetImageData())
    assert checks.sameData(one, other)


def test_a_calibration_file_is_read_once_for_each_state_of_it(checks, tmp_path):
    from SphericalRegUI.Preparation import calibratedViews

    calls = []
    check = checks.CalibrationCheck(lambda path: (calls.append(path), calibratedViews(path))[1])
    path = tmp_path / "bad.json"
    path.write_text('{"a": 1}')
    for _ in range(3):
        views, text = check(path)
        assert views == []
        assert "not a geometry file" in text
    assert len(calls) == 1
    path.write_text("not even JSON")
    os.utime(path, ns=(1, 1))
    assert "not a JSON file" in check(path)[1]
    assert len(calls) == 2
