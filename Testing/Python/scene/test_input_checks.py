"""Cheap looks at inputs, on Slicer's own nodes."""

import numpy as np
import pytest

from Testing.Python.scene.builders import add_volume


@pytest.fixture
def checks(a_scene):
    from SphericalRegLib.scene.session import input_checks

    return input_checks


def image(scene, shape, name="image"):
    return add_volume(scene, np.zeros(shape, np.float32), np.eye(4), name)


def marks(scene, names, unplaced=()):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    for index, name in enumerate([*names, *unplaced]):
        node.AddControlPoint([0.0, float(index), 0.0], name)
        if name in unplaced:
            node.UnsetNthControlPointPosition(index)
    return node


def test_slices_are_counted(checks, a_scene):
    assert checks.slice_count(None) == 0
    assert checks.slice_count(a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")) == 0
    assert checks.slice_count(image(a_scene, (1, 4, 5), "image")) == 1
    assert checks.slice_count(image(a_scene, (7, 4, 5), "CT")) == 7


def test_pairs_are_counted_by_name_in_each_chosen_xray(checks, a_scene):
    xray = image(a_scene, (1, 4, 5))
    in_ct = marks(a_scene, ["a", "b", "c"], unplaced=["d"])
    first, second = marks(a_scene, ["a", " b ", "d", "misspelled"]), marks(a_scene, ["a"])
    assert checks.pair_counts(in_ct, [(xray, first), (None, second)]) == [2]
    assert checks.pair_counts(in_ct, [(xray, first), (xray, second)]) == [2, 1]
    assert checks.pair_counts(None, [(xray, first)]) == [0]


def test_segments_that_are_not_there_are_named(checks, a_scene):
    node = a_scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    there = node.GetSegmentation().AddEmptySegment("Segment_1")
    assert checks.lost_segments(node, [there, "Segment_2"]) == ["Segment_2"]
    assert checks.lost_segments(None, [there]) == [there]
    assert checks.segment_names(node) == ((there, node.GetSegmentation().GetSegment(there).GetName()),)
    assert checks.segment_names(None) == ()


def test_an_images_size_is_rows_and_columns(checks, a_scene):
    assert checks.image_size(image(a_scene, (1, 4, 5))) == (4, 5)
    assert checks.image_size(a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")) is None
    assert checks.image_size(None) is None


def test_one_image_is_not_two_views(checks, a_scene):
    one = image(a_scene, (1, 4, 5), "one")
    other = image(a_scene, (1, 4, 5), "other")
    empty = a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert checks.same_data(one, one)
    assert not checks.same_data(one, other)
    assert not checks.same_data(one, None)
    assert not checks.same_data(empty, a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))
    other.SetAndObserveImageData(one.GetImageData())
    assert checks.same_data(one, other)


def test_where_a_scene_leaves_no_choice_its_ct_and_xray_are_known(checks, a_scene):
    from SphericalRegLib.scene import carm
    from Testing.Python.scene import scans

    assert checks.only_inputs(a_scene) == (None, None)
    ct = image(a_scene, (7, 4, 5), "CT")
    xray = image(a_scene, (1, 4, 5), "X-ray")
    # what is made for a C-arm is nobody's input
    carm.add_carm(a_scene, [scans.xray()], scans.truth(), "C-arm", ct_node=ct)
    add_volume(a_scene, np.zeros((7, 4, 5), np.int16), np.eye(4), "labels", "vtkMRMLLabelMapVolumeNode")
    assert checks.only_inputs(a_scene) == (ct, xray)
    image(a_scene, (1, 4, 5), "another X-ray")
    assert checks.only_inputs(a_scene) == (ct, None)
